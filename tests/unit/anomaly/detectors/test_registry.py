"""What all detectors promise: equal scores window by window and thousands at once, across a restart and a store."""

import json

import numpy as np
import pytest

from anomaly.detectors import registry
from anomaly.detectors.base import Detector, FeatureHistory
from anomaly.detectors.declaration import FitRequest
from anomaly.detectors.parts.learnt import packed, unpacked
from anomaly.models.manifest import SCHEMA
from tests.unit.anomaly.made_detectors import LENGTH, MADE, MINUTE, SCORES, TIMES, TRAINED, X, made, sampled


@pytest.fixture(scope="module", params=MADE)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(kind: str) -> tuple[str, Detector]:
    return MADE[kind][0], made(kind)


def test_scores_are_those_of_the_schema(kind: str, fitted: tuple[str, Detector]) -> None:
    """`tests.unit.anomaly.made_detectors` says what to do if they are not."""
    expected = json.loads(SCORES.read_text())
    assert expected["schema"] == SCHEMA
    assert sampled(fitted[1]) == pytest.approx(expected["scores"][kind], rel=1e-5, abs=1e-5)


def test_windows_one_by_one_are_scored_as_all_at_once(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    scores, shares = detector.follow(1).explain(TIMES[TRAINED:], X[TRAINED:])
    follower = detector.follow(1)
    for row in range(LENGTH - TRAINED):
        one = slice(TRAINED + row, TRAINED + row + 1)
        score, share = follower.explain(TIMES[one], X[one])
        assert score[0] == pytest.approx(scores[row], abs=1e-9)
        np.testing.assert_allclose(share[0], shares[row], rtol=0, atol=1e-9)


@pytest.mark.parametrize("cut", [1, 37, 900, 1_350])
def test_a_restart_changes_nothing(fitted: tuple[str, Detector], cut: int) -> None:
    _, detector = fitted
    whole = detector.follow(2).explain(TIMES[TRAINED:], X[TRAINED:])[0]
    before = detector.follow(2)
    first = before.explain(TIMES[TRAINED : TRAINED + cut], X[TRAINED : TRAINED + cut])[0]
    after = detector.follow(2, json.loads(json.dumps(before.state())))
    second = after.explain(TIMES[TRAINED + cut :], X[TRAINED + cut :])[0]
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=0, atol=1e-9)


def test_without_season_and_sides_the_day_and_both_sides_are_stored() -> None:
    history = FeatureHistory(X[:TRAINED], np.zeros(TRAINED, dtype=np.intp), 1, TIMES[:TRAINED], MINUTE, is_long=True)
    detector, _ = registry.fit("seasonal", FitRequest(history, {}))
    _, _, season_ns, sides = unpacked(detector.arrays()["seasonal"])
    assert (season_ns, sides) == (86_400_000_000_000, [0, 0])


@pytest.mark.parametrize("name", ["gap", "slow_gap", "seasonal"])
def test_a_stored_layout_without_season_and_sides_is_refused(name: str) -> None:
    """Models had this layout before the pipeline's schema knew seasons; their manifests' schema is refused, too."""
    window_ns, states, _, _ = unpacked(made(f"{name}-long").arrays()[name])
    with pytest.raises(ValueError, match="unpack"):
        registry.load(name, {name: packed([window_ns, states])})


def test_a_loaded_detector_scores_as_the_stored_one(fitted: tuple[str, Detector]) -> None:
    name, detector = fitted
    again = registry.load(name, detector.arrays())
    for row in (0, 1, 2):
        np.testing.assert_array_equal(
            again.follow(row).explain(TIMES[TRAINED:], X[TRAINED:])[0],
            detector.follow(row).explain(TIMES[TRAINED:], X[TRAINED:])[0],
        )


def test_followers_do_not_share_what_they_remember(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    expected = detector.follow(1).explain(TIMES[TRAINED:], X[TRAINED:])[0]
    detector.follow(1).explain(TIMES[TRAINED:], X[TRAINED:] + 100)
    np.testing.assert_array_equal(detector.follow(1).explain(TIMES[TRAINED:], X[TRAINED:])[0], expected)


def test_scores_are_finite_and_shares_sum_to_one(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    for x in (X[TRAINED:], X[TRAINED:] * 1e12, X[TRAINED:] * 0):
        scores, shares = detector.follow(0).explain(TIMES[TRAINED:], x)
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert (shares >= 0).all()


def test_scores_depend_on_the_past_alone(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    changed = X.copy()
    changed[2_200:] += 50
    before, after = (detector.follow(1).explain(TIMES[TRAINED:], x[TRAINED:])[0] for x in (X, changed))
    np.testing.assert_array_equal(before[: 2_200 - TRAINED], after[: 2_200 - TRAINED])


def test_the_guilty_feature_is_named(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    x = X.copy()
    x[1_500:1_560, 1] += 200
    shares = detector.follow(1).explain(TIMES[TRAINED:], x[TRAINED:])[1]
    assert shares[1_506 - TRAINED].argmax() == 1


def test_a_state_that_does_not_fit_is_refused(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    if detector.follow(1).state() is not None:
        with pytest.raises((KeyError, TypeError, ValueError)):
            detector.follow(1, [1, 2])
