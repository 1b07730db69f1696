"""Tails become alike, beyond the quantiles only."""

import numpy as np
import pytest

from anomaly.detectors.wrappers.tails import fit_tails


def test_skewed_tails_become_alike() -> None:
    x = np.exp(np.random.default_rng(3).normal(0, 1, (20_000, 1)))
    tails = fit_tails(x)
    applied = tails.apply(x)
    high = applied[applied > tails.high] - tails.high
    assert high.mean() == pytest.approx(1.0, rel=0.05)


def test_values_between_the_quantiles_stay() -> None:
    x = np.random.default_rng(3).normal(0, 1, (5_000, 2))
    tails = fit_tails(x)
    inside = (x >= tails.low) & (x <= tails.high)
    np.testing.assert_array_equal(tails.apply(x)[inside], x[inside])
    assert inside.mean() == pytest.approx(0.98, abs=0.001)


def test_values_keep_their_order() -> None:
    tails = fit_tails(np.random.default_rng(3).normal(0, 1, (5_000, 1)))
    far = np.array([[-1e9], [-50.0], [0.0], [50.0], [1e9]])
    assert (np.diff(tails.apply(far)[:, 0]) > 0).all()


@pytest.mark.parametrize("glitch", [1e3, 1e9])
def test_a_glitch_does_not_make_all_other_values_near(glitch: float) -> None:
    x = np.random.default_rng(3).normal(0, 1, (1_500, 1))
    fault = np.array([[8.0]])
    alone = fit_tails(x).apply(fault).item()
    x[700] = glitch
    assert fit_tails(x).apply(fault).item() > 0.5 * alone


def test_a_feature_without_values_beyond_its_quantiles_has_the_smallest_excess() -> None:
    tails = fit_tails(np.full((500, 1), 3.0))
    assert tails.apply(np.array([[4.0]])).item() == pytest.approx(3.0 + 1.0 / 0.1)
