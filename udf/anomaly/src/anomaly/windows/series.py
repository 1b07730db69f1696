"""The windows of one series, as serving, backtest and catch-up bring them to the scorer."""

from dataclasses import dataclass

from anomaly.windows.arrays import Bools, Floats, Key, Times


@dataclass(frozen=True, slots=True)
class SeriesWindows:
    """n windows of one series in the order of time; d features, f fields.

    Attributes:
        key: the series' tag values, in `group_by`'s order.
        begin_ns: the windows' begins, shape (n,).
        values: aggregates, shape (n, d), NaN where one is missing.
        counts: points in the window for each field, shape (n, f).
    """

    key: Key
    begin_ns: Times
    values: Floats
    counts: Floats

    def __len__(self) -> int:
        return len(self.begin_ns)

    def where(self, mask: Bools) -> "SeriesWindows":
        """Return the windows that `mask`, shape (n,), selects. Nothing is copied for a full mask."""
        if mask.all():
            return self
        return SeriesWindows(self.key, self.begin_ns[mask], self.values[mask], self.counts[mask])
