"""Fit an Isolation Forest by scikit-learn and turn it into the plain arrays that serve."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.forest.served import IsolationForest
from anomaly.windows.arrays import Floats

# A longer history is thinned evenly: a tree sees some hundred windows, but all of them go into the leaves' boxes.
_MOST_ROWS = 200_000


def fit_forest(
    x: Floats, parameters: Mapping[str, Any], seed: int, *, keep: bool = False
) -> tuple[IsolationForest, object]:
    """Fit a forest.

    Args:
        x: features, shape (n, d), all known.
        parameters: `trees`, and `samples`: how many rows of `x` each tree is grown from.
        seed: of the random cuts.
        keep: whether to return scikit-learn's own forest, too.

    Returns:
        The forest that serves, and scikit-learn's own or None.
    """
    # scikit-learn is for training only: serving must not load it.
    from sklearn.ensemble import IsolationForest as Forest

    if len(x) > _MOST_ROWS:
        x = x[:: -(-len(x) // _MOST_ROWS)]
    forest = Forest(
        n_estimators=int(parameters["trees"]),
        max_samples=min(int(parameters["samples"]), len(x)),
        random_state=seed,
        n_jobs=1,
    ).fit(x)
    return flatten(forest, x), forest if keep else None


def largest_tree_bytes(parameters: Mapping[str, Any], width: int) -> int:
    """Return the size of the largest tree.

    A tree was measured to have a leaf for each four of its samples, and with few samples for each three.

    Args:
        parameters: `samples`: how many windows a tree is grown from.
        width: the number of features and columns.

    Returns:
        Bytes as arrays.
    """
    leaves = int(parameters["samples"]) // 3 + 1
    return leaves * (8 + 3 * 8 * width) + 2 * leaves * 22


def flatten(forest: Any, x: Floats) -> IsolationForest:
    """Turn a fitted scikit-learn IsolationForest into arrays.

    Args:
        forest: scikit-learn's forest.
        x: the rows that its trees were grown from and perhaps others, shape (n, d); the leaves' boxes are around them.

    Returns:
        The forest that serves.
    """
    single = x.astype(np.float32)
    parts = [_tree(estimator.tree_, single, x) for estimator in forest.estimators_]
    nodes = np.cumsum([0] + [len(part["feature"]) for part in parts])
    leaves = np.cumsum([0] + [len(part["path"]) for part in parts])
    return IsolationForest(
        feature=np.concatenate([part["feature"] for part in parts]),
        threshold=np.concatenate([part["threshold"] for part in parts]),
        children=np.concatenate([part["children"] + start for part, start in zip(parts, nodes, strict=False)]),
        roots=nodes[:-1].astype(np.intp),
        leaf=np.concatenate(
            [np.where(part["leaf"] < 0, -1, part["leaf"] + start) for part, start in zip(parts, leaves, strict=False)]
        ),
        path=np.concatenate([part["path"] for part in parts]),
        box=np.concatenate([part["box"] for part in parts]),
        gain=np.concatenate([part["gain"] for part in parts]),
        depth=max(int(part["depth"].max()) for part in parts),
        normal_path=float(average_path(np.array([forest.max_samples_]))[0]),
    )


def average_path(samples: NDArray[Any]) -> Floats:
    """Compute c(n), the average path length of an unsuccessful search in a binary tree.

    It is equation 1 of Liu, Ting and Zhou, with the logarithm plus Euler's constant for the harmonic number, as in
    scikit-learn.

    Args:
        samples: numbers of points in the trees, shape (n,).

    Returns:
        Path lengths, shape (n,).
    """
    n = samples.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        larger = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, larger))


def _tree(tree: Any, single: NDArray[np.float32], x: Floats) -> dict[str, NDArray[Any]]:
    m, d = tree.node_count, x.shape[1]
    is_leaf = tree.children_left == -1
    itself = np.arange(m)
    samples = tree.n_node_samples.astype(np.float64)
    depth = np.zeros(m, dtype=np.intp)
    gain = np.zeros((m, d))
    # Nodes come parents first.
    for node in np.flatnonzero(~is_leaf):
        for child in (tree.children_left[node], tree.children_right[node]):
            depth[child] = depth[node] + 1
            gain[child] = gain[node]
            gain[child, tree.feature[node]] += max(0.0, np.log2(samples[node] / samples[child]) - 1.0)
    leaves = np.flatnonzero(is_leaf)
    number = np.full(m, -1, dtype=np.intp)
    number[leaves] = np.arange(len(leaves))
    inside = number[tree.apply(single)]
    order = np.argsort(inside, kind="stable")
    starts = np.searchsorted(inside[order], np.arange(len(leaves)))
    return {
        "feature": np.where(is_leaf, 0, tree.feature).astype(np.intp),
        "threshold": np.where(is_leaf, np.inf, tree.threshold),
        "children": np.stack(
            [np.where(is_leaf, itself, tree.children_right), np.where(is_leaf, itself, tree.children_left)], axis=1
        ).astype(np.intp),
        "leaf": number,
        "depth": depth,
        "path": depth[leaves] + average_path(samples[leaves]),
        "box": np.stack([edge.reduceat(x[order], starts, axis=0) for edge in (np.minimum, np.maximum)], axis=1),
        "gain": gain[leaves],
    }
