"""Whether severity means what it says: up to where a history can tell how rare a score is, and why it may not hold.

A severity is a number of days. Ten times the training's series-days are what anybody could check it by, so beyond that
it is extrapolated. And it holds only for data that go on as they were in training. So training looks for what says that
they do not: a level that changed for good, a steady trend that may end, a history of which parts look like no rest, and
halves of the history in which equally high scores are not equally rare.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from anomaly.models.features import Feature
from anomaly.models.manifest import PromiseRecord
from anomaly.pipeline.specification import SHAPES
from anomaly.severity.rarity import once_in
from anomaly.windows.arrays import Floats, Ints, Times, groups
from anomaly.windows.civil import DAY_NS
from anomaly.windows.windows import Windows

# Severity is checked on this many times the length of the training.
_TIMES = 10.0
# The rarest scores of a half of the history, of which the other half may have this many times as many or as few.
_COMPARED, _FACTOR = 20, 3.0
# A level changed where it moved by more than this many times what the medians of days, of this many at least, differ by
# anyway, and what values scatter within a day.
_CHANGED, _LEAST_DAYS = 4.0, 4


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
    wanted: Sequence[Feature],
    known: Sequence[str] = (),
) -> Promise:
    """Judge whether severity means what it says.

    Args:
        windows: the history without its trends, n windows.
        scored: the positions of the windows that were scored by a model of another fold, shape (k,).
        scores: their scores, shape (k,).
        windows_per_day: how many windows a day has, for one series.
        wanted: the d features.
        known: doubts that are known already.
    """
    days = len(scores) / windows_per_day
    until = 50.0 + 12.5 * math.log10(max(_TIMES * days, 1e-4))
    doubts = [*known, *_changed(windows, wanted), *_differing(windows.begin_ns[scored], scores)]
    return Promise(min(max(until, 0.0), 100.0), tuple(doubts))


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
        found = int((scores[other] >= level).sum())
        # By chance, a count of this size is beyond three times another one hardly ever.
        if found > _FACTOR * expected:
            yield (
                f"scores that came {_COMPARED} times in one half of the history came {found} times in the {name} half"
            )
            return


def _changed(windows: Windows, wanted: Sequence[Feature]) -> Iterator[str]:
    """Yield that levels changed for good within the history."""
    found = [
        (feature.name, windows.keys[int(windows.series[rows[0]])], at_ns)
        for rows in groups(windows.series)
        for column, feature in enumerate(wanted)
        if feature.aggregate not in SHAPES
        for at_ns in [_change_ns(windows.begin_ns[rows], windows.values[rows, column])]
        if at_ns is not None
    ]
    if found:
        name, key, at_ns = found[0]
        at = datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%MZ")
        more = f", and those of {len(found) - 1} more features of series" if len(found) > 1 else ""
        yield f"the level of {name} of {' '.join(key) or 'the only series'} changed for good about {at}{more}"


def _change_ns(begin_ns: Times, values: Floats) -> int | None:
    """Return about when the level of a series changed for good; None if it did not.

    Args:
        begin_ns: the windows' begins, shape (n,).
        values: one aggregate of them, shape (n,), NaN where it is missing.
    """
    known = np.isfinite(values)
    begin_ns, values = begin_ns[known], values[known]
    if not len(values):
        return None
    blocks = groups((begin_ns - begin_ns[0]) // DAY_NS)
    medians = np.array([np.median(values[block]) for block in blocks])
    spreads = [np.median(np.abs(values[block] - median)) for block, median in zip(blocks, medians, strict=True)]
    inside, best, change = float(np.median(spreads)), 0.0, None
    for at in range(2, len(blocks) - 1) if len(blocks) >= _LEAST_DAYS else ():
        before, after = medians[:at], medians[at:]
        level, new_level = float(np.median(before)), float(np.median(after))
        around = max(float(np.abs(before - level).max()), float(np.abs(after - new_level).max()))
        inside = np.median(
            [np.median(np.abs(values[block] - median)) for block, median in zip(blocks, medians, strict=True)]
        )
        ratio = abs(new_level - level) / max(around, float(inside), 1e-12)
        if ratio > best:
            best, change = ratio, int(begin_ns[blocks[at][0]])
    return change if best > _CHANGED else None
