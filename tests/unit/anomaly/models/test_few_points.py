"""A window with few points, in the terms of windows with the usual number."""

from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from anomaly.models.features import Feature, Scaling, fit_scaling
from anomaly.models.few_points import of_usual_points
from anomaly.windows.arrays import Floats

FEATURES = [Feature("bed", aggregate) for aggregate in ("mean", "stddev", "spread", "max")]
FULL = 10


def aggregates(points: Floats) -> Floats:
    """Aggregates (n, 4) of windows of points (n, k)."""
    deviation = points.std(axis=1, ddof=1) if points.shape[1] > 1 else np.full(len(points), np.nan)
    return np.stack([points.mean(axis=1), deviation, np.ptp(points, axis=1), points.max(axis=1)], axis=1)


@pytest.fixture(scope="module")
def scaling() -> Scaling:
    points = np.random.default_rng(0).normal(90.0, 2.0, (5_000, FULL))
    counts = np.full((len(points), 1), float(FULL))
    return fit_scaling(FEATURES, [("p",)], np.zeros(len(points), dtype=np.intp), aggregates(points), counts)


@pytest.mark.parametrize("points", [2, 3, 4])
def test_few_points_are_as_seldom_odd_as_many(scaling: Scaling, points: int) -> None:
    rng = np.random.default_rng(1)
    few, full = (aggregates(rng.normal(90.0, 2.0, (20_000, k))) for k in (points, FULL))
    found = of_usual_points(FEATURES, scaling, 1, few, np.full((len(few), 1), float(points)))

    x = scaling.transform(found, 1)[:, :3]
    usual = scaling.transform(full, 1)[:, :3]

    low, middle, high = (np.quantile(x, q, axis=0) - np.quantile(usual, q, axis=0) for q in (0.002, 0.5, 0.998))
    # The cube root is too careful where the spread of few points is near 0.
    assert (low > -0.5).all()
    np.testing.assert_allclose(middle, 0.0, atol=0.5)
    np.testing.assert_allclose(high, 0.0, atol=1.0)


def test_a_large_deviation_of_few_points_stays_large(scaling: Scaling) -> None:
    values = np.array([[110.0, 30.0, 42.0, 131.0]])
    found = scaling.transform(of_usual_points(FEATURES, scaling, 1, values, np.array([[2.0]])), 1)[0]
    assert (found[:3] > 6).all()


def test_one_point_has_no_spread(scaling: Scaling) -> None:
    values = np.array([[91.0, np.nan, 0.0, 91.0]])
    found = of_usual_points(FEATURES, scaling, 1, values, np.array([[1.0]]))[0]
    assert isnan(found[1])
    assert isnan(found[2])
    assert found[3] == 91.0


def test_half_of_the_usual_points_are_taken_as_they_are(scaling: Scaling) -> None:
    values = np.array([[91.0, 1.0, 2.0, 92.0]])
    assert of_usual_points(FEATURES, scaling, 1, values, np.array([[5.0]])) is values


def test_a_spread_of_nothing_is_finite(scaling: Scaling) -> None:
    values = np.array([[91.0, 0.0, 0.0, 91.0]])
    for points in (2.0, 3.0):
        found = of_usual_points(FEATURES, replace(scaling), 1, values, np.array([[points]]))
        assert np.isfinite(scaling.transform(found, 1)).all()
