"""How far a value is from all that was seen before: a set of past values, thinned.

A value that lies within a small share of the range of one that is kept only renews it, so some hundreds of values stand
for a history of any length. The stalest is dropped where there is no room, or where values are to be forgotten.
"""

from array import array
from bisect import bisect_left
from typing import Any

# Distances are right to this share of the range.
_RESOLUTION = 0.002
_MOST_KEPT = 1_000
# Dropping what is stale costs a walk over all that is kept.
_SWEEP = 100


class Novelty:
    """The values of one feature of one series. kept_ns: how long a value is kept that is not seen again; None is for
    ever."""

    __slots__ = ("_added", "_kept_ns", "_seen_ns", "_values")

    def __init__(self, kept_ns: int | None = None) -> None:
        self._kept_ns = kept_ns
        self._values = array("d")
        self._seen_ns = array("q")
        self._added = 0

    def gap(self, value: float, side: int = 0) -> float:
        """The distance to the nearest value seen, in units of the range of those seen. 0 while nothing was seen; 1 for
        whatever differs from the only value seen. side: 1 for 0 below all that was seen, -1 for 0 above."""
        nearest = self.nearest(value)
        if nearest is None or side * value < min(side * self._values[0], side * self._values[-1]):
            return 0.0
        span = self._values[-1] - self._values[0]
        return abs(nearest - value) / span if span > 0.0 else float(nearest != value)

    def nearest(self, value: float) -> float | None:
        """The nearest value seen; None while nothing was seen."""
        values = self._values
        if not values:
            return None
        return values[self._place(value)]

    def _place(self, value: float) -> int:
        """Where the nearest value is, of those there are."""
        values = self._values
        place = bisect_left(values, value)
        if place == len(values) or (place and value - values[place - 1] < values[place] - value):
            return place - 1
        return place

    def add(self, time_ns: int, value: float) -> None:
        """Remembers a value that was seen at `time_ns`."""
        values, seen = self._values, self._seen_ns
        self._added += 1
        if self._kept_ns is not None and self._added % _SWEEP == 0:
            self._forget(time_ns - self._kept_ns)
        if values:
            nearest = self._place(value)
            if abs(values[nearest] - value) <= _RESOLUTION * (values[-1] - values[0]):
                seen[nearest] = time_ns
                return
        place = bisect_left(values, value)
        values.insert(place, value)
        seen.insert(place, time_ns)
        if len(values) > _MOST_KEPT:
            stalest = seen.index(min(seen))
            del values[stalest], seen[stalest]

    def _forget(self, before_ns: int) -> None:
        kept = [index for index, seen in enumerate(self._seen_ns) if seen >= before_ns]
        if len(kept) < len(self._values):
            self._values = array("d", (self._values[index] for index in kept))
            self._seen_ns = array("q", (self._seen_ns[index] for index in kept))

    def state(self) -> Any:
        """For JSON."""
        return [self._values.tolist(), self._seen_ns.tolist(), self._added]

    @classmethod
    def from_state(cls, state: Any, kept_ns: int | None = None) -> "Novelty":
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        novelty = cls(kept_ns)
        values, seen, added = state
        if len(values) != len(seen):
            raise ValueError(f"{len(values)} values, {len(seen)} times")
        novelty._values, novelty._seen_ns = array("d", values), array("q", seen)
        novelty._added = int(added)
        return novelty
