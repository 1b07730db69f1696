"""Aggregated windows as columns: what the training query gives, and what detectors are fitted to."""

from collections.abc import Iterator
from dataclasses import dataclass

from anomaly.windows.arrays import Bools, Floats, Ints, Key, Times

# Detectors that remember see so many windows before those that are to be judged, which fill their means and sums.
LEAD_IN_WINDOWS = 60


@dataclass(frozen=True, slots=True)
class Windows:
    """n windows of s series, d features, f fields.

    keys: the series' tag values, in `group_by`'s order. series: (n,), an index into keys. begin_ns: (n,). values: (n,
    d), NaN where an aggregate is missing. counts: (n, f), points in the window.
    """

    keys: tuple[Key, ...]
    series: Ints
    begin_ns: Times
    values: Floats
    counts: Floats

    def __len__(self) -> int:
        return len(self.begin_ns)

    def where(self, mask: Bools) -> "Windows":
        """The windows that `mask` (n,) selects; all keys stay. Copies nothing when that is all."""
        if mask.all():
            return self
        return Windows(self.keys, self.series[mask], self.begin_ns[mask], self.values[mask], self.counts[mask])

    def led_in(self, wanted: Bools) -> Bools:
        """(n,): the wanted windows (n,), and the LEAD_IN_WINDOWS of the same series that come right before them."""
        shown = wanted.copy()
        for distance, same in self._pairs():
            shown[:-distance] |= wanted[distance:] & same
        return shown

    def led_out(self, wanted: Bools) -> Bools:
        """(n,): the wanted windows (n,), and the LEAD_IN_WINDOWS of the same series that come right after them."""
        shown = wanted.copy()
        for distance, same in self._pairs():
            shown[distance:] |= wanted[:-distance] & same
        return shown

    def _pairs(self) -> Iterator[tuple[int, Bools]]:
        """Each distance, and whether windows that far apart are of one series (n - distance,)."""
        for distance in range(1, min(LEAD_IN_WINDOWS, len(self) - 1) + 1):
            yield distance, self.series[distance:] == self.series[:-distance]
