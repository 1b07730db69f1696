"""A histogram of durations.

Its bounds are fixed, so that it is cheap to fill, and that histograms of different times and tasks can be added up.
"""

from bisect import bisect_left

BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


class Histogram:
    """Counts durations in seconds by upper bound. One thread fills it; another one may read it meanwhile."""

    __slots__ = ("_counts", "_highest", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_MS) + 1)
        self._sum = 0.0
        self._highest = 0.0

    def add(self, seconds: float, count: int) -> None:
        """Count a duration.

        Args:
            seconds: the duration.
            count: how many times it is counted.
        """
        self._counts[bisect_left(BOUNDS_MS, seconds * 1000)] += count
        self._sum += seconds * count
        self._highest = max(self._highest, seconds)

    def as_dict(self) -> dict[str, int | float]:
        """Return `count`, `sum_s`, and for each bound, as in `le_10ms`, how many durations were at most that long."""
        values: dict[str, int | float] = {}
        total = 0
        for bound, count in zip(BOUNDS_MS, self._counts, strict=False):
            total += count
            values[f"le_{bound}ms"] = total
        return {"count": total + self._counts[-1], "sum_s": self._sum, **values}

    def take_highest(self) -> float:
        """Return the longest duration since the last call, 0 if there was none."""
        highest, self._highest = self._highest, 0.0
        return highest
