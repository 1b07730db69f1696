"""A forest with a short history, which remembers outliers."""

from dataclasses import replace

import numpy as np
import pytest

from anomaly.detectors import isolation_forest, registry
from anomaly.detectors.base import FeatureHistory, Followers, follow
from anomaly.detectors.declaration import FitRequest
from anomaly.detectors.wrappers.outliers import OutlierForest
from anomaly.windows.arrays import Bools, Floats

MINUTE = 60_000_000_000
LENGTH = 600
X = np.random.default_rng(0).normal(0, 1, (LENGTH, 2))
HISTORY = FeatureHistory(
    X, np.zeros(LENGTH, dtype=np.intp), 1, np.arange(LENGTH, dtype=np.int64) * MINUTE, MINUTE, is_long=False
)
REQUEST = FitRequest(HISTORY, {"trees": 50, "samples": 128})
FITTED = registry.fit("isolation_forest", REQUEST).detector
USUAL, FAR = [0.0, 0.0], [40.0, 0.0]


def followers() -> Followers:
    made = FITTED.followers(1)
    made.begin(np.array([0]), np.array([1]))
    return made


def explain(followers: Followers, windows: list[list[float]], unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
    nothing = np.zeros(len(windows), dtype=np.int64)
    return followers.explain(nothing, nothing, np.array(windows), unlearnt)


def scores(followers: Followers, windows: list[list[float]], unlearnt: Bools | None = None) -> Floats:
    return explain(followers, windows, unlearnt)[0]


def test_a_short_history_makes_a_forest_that_remembers() -> None:
    assert isinstance(FITTED, OutlierForest)
    assert not FITTED.adds_up


def test_an_outlier_that_was_there_is_less_anomalous_and_not_usual() -> None:
    first, _, again, usual = scores(followers(), [FAR, USUAL, FAR, USUAL])

    assert first > 1.5 * again
    assert again > 2 * usual


def test_a_window_that_is_repeated_is_learnt_when_another_one_comes() -> None:
    first, *repeated, _, again = scores(followers(), [FAR, FAR, FAR, FAR, USUAL, FAR])

    assert repeated == [first] * 3
    assert first > 1.5 * again


def test_a_single_feature_that_is_repeated_is_learnt_at_once() -> None:
    fitted = registry.fit("isolation_forest", replace(REQUEST, history=replace(HISTORY, x=X[:, :1]))).detector
    made = fitted.followers(1)
    made.begin(np.array([0]), np.array([1]))

    first, _, repeated = scores(made, [[40.0], [40.0], [40.0]])

    assert first > 1.5 * repeated


def test_what_is_elsewhere_is_as_anomalous_as_the_first_outlier() -> None:
    first, _, other = scores(followers(), [FAR, USUAL, [0.0, 40.0]])

    assert other == pytest.approx(first, rel=0.05)


def test_an_outlier_that_is_not_to_be_learnt_stays_one() -> None:
    first, _, again = scores(followers(), [FAR, USUAL, FAR], np.array([False, True, False]))

    assert again == first


def test_the_share_is_that_of_the_feature_in_which_the_nearest_outlier_is_away() -> None:
    _, shares = explain(followers(), [FAR, USUAL, [40.0, 30.0]])

    assert [int(share.argmax()) for share in shares[[0, 2]]] == [0, 1]


def test_the_closest_outliers_make_room_for_another_one() -> None:
    """The 32nd outlier lies beside the first one, and goes when the 33rd one comes."""
    full = followers()
    far = [[100.0 * number, 0.0] for number in range(1, 32)]

    scores(full, [*far, [101.0, 0.0], [5_000.0, 0.0], USUAL])

    kept = full.arrays(np.array([0]))["outliers_values"].reshape(-1, 2)[:, 0].tolist()
    assert kept == [*range(100, 3_200, 100), 5_000]


def test_windows_beside_an_outlier_are_no_outliers() -> None:
    one = followers()

    scores(one, [FAR, [40.2, 0.0], [40.0, 0.2], USUAL])

    assert one.arrays(np.array([0]))["outliers_used"].tolist() == [[2]]


def test_an_unknown_feature_is_taken_for_usual() -> None:
    known, unknown = (scores(followers(), [[40.0, second]])[0] for second in (0.0, np.nan))

    assert unknown == known


@pytest.mark.parametrize("glitch", [1e6, -9999.0, 1e300])
def test_a_glitch_does_not_hide_what_comes_later(glitch: float) -> None:
    calm = scores(followers(), [USUAL, FAR])[1]
    after_it = scores(followers(), [[glitch, 0.0], USUAL, FAR])[2]

    # The glitch is a rare score itself, so that the next one is a little less rare.
    assert after_it > 0.8 * calm


def test_a_state_with_more_outliers_than_there_is_room_for_is_refused() -> None:
    one = followers()
    state = one.arrays(np.array([0]))

    with pytest.raises(ValueError, match="outliers_used is up to 66, and 64 is the most"):
        one.restore(np.array([0]), {**state, "outliers_used": np.array([[66]], dtype=np.uint32)})


def test_the_forest_of_the_ensemble_is_loaded_without_a_memory() -> None:
    before = isolation_forest.MEMBER.fit(REQUEST).detector
    loaded = registry.load("isolation_forest", before.arrays())

    expected, found = (
        follow(detector, 1).explain(np.zeros(3, dtype=np.int64), np.array([FAR, USUAL, FAR]))[0]
        for detector in (before, loaded)
    )

    np.testing.assert_array_equal(found, expected)
    assert found[2] == found[0]
