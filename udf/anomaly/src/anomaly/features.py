"""From a window's aggregates to the feature vector that detectors see.

Each aggregate of each field is one feature, in two steps:

1. *Shape.* stddev and spread are taken relative to what is usual for the series, above it as they are, below it as a
   logarithm (down to a floor): "noisier" and "stuck" (spread 0) both end far away from the usual. Measured: a logarithm
   above, too, finds a third of the spikes of nine deviations instead of three quarters, at the same false alarms.
2. *Scale.* Each series' feature is centred by its median and scaled by its MAD, so that one forest serves all series.
   A series that training has hardly seen, or not at all, gets the median center and scale of the others.

The features use the window itself only. What needs earlier windows is the detectors' affair (`anomaly.detectors.base`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anomaly.spec import Pipeline

Floats = NDArray[np.float64]
Rows = int | NDArray[np.intp]

SPREADS = frozenset({"stddev", "spread"})
# The floor of a spread, relative to the usual: ln 0.001 is some 30 deviations away with windows of ten points, yet
# finite.
_FLOOR = 1e-3
# A feature that never moved in training gets this share of its value as its scale.
_CONSTANT_SCALE = 1e-3
_CONSTANT_SPREAD_SCALE = 0.1
_SMALLEST_SPREAD_SCALE = 1e-2
_SMALLEST_SCALE = 1e-9
_MAD_TO_SIGMA = 1.4826
# A window with less than this share of its usual points is cut off (the first after a start, the edge of a gap): its
# deviation says little, so it is left out of training and not scored.
_ENOUGH = 0.5
# A series with fewer windows than this is scaled as the others are.
_ENOUGH_WINDOWS = 50


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
    """The features of a pipeline, in the order of the matrix's columns: fields outside, aggregates inside."""
    return [Feature(field, aggregate) for field in pipeline.fields for aggregate in pipeline.aggregate]


@dataclass(frozen=True, slots=True)
class Scaling:
    """What training learned of the series' centers and scales. d features, f fields, s series (s >= 1).

    spread: (d,), which features are spreads. keys: the series' tag values, in `group_by`'s order; row i + 1 of the
    arrays belongs to keys[i], row 0 to series that training has not seen. typical: (s + 1, d), the usual spread.
    center, scale: (s + 1, d), of the shaped feature. usual: (s + 1, f), the median number of points in a window.
    range_low, range_high: (d,), in units of scale: where 99.8 % of training lay.
    """

    keys: tuple[tuple[str, ...], ...]
    spread: NDArray[np.bool_]
    typical: Floats
    center: Floats
    scale: Floats
    range_low: Floats
    range_high: Floats
    usual: Floats

    def rows(self) -> dict[tuple[str, ...], int]:
        """The array row of each known series."""
        return {key: index + 1 for index, key in enumerate(self.keys)}

    def transform(self, values: Floats, row: Rows) -> Floats:
        """Feature values (n, d) of aggregates (n, d), in units of each series' scale, for windows of one series or with
        a row for each window."""
        return np.asarray((shape(values, self.spread, self.typical[row]) - self.center[row]) / self.scale[row])

    def expected(self, feature: int, row: int) -> tuple[float, float]:
        """The range that 99.8 % of training lay in, in the aggregate's own unit."""
        center, scale = self.center[row, feature], self.scale[row, feature]
        low = float(center + scale * self.range_low[feature])
        high = float(center + scale * self.range_high[feature])
        if not self.spread[feature]:
            return low, high
        typical = float(self.typical[row, feature])
        return typical * _unshape(low), typical * _unshape(high)

    def enough_points(self, counts: Floats, row: Rows) -> NDArray[np.bool_]:
        """Which windows, of counts (n, f), have at least half of the points that are usual, in every field."""
        return np.asarray((counts >= _ENOUGH * self.usual[row]).all(axis=-1))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything but `keys` as arrays, for the model's file."""
        return {f"scaling_{name}": getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, keys: Sequence[Sequence[str]], arrays: Mapping[str, NDArray[np.generic]]) -> "Scaling":
        """The inverse of `arrays`. Raises KeyError where one is missing."""
        taken = {name: arrays[f"scaling_{name}"] for name in _ARRAYS}
        return cls(keys=tuple(tuple(key) for key in keys), **taken)  # type: ignore[arg-type]


_ARRAYS = tuple(name for name in Scaling.__dataclass_fields__ if name != "keys")


def shape(values: Floats, spread: NDArray[np.bool_], typical: Floats) -> Floats:
    """The first step, (n, d) of (n, d): spreads relative to the typical, others as they are."""
    ratio = np.maximum(values / typical, _FLOOR)
    return np.where(spread, np.where(ratio > 1.0, ratio - 1.0, np.log(ratio)), values)


def _unshape(shaped: float) -> float:
    return shaped + 1.0 if shaped > 0 else math.exp(shaped)


def fit_scaling(
    wanted: Sequence[Feature],
    keys: Sequence[tuple[str, ...]],
    series: NDArray[np.intp],
    values: Floats,
    counts: Floats,
) -> Scaling:
    """Learns centers and scales.

    values: aggregates (n, d), complete. counts: points in each window and field (n, f). series: (n,), indexes into
    keys. Raises ValueError when there are no windows.
    """
    if len(values) == 0:
        raise ValueError("no windows to learn a scaling from")
    d, rows = len(wanted), len(keys) + 1
    spread = np.array([feature.aggregate in SPREADS for feature in wanted])
    typical, center, scale = np.ones((rows, d)), np.zeros((rows, d)), np.ones((rows, d))
    usual = np.zeros((rows, counts.shape[1]))
    order = np.argsort(series, kind="stable")
    bounds = np.searchsorted(series[order], np.arange(rows))
    known = np.flatnonzero(enough_windows(np.diff(bounds))) + 1
    for row in known:
        mine = order[bounds[row - 1] : bounds[row]]
        usual[row] = np.median(counts[mine], axis=0)
        typical[row] = _typical(wanted, values[mine])
        shaped = shape(values[mine], spread, typical[row])
        for column in range(d):
            center[row, column], scale[row, column] = _robust(shaped[:, column], spread=bool(spread[column]))
    unknown = np.setdiff1d(np.arange(rows), known)
    for array in (typical, center, scale, usual):
        array[unknown] = np.median(array[known], axis=0)
    ones = np.ones(d)
    scaling = Scaling(tuple(keys), spread, typical, center, scale, ones, ones, usual)
    low, high = np.quantile(scaling.transform(values, series + 1), [0.001, 0.999], axis=0)
    return replace(scaling, range_low=low, range_high=high)


def enough_windows(lengths: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which series, of histories of so many windows (s,), get scales of their own."""
    return np.asarray(lengths >= min(_ENOUGH_WINDOWS, lengths.max()))


def _typical(wanted: Sequence[Feature], values: Floats) -> Floats:
    """(d,): of a spread, its median where it is not 0; of a field that never moved, a share of its level; else 1."""
    typical = np.ones(len(wanted))
    for column, feature in enumerate(wanted):
        if feature.aggregate in SPREADS:
            moving = values[values[:, column] > 0, column]
            if len(moving):
                typical[column] = np.median(moving)
            else:
                typical[column] = max(_CONSTANT_SCALE * _level(wanted, values, feature.field), 1e-6)
    return np.maximum(typical, np.finfo(np.float64).tiny)


def _level(wanted: Sequence[Feature], values: Floats, field: str) -> float:
    levels = [
        abs(float(np.median(values[:, column])))
        for column, feature in enumerate(wanted)
        if feature.field == field and feature.aggregate not in SPREADS and feature.aggregate != "count"
    ]
    return max(levels, default=1.0)


def _robust(column: Floats, *, spread: bool) -> tuple[float, float]:
    """Median and scale. The scale is the first of these that is not nothing: MAD, the middle 95 %, the standard
    deviation, a share of the value itself."""
    center = float(np.median(column))
    smallest = _SMALLEST_SPREAD_SCALE if spread else max(_SMALLEST_SCALE * abs(center), 1e-300)
    low, high = np.quantile(column, [0.025, 0.975])
    for scale in (
        _MAD_TO_SIGMA * float(np.median(np.abs(column - center))),
        float(high - low) / 3.92,
        float(np.std(column)),
    ):
        if scale > smallest:
            return center, scale
    return center, _CONSTANT_SPREAD_SCALE if spread else max(_CONSTANT_SCALE * abs(center), 1e-6)
