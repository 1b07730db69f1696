"""Keeps as much of a history as fits into memory: all of it, or stretches that are spread evenly over its time.

Training needs no more than some hundred thousand windows, and memory must not grow with the history. The sample keeps
whole stretches of time and not single windows, as detectors learn from neighbours in time. It keeps the same stretches
for all series.

Stretch i is kept at level k when the fractional part of i times the golden ratio is below 2^-k. Such multiples fill the
interval evenly, and do not fall into step with a rhythm of the data, whatever its length (a Kronecker sequence; Knuth,
"The Art of Computer Programming" 3, 6.4, theorem S). The stretches of a level are also stretches of the level before,
so a history of unknown length can be thinned while it is read.
"""

import numpy as np

from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

# 2^64 divided by the golden ratio.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STRETCHES = 10_000


class Sample:
    """The windows of a range, thinned while they are gathered.

    Attributes:
        read: how many windows were added.
    """

    def __init__(self, begin_ns: int, end_ns: int, window_ns: int, most_bytes: int) -> None:
        """Begin an empty sample.

        Args:
            begin_ns: where the range begins.
            end_ns: where it ends.
            window_ns: the length of a window.
            most_bytes: the most that the sample keeps in memory.
        """
        self._begin_ns = begin_ns
        self._stretch_ns = max((end_ns - begin_ns) // _STRETCHES // window_ns, 1) * window_ns
        self._most_bytes = most_bytes
        self._level = 0
        self._keys: dict[Key, int] = {}
        self._kept: list[SeriesWindows] = []
        self._bytes = 0
        self.read = 0

    @property
    def share(self) -> float:
        """The share of time that is kept."""
        return float(2.0**-self._level)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The series that have windows in the range."""
        return tuple(self._keys)

    @property
    def series(self) -> int:
        """How many series have windows in the range."""
        return len(self._keys)

    def add(self, windows: SeriesWindows) -> None:
        """Add windows of one series, later than all before of this series."""
        self.read += len(windows)
        self._keys.setdefault(windows.key, len(self._keys))
        self._append(windows)
        while self._bytes > self._most_bytes and self.share > 1.0 / _STRETCHES:
            self._level += 1
            kept, self._kept, self._bytes = self._kept, [], 0
            for earlier in kept:
                self._append(earlier)

    def _append(self, windows: SeriesWindows) -> None:
        """Keep the windows whose stretches the level keeps."""
        if self._level:
            stretch = ((windows.begin_ns - self._begin_ns) // self._stretch_ns).astype(np.uint64)
            windows = windows.where((stretch * _GOLDEN) >> np.uint64(64 - self._level) == 0)
        if len(windows):
            self._kept.append(windows)
            self._bytes += windows.begin_ns.nbytes + windows.values.nbytes + windows.counts.nbytes

    def windows(self) -> Windows:
        """Return the kept windows by series, each in the order of time; the sample is empty afterwards."""
        keys = sorted(self._keys)
        place = {key: index for index, key in enumerate(keys)}
        # The sort is stable, so the windows of a series stay in the order of time.
        kept, self._kept = sorted(self._kept, key=lambda part: place[part.key]), []
        return Windows(
            tuple(keys),
            np.repeat([place[part.key] for part in kept], [len(part) for part in kept]).astype(np.intp),
            np.concatenate([part.begin_ns for part in kept]),
            np.concatenate([part.values for part in kept]),
            np.concatenate([part.counts for part in kept]),
        )
