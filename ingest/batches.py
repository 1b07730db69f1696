"""Cuts a stream into batches, and paces it against the clock."""

import time
from collections.abc import Callable, Iterable, Iterator

from ingest.points import SeriesPoint


def batched(points: Iterable[SeriesPoint], size: int, span_ns: int | None = None) -> Iterator[list[SeriesPoint]]:
    """Yield lists of at most ``size`` points that cover at most ``span_ns`` nanoseconds of data."""
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
    """Holds points back until they are due: data's time runs ``speed_up`` times as fast as the clock."""

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
        """Data of one second of the clock: what a batch may cover, so that nothing waits for a batch to fill."""
        return max(1, int(self._speed_up * 1_000_000_000))

    def wait_for(self, time_ns: int) -> None:
        """Return when a point of this time is due; the first one is due at once."""
        now = self._clock()
        if self._began is None:
            self._began = (now, time_ns)
        began, first_ns = self._began
        rest = began + (time_ns - first_ns) / 1e9 / self._speed_up - now
        if rest > 0:
            self._sleep(rest)
