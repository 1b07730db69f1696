"""Cuts a stream into batches, and paces it against the clock."""

import time
from collections.abc import Callable, Iterable, Iterator

from ingest.points import SeriesPoint


def batched(points: Iterable[SeriesPoint], size: int, span_ns: int | None = None) -> Iterator[list[SeriesPoint]]:
    """Yield the points as batches.

    Args:
        points: the points, by time.
        size: the most points of a batch.
        span_ns: the most nanoseconds of data that a batch covers; None: no limit.
    """
    batch: list[SeriesPoint] = []
    for point in points:
        full = len(batch) >= size
        if batch and (full or (span_ns is not None and point.time_ns - batch[0].time_ns >= span_ns)):
            yield batch
            batch = []
        batch.append(point)
    if batch:
        yield batch


class Pacer:
    """Holds points back until they are due.

    Args:
        speed_up: how many times as fast as the clock data run.
        clock: returns seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        speed_up: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._speed_up = speed_up
        self._clock = clock
        self._sleep = sleep
        self._began: tuple[float, int] | None = None

    @property
    def span_ns(self) -> int:
        """Nanoseconds of data in one second of the clock.

        A batch that covers no more than this does not hold its first points back for long.
        """
        return max(1, int(self._speed_up * 1_000_000_000))

    def wait_for(self, time_ns: int) -> None:
        """Wait until a point is due; the first point is due at once.

        Args:
            time_ns: the point's time, in nanoseconds since 1970.
        """
        now = self._clock()
        if self._began is None:
            self._began = (now, time_ns)
        began, first_ns = self._began
        rest = began + (time_ns - first_ns) / 1e9 / self._speed_up - now
        if rest > 0:
            self._sleep(rest)
