"""Which deviations count: what a pipeline's fields say by `direction` and `min_deviation`, applied to features.

Both are functions of one window alone, so training and serving, and all detectors, see the same.

*Least deviation.* A series has usual levels: its center, and those around which training spent time, such as the other
temperatures of a machine that heats and cools. A value within `min_deviation` of a usual level is taken to be that
level. Beyond, it is moved towards it, so that what is a little too far is a little odd; between two levels the way from
one edge to the other is straight. So the value that detectors see never jumps, and is never further from the true one
than `min_deviation`. A spread's center is the typical one; below it nothing is changed: a sensor that is stuck
differs by less than any deviation that matters. A share, such as 20%, is one of the series' center of the same
aggregate; of a spread, of the center of the field's first aggregate that says where the values are.

*Direction.* With `high`, where values are (mean, min, ...) counts only above the series' center, and below is taken to
be the center. How much they differ (stddev, spread) counts only where it is more than usual, and by as much as the
level is on the side that matters, `_LIMIT` scales for each of the level's: a fall makes a window as uneven as a rise
does. `low` is the mirror image. Averages over several windows are one-sided in the detectors that make them (`sides`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anomaly.pipeline.specification import SHAPES, SPREADS, Field, Pipeline
from anomaly.windows.arrays import Bools, Floats

_SIGN = {"both": 0, "high": 1, "low": -1}
# Measured with single samples of twelve deviations, windows of ten: of 195 upwards and as many downwards, `high` finds
# 160 and 1; with 6 here 125 and 0, without a limit 183 and 13, as noise lifts the mean of some windows with a low
# sample.
_LIMIT = 12.0
# A usual level holds at least this share of the windows, and at least this many of them.
_USUAL_SHARE = 0.01
_USUAL_WINDOWS = 10
# Wherever a series wanders, this many levels stand for it; beyond, values are taken as they are but for one deviation.
_MOST_LEVELS = 32
# This many values are moved to their levels at once, which bounds memory.
_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class Relevance:
    """Which deviations count, for d features of f fields.

    Attributes:
        side: 1 where only higher values count, -1 where only lower ones do, 0 for both, shape (f,).
        least: the least deviation that counts, in the aggregate's own unit, shape (d,); with overrides one row for
            series that training has not seen, and one for each other series, shape (s + 1, d).
        share: likewise, as a share of the series' center; what both say is added.
        levels: which features say where a field's values are, shape (f, d).
        spreads: which features say how much a field's values differ, shape (f, d).
    """

    side: NDArray[np.int8]
    least: Floats
    share: Floats
    levels: Bools
    spreads: Bools

    @property
    def sides(self) -> tuple[int, ...]:
        """The side that counts of each feature: 1 greater than usual, -1 smaller, 0 both."""
        sides = np.zeros(self.least.shape[-1], dtype=np.intp)
        for side, levels, spreads in zip(self.side, self.levels, self.spreads, strict=True):
            sides[levels], sides[spreads] = side, abs(side)
        return tuple(sides.tolist())

    @property
    def counted_whole(self) -> Bools:
        """The features of which all deviations count, of all series, shape (d,)."""
        least, share = (np.atleast_2d(each).any(axis=0) for each in (self.least, self.share))
        return np.asarray((np.array(self.sides) == 0) & ~least & ~share)

    @property
    def has_least(self) -> bool:
        """Whether some deviations are too small to count."""
        return bool(self.least.any() or self.share.any())

    def of(self, row: int) -> "Relevance":
        """Return what counts of one series, by its array row."""
        if self.least.ndim == 1:
            return self
        return replace(self, least=self.least[row], share=self.share[row])

    def least_of(self, center: Floats) -> Floats:
        """Return the least deviation that counts, in the aggregate's own unit.

        Args:
            center: the centers of s series, and those of series that training has not seen, shape (s + 1, d).

        Returns:
            The least deviations, shape (s + 1, d).
        """
        level = np.abs(center)
        for levels, spreads in zip(self.levels, self.spreads, strict=True):
            if levels.any():
                level[:, spreads] = level[:, [int(levels.argmax())]]
        return np.asarray(self.least + self.share * level)

    def directed(self, x: Floats, level: Floats) -> Floats:
        """Take features on the side that does not count to the center.

        Args:
            x: features, shape (n, d).
            level: features as if all deviations counted, shape (n, d).

        Returns:
            The features, shape (n, d).
        """
        x = x.copy()
        for side, levels, spreads in zip(self.side, self.levels, self.spreads, strict=True):
            if side:
                x[:, levels] = side * np.maximum(side * x[:, levels], 0.0)
                far = np.maximum(side * level[:, levels], 0.0).max(axis=1, keepdims=True)
                x[:, spreads] = np.minimum(np.maximum(x[:, spreads], 0.0), _LIMIT * far)
        return x


def relevance(
    watched: Sequence[Field], aggregates: Sequence[str], overridden: Sequence[Sequence[Field]] = ()
) -> Relevance | None:
    """Return which deviations count of fields (outside) and aggregates (inside); None where all do.

    Args:
        watched: the fields.
        aggregates: the aggregates of each.
        overridden: the fields of each series of the training; empty if they are those of all.
    """
    rows = [watched, *overridden]
    if not any(field.least or field.direction != "both" for row in rows for field in row):
        return None
    width, numbers = len(aggregates), np.arange(len(watched))
    is_own = np.repeat(numbers, width) == numbers[:, None]
    shape = np.array([aggregate in SHAPES for aggregate in aggregates] * len(watched))
    spread = np.array([aggregate in SPREADS for aggregate in aggregates] * len(watched))
    # The unit of a number of points is not the field's.
    counts = shape & ~spread
    least = np.where(counts, 0.0, np.repeat([[field.min_deviation for field in row] for row in rows], width, axis=1))
    share = np.where(counts, 0.0, np.repeat([[field.min_share for field in row] for row in rows], width, axis=1))
    return Relevance(
        side=np.array([_SIGN[field.direction] for field in watched], dtype=np.int8),
        least=least if overridden else least[0],
        share=share if overridden else share[0],
        levels=is_own & ~shape,
        spreads=is_own & spread,
    )


def relevance_of(pipeline: Pipeline, keys: Sequence[Sequence[str]]) -> Relevance | None:
    """Return which deviations count for the series of a training; None where all do."""
    return relevance(
        pipeline.watched, pipeline.aggregate, [pipeline.watched_of(key) for key in keys] if pipeline.overrides else ()
    )


def usual_levels(values: Floats, base: float, least: float) -> Floats:
    """Find the levels around which values usually are.

    Args:
        values: the values, shape (n,).
        base: the first level.
        least: half of the least distance between two levels.

    Returns:
        The levels, sorted, shape (m,), at most _MOST_LEVELS of them.
    """
    levels = [base]
    unexplained = np.sort(values[np.abs(values - base) > 2.0 * least])
    few = max(_USUAL_WINDOWS, _USUAL_SHARE * len(values))
    while len(levels) < _MOST_LEVELS and len(unexplained):
        # The stretch of two `least` that holds most of what is left.
        ends = np.searchsorted(unexplained, unexplained + 2.0 * least, side="right")
        first = int((ends - np.arange(len(unexplained))).argmax())
        if ends[first] - first < few:
            break
        level = float(unexplained[(first + int(ends[first]) - 1) // 2])
        levels.append(level)
        unexplained = unexplained[np.abs(unexplained - level) > 2.0 * least]
    return np.array(sorted(levels))


def settled(values: Floats, levels: Floats, least: Floats | float) -> Floats:
    """Move values to a usual level within the least deviation, and towards the nearest level beyond.

    Args:
        values: shape (n,); NaN stays.
        levels: the usual levels, sorted, shape (m,), or those of each value, shape (n, m), NaN behind the last one.
        least: the least deviation, or that of each value, shape (n,).

    Returns:
        The values, shape (n,).
    """
    settled_values = np.empty(len(values))
    levels, least = np.broadcast_to(levels, (len(values), levels.shape[-1])), np.broadcast_to(least, values.shape)
    for begin in range(0, len(values), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        settled_values[part] = _settled(values[part], levels[part], least[part, None])
    return settled_values


def _settled(values: Floats, levels: Floats, least: Floats) -> Floats:
    """Return what `settled` does; `least` has the shape (n, 1)."""
    row, count = np.arange(len(values)), np.isfinite(levels).sum(axis=1)
    edges = np.stack([levels - least, levels + least], axis=2).reshape(len(values), -1)
    inside = np.clip(values, edges[:, 0], edges[row, 2 * count - 1])
    # The edge at or below each value, and the next one; the way between two edges is straight.
    below = np.maximum((edges <= inside[:, None]).sum(axis=1) - 1, 0)
    above = np.minimum(below + 1, 2 * count - 1)
    low, high = levels[row, below // 2], levels[row, above // 2]
    length = edges[row, above] - edges[row, below]
    slope = np.divide(high - low, length, out=np.zeros(len(values)), where=length > 0)
    return np.asarray(slope * (inside - edges[row, below]) + low + (values - inside))
