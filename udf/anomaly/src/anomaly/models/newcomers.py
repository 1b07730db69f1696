"""Newcomers: series of which training has no baseline, and what holds for any series.

A newcomer's level and spread are unknown, so nothing says whether they are odd. What a model knows of all series is how
far a window is from those before it. So a newcomer warms up: each of its windows is compared with the median of the
`BEFORE` windows before, in units of the other series' scale, or of its own where that is greater. How rare such a
deviation is was measured on the series of the training. After the warm-up the series gets a baseline of its own, by the
rules of training, and is judged as the others are (`anomaly.scoring.newcomers`).

The warm-up lasts a day, or as long as the longest history of training if that was less than half a day, and at least as
many windows as a baseline needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomaly.models.features import ENOUGH_WINDOWS, Feature, Scaling, fit_scaling, shape
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline import format_duration
from anomaly.severity.calibration import Calibration, calibrate
from anomaly.windows.arrays import AnyArray, Bools, Floats, groups
from anomaly.windows.completeness import present_fields
from anomaly.windows.windows import Windows

# A window is compared with the median of this many before it, once there are ENOUGH_BEFORE.
BEFORE = 12
ENOUGH_BEFORE = 6
# Most things that people measure follow the day.
SPAN_NS = DAY_NS
# The calibration needs no more windows than this, and at least this many of each series.
_MOST_WINDOWS = 20_000
_LEAST_WINDOWS = 50
# A spread of less than this share of the typical one does not say what the next spread is.
_LEAST_SPREAD = 0.01
_PREFIX = "newcomers_"


@dataclass(frozen=True, slots=True)
class NewcomerRules:
    """What training knows for series without a baseline; s series.

    Attributes:
        calibration: how rare a deviation from the windows before is, in one window.
        is_newcomer: which rows of the scaling have no baseline of their own, shape (s + 1,); row 0 has none.
        windows: how many windows a warm-up has at least.
        span_ns: how long a warm-up lasts at least, nanoseconds.
    """

    calibration: Calibration
    is_newcomer: Bools
    windows: int
    span_ns: int

    def is_over(self, windows: int, lasted_ns: int) -> bool:
        """Return whether a warm-up is over.

        Args:
            windows: how many windows it had.
            lasted_ns: from the begin of the first one to the end of the last one, nanoseconds.
        """
        return windows >= self.windows and lasted_ns >= self.span_ns

    @property
    def length(self) -> str:
        """How long a warm-up lasts, for people."""
        least = f"{self.windows} windows"
        return f"{format_duration(self.span_ns)}, and at least {least}" if self.span_ns else least

    def arrays(self) -> dict[str, AnyArray]:
        """Return the rules as arrays, for the model's file."""
        return {
            f"{_PREFIX}is_newcomer": self.is_newcomer,
            f"{_PREFIX}warm_up": np.array([self.windows, self.span_ns], dtype=np.int64),
            **{f"{_PREFIX}{name}": array for name, array in self.calibration.arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "NewcomerRules | None":
        """Return the rules that `arrays` returned; None for a model of a release without them."""
        if f"{_PREFIX}warm_up" not in arrays:
            return None
        own = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)}
        windows, span_ns = (int(number) for number in own["warm_up"])
        return cls(Calibration.from_arrays(own), own["is_newcomer"].astype(np.bool_), windows, span_ns)


def fit_newcomers(scaling: Scaling, windows: Windows, window_ns: int) -> NewcomerRules:
    """Learn what holds for any series.

    Args:
        scaling: the baselines of the windows' series.
        windows: the history, each series in the order of time, NaN in incomplete fields.
        window_ns: the length of a window, nanoseconds.

    Returns:
        The rules.
    """
    scaling = scaling.with_noise
    lengths = np.bincount(windows.series, minlength=len(windows.keys))
    fields = windows.counts.shape[1]
    complete = present_fields(windows.values, fields)
    by_field = np.stack([np.bincount(windows.series[mask], minlength=len(lengths)) for mask in complete.T])
    least = min(ENOUGH_WINDOWS, int(by_field.max()))
    is_newcomer = np.concatenate([[True], by_field.max(axis=0) < least])
    share = max(_MOST_WINDOWS // max(int((lengths > 0).sum()), 1), _LEAST_WINDOWS) + BEFORE
    longest_ns, greatest_scores = 0, []
    for places in groups(windows.series):
        number = int(windows.series[places[0]])
        longest_ns = max(longest_ns, int(windows.begin_ns[places[-1]] - windows.begin_ns[places[0]]) + window_ns)
        if is_newcomer[number + 1]:
            continue
        values = windows.values[places[-share:]]
        if len(values) <= BEFORE:
            continue
        before = np.lib.stride_tricks.sliding_window_view(values[:-1], BEFORE, axis=0)
        scale = np.broadcast_to(scaling.scale[number + 1], values[BEFORE:].shape)
        x = deviations(scaling, number + 1, values[BEFORE:], medians(before), scale)
        greatest_scores.append(greatest(x))
    scores = np.concatenate(greatest_scores) if greatest_scores else np.zeros(1)
    # A history of a day may lack some windows at its ends.
    span_ns = SPAN_NS if longest_ns > SPAN_NS // 2 else longest_ns
    return NewcomerRules(calibrate(scores), is_newcomer, least, span_ns)


def medians(before: Floats) -> Floats:
    """Return the medians of windows over the last axis, NaN where fewer than ENOUGH_BEFORE have a value.

    Args:
        before: aggregates, shape (n, d, m), NaN where one is missing.

    Returns:
        Medians, shape (n, d).
    """
    known = np.isfinite(before)
    if known.all() and before.shape[-1] >= ENOUGH_BEFORE:
        return np.asarray(np.median(before, axis=-1))
    centers = np.full(before.shape[:-1], np.nan)
    enough = known.sum(axis=-1) >= ENOUGH_BEFORE
    if enough.any():
        centers[enough] = np.nanmedian(before[enough], axis=-1)
    return centers


def moving(scaling: Scaling, row: int, level: Floats, scale: Floats) -> Scaling:
    """Return baselines, a row for each of n windows, whose level moves with the windows before.

    Args:
        scaling: says which features are spreads, which deviations count, and the usual range.
        row: its row that tells a typical spread where the windows before have none.
        level: the medians of the windows before, shape (n, d).
        scale: the scales, shape (n, d).
    """
    least = _LEAST_SPREAD * scaling.typical[row]
    typical = np.where(scaling.spread & (level > least), level, scaling.typical[row])
    center = shape(level, scaling.spread, typical)
    levels = None if scaling.levels is None else np.where(scaling.spread, typical, center)[..., None]
    relevance = None if scaling.relevance is None else scaling.relevance.of(row)
    least = None
    if relevance is not None and scaling.least is not None:
        least = np.broadcast_to(relevance.least_of(np.where(scaling.spread, 0.0, level)), level.shape)
    usual = np.broadcast_to(scaling.usual[0], (len(level), scaling.usual.shape[1]))
    return replace(
        scaling,
        keys=(),
        typical=typical,
        center=center,
        scale=scale,
        usual=usual,
        relevance=relevance,
        least=least,
        levels=levels,
    )


def deviations(scaling: Scaling, row: int, values: Floats, level: Floats, scale: Floats) -> Floats:
    """Compute how far windows are from those before them.

    Args:
        scaling: as for `moving`.
        row: likewise.
        values: aggregates, shape (n, d), NaN where one is missing.
        level: the medians of the windows before, shape (n, d), NaN where nobody knows them.
        scale: the scales, shape (n, d).

    Returns:
        Deviations, shape (n, d), in units of the scale; NaN where one is missing, 0 where nobody knows the level.
    """
    known = np.where(np.isnan(level), values, level)
    return moving(scaling, row, known, scale).transform(values, np.arange(len(values)))


def greatest(x: Floats) -> Floats:
    """Return the greatest deviation of each window, shape (n,), 0 where all are missing."""
    return np.asarray(np.where(np.isnan(x), 0.0, np.abs(x)).max(axis=1, initial=0.0))


def own_baseline(model_scaling: Scaling, all_features: Sequence[Feature], values: Floats, counts: Floats) -> Scaling:
    """Learn the baseline of a series after its warm-up.

    Args:
        model_scaling: what training learnt of the others; a field that the series lacks keeps their baseline.
        all_features: the d features.
        values: aggregates of its windows, shape (n, d), NaN in incomplete fields.
        counts: points in each window and field, shape (n, f).

    Returns:
        Baselines in which row 0 is the series', and the usual range is that of training.
    """
    fields = counts.shape[1]
    seen = present_fields(values, fields).sum(axis=0)
    has_field = seen >= min(ENOUGH_WINDOWS, int(seen.max()))
    relevance = None if model_scaling.relevance is None else model_scaling.relevance.of(0)
    own = fit_scaling(all_features, [()], np.zeros(len(values), dtype=np.intp), values, counts, relevance)
    has_feature = np.repeat(has_field, len(all_features) // fields)
    rows = {
        name: np.where(has, getattr(own, name)[1:2], getattr(model_scaling, name)[:1])
        for name, has in (
            ("typical", has_feature),
            ("center", has_feature),
            ("scale", has_feature),
            ("usual", has_field),
        )
    }
    least = levels = None
    if own.levels is not None and own.least is not None and model_scaling.least is not None:
        least = np.where(has_feature, own.least[1:2], model_scaling.least[:1])
        base = np.where(model_scaling.spread, rows["typical"], rows["center"])[..., None]
        levels = np.where(has_feature[:, None], own.levels[1:2], base)
    return replace(model_scaling, keys=(), relevance=relevance, least=least, levels=levels, **rows)


def stacked(baselines: Sequence[Scaling]) -> Scaling:
    """Return the baselines of n series as one.

    Args:
        baselines: what `own_baseline` returned of each series, for one model.

    Returns:
        Baselines in which row i is that of series i.
    """
    first = baselines[0]
    if len(baselines) == 1:
        return first
    least = levels = None
    if first.least is not None and first.levels is not None:
        least = np.concatenate([each.least for each in baselines if each.least is not None])
        most = max(each.levels.shape[2] for each in baselines if each.levels is not None)
        levels = np.full((*least.shape, most), np.nan)
        for row, each in zip(levels, baselines, strict=True):
            if each.levels is not None:
                row[:, : each.levels.shape[2]] = each.levels[0]
    return replace(
        first,
        typical=np.concatenate([each.typical for each in baselines]),
        center=np.concatenate([each.center for each in baselines]),
        scale=np.concatenate([each.scale for each in baselines]),
        usual=np.concatenate([each.usual for each in baselines]),
        least=least,
        levels=levels,
    )
