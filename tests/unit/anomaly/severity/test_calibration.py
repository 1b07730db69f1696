"""Calibration: its probabilities hold, a severity means days, and has an inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.severity.calibration import Calibration, calibrate

A_DAY = 8640.0
SCORES = np.random.default_rng(0).exponential(1.0, 20_000)
CALIBRATION = calibrate(SCORES)


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


@given(st.lists(st.floats(-5, 500), min_size=2, max_size=30))
def test_a_higher_score_is_never_less_severe(scores: list[float]) -> None:
    severities = CALIBRATION.severity(np.sort(np.array(scores)), A_DAY)
    assert (np.diff(severities) >= 0).all()


@given(st.floats(5, 99.9))
def test_score_at_is_the_inverse_of_severity(severity: float) -> None:
    score = CALIBRATION.score_at(severity, A_DAY)
    assert CALIBRATION.severity(np.array([score]), A_DAY)[0] == pytest.approx(severity, abs=1e-6)


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
