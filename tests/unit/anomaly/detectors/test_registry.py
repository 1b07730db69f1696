"""What all detectors promise: equal scores window by window and thousands at once, across a restart and a store."""

import json
import zlib

import numpy as np
import pytest

from anomaly.detectors import registry
from anomaly.detectors.base import Detector, FeatureHistory, follow
from anomaly.detectors.declaration import FitRequest
from anomaly.models.manifest import SCHEMA
from anomaly.pipeline import load_schema
from tests.unit.anomaly.detectors.forest.test_served import MODES
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
    scores, shares = follow(detector, 1).explain(TIMES[TRAINED:], X[TRAINED:])
    follower = follow(detector, 1)
    for row in range(LENGTH - TRAINED):
        one = slice(TRAINED + row, TRAINED + row + 1)
        score, share = follower.explain(TIMES[one], X[one])
        assert score[0] == pytest.approx(scores[row], abs=1e-9)
        np.testing.assert_allclose(share[0], shares[row], rtol=0, atol=1e-9)


@pytest.mark.parametrize("cut", [1, 37, 900, 1_350])
def test_a_restart_changes_nothing(fitted: tuple[str, Detector], cut: int) -> None:
    _, detector = fitted
    whole = follow(detector, 2).explain(TIMES[TRAINED:], X[TRAINED:])[0]
    before = follow(detector, 2)
    first = before.explain(TIMES[TRAINED : TRAINED + cut], X[TRAINED : TRAINED + cut])[0]
    after = follow(detector, 2)
    after.restore(before.arrays())
    second = after.explain(TIMES[TRAINED + cut :], X[TRAINED + cut :])[0]
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=0, atol=1e-9)


def test_without_season_and_sides_the_day_and_both_sides_are_stored() -> None:
    history = FeatureHistory(X[:TRAINED], np.zeros(TRAINED, dtype=np.intp), 1, TIMES[:TRAINED], MINUTE, is_long=True)
    detector, _ = registry.fit("seasonal", FitRequest(history, {}))
    arrays = detector.arrays()
    assert arrays["seasonal_settings"].tolist() == [MINUTE, 86_400_000_000_000]
    assert arrays["seasonal_sides"].tolist() == [0, 0]


@pytest.mark.parametrize("name", ["gap", "slow_gap", "seasonal", "seasonal_gap"])
def test_a_stored_layout_without_season_and_sides_is_refused(name: str) -> None:
    """Models had this layout before the pipeline's schema knew seasons; their manifests' schema is refused, too."""
    states = [[[None, None], [[], []]]]
    layout = np.frombuffer(zlib.compress(json.dumps([MINUTE, states]).encode()), dtype=np.uint8)
    with pytest.raises(KeyError, match=f"{name}_settings"):
        registry.load(name, {name: layout})


def test_a_loaded_detector_scores_as_the_stored_one(fitted: tuple[str, Detector]) -> None:
    name, detector = fitted
    again = registry.load(name, detector.arrays())
    for row in (0, 1, 2):
        np.testing.assert_array_equal(
            follow(again, row).explain(TIMES[TRAINED:], X[TRAINED:])[0],
            follow(detector, row).explain(TIMES[TRAINED:], X[TRAINED:])[0],
        )


def test_followers_do_not_share_what_they_remember(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    expected = follow(detector, 1).explain(TIMES[TRAINED:], X[TRAINED:])[0]
    follow(detector, 1).explain(TIMES[TRAINED:], X[TRAINED:] + 100)
    np.testing.assert_array_equal(follow(detector, 1).explain(TIMES[TRAINED:], X[TRAINED:])[0], expected)


def test_scores_are_finite_and_shares_sum_to_one(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    for x in (X[TRAINED:], X[TRAINED:] * 1e12, X[TRAINED:] * 0):
        scores, shares = follow(detector, 0).explain(TIMES[TRAINED:], x)
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert (shares >= 0).all()


def test_scores_depend_on_the_past_alone(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    changed = X.copy()
    changed[2_200:] += 50
    before, after = (follow(detector, 1).explain(TIMES[TRAINED:], x[TRAINED:])[0] for x in (X, changed))
    np.testing.assert_array_equal(before[: 2_200 - TRAINED], after[: 2_200 - TRAINED])


def test_the_guilty_feature_is_named(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    x = X.copy()
    x[1_500:1_560, 1] += 200
    shares = follow(detector, 1).explain(TIMES[TRAINED:], x[TRAINED:])[1]
    assert shares[1_506 - TRAINED].argmax() == 1


def test_a_state_that_does_not_fit_is_refused(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    follower = follow(detector, 1)
    follower.explain(TIMES[TRAINED:], X[TRAINED:])
    before = follower.arrays()
    for name, array in before.items():
        others = {other: each for other, each in before.items() if other != name}
        with pytest.raises((KeyError, ValueError)):
            follower.restore(others)
        with pytest.raises((KeyError, ValueError)):
            follower.restore({**others, name: array[:-1]} if array.size else {**others, name: array[None]})
    after = follower.arrays()
    assert {name: array.tobytes() for name, array in after.items()} == {
        name: array.tobytes() for name, array in before.items()
    }


def test_windows_of_several_series_at_once_are_scored_as_those_of_each(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    rows, places = [2, 0, 1], np.array([4, 1, 3])
    followers = detector.followers(6)
    followers.begin(places, np.array(rows))
    each = [X[TRAINED:], X[TRAINED:] + 0.5, X[TRAINED:] * 2]
    alone = [follow(detector, row).explain(TIMES[TRAINED:], x) for row, x in zip(rows, each, strict=True)]
    scores, shares = followers.explain(
        np.tile(places, LENGTH - TRAINED), np.repeat(TIMES[TRAINED:], 3), np.stack(each, axis=1).reshape(-1, 2)
    )
    for number, (score, share) in enumerate(alone):
        np.testing.assert_allclose(scores[number::3], score, rtol=0, atol=1e-9)
        np.testing.assert_allclose(shares[number::3], share, rtol=0, atol=1e-9)


def test_the_state_of_some_series_goes_on_at_other_places(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    followers, others = detector.followers(3), detector.followers(5)
    followers.begin(np.arange(3), np.array([1, 2, 0]))
    others.begin(np.array([4, 0]), np.array([0, 1]))
    window = X[TRAINED : TRAINED + 3]
    followers.explain(np.arange(3), TIMES[TRAINED : TRAINED + 3], window)
    others.restore(np.array([4, 0]), followers.arrays(np.array([2, 0])))
    after = TIMES[TRAINED + 3 : TRAINED + 5]
    np.testing.assert_array_equal(
        followers.explain(np.array([2, 0]), after, window[:2])[0],
        others.explain(np.array([4, 0]), after, window[:2])[0],
    )


def test_a_place_begins_anew(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    follower = follow(detector, 1)
    expected = follower.explain(TIMES[TRAINED:], X[TRAINED:])[0]
    follower.followers.begin(np.array([0]), np.array([1]))
    np.testing.assert_array_equal(follower.explain(TIMES[TRAINED:], X[TRAINED:])[0], expected)


def test_a_place_that_does_not_exist_is_refused(fitted: tuple[str, Detector]) -> None:
    _, detector = fitted
    followers = detector.followers(2)
    if followers.bytes_per_series:
        for place in (-1, 2):
            with pytest.raises(IndexError):
                followers.explain(np.array([place]), TIMES[:1], X[:1])
            with pytest.raises(IndexError):
                followers.begin(np.array([place]), np.array([0]))


def test_a_series_is_as_small_as_it_is_said_to_be(fitted: tuple[str, Detector]) -> None:
    """At most 12 kB for each feature; half-space trees and the tail of a short history's forest are for all of them."""
    name, detector = fitted
    for_all = 26_000 if name == "half_space_trees" else 3_100
    assert detector.followers(1).bytes_per_series <= for_all + 2 * 12_000


def test_an_unknown_detector_is_refused() -> None:
    history = FeatureHistory(MODES, np.zeros(1, dtype=np.intp), 1, np.zeros(1, dtype=np.int64), 1, is_long=True)
    with pytest.raises(ValueError, match="'oracle' is not a detector"):
        registry.fit("oracle", FitRequest(history, {}))
    with pytest.raises(ValueError, match="'oracle' is not a detector"):
        registry.load("oracle", {})


def test_the_schema_names_all_detectors() -> None:
    assert load_schema()["properties"]["detector"]["enum"] == list(registry.NAMES)
