"""From a window's aggregates to the feature vector that detectors see.

Each aggregate of each field is one feature, in three steps:

1. *Shape.* stddev and spread are taken relative to the series' typical one, above it as they are, below it as a
   logarithm (down to a floor): "noisier" and "stuck" (spread 0) both end far away from the usual. Measured: a logarithm
   above, too, finds a third of the spikes of nine deviations instead of three quarters, at the same false alarms.
2. *Scale.* Each series' feature is centred by its median and scaled by its MAD, so that one forest serves all series.
   A series that training has hardly seen, or not at all, gets the median center and scale of the others.
3. *Relevance.* Where a field's `direction` or `min_deviation` say so, what does not count is taken back to the center
   (`anomaly.models.relevance`).

The features use the window itself only. What needs earlier windows is the detectors' affair (`anomaly.detectors.base`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from anomaly.models.relevance import Relevance, settled, usual_levels
from anomaly.pipeline import Pipeline
from anomaly.pipeline.specification import SHAPES, SPREADS
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Key
from anomaly.windows.completeness import present_fields

Rows = int | Ints

# The floor of a spread, relative to the usual: ln 0.001 is some 30 deviations away with windows of ten points, yet
# finite.
_FLOOR = 1e-3
# A feature that never moved in training gets this share of its value as its scale.
_CONSTANT_SCALE = 1e-3
_CONSTANT_SPREAD_SCALE = 0.1
_SMALLEST_SPREAD_SCALE = 1e-2
_SMALLEST_SCALE = 1e-9
# Features beyond this many scales count as if they were there, so that scores are numbers whatever values are.
_FARTHEST = 1e9
MAD_TO_SIGMA = 1.4826
# A series with fewer windows than this is scaled as the others are.
ENOUGH_WINDOWS = 50


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix."""

    field: str
    aggregate: str

    @property
    def name(self) -> str:
        """As InfluxQL writes it, without quotes: `mean(bed)`."""
        return f"{self.aggregate}({self.field})"


def features(pipeline: Pipeline) -> list[Feature]:
    """Return the features of a pipeline in the order of the columns: fields outside, aggregates inside."""
    return [Feature(field, aggregate) for field in pipeline.fields for aggregate in pipeline.aggregate]


@dataclass(frozen=True, slots=True)
class Scaling:
    """The baselines of s series (s >= 1): their centers and scales; d features, f fields.

    Row i + 1 of the arrays belongs to keys[i], and row 0 to series that training has not seen.

    Attributes:
        keys: the series' tag values, in `group_by`'s order.
        spread: which features are spreads, shape (d,).
        typical: the usual spread, shape (s + 1, d).
        center: the median of the shaped feature, shape (s + 1, d).
        scale: the scale of the shaped feature, shape (s + 1, d).
        range_low: the low end of 99.8 % of training, in units of scale, shape (d,).
        range_high: the high end of 99.8 % of training, in units of scale, shape (d,).
        usual: the median number of points in a window, shape (s + 1, f).
        relevance: which deviations count; None: all.
        least: the least deviation that counts, in the aggregates' own units, shape (s + 1, d); None: any.
        levels: the usual levels of features with a least deviation, in the aggregates' own units, shape (s + 1, d, m),
            NaN where there are fewer; None: no feature has a least deviation.
        keeps_noise: whether values that are too near to a usual level to count stay as they are.
    """

    keys: tuple[Key, ...]
    spread: Bools
    typical: Floats
    center: Floats
    scale: Floats
    range_low: Floats
    range_high: Floats
    usual: Floats
    relevance: Relevance | None = None
    least: Floats | None = None
    levels: Floats | None = None
    keeps_noise: bool = False

    def rows(self) -> dict[Key, int]:
        """Return the array row of each known series."""
        return {key: index + 1 for index, key in enumerate(self.keys)}

    def transform(self, values: Floats, row: Rows) -> Floats:
        """Compute features, in units of each series' scale.

        Args:
            values: aggregates, shape (n, d), NaN where a field is incomplete.
            row: the array row of the series, or of each window's series, shape (n,).

        Returns:
            The features, shape (n, d).
        """
        x = self.placed(values, row)
        if self.relevance is None:
            return x
        if self.levels is None or self.least is None:
            return self.relevance.directed(x, x)
        counted = self._settled(values, row, self.least, self.levels)
        return self.relevance.directed(self.placed(counted, row), x)

    @property
    def with_noise(self) -> "Scaling":
        """These baselines with the noise around usual levels, by which detectors learn what is rare.

        With a least deviation wider than the noise they would learn that nothing ever moves, and the least of what is
        beyond it would be as rare as can be. Values beyond it are as they are judged, so those of training stay known.
        """
        return replace(self, keeps_noise=True)

    def placed(self, values: Floats, row: Rows) -> Floats:
        """Compute features as `transform` does, as if all deviations counted."""
        with np.errstate(over="ignore"):
            x = (shape(values, self.spread, self.typical[row]) - self.center[row]) / self.scale[row]
        return np.clip(x, -_FARTHEST, _FARTHEST)

    def _settled(self, values: Floats, row: Rows, least: Floats, usual: Floats) -> Floats:
        """Take deviations of less than `least`, shape (s + 1, d), from `usual` levels, shape (s + 1, d, m), back."""
        counted = values.copy()
        rows = np.broadcast_to(row, len(values))
        for column in np.flatnonzero(least.any(axis=0)).tolist():
            places = np.flatnonzero(least[rows, column])
            before, own = values[places, column], rows[places]
            levels = usual[own, column]
            after = settled(before, levels, least[own, column])
            if self.keeps_noise:
                after = np.where((after[:, None] == levels).any(axis=1), before, after)
            if self.spread[column]:
                after = np.where(before < self.typical[own, column], before, after)
            counted[places, column] = after
        return counted

    @overload
    def expected(self, feature: int, row: int) -> tuple[float, float]: ...
    @overload
    def expected(self, feature: Ints, row: slice) -> tuple[Floats, Floats]: ...
    def expected(self, feature: Ints | int, row: slice | int) -> tuple[Any, Any]:
        """Return the low and the high end of usual ranges, in the aggregates' own units.

        A range holds 99.8 % of training, and the values that are too near to the center to count.

        Args:
            feature: a feature, or several, shape (c,).
            row: the array row of a series, or a slice of n of them.

        Returns:
            Both ends: two numbers, or shape (n, c) each.
        """
        at, spread = (row, feature), self.spread[feature]
        center, scale, typical = self.center[at], self.scale[at], self.typical[at]
        least = np.float64(0.0) if self.least is None else self.least[at]
        low, high = center + scale * self.range_low[feature], center + scale * self.range_high[feature]
        low, high = (
            np.where(spread, typical * unshape(low), np.minimum(low, center - least)),
            np.where(spread, np.maximum(typical * unshape(high), typical + least), np.maximum(high, center + least)),
        )
        # An array without an axis is a number.
        return low[()], high[()]

    def arrays(self) -> dict[str, AnyArray]:
        """Return everything but `keys` as arrays, for the model's file."""
        arrays: dict[str, AnyArray] = {f"scaling_{name}": getattr(self, name) for name in _ARRAYS}
        if self.levels is None or self.least is None:
            return arrays
        return {**arrays, "scaling_least": self.least, "scaling_levels": self.levels}

    @classmethod
    def from_arrays(
        cls,
        keys: Sequence[Sequence[str]],
        arrays: Mapping[str, AnyArray],
        relevance: Relevance | None = None,
    ) -> "Scaling":
        """Return the baselines that `arrays` returned. Raises KeyError where an array is missing."""
        taken = {name: arrays[f"scaling_{name}"] for name in _ARRAYS}
        if relevance is not None and relevance.has_least:
            # Models of a release before have no least deviations, because these were the pipeline's alone.
            taken["least"] = arrays.get(
                "scaling_least", relevance.least_of(arrays["scaling_center"].astype(np.float64))
            )
            taken["levels"] = arrays["scaling_levels"]
        return cls(keys=tuple(tuple(key) for key in keys), relevance=relevance, **taken)  # type: ignore[arg-type]


_NO_ARRAYS = ("keys", "relevance", "least", "levels", "keeps_noise")
_ARRAYS = tuple(name for name in Scaling.__dataclass_fields__ if name not in _NO_ARRAYS)


def shape(values: Floats, spread: Bools, typical: Floats) -> Floats:
    """Shape values, shape (n, d): spreads relative to the typical one, other aggregates as they are."""
    ratio = np.maximum(values / typical, _FLOOR)
    return np.where(spread, np.where(ratio > 1.0, ratio - 1.0, np.log(ratio)), values)


def unshape(shaped: Floats) -> Floats:
    """Return how many times the typical spread shaped spreads are, shape as given."""
    return np.where(shaped > 0, shaped + 1.0, np.exp(np.minimum(shaped, 0.0)))


def fit_scaling(
    all_features: Sequence[Feature],
    keys: Sequence[Key],
    series: Ints,
    values: Floats,
    counts: Floats,
    relevance: Relevance | None = None,
) -> Scaling:
    """Learn the baselines of all series. A series that hardly has a field gets the median of the others for it.

    Args:
        all_features: the d features.
        keys: the tag values of each series.
        series: each window's series as an index into `keys`, shape (n,).
        values: aggregates, shape (n, d), NaN where a field is incomplete.
        counts: points in each window and field, shape (n, f).
        relevance: which deviations count; None: all.

    Returns:
        The baselines.

    Raises:
        ValueError: there are no windows.
    """
    if len(values) == 0:
        raise ValueError("no windows to learn a scaling from")
    d, rows, fields = len(all_features), len(keys) + 1, counts.shape[1]
    of_field = [slice(start, start + d // fields) for start in range(0, d, d // fields)]
    spread = np.array([feature.aggregate in SPREADS for feature in all_features])
    typical, center, scale = np.ones((rows, d)), np.zeros((rows, d)), np.ones((rows, d))
    usual = np.zeros((rows, fields))
    whole = present_fields(values, fields)
    lengths = np.stack([np.bincount(series[is_whole], minlength=len(keys)) for is_whole in whole.T], axis=1)
    known = np.concatenate([np.zeros((1, fields), dtype=np.bool_), enough_windows(lengths)])
    of_row = _by_row(series, rows)
    for row, field in np.argwhere(known).tolist():
        places, columns = of_row(row), of_field[field]
        places = places[whole[places, field]]
        # A field that is filled has no points, and says nothing of their usual number.
        of_points = counts[places, field][counts[places, field] > 0]
        usual[row, field] = np.median(of_points) if len(of_points) else 0.0
        typical[row, columns] = _typical(all_features[columns], values[places, columns])
        shaped = shape(values[places, columns], spread[columns], typical[row, columns])
        for column, place in enumerate(range(d)[columns]):
            center[row, place], scale[row, place] = _robust(shaped[:, column], spread=bool(spread[place]))
    for field, columns in enumerate(of_field):
        is_known = known[:, field]
        for array, part in ((typical, columns), (center, columns), (scale, columns), (usual, slice(field, field + 1))):
            if is_known.any():
                array[~is_known, part] = np.median(array[is_known, part], axis=0)
    ones = np.ones(d)
    scaling = Scaling(tuple(keys), spread, typical, center, scale, ones, ones, usual, relevance)
    x = scaling.placed(values, series + 1)
    low, high = (np.quantile if whole.all() else np.nanquantile)(x, [0.001, 0.999], axis=0)
    scaling = replace(scaling, range_low=low, range_high=high)
    if relevance is None or not relevance.has_least:
        return scaling
    least = relevance.least_of(center)
    known_values = {
        (row, column): values[places[whole[places, field]], column]
        for row, field in np.argwhere(known).tolist()
        for places in [of_row(row)]
        for column in range(d)[of_field[field]]
    }
    return replace(scaling, least=least, levels=_levels(scaling, least, known_values))


def _by_row(series: Ints, rows: int) -> Callable[[int], Ints]:
    """Return a function from an array row to the positions of its windows; `series` has shape (n,)."""
    order = np.argsort(series, kind="stable")
    bounds = np.searchsorted(series[order], np.arange(rows))
    return lambda row: order[bounds[row - 1] : bounds[row]]


def _levels(scaling: Scaling, least: Floats, known: Mapping[tuple[int, int], Floats]) -> Floats:
    """Return `Scaling.levels` from the known values by row and column; a row without values has its center."""
    bases = np.where(scaling.spread, scaling.typical, scaling.center)
    levels_by_place = {}
    for row, column in np.argwhere(least).tolist():
        base = float(bases[row, column])
        values = known.get((row, column), np.empty(0))
        # Less than is typical always counts.
        values = values[values > base] if scaling.spread[column] else values
        levels_by_place[row, column] = usual_levels(values, base, float(least[row, column]))
    levels = np.full((*bases.shape, max(map(len, levels_by_place.values()), default=0)), np.nan)
    for (row, column), each in levels_by_place.items():
        levels[row, column, : len(each)] = each
    return levels


def enough_windows(lengths: Ints) -> Bools:
    """Return which series have a baseline of their own, by the windows in their histories, shape (s,) or (s, f)."""
    return np.asarray(lengths >= np.clip(lengths.max(axis=0), 1, ENOUGH_WINDOWS))


def _typical(all_features: Sequence[Feature], values: Floats) -> Floats:
    """Return each feature's typical spread, shape (d,): its median beyond 0, or a share of the level; 1 of others."""
    typical = np.ones(len(all_features))
    for column, feature in enumerate(all_features):
        if feature.aggregate in SPREADS:
            moving = values[values[:, column] > 0, column]
            if len(moving):
                typical[column] = np.median(moving)
            else:
                typical[column] = max(_CONSTANT_SCALE * _level(all_features, values, feature.field), 1e-6)
    return np.maximum(typical, np.finfo(np.float64).tiny)


def _level(all_features: Sequence[Feature], values: Floats, field: str) -> float:
    levels = [
        abs(float(np.median(values[:, column])))
        for column, feature in enumerate(all_features)
        if feature.field == field and feature.aggregate not in SHAPES
    ]
    return max(levels, default=1.0)


def _robust(column: Floats, *, spread: bool) -> tuple[float, float]:
    """Return the median and the scale of a column.

    The scale is the first of these that is not nothing: MAD, the middle 95 %, the standard deviation, a share of the
    value itself.
    """
    center = float(np.median(column))
    smallest = _SMALLEST_SPREAD_SCALE if spread else max(_SMALLEST_SCALE * abs(center), 1e-300)
    with np.errstate(over="ignore"):
        low, high = np.quantile(column, [0.025, 0.975])
        scales = (
            MAD_TO_SIGMA * float(np.median(np.abs(column - center))),
            float(high - low) / 3.92,
            float(np.std(column)),
        )
    for scale in scales:
        if smallest < scale < np.inf:
            return center, scale
    return center, _CONSTANT_SPREAD_SCALE if spread else max(_CONSTANT_SCALE * abs(center), 1e-6)
