"""Calibration: its probabilities hold, a severity means days, and has an inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.severity.calibration import Calibration, calibrate

A_DAY = 8640.0
SCORES = np.random.default_rng(0).exponential(1.0, 20_000)
CALIBRATION = calibrate(SCORES)


def heavy_tailed(seed: int, count: int) -> np.ndarray:
    """Scores of which one in fifty has a heavy tail, as forests give them."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(count) < 0.02, 2.0 * rng.random(count) ** -0.6, rng.exponential(0.3, count))


HEAVY = calibrate(heavy_tailed(0, 12_000))


def test_probabilities_hold_in_the_body_and_beyond_the_data() -> None:
    scores = np.array([0.01, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0])
    ratio = np.log(CALIBRATION.probability(scores)) / -scores
    # Careful by two standard errors of some 200 exceedances: 14 % of the way beyond the 99 % quantile.
    assert ratio[:4] == pytest.approx(1.0, abs=0.15)
    assert ((ratio[4:] > 0.75) & (ratio[4:] < 1.1)).all()


def test_severity_is_a_scale_of_days() -> None:
    for days, severity in ((1, 50.0), (10, 62.5), (100, 75.0), (10_000, 100.0)):
        score = CALIBRATION.score_at(severity, A_DAY)
        assert 1 / (CALIBRATION.probability(np.array([score]))[0] * A_DAY) == pytest.approx(days)
        assert CALIBRATION.severity(np.array([score]), A_DAY)[0] == pytest.approx(severity)


def test_severity_stays_within_0_and_100() -> None:
    assert CALIBRATION.severity(np.array([-1e9, 1e9, 1e300]), A_DAY).tolist() == [
        pytest.approx(50 + 12.5 * np.log10(1 / A_DAY)),
        100.0,
        100.0,
    ]
    assert CALIBRATION.severity(np.array([-1e9]), 1e9)[0] == 0.0


@pytest.mark.parametrize("calibration", [CALIBRATION, HEAVY], ids=["light", "heavy"])
@given(scores=st.lists(st.floats(-5, 500), min_size=2, max_size=30))
def test_a_higher_score_is_never_less_severe(calibration: Calibration, scores: list[float]) -> None:
    severities = calibration.severity(np.sort(np.array(scores)), A_DAY)
    assert (np.diff(severities) >= 0).all()


@pytest.mark.parametrize("calibration", [CALIBRATION, HEAVY], ids=["light", "heavy"])
@given(severity=st.floats(5, 99.9))
def test_score_at_is_the_inverse_of_severity(calibration: Calibration, severity: float) -> None:
    score = calibration.score_at(severity, A_DAY)
    assert calibration.severity(np.array([score]), A_DAY)[0] == pytest.approx(severity, abs=1e-6)


def test_an_exponential_tail_has_no_shape() -> None:
    assert CALIBRATION.shape == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_a_heavy_tail_is_as_rare_as_it_is_said_to_be(seed: int) -> None:
    """Ten times as many scores as were calibrated with, of which some have to be as rare as one in the first ones."""
    scores = heavy_tailed(seed, 12_000)
    calibration = calibrate(scores)
    assert 0.3 < calibration.shape < 0.9

    # With 288 windows a day: once in 42 days.
    threshold = calibration.score_at(50.0 + 12.5 * np.log10(42.0), 288.0)
    seen = int((heavy_tailed(seed + 100, 120_000) >= threshold).sum())

    assert 10 / 3 <= seen <= 10 * 3


def test_a_tail_goes_on_where_nobody_knows_its_shape() -> None:
    rarest = HEAVY.score_at(50.0 + 12.5 * np.log10(2 * HEAVY.count / A_DAY), A_DAY)
    step = HEAVY.excess
    further = HEAVY.surprise(np.array([rarest, rarest + step, rarest + 2 * step, rarest + 3 * step]))
    assert np.diff(further) == pytest.approx(np.diff(further)[0])


def test_calibrations_of_releases_that_knew_no_shape_are_read() -> None:
    arrays = CALIBRATION.arrays()
    arrays["calibration_tail"] = arrays["calibration_tail"][:3]
    np.testing.assert_array_equal(Calibration.from_arrays(arrays).probability(SCORES), CALIBRATION.probability(SCORES))


def test_longer_windows_make_the_same_probability_rarer() -> None:
    score = np.array([10.0])
    assert CALIBRATION.severity(score, 24.0)[0] > CALIBRATION.severity(score, A_DAY)[0]


@pytest.mark.parametrize("scores", [np.full(500, 3.0), np.array([1.0]), np.array([1.0, 2.0])])
def test_few_or_equal_scores_still_calibrate(scores: np.ndarray) -> None:
    calibration = calibrate(scores)
    assert np.isfinite(calibration.score_at(70.0, A_DAY))
    assert calibration.severity(np.array([1e6]), A_DAY)[0] == 100.0


def test_arrays_hold_everything() -> None:
    again = Calibration.from_arrays(CALIBRATION.arrays())
    np.testing.assert_array_equal(again.severity(SCORES, A_DAY), CALIBRATION.severity(SCORES, A_DAY))
    assert again.count == len(SCORES)


def test_a_calibration_without_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="no scores"):
        calibrate(np.array([]))


def test_a_score_that_most_windows_have_is_not_rare() -> None:
    constant = calibrate(np.ones(5_000))
    assert constant.probability(np.array([1.0])).tolist() == [1.0]
    assert constant.surprise(np.array([0.0, 1.0])).tolist() == [0.0, 0.0]
    assert constant.probability(np.array([1.1]))[0] < 1e-12
    mostly = calibrate(np.concatenate([np.zeros(4_000), np.arange(1.0, 1_001.0)]))
    assert mostly.probability(np.array([0.0])).tolist() == [1.0]
    assert mostly.probability(np.array([500.0]))[0] == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("beyond", [0, 150])
def test_the_threshold_is_not_a_score_that_too_many_windows_have(beyond: int) -> None:
    # One window in ten has the score 1, which is likelier than one in twenty.
    calibration = calibrate(np.concatenate([np.zeros(9_000), np.ones(1_000 - beyond), np.full(beyond, 2.0)]))
    severity = float(calibration.severity(np.array([1.0]), 24.0)[0]) + 3.0
    threshold = calibration.score_at(severity, 24.0)
    assert threshold == pytest.approx(1.0)
    below, at = calibration.severity(np.array([1.0, threshold]), 24.0)
    assert below < severity <= at
