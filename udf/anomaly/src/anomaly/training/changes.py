"""Levels that changed for good within a history.

Training says that such a history cannot promise what a severity means. Windows in which a level changes do not tell how
rare a score is: the one that holds the step has a spread such as no other, and one such window in thousands would raise
the tail so far that faults hide behind it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly.models.features import Feature
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline.specification import SHAPES
from anomaly.windows.arrays import Bools, Floats, Ints, Times, groups
from anomaly.windows.windows import Windows

# A level changed where it moved by more than this many times what the medians of days, of this many at least, differ by
# anyway, and what values scatter within a day.
_CHANGED, _LEAST_DAYS = 4.0, 4
# A change is somewhere in this many windows on either side of where it is found.
_NEAR = 6


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One level that changed for good.

    Attributes:
        series: the series, as an index into the windows' keys.
        feature: the feature's name.
        at: the position of the first window of the new level, among the windows of the history.
        at_ns: its begin.
    """

    series: int
    feature: str
    at: int
    at_ns: int


def level_changes(windows: Windows, all_features: Sequence[Feature]) -> tuple[LevelChange, ...]:
    """Find the levels that changed for good, one at most of each feature of a series.

    Args:
        windows: the history without its trends, NaN in incomplete fields.
        all_features: the d features.

    Returns:
        The changes, by series.
    """
    return tuple(_level_changes(windows, all_features))


def _level_changes(windows: Windows, all_features: Sequence[Feature]) -> Iterator[LevelChange]:
    for rows in groups(windows.series):
        for column, feature in enumerate(all_features):
            if feature.aggregate in SHAPES:
                continue
            known = rows[np.isfinite(windows.values[rows, column])]
            at = _change(windows.begin_ns[known], windows.values[known, column])
            if at is not None:
                row = int(known[at])
                yield LevelChange(int(windows.series[row]), feature.name, row, int(windows.begin_ns[row]))


def near(windows: Windows, changes: Sequence[LevelChange]) -> Bools:
    """Return which windows may hold a change of their series, shape (n,).

    Args:
        windows: the n windows, in which the changes were found.
        changes: the changes.
    """
    mask = np.zeros(len(windows), dtype=np.bool_)
    for change in changes:
        first, last = max(change.at - _NEAR, 0), change.at + _NEAR
        mask[first:last] |= windows.series[first:last] == change.series
    return mask


def _change(begin_ns: Times, values: Floats) -> int | None:
    """Return the position of the first window of the new level of a series; None if its level did not change.

    Args:
        begin_ns: the windows' begins, shape (n,).
        values: one aggregate of them, shape (n,), all known.
    """
    if not len(values):
        return None
    blocks = groups((begin_ns - begin_ns[0]) // DAY_NS)
    if len(blocks) < _LEAST_DAYS:
        return None
    medians = np.array([np.median(values[block]) for block in blocks])
    spreads = [np.median(np.abs(values[block] - median)) for block, median in zip(blocks, medians, strict=True)]
    inside, best, change = float(np.median(spreads)), _CHANGED, None
    for at in range(2, len(blocks) - 1):
        before, after = medians[:at], medians[at:]
        level, new_level = float(np.median(before)), float(np.median(after))
        around = max(float(np.abs(before - level).max()), float(np.abs(after - new_level).max()))
        ratio = abs(new_level - level) / max(around, inside, 1e-12)
        if ratio > best:
            best, change = ratio, _cut(values, np.concatenate(blocks[at - 1 : at + 1]), level, new_level)
    return change


def _cut(values: Floats, rows: Ints, level: float, new_level: float) -> int:
    """Return where values go from one level to another: the position of the first that is at the new one.

    Args:
        values: shape (n,).
        rows: positions of the two days between whose middles the change lies, ascending.
        level: the level before.
        new_level: the level after.
    """
    nearer = np.abs(values[rows] - level) - np.abs(values[rows] - new_level)
    return int(rows[0] + np.argmin(np.concatenate([[0.0], np.cumsum(nearer)])))
