"""Calibration: its probabilities hold, a severity means days, and has an inverse."""

from collections.abc import Callable

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


def cut_and_far(seed: int, count: int) -> np.ndarray:
    """Scores of which most end soon, and some five in 12,000 begin a far tail, as those of forests do."""
    rng = np.random.default_rng(seed)
    near = 0.5 + np.minimum(rng.exponential(0.06, count), 0.3)
    return np.where(rng.random(count) < 1e-3, 0.75 + rng.exponential(0.7, count), near)


def test_an_exponential_tail_is_taken_a_little_too_long() -> None:
    for seed in range(5):
        scores = np.random.default_rng(seed).exponential(1.0, 12_000)
        once_in_three = calibrate(scores).score_at(50.0 + 12.5 * np.log10(3 * len(scores) / A_DAY), A_DAY)
        # By itself it is at ln(36,000), which is 10.5.
        assert 9.5 < once_in_three < 15.0


@pytest.mark.parametrize("made", [heavy_tailed, cut_and_far])
def test_what_one_history_in_two_shows_comes_at_most_three_times_as_often(
    made: Callable[[int, int], np.ndarray],
) -> None:
    later = np.sort(made(100, 1_200_000))
    missed = 0
    for seed in range(40):
        threshold = calibrate(made(seed, 12_000)).score_at(50.0 + 12.5 * np.log10(2 * 12_000 / 288.0), 288.0)
        # Fifty are meant.
        missed += int(len(later) - np.searchsorted(later, threshold) > 3 * 50)
    assert missed <= 6


@pytest.mark.parametrize("made", [heavy_tailed, cut_and_far])
def test_a_tail_that_begins_late_hides_nothing_that_is_much_rarer(made: Callable[[int, int], np.ndarray]) -> None:
    later = np.sort(made(100, 1_200_000))
    thresholds = [calibrate(made(seed, 12_000)).score_at(50.0 + 12.5 * np.log10(50.0), 240.0) for seed in range(20)]
    # One in 12,000 scores is as high as once in 50 days of 240 windows, and one in 240,000 is twenty times rarer.
    assert later[-100] * 0.8 < np.median(thresholds) < later[-5]


def test_beyond_its_last_corner_a_tail_is_exponential() -> None:
    further = HEAVY.surprise(HEAVY.corners[0, -1] + HEAVY.excess * np.arange(4.0))
    assert np.diff(further) == pytest.approx(1.0)


def test_later_tails_count_far_out_where_that_is_asked_for() -> None:
    scores = cut_and_far(0, 12_000)
    near, far = calibrate(scores), calibrate(scores, far=True)
    # The history shows in two of its lengths what comes once in 24,000 scores.
    once_in_two, rarer = 50.0 + 12.5 * np.log10(np.array([24_000, 2_400_000]) / A_DAY)
    assert far.score_at(once_in_two, A_DAY) == pytest.approx(near.score_at(once_in_two, A_DAY))
    assert far.score_at(rarer, A_DAY) > near.score_at(rarer, A_DAY) + 1.0
    assert far.surprise(far.corners[0, -1] + far.excess * np.arange(4.0)) == pytest.approx(
        far.corners[1, -1] + np.arange(4.0)
    )


def test_many_equal_scores_are_no_reason_to_find_others_rare() -> None:
    # A tail that began where a hundred scores are equal would end there.
    scores = np.concatenate([SCORES, np.full(100, 12.0)])
    at, beyond = calibrate(scores).probability(np.array([12.0, 13.0]))
    assert at > 90 / len(scores)
    assert beyond > 20 / len(scores)


def test_a_calibration_of_a_release_that_knew_exponentials_is_read() -> None:
    arrays = CALIBRATION.arrays()
    del arrays["calibration_corners"]
    arrays["calibration_tail"] = np.array([0.01, 1.2, 20_000.0])
    calibration = Calibration.from_arrays(arrays)
    beyond = calibration.surprise(CALIBRATION.levels[-1] + np.array([1.2, 12.0]))
    assert beyond - np.log(100.0) == pytest.approx([1.0, 10.0])


def test_a_calibration_of_a_release_that_knew_a_shape_is_read() -> None:
    arrays = CALIBRATION.arrays()
    del arrays["calibration_corners"]
    arrays["calibration_tail"] = np.array([0.01, 1.2, 20_000.0, 0.5])
    calibration = Calibration.from_arrays(arrays)
    # It has a shape down to one in 40,000, which is at 45.6, and is exponential from there on.
    beyond = calibration.surprise(CALIBRATION.levels[-1] + np.array([0.3, 9.6, 45.6, 45.6 + 2.4 * (1 + 2 / 200**0.5)]))
    near, middle = 2 * np.log(1 + 0.5 * np.array([0.3, 9.6]) / 1.2)
    assert beyond - np.log(100.0) == pytest.approx([near, middle, np.log(400.0), np.log(400.0) + 1.0], rel=1e-3)


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
