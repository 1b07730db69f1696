"""The walk down the trees, compiled and in numpy: both walk as scikit-learn does, and find equal numbers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest as Forest

from anomaly.detectors.forest import walk, walk_numpy
from anomaly.detectors.forest.fit import flatten
from anomaly.detectors.forest.served import IsolationForest

COMPILED, IN_NUMPY = walk.Walk, walk_numpy.Walk
both = pytest.mark.parametrize("walk", [COMPILED, IN_NUMPY], ids=["compiled", "numpy"])
Walk = type[Any]

RNG = np.random.default_rng(1)
X = np.concatenate([RNG.normal(0, 1, (800, 3)), RNG.normal([30, 0, 0], 1, (400, 3))])
FITTED = Forest(n_estimators=100, random_state=1).fit(X)
SERVED = flatten(FITTED, X)


def scores(walk: Walk, served: IsolationForest, x: np.ndarray) -> Any:
    return served._paper(walk(served.nodes).lengths(np.ascontiguousarray(x, dtype=np.float64)))


@both
def test_scores_on_thresholds_and_beside_them_equal_scikit_learns(walk: Walk) -> None:
    """Points lie on thresholds, one float64 and one float32 to either side, and half way to the latter."""
    inner = np.flatnonzero(SERVED.leaf < 0)[::7]
    thresholds = SERVED.threshold[inner]
    single = thresholds.astype(np.float32)
    points = []
    for beside in (
        thresholds,
        np.nextafter(thresholds, np.inf),
        np.nextafter(thresholds, -np.inf),
        single,
        np.nextafter(single, np.float32(np.inf)),
        np.nextafter(single, np.float32(-np.inf)),
        (single + np.nextafter(single, np.float32(np.inf)).astype(np.float64)) / 2,
        (single + np.nextafter(single, np.float32(-np.inf)).astype(np.float64)) / 2,
    ):
        x = np.zeros((len(inner), 3))
        x[np.arange(len(inner)), SERVED.feature[inner]] = beside
        points.append(x)
    x = np.concatenate(points)
    np.testing.assert_allclose(scores(walk, SERVED, x), -FITTED.score_samples(x), rtol=0, atol=1e-9)


@both
@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1.0, 1e30, 1e38])
def test_scores_equal_scikit_learns_at_any_scale(walk: Walk, scale: float) -> None:
    """Scales reach from where float32 has few digits left to where it ends."""
    x = np.random.default_rng(2).normal(0, scale, (300, 2))
    x = np.clip(x, -3.4e38, 3.4e38)
    fitted = Forest(n_estimators=20, random_state=0).fit(x)
    found = scores(walk, flatten(fitted, x), x)
    np.testing.assert_allclose(found, -fitted.score_samples(x), rtol=0, atol=1e-9)


@both
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 2), (700, 1), (700, 40)])
def test_scores_equal_scikit_learns_for_all_shapes(walk: Walk, rows: int, columns: int) -> None:
    x = np.random.default_rng(3).integers(0, 6, (rows, columns)).astype(np.float64)
    fitted = Forest(n_estimators=10, max_samples=min(256, rows), random_state=0).fit(x)
    found = scores(walk, flatten(fitted, x), x)
    np.testing.assert_allclose(found, -fitted.score_samples(x), rtol=0, atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 5.0, 1e6]), st.integers(1, 200))
@settings(max_examples=60)
def test_both_walks_find_equal_numbers(seed: int, scale: float, rows: int) -> None:
    x = np.random.default_rng(seed).normal(0, scale, (rows, 3))
    compiled, in_numpy = COMPILED(SERVED.nodes), IN_NUMPY(SERVED.nodes)
    np.testing.assert_allclose(compiled.lengths(x), in_numpy.lengths(x), rtol=1e-12)
    for found, expected in zip(compiled.distances(x), in_numpy.distances(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    for found, expected in zip(compiled.details(x), in_numpy.details(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@both
def test_distances_are_those_of_the_nearest_trees(walk: Walk) -> None:
    """A walk in plain Python is the reference; whole numbers put many trees at equal distances."""
    x = np.random.default_rng(5).integers(-12, 12, (80, 3)).astype(np.float64)
    nodes = SERVED.nodes
    lengths, means, gaps, gains = walk(nodes).details(x)
    for row, point in enumerate(x):
        leaves = []
        for root in nodes.root:
            node = root
            while nodes.leaf[node] < 0:
                threshold, feature, child = nodes.node[node]
                node = child + int(np.float32(point[feature]) > threshold)
            leaves.append(nodes.leaf[node])
        outside = np.maximum(np.maximum(nodes.box[leaves, 0] - point, point - nodes.box[leaves, 1]), 0)
        nearest = sorted(outside.sum(axis=1))[: nodes.kept]
        assert lengths[row] == pytest.approx(nodes.path[leaves].sum(), rel=1e-12)
        assert means[row] == pytest.approx(np.mean(nearest), rel=1e-12, abs=1e-12)
        assert gaps[row].sum() == pytest.approx(means[row], rel=1e-12, abs=1e-12)
        np.testing.assert_allclose(gains[row], nodes.gain[leaves].mean(axis=0), rtol=1e-12)


@both
def test_a_point_has_the_same_numbers_alone_and_in_a_crowd(walk: Walk) -> None:
    x = np.random.default_rng(6).normal(0, 4, (200, 3))
    walks = walk(SERVED.nodes)
    crowd = walks.details(x)
    for row in range(len(x)):
        alone = walks.details(x[row : row + 1])
        for found, expected in zip(alone, crowd, strict=True):
            np.testing.assert_array_equal(found[0], expected[row])


@both
def test_infinite_values_and_nan_end_in_a_leaf(walk: Walk) -> None:
    x = np.array([[np.inf, -np.inf, 0.0], [np.nan, np.nan, np.nan], [1e300, -1e300, np.nan]])
    lengths = walk(SERVED.nodes).lengths(x)
    assert ((lengths > 0) & (lengths < 100 * 40)).all()


@both
def test_no_points_have_no_scores(walk: Walk) -> None:
    assert [found.shape for found in walk(SERVED.nodes).details(np.empty((0, 3)))] == [(0,), (0,), (0, 3), (0, 3)]


@both
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_another_number_of_features_is_refused(walk: Walk, columns: int) -> None:
    with pytest.raises(ValueError, match=f"{columns} features instead of 3"):
        walk(SERVED.nodes).lengths(np.zeros((5, columns)))


def test_without_the_compiled_walk_numpy_does_it_and_one_warning_says_so(tmp_path: Path) -> None:
    (tmp_path / "hide.py").write_text("import sys; sys.modules['anomaly.detectors.forest.walk'] = None\n")
    np.savez(tmp_path / "forest.npz", **dict[str, Any](SERVED.arrays()))
    program = """
import sys, hide
import numpy as np
from anomaly.detectors.forest.served import IsolationForest
for _ in range(2):
    forest = IsolationForest.from_arrays(np.load(sys.argv[1]))
    print(forest.score(np.array([[0.5, 0.5, 0.5], [40.0, 0.0, 0.0]])).tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "forest.npz")],
        env={"PYTHONPATH": f"{tmp_path}:{Path(walk_numpy.__file__).parents[3]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = SERVED.score(np.array([[0.5, 0.5, 0.5], [40.0, 0.0, 0.0]]))
    for line in done.stdout.splitlines():
        np.testing.assert_allclose(np.array(line.strip("[]").split(", "), dtype=float), expected, rtol=1e-12)
    assert done.stdout.count("\n") == 2
    assert done.stderr.count("the compiled walk of forests is missing") == 1
