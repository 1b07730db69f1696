"""Whether severity means what it says: up to where a history can tell how rare a score is, and why it may not hold.

A severity is a number of days. Ten times the training's series-days are what anybody could check it by, so beyond that
it is extrapolated. And it holds only for data that go on as they were in training. So training looks for what says that
they do not: a level that changed for good, a steady trend that may end, a history of which parts look like no rest,
halves of the history in which equally high scores are not equally rare, windows that add up to periods within the
history itself, a history that has not seen each hour of the day, and series of few windows.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from anomaly.counted import counted
from anomaly.models.manifest import PromiseRecord
from anomaly.nanoseconds import DAY_NS, HOUR_NS
from anomaly.severity.rarity import days, once_in
from anomaly.training.changes import LevelChange
from anomaly.windows.arrays import Floats, Ints, Times
from anomaly.windows.windows import Windows

# Severity is checked on this many times the length of the training.
_TIMES = 10.0
# The rarest scores of a half of the history, of which the other half may have this many times as many or as few. A
# history may have as many times the periods that are promised.
_COMPARED, _FACTOR = 20, 3.0
# A range of a day may lack its first and last windows.
_WHOLE_DAY_NS = DAY_NS - HOUR_NS
# With fewer windows of a series, usual ones open periods many times as often as is promised.
_FEW = 200


@dataclass(frozen=True, slots=True)
class Promise:
    """Up to where severity means what it says.

    Attributes:
        until: the severity that once in ten times the training's series-days has, 0 to 100.
        doubts: why it may not hold at all, sentences for people.
    """

    until: float
    doubts: tuple[str, ...]

    @property
    def record(self) -> PromiseRecord:
        """The manifest's section."""
        return PromiseRecord(round(self.until, 1), self.doubts)

    def lines(self, opens_at: float) -> Iterator[str]:
        """Yield what people should know of it; opens_at: the severity that opens a period."""
        if self.until < opens_at:
            yield (
                f"this history tells how rare a score is up to severity {self.until:.0f}, once in "
                f"{once_in(self.until)} of a series; periods open at {opens_at:g}, once in {once_in(opens_at)}, which "
                "is extrapolated"
            )
        for doubt in self.doubts:
            yield f"severity cannot be promised to mean what it says: {doubt}"


def promise(
    windows: Windows,
    scored: Ints,
    scores: Floats,
    windows_per_day: float,
    changes: Sequence[LevelChange] = (),
    known: Sequence[str] = (),
) -> Promise:
    """Judge whether severity means what it says.

    Args:
        windows: the history without its trends, n windows.
        scored: the positions of the windows that were scored by a model of another fold, shape (k,).
        scores: their scores, shape (k,).
        windows_per_day: how many windows a day has, for one series.
        changes: the levels that changed for good within the history.
        known: doubts that are known already.
    """
    scored_days = len(scores) / windows_per_day
    until = 50.0 + 12.5 * math.log10(max(_TIMES * scored_days, 1e-4))
    doubts = [
        *known,
        *_short(windows, windows_per_day),
        *_changed(windows, changes),
        *_differing(windows.begin_ns[scored], scores),
    ]
    return Promise(min(max(until, 0.0), 100.0), tuple(doubts))


def added_up(periods: int, series_days: float, opens_at: float) -> Iterator[str]:
    """Yield that windows of the history add up to periods more often than severity promises.

    Args:
        periods: how many periods evidence opens in the windows that were scored by a model of another fold.
        series_days: for how many days of one series these windows are.
        opens_at: the severity that opens a period.
    """
    # A single period may be chance, or a fault.
    if periods > max(_FACTOR * series_days / days(opens_at), 1.0):
        yield (
            f"odd windows add up to {counted(periods, 'period')} in {series_days:.3g} days of a series, and severity "
            f"{opens_at:g} is meant once in {once_in(opens_at)}"
        )


def _short(windows: Windows, windows_per_day: float) -> Iterator[str]:
    """Yield that a history has not seen a whole day, or holds few windows of a series."""
    # The last window covers its own length, too.
    covered_ns = int(np.ptp(windows.begin_ns)) + DAY_NS / windows_per_day
    if covered_ns < _WHOLE_DAY_NS:
        yield (
            f"the history covers {covered_ns / HOUR_NS:.2g} hours, and hours that it has not seen may differ; what "
            "goes on for twice as long, or for a day, becomes usual, unless periods.new_level is longer: train again "
            "on two days or more (training.from, --from) once there are as many"
        )
        return
    number = float(np.median(np.unique(windows.series, return_counts=True)[1]))
    if number < _FEW:
        yield (
            f"a series has {number:.0f} windows in this history, in the median, and with fewer than {_FEW} usual "
            "windows open periods: train on a longer history (training.from, --from), or make `window` shorter"
        )


def _differing(begin_ns: Times, scores: Floats) -> Iterator[str]:
    """Yield that the halves of a history differ in how rare equally high scores are."""
    if len(scores) < 2 * _COMPARED:
        return
    is_later = begin_ns >= np.median(begin_ns)
    for one, other, name in ((~is_later, is_later, "second"), (is_later, ~is_later, "first")):
        if one.sum() <= _COMPARED or not other.any():
            continue
        level = np.sort(scores[one])[-_COMPARED]
        expected = _COMPARED * other.sum() / one.sum()
        count = int((scores[other] >= level).sum())
        # By chance, a count of this size is beyond three times another one hardly ever.
        if count > _FACTOR * expected:
            yield (
                f"scores that came {_COMPARED} times in one half of the history came {count} times in the {name} half"
            )
            return


def _changed(windows: Windows, changes: Sequence[LevelChange]) -> Iterator[str]:
    """Yield that levels changed for good within the history."""
    if changes:
        first = changes[0]
        key = " ".join(windows.keys[first.series]) or "the only series"
        at = datetime.fromtimestamp(first.at_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%MZ")
        more = f", and those of {len(changes) - 1} more features of series" if len(changes) > 1 else ""
        yield f"the level of {first.feature} of {key} changed for good about {at}{more}"
