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
