"""The windows of all series as columns: what the training query answers, and what detectors are fitted to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly.windows.arrays import Bools, Floats, Ints, Key, Times, groups
from anomaly.windows.series import SeriesWindows

# A detector that remembers sees this many windows before those that it judges; they fill its means and sums.
DETECTOR_LEAD_IN_WINDOWS = 60


@dataclass(frozen=True, slots=True)
class Windows:
    """n windows of s series, each series in the order of time; d features, f fields.

    Attributes:
        keys: the series' tag values, in `group_by`'s order, s of them.
        series: each window's series as an index into `keys`, shape (n,).
        begin_ns: the windows' begins, shape (n,).
        values: aggregates, shape (n, d), NaN where one is missing.
        counts: points in the window for each field, shape (n, f).
    """

    keys: tuple[Key, ...]
    series: Ints
    begin_ns: Times
    values: Floats
    counts: Floats

    @classmethod
    def of_series(cls, parts: Sequence[SeriesWindows]) -> "Windows":
        """Return the windows of different series, at least one, part by part; `by_series` takes them apart again."""
        return cls(
            tuple(part.key for part in parts),
            np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            np.concatenate([part.begin_ns for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.counts for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.begin_ns)

    def take(self, at: Ints) -> "Windows":
        """Return the windows at the given positions, shape (m,), in their order. All keys stay."""
        return Windows(self.keys, self.series[at], self.begin_ns[at], self.values[at], self.counts[at])

    def where(self, mask: Bools) -> "Windows":
        """Return the windows that `mask`, shape (n,), selects. All keys stay, and nothing is copied for a full mask."""
        if mask.all():
            return self
        return self.take(np.flatnonzero(mask))

    def by_series(self) -> Iterator[SeriesWindows]:
        """Yield the windows of each series that has any, in their order."""
        for part in groups(self.series):
            key = self.keys[self.series[part[0]]]
            yield SeriesWindows(key, self.begin_ns[part], self.values[part], self.counts[part])

    def with_lead_in(self, mask: Bools) -> Bools:
        """Extend a mask by the DETECTOR_LEAD_IN_WINDOWS before each window in it, within the same series.

        Args:
            mask: the windows to judge, shape (n,).

        Returns:
            The windows to show to a detector, shape (n,).
        """
        extended = mask.copy()
        for distance, same_series in self._pairs():
            extended[:-distance] |= mask[distance:] & same_series
        return extended

    def with_lead_out(self, mask: Bools) -> Bools:
        """Extend a mask by the DETECTOR_LEAD_IN_WINDOWS after each window in it, within the same series.

        Args:
            mask: the windows that a detector may remember, shape (n,).

        Returns:
            The windows whose scores they may influence, shape (n,).
        """
        extended = mask.copy()
        for distance, same_series in self._pairs():
            extended[distance:] |= mask[:-distance] & same_series
        return extended

    def _pairs(self) -> Iterator[tuple[int, Bools]]:
        """Yield each distance, and which windows of that distance belong to one series, shape (n - distance,)."""
        for distance in range(1, min(DETECTOR_LEAD_IN_WINDOWS, len(self) - 1) + 1):
            yield distance, self.series[distance:] == self.series[:-distance]
