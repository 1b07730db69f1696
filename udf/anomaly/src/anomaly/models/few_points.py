"""What a window with few points says, in the terms of windows with as many points as training saw.

The deviation of few points scatters more than that of many: of two points it is often near 0, and often twice of what
it should be. A detector that learned from windows of ten points would take both for anomalies. So a spread of few
points is replaced by the spread of the usual number of points that is as rare: (k - 1) s² / sigma² is chi squared with
k - 1 degrees of freedom, whose cube root is close to normal (Wilson and Hilferty, "The Distribution of Chi-Square",
PNAS 1931). A range is first made a deviation by its expectation for normal values (Blom, "Statistical Estimates and
Transformed Beta-Variables", 1958). An average of few points scatters more, too, and is drawn to the series' center by
as much.

One point has no spread: it is unknown, as that of a field that a window lacks.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from anomaly.models.features import Feature, Scaling
from anomaly.pipeline.specification import SPREADS
from anomaly.windows.arrays import Floats, Ints
from anomaly.windows.completeness import are_few_points

_AVERAGES = frozenset({"mean", "median"})


def of_usual_points(
    all_features: Sequence[Feature], scaling: Scaling, row: Ints | int, values: Floats, counts: Floats
) -> Floats:
    """Replace the aggregates of fields with less than half of the usual points by what is as rare with usual points.

    Args:
        all_features: the d features.
        scaling: the baselines.
        row: the array row of the series in it, or of each window's series, shape (n,).
        values: aggregates, shape (n, d), NaN where one is missing.
        counts: points in each window and field, shape (n, f).

    Returns:
        The aggregates, shape (n, d); `values` itself where no field has so few points.
    """
    few = are_few_points(counts, scaling.usual[row])
    if not few.any():
        return values
    values = values.copy()
    width = values.shape[1] // counts.shape[1]
    rows = np.broadcast_to(row, len(values))
    for window, field in np.argwhere(few).tolist():
        series = int(rows[window])
        points, full = float(counts[window, field]), float(scaling.usual[series, field])
        for column in range(field * width, (field + 1) * width):
            aggregate = all_features[column].aggregate
            if aggregate in SPREADS:
                typical = scaling.typical[series, column]
                values[window, column] = typical * _ratio(
                    float(values[window, column] / typical), points, full, is_range=aggregate == "spread"
                )
            elif aggregate in _AVERAGES:
                center = scaling.center[series, column]
                values[window, column] = center + (values[window, column] - center) * math.sqrt(points / full)
    return values


def _ratio(ratio: float, points: float, full: float, *, is_range: bool) -> float:
    """Return which ratio to the typical spread is as rare with `full` points as `ratio` is with `points`.

    Args:
        ratio: the spread of `points` points, relative to the median spread of `full` points.
        points: the number of points, less than `full`.
        full: the usual number of points.
        is_range: whether the spread is a range rather than a deviation.

    Returns:
        The ratio; NaN for a single point.
    """
    if points < 2:
        return math.nan
    if is_range:
        ratio *= _range_of(full) / _range_of(points)
    # The variances of the cube roots; a median spread is at 1 - variance of its own.
    variance, usual_variance = 2 / (9 * (points - 1)), 2 / (9 * (full - 1))
    normal = (ratio ** (2 / 3) * (1 - usual_variance) - (1 - variance)) / math.sqrt(variance)
    cube_root = max(1 + normal * math.sqrt(usual_variance) / (1 - usual_variance), 0.0)
    return float(cube_root * math.sqrt(cube_root))


@lru_cache(maxsize=1024)
def _range_of(points: float) -> float:
    """Return the expected range of normal values, in standard deviations."""
    return 2 * NormalDist().inv_cdf((points - 0.375) / (points + 0.25))
