"""Decides which windows training leaves out because they lie in periods that the pipeline's results hold.

A fault that was told and that nobody has called a false alarm is not usual. A model that is trained on it takes it for
usual, and what is like it is not found any more. A series most of whose windows lie in periods is another matter: the
model that made them no longer fits it, so its windows are what there is to learn from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from anomaly.counted import counted
from anomaly.influxdb.times import TimeRange
from anomaly.models.manifest import KnownPeriodsRecord
from anomaly.training.naming import first_of
from anomaly.windows.arrays import Bools, Key, groups
from anomaly.windows.cut import Cut
from anomaly.windows.windows import Windows

# This many series are named.
_MOST_NAMED = 5
# Beyond this share of a series' windows, periods are not its exceptions.
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class KnownPeriods:
    """Which windows of a history lie in known periods.

    Attributes:
        excluded: which of the n windows training leaves out, shape (n,).
        kept: the series most of whose windows lie in periods, and are kept.
    """

    excluded: Bools
    kept: tuple[Key, ...]

    @property
    def record(self) -> KnownPeriodsRecord:
        """The manifest's section."""
        return KnownPeriodsRecord(int(self.excluded.sum()), self.kept)

    def lines(self) -> Iterator[str]:
        """Yield what people should know of it."""
        left_out = int(self.excluded.sum())
        if left_out:
            yield (
                f"left out: {counted(left_out, 'window')} in periods that nobody has marked as a false alarm; mark "
                "those that were usual (anomaly feedback add --kind false_alarm), and train again"
            )
        if self.kept:
            names = first_of(self.kept, _MOST_NAMED, lambda key: " ".join(key) or "the only series")
            yield (
                f"warning: most of the history of {names} lies in periods, and is trained on all the "
                "same, as nothing else tells the baseline: if it is not usual, train on another range"
            )


def in_known_periods(
    windows: Windows, cut: Cut, periods: Iterable[tuple[Key, TimeRange]], confirmed_usual: Bools
) -> KnownPeriods:
    """Find the windows of a history that lie in known periods.

    Args:
        windows: the history, n windows.
        cut: how time is cut into windows.
        periods: the series and the time of each known period.
        confirmed_usual: which windows are marked as false alarms, shape (n,).
    """
    by_key: dict[Key, list[TimeRange]] = {}
    for key, period in periods:
        by_key.setdefault(key, []).append(period)
    excluded = np.zeros(len(windows), dtype=np.bool_)
    for places in groups(windows.series):
        begin_ns = windows.begin_ns[places]
        end_ns = cut.after(begin_ns)
        for period in by_key.get(windows.keys[windows.series[places[0]]], ()):
            excluded[places[(begin_ns < period.end_ns) & (end_ns > period.begin_ns)]] = True
    excluded &= ~confirmed_usual
    lengths = np.maximum(np.bincount(windows.series, minlength=len(windows.keys)), 1)
    is_kept = np.bincount(windows.series[excluded], minlength=len(windows.keys)) > _MOST * lengths
    excluded &= ~is_kept[windows.series]
    return KnownPeriods(excluded, tuple(windows.keys[index] for index in np.flatnonzero(is_kept).tolist()))
