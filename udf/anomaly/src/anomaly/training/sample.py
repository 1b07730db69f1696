"""Keeps as much of a history as fits: all of it, or stretches of it that are spread evenly over its time.

Training needs no more than some hundred thousand windows, and memory must not grow with the history. Whole stretches
are kept, not single windows, so that what is learned from neighbours in time can still be learned; the same stretches
of all series. Stretch i is kept at level k when the fraction of i times the golden ratio is below 2^-k: such multiples
fill the interval evenly and fall into step with no rhythm of the data, whatever its length (a Kronecker sequence;
Knuth, "The Art of Computer Programming" 3, 6.4, theorem S). Each level's stretches are among those of the level before,
so that a history of unknown length is thinned while it is read.
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
            most_bytes: the most that is kept.
        """
        self._begin_ns = begin_ns
        self._stretch_ns = max((end_ns - begin_ns) // _STRETCHES // window_ns, 1) * window_ns
        self._most_bytes = most_bytes
        self._level = 0
        self._keys: dict[Key, int] = {}
        self._runs: list[SeriesWindows] = []
        self._bytes = 0
        self.read = 0

    @property
    def share(self) -> float:
        """The share of time that is kept."""
        return float(2.0**-self._level)

    @property
    def series(self) -> int:
        """How many series have windows in the range."""
        return len(self._keys)

    def add(self, run: SeriesWindows) -> None:
        """Add windows of one series."""
        self.read += len(run)
        self._keys.setdefault(run.key, len(self._keys))
        self._append(run)
        while self._bytes > self._most_bytes and self.share > 1.0 / _STRETCHES:
            self._level += 1
            runs, self._runs, self._bytes = self._runs, [], 0
            for earlier in runs:
                self._append(earlier)

    def _append(self, run: SeriesWindows) -> None:
        if self._level:
            stretch = ((run.begin_ns - self._begin_ns) // self._stretch_ns).astype(np.uint64)
            run = run.where((stretch * _GOLDEN) >> np.uint64(64 - self._level) == 0)
        if len(run):
            self._runs.append(run)
            self._bytes += run.begin_ns.nbytes + run.values.nbytes + run.counts.nbytes

    def windows(self) -> Windows:
        """Return the kept windows by series, each in the order of time; the sample is empty afterwards."""
        keys = sorted(self._keys)
        place = {key: index for index, key in enumerate(keys)}
        # Stable: a series' runs come in the order of time.
        runs, self._runs = sorted(self._runs, key=lambda run: place[run.key]), []
        return Windows(
            tuple(keys),
            np.repeat([place[run.key] for run in runs], [len(run) for run in runs]).astype(np.intp),
            np.concatenate([run.begin_ns for run in runs]),
            np.concatenate([run.values for run in runs]),
            np.concatenate([run.counts for run in runs]),
        )
