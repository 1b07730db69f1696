"""From a window's aggregates to the feature vector that detectors see.

Each aggregate of each field is one feature, in three steps:

1. *Shape.* stddev and spread become logarithms, floored far below what is usual for the series: "three times noisier" and
   "stuck" (spread 0) are then both far away from the usual, and not only the first.
2. *Scale.* Each series' feature is centred by its median and scaled by its MAD, so that one forest serves all series.
   A series that training has not seen gets the median center and scale of the others.
3. *Tails.* Beyond its 1 % quantiles a feature is measured in units of its tail's mean excess, each side for itself: skewed and
   heavy tails (a logarithm of a deviation has both) become alike, and near to exponential, which calibration extrapolates.
   Source of the idea: peaks over threshold, e.g. Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory",
   KDD 2017.

The features use the window itself only. Features that need earlier windows (lags, differences) get a place here: as further
`Feature`s whose values come from a state that is fed window by window, in training and in serving alike.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.spec import Pipeline

Floats = NDArray[np.float64]

LOGARITHMIC = frozenset({"stddev", "spread"})
# The floor of a logarithmic feature, relative to the series' median: e^-7 of it, some 30 deviations away with windows of
# ten points, yet finite.
_LOG_FLOOR = 1e-3
# A feature that never moved in training gets this share of its value as its scale.
_CONSTANT_SCALE = 1e-3
_SMALLEST_SCALE = 1e-9
_MAD_TO_SIGMA = 1.4826
_TAIL = 0.01
_TAIL_POINTS = 20
_MIN_EXCESS = 0.1
# A window with less than this share of its usual points is cut off (the first after a start, the edge of a gap): its
# deviation says little, so it is left out of training and not scored.
_ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix."""

    field: str
    aggregate: str

    @property
    def name(self) -> str:
        return f"{self.aggregate}({self.field})"


def features(pipeline: Pipeline) -> list[Feature]:
    """The features of a pipeline, in the order of the matrix's columns: fields outside, aggregates inside."""
    return [Feature(field, aggregate) for field in pipeline.fields for aggregate in pipeline.aggregate]


@dataclass(frozen=True, slots=True)
class Scaling:
    """What training learned of the series' centers, scales and tails. d features, s series (s >= 1).

    keys: the series' tag values, in `group_by`'s order; row i + 1 of the arrays belongs to keys[i], row 0 to unseen series.
    center, scale, floor: (s + 1, d). floor is used for logarithmic features only.
    tail_low, tail_high, excess_low, excess_high: (d,), in units of scale. usual: (s + 1, fields), median points in a window.
    range_low, range_high: (d,), in units of scale: where 99.8 % of training lay.
    """

    logarithmic: NDArray[np.bool_]
    keys: tuple[tuple[str, ...], ...]
    center: Floats
    scale: Floats
    floor: Floats
    tail_low: Floats
    tail_high: Floats
    excess_low: Floats
    excess_high: Floats
    range_low: Floats
    range_high: Floats
    usual: Floats

    def rows(self) -> dict[tuple[str, ...], int]:
        """The array row of each known series."""
        return {key: index + 1 for index, key in enumerate(self.keys)}

    def transform(self, values: Floats, row: int | NDArray[np.intp]) -> Floats:
        """Feature values (n, d) of aggregates (n, d), for windows of one series or with a row for each window."""
        z = self._scaled(values, row)
        z = np.where(z > self.tail_high, self.tail_high + (z - self.tail_high) / self.excess_high, z)
        return np.where(z < self.tail_low, self.tail_low + (z - self.tail_low) / self.excess_low, z)

    def _scaled(self, values: Floats, row: int | NDArray[np.intp]) -> Floats:
        shaped = np.where(self.logarithmic, np.log(np.maximum(values, self.floor[row])), values)
        return np.asarray((shaped - self.center[row]) / self.scale[row])

    def expected(self, feature: int, row: int) -> tuple[float, float]:
        """The range that 99.8 % of training lay in, in the aggregate's own unit."""
        center, scale = self.center[row, feature], self.scale[row, feature]
        low, high = center + scale * self.range_low[feature], center + scale * self.range_high[feature]
        if self.logarithmic[feature]:
            low, high = math.exp(low), math.exp(high)
        return float(low), float(high)

    def enough_points(self, counts: Floats, row: int | NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which windows, of counts (n, fields), have at least half of the points that are usual in every field."""
        return np.asarray((counts >= _ENOUGH * self.usual[row]).all(axis=-1))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything but `keys` as arrays, for the model's file."""
        return {f"scaling_{name}": getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, keys: Sequence[Sequence[str]], arrays: Mapping[str, NDArray[np.generic]]) -> "Scaling":
        """The inverse of `arrays`. Raises KeyError where one is missing."""
        return cls(keys=tuple(tuple(key) for key in keys), **{name: arrays[f"scaling_{name}"] for name in _ARRAYS})  # type: ignore[arg-type]


_ARRAYS = (
    "logarithmic",
    "center",
    "scale",
    "floor",
    "tail_low",
    "tail_high",
    "excess_low",
    "excess_high",
    "range_low",
    "range_high",
    "usual",
)


def fit_scaling(
    wanted: Sequence[Feature],
    keys: Sequence[tuple[str, ...]],
    series: NDArray[np.intp],
    values: Floats,
    counts: Floats,
) -> Scaling:
    """Learns centers, scales and tails.

    values: aggregates (n, d), complete. counts: points in each window and field (n, fields). series: (n,), an index into keys.
    Raises ValueError when there are no windows.
    """
    if len(values) == 0:
        raise ValueError("no windows to learn a scaling from")
    d = len(wanted)
    logarithmic = np.array([feature.aggregate in LOGARITHMIC for feature in wanted])
    shape = (len(keys) + 1, d)
    center, scale, floor = np.zeros(shape), np.ones(shape), np.full(shape, _SMALLEST_SCALE)
    usual = np.zeros((len(keys) + 1, counts.shape[1]))
    order = np.argsort(series, kind="stable")
    bounds = np.searchsorted(series[order], np.arange(len(keys) + 1))
    present = []
    for index in range(len(keys)):
        mine = order[bounds[index] : bounds[index + 1]]
        if len(mine) == 0:
            continue
        present.append(index + 1)
        usual[index + 1] = np.median(counts[mine], axis=0)
        _fit_series(wanted, logarithmic, values[mine], center[index + 1], scale[index + 1], floor[index + 1])
    for array in (center, scale, floor, usual):
        array[0] = np.median(array[present], axis=0)
        absent = [row for row in range(1, len(keys) + 1) if row not in set(present)]
        array[absent] = array[0]
    unscaled = np.zeros(d)
    scaling = Scaling(
        logarithmic,
        tuple(keys),
        center,
        scale,
        floor,
        unscaled,
        unscaled,
        unscaled,
        unscaled,
        unscaled,
        unscaled,
        usual,
    )
    z = scaling._scaled(values, series + 1)
    share = min(0.25, max(_TAIL, _TAIL_POINTS / len(z)))
    low, high = np.quantile(z, [share, 1 - share], axis=0)
    range_low, range_high = np.quantile(z, [0.001, 0.999], axis=0)
    return Scaling(
        logarithmic,
        tuple(keys),
        center,
        scale,
        floor,
        low,
        high,
        _mean_excess(low - z),
        _mean_excess(z - high),
        range_low,
        range_high,
        usual,
    )


def _mean_excess(beyond: Floats) -> Floats:
    excess = np.where(beyond > 0, beyond, 0.0)
    count = (beyond > 0).sum(axis=0)
    return np.maximum(_MIN_EXCESS, excess.sum(axis=0) / np.maximum(count, 1))


def _fit_series(
    wanted: Sequence[Feature],
    logarithmic: NDArray[np.bool_],
    values: Floats,
    center: Floats,
    scale: Floats,
    floor: Floats,
) -> None:
    levels = np.median(values, axis=0)
    for j, feature in enumerate(wanted):
        column = values[:, j]
        if logarithmic[j]:
            moving = column[column > 0]
            if len(moving):
                floor[j] = _LOG_FLOOR * float(np.median(moving))
            else:
                floor[j] = _LOG_FLOOR * max(_CONSTANT_SCALE * _level(wanted, levels, feature.field), 1e-6)
            floor[j] = max(floor[j], np.finfo(np.float64).tiny)
            column = np.log(np.maximum(column, floor[j]))
        center[j], scale[j] = _robust(column, logarithmic=bool(logarithmic[j]))


def _level(wanted: Sequence[Feature], levels: Floats, field: str) -> float:
    of_field = [
        abs(float(level))
        for feature, level in zip(wanted, levels, strict=True)
        if feature.field == field and feature.aggregate not in LOGARITHMIC and feature.aggregate != "count"
    ]
    return max(of_field, default=1.0)


def _robust(column: Floats, *, logarithmic: bool) -> tuple[float, float]:
    """Median and scale. The scale is the first of these that is not nothing: MAD, the middle 95 %, the standard deviation,
    a share of the value itself."""
    center = float(np.median(column))
    smallest = 1e-2 if logarithmic else max(_SMALLEST_SCALE * abs(center), 1e-300)
    low, high = np.quantile(column, [0.025, 0.975])
    for scale in (
        _MAD_TO_SIGMA * float(np.median(np.abs(column - center))),
        float(high - low) / 3.92,
        float(np.std(column)),
    ):
        if scale > smallest:
            return center, scale
    constant = 1.0 if logarithmic else max(_CONSTANT_SCALE * abs(center), 1e-6)
    return center, constant
