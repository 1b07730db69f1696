"""Trends: series that rise or fall steadily, such as a disk that fills.

Every value of such a series is one that never was, so a model of its levels is loud for ever. Where a straight line
explains a history, the line is taken away from the values before anything else looks at them, in training and in
serving. The line goes on after training for four times as long as the history was. Then it stays where it is, because
nobody knows how long a trend lasts.

A line is fitted to the medians of blocks: of days where the history has five or more of them, so that a rhythm of the
day is none of its business, else of hours. It counts as a trend only where its residuals are small, both halves of the
history rise alike, and it rises by more than a part of what the values scatter around it.

Reference: the slope is the median of the slopes of all pairs, Sen, "Estimates of the Regression Coefficient Based on
Kendall's Tau", Journal of the American Statistical Association 63, 1968.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly.models.features import MAD_TO_SIGMA, Feature
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline.specification import SHAPES
from anomaly.windows.arrays import AnyArray, Floats, Ints, Key, Times, groups
from anomaly.windows.windows import Windows

_PREFIX = "trend_"
# A history with this many days is cut into days; a shorter one, of a day at least, into this many parts.
_DAYS, _PARTS = 5, 24
# A block counts with this share of the windows of a typical one.
_WHOLE = 0.5
# The least share of the blocks' variance that the line explains, for days and for parts of a shorter history.
_EXPLAINED_BY_DAYS, _EXPLAINED = 0.95, 0.98
# The slopes of both halves are at least this share of that of the whole.
_ALIKE = 0.5
# The line rises by at least this many scales of the values around it.
_RISE = 0.5
# A line goes on for this many times the length of the history.
_GOES_ON = 4


@dataclass(frozen=True)
class Trend:
    """The lines of s series; d features. Row i + 1 belongs to the series i of training, and row 0 to all others.

    Attributes:
        slopes: by how much a feature's aggregate rises in a day, shape (s + 1, d); 0 without a trend.
        begin_ns: where the history begins.
        end_ns: where it ends; values are taken to what they would be then.
    """

    slopes: Floats
    begin_ns: int
    end_ns: int

    @property
    def until_ns(self) -> int:
        """The time until which the lines go on."""
        return self.end_ns + _GOES_ON * (self.end_ns - self.begin_ns)

    def risen(self, row: Ints | int, begin_ns: Times) -> Floats:
        """Return by how much features are above where they were at the end of the history, shape (n, d).

        Args:
            row: the array row of the series, or of each window's series, shape (n,).
            begin_ns: the windows' begins, shape (n,).
        """
        since_ns = np.clip(begin_ns, self.begin_ns, self.until_ns) - self.end_ns
        return np.asarray(self.slopes[row] * (since_ns / DAY_NS)[:, np.newaxis])

    def removed(self, windows: Windows) -> Windows:
        """Return the windows of the training's series without their trends."""
        values = windows.values - self.risen(windows.series + 1, windows.begin_ns)
        return Windows(windows.keys, windows.series, windows.begin_ns, values, windows.counts)

    def arrays(self) -> dict[str, AnyArray]:
        """Return everything as arrays, for the model's file."""
        return {f"{_PREFIX}slopes": self.slopes, f"{_PREFIX}ns": np.array([self.begin_ns, self.end_ns], dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Trend | None":
        """Return the trend that `arrays` returned; None for a model without one."""
        if f"{_PREFIX}slopes" not in arrays:
            return None
        begin_ns, end_ns = arrays[f"{_PREFIX}ns"].tolist()
        return cls(np.asarray(arrays[f"{_PREFIX}slopes"], dtype=np.float64), begin_ns, end_ns)


def fit_trend(all_features: Sequence[Feature], windows: Windows, window_ns: int) -> Trend | None:
    """Find the trends of a history.

    Args:
        all_features: the d features.
        windows: the history, each series in the order of time, NaN in incomplete fields.
        window_ns: the length of a window, nanoseconds.

    Returns:
        The trends; None where no series has one.
    """
    begin_ns, end_ns = int(windows.begin_ns.min()), int(windows.begin_ns.max()) + window_ns
    slopes = np.zeros((len(windows.keys) + 1, len(all_features)))
    # Spreads do not rise without end, and counts are about the writer.
    levels = [column for column, feature in enumerate(all_features) if feature.aggregate not in SHAPES]
    for rows in groups(windows.series):
        for column in levels:
            slopes[windows.series[rows[0]] + 1, column] = _slope(
                windows.begin_ns[rows], windows.values[rows, column], end_ns
            )
    return Trend(slopes, begin_ns, end_ns) if slopes.any() else None


def _slope(begin_ns: Times, values: Floats, end_ns: int) -> float:
    """Return by how much a series rises in a day; 0 where a line does not explain it.

    Args:
        begin_ns: the windows' begins, shape (n,).
        values: one aggregate of them, shape (n,), NaN where it is missing.
        end_ns: the end of the whole history, from which days are counted back.
    """
    known = np.isfinite(values)
    begin_ns, values = begin_ns[known], values[known]
    if not len(values) or begin_ns[-1] - begin_ns[0] < 0.9 * DAY_NS:
        return 0.0
    has_days = begin_ns[-1] - begin_ns[0] >= (_DAYS - 0.1) * DAY_NS
    days_ago = (end_ns - begin_ns) / DAY_NS
    blocks = [*groups((days_ago if has_days else days_ago / days_ago[0] * _PARTS).astype(np.int64))][::-1]
    lengths = np.array([len(block) for block in blocks])
    blocks = [block for block, length in zip(blocks, lengths, strict=True) if length >= _WHOLE * np.median(lengths)]
    if len(blocks) < _DAYS:
        return 0.0
    at = -np.array([days_ago[block].mean() for block in blocks])
    medians = np.array([np.median(values[block]) for block in blocks])
    slope = _median_slope(at, medians)
    if slope == 0.0:
        return 0.0
    half = (len(at) + 1) // 2
    halves = (_median_slope(at[:half], medians[:half]), _median_slope(at[-half:], medians[-half:]))
    variance = float(np.var(medians))
    residuals = medians - slope * at
    explained = 1.0 - float(np.var(residuals)) / variance if variance > 0.0 else 0.0
    around = values + slope * days_ago
    scale = MAD_TO_SIGMA * float(np.median(np.abs(around - np.median(around))))
    is_trend = (
        explained >= (_EXPLAINED_BY_DAYS if has_days else _EXPLAINED)
        and min(each / slope for each in halves) >= _ALIKE
        and abs(slope) * float(np.ptp(at)) >= _RISE * scale
    )
    return slope if is_trend else 0.0


def _median_slope(at: Floats, values: Floats) -> float:
    """Return the median of the slopes of all pairs of k values at k times, shape (k,) each, which ascend."""
    first, second = np.triu_indices(len(at), 1)
    return float(np.median((values[second] - values[first]) / (at[second] - at[first])))


def trends_of(trend: Trend, keys: Sequence[Key], all_features: Sequence[Feature]) -> list[tuple[Key, str, float]]:
    """Return each trend's series, feature and slope a day, the steepest first."""
    trends = [
        (keys[row - 1], all_features[column].name, float(trend.slopes[row, column]))
        for row, column in np.argwhere(trend.slopes).tolist()
    ]
    return sorted(trends, key=lambda each: (-abs(each[2]), each[0], each[1]))
