"""The served forest against scikit-learn's, and the distance that is added to its score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest as Forest

from anomaly.detectors.forest.fit import flatten
from anomaly.detectors.forest.served import IsolationForest

RNG = np.random.default_rng(0)
MODES = np.concatenate([RNG.normal(0, 1, (600, 3)), RNG.normal([30, 0, 0], 1, (600, 3))])


def forest(x: np.ndarray, trees: int = 60, samples: int | str = 256, seed: int = 3) -> tuple[Forest, IsolationForest]:
    fitted = Forest(n_estimators=trees, max_samples=samples, random_state=seed).fit(x)
    return fitted, flatten(fitted, x)


FITTED, SERVED = forest(MODES)


@pytest.mark.parametrize(
    ("rows", "columns", "samples"), [(1000, 6, 256), (300, 1, 256), (20, 2, 16), (5000, 30, 512), (2, 2, 2), (1, 1, 1)]
)
def test_scores_equal_scikit_learns(rows: int, columns: int, samples: int) -> None:
    x = np.random.default_rng(rows).normal(size=(rows, columns))
    fitted, served = forest(x, samples=min(samples, rows))
    other = np.random.default_rng(1).normal(size=(700, columns)) * 5
    for points in (x, other):
        np.testing.assert_allclose(served.paper_score(points), -fitted.score_samples(points), rtol=0, atol=1e-9)


def test_scores_equal_scikit_learns_on_ties_and_constants() -> None:
    x = np.random.default_rng(5).integers(0, 4, (800, 3)).astype(np.float64)
    x[:, 2] = 7.0
    fitted, served = forest(x)
    np.testing.assert_allclose(served.paper_score(x), -fitted.score_samples(x), rtol=0, atol=1e-9)


def test_thresholds_are_compared_as_scikit_learn_does() -> None:
    """Points on a threshold, and a double's last bits beside it, all round to one float32."""
    inner = np.isfinite(SERVED.threshold)
    thresholds, features = SERVED.threshold[inner][:400], SERVED.feature[inner][:400]
    points = np.zeros((3 * len(thresholds), 3))
    for row, (threshold, feature) in enumerate(zip(thresholds, features, strict=True)):
        points[3 * row : 3 * row + 3, feature] = threshold, np.nextafter(threshold, 1e9), np.nextafter(threshold, -1e9)
    np.testing.assert_allclose(SERVED.paper_score(points), -FITTED.score_samples(points), rtol=0, atol=1e-9)


def test_the_plain_forest_saturates_and_the_score_does_not() -> None:
    far = np.array([[45.0, 0, 0], [100.0, 0, 0], [1e6, 0, 0]])
    assert np.ptp(SERVED.paper_score(far)) == 0
    score = SERVED.score(far)
    assert score[0] + 50 < score[1] < score[2]
    assert score[2] == pytest.approx(1e6, rel=1e-3)


def test_the_score_is_the_papers_where_training_has_been() -> None:
    np.testing.assert_allclose(SERVED.score(MODES), SERVED.paper_score(MODES), rtol=0, atol=1e-12)


def test_a_value_between_two_modes_is_outside() -> None:
    assert SERVED.score(np.array([[15.0, 0, 0]]))[0] > 8


def test_a_usual_value_of_one_mode_is_not_measured_against_another() -> None:
    """A point that is rare in one feature shares its leaf with the few others that are, of whatever mode."""
    rng = np.random.default_rng(4)

    def sample(rows: int) -> np.ndarray:
        x = rng.normal(size=(rows, 4))
        x[:, 0] += np.where(rng.random(rows) < 0.1, 1000.0, 0.0)
        return x

    _, served = forest(sample(2000), trees=100)
    assert np.quantile(served.score(sample(5000)), 0.999) < 5
    assert served.score(np.array([[500.0, 0, 0, 0]]))[0] > 300


@given(st.integers(0, 2), st.sampled_from([-1, 1]), st.integers(0, len(MODES) - 1))
@settings(max_examples=60)
def test_further_out_is_never_less_anomalous(feature: int, side: int, start: int) -> None:
    points = np.repeat(MODES[start : start + 1], 8, axis=0)
    points[:, feature] = 15 + side * (40 + np.array([0, 0.1, 1, 5, 20, 100, 1e4, 1e7]))
    assert (np.diff(SERVED.score(points)) >= 0).all()


def test_contributions_sum_to_one_and_name_the_guilty() -> None:
    guilty = np.arange(300) % 3
    points = np.random.default_rng(9).normal(0, 1, (300, 3))
    points[np.arange(300), guilty] = np.where(np.arange(300) % 2, 9, -9)
    shares = SERVED.explain(points)[1]
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-12)
    assert (shares >= 0).all()
    assert (shares.argmax(axis=1) == guilty).mean() > 0.97
    np.testing.assert_allclose(SERVED.explain(MODES)[1].sum(axis=1), 1, atol=1e-12)


def test_one_point_is_scored_as_in_a_crowd() -> None:
    crowd = SERVED.score(MODES[:300])
    alone = [SERVED.score(MODES[row : row + 1])[0] for row in range(300)]
    np.testing.assert_array_equal(crowd, alone)


def test_an_explanation_has_the_same_score() -> None:
    points = np.random.default_rng(7).normal(size=(300, 3)) * 30
    np.testing.assert_array_equal(SERVED.explain(points)[0], SERVED.score(points))


def test_arrays_hold_everything() -> None:
    again = IsolationForest.from_arrays(SERVED.arrays())
    points = np.random.default_rng(2).normal(size=(500, 3)) * 20
    np.testing.assert_array_equal(again.score(points), SERVED.score(points))
    np.testing.assert_array_equal(again.explain(points)[1], SERVED.explain(points)[1])
