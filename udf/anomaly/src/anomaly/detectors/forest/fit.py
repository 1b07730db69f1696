"""Isolation Forest, trained by scikit-learn and turned into plain arrays."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Detector, History
from anomaly.detectors.forest.isolation_forest import IsolationForest
from anomaly.detectors.wrappers import per_series, running_tail
from anomaly.detectors.wrappers.context import Columns, Contextual, states
from anomaly.detectors.wrappers.tails import Tailed, fit_tails
from anomaly.windows.arrays import Floats
from anomaly.windows.blocks import FOLDS, Blocks

# More windows than this are thinned evenly: a tree sees some hundreds anyway, and the boxes of the leaves are filled.
_MOST_ROWS = 200_000
# Of a forest of a series' own.
_LEAST_TREES = 10


def fit_detector(
    history: History, parameters: Mapping[str, Any], seed: int, *, keep: bool = False, jobs: int = 1
) -> tuple[Detector, object]:
    """The forest, and what is around it. With a long history: its features' tails, forests of series' own
    (`anomaly.detectors.wrappers.per_series`), by so many threads, and the context that is asked for
    (`anomaly.detectors.wrappers.context`). With
    a short one: the running tail of its scores.

    Returns it and, when `keep`, scikit-learn's own forest, the pooled one, else None.
    """
    kinds = parameters.get("context", ()) if history.long else ()
    # What remembers has to know what is not known.
    history = history if kinds else history.filled
    if not history.long:
        forest, estimator = fit(history.weighted, parameters, seed, keep=keep)
        return running_tail.fit(forest, history, held_back(history, parameters, seed)), estimator
    if not kinds:
        pooled, estimator = _tailed(history, parameters, seed, keep=keep)
        return _with_own(pooled, history, parameters, seed, jobs), estimator
    columns = Columns(kinds, history.x.shape[1], history.window_ns, history.sides)
    extended, known = columns.along(history)
    shown = replace(history, x=extended).where(known)
    plain, _ = _tailed(history.filled, parameters, seed)
    pooled, estimator = _tailed(shown, parameters, seed, keep=keep)
    full = _with_own(pooled, shown, parameters, seed, jobs)
    return Contextual(columns, plain, full, states(columns, history)), estimator


def _tailed(history: History, parameters: Mapping[str, Any], seed: int, *, keep: bool = False) -> tuple[Tailed, object]:
    tails = fit_tails(history.ordinary)
    forest, estimator = fit(tails.apply(history.weighted), parameters, seed, keep=keep)
    return Tailed(tails, forest), estimator


def _with_own(pooled: Tailed, history: History, parameters: Mapping[str, Any], seed: int, jobs: int) -> Detector:
    tree = _tree_bytes(parameters, history.x.shape[1])

    def one(mine: History, budget: int, seed: int) -> Tailed:
        trees = min(max(_LEAST_TREES, int(parameters["trees"]) // 4), budget // tree)
        return _tailed(mine, {**parameters, "trees": trees}, seed)[0]

    return per_series.fit(pooled, history, one, seed, jobs)


def least_own_bytes(parameters: Mapping[str, Any], width: int) -> int:
    """Of the smallest forest of a series' own, as arrays, with so many features and columns."""
    return _LEAST_TREES * _tree_bytes(parameters, width)


def _tree_bytes(parameters: Mapping[str, Any], width: int) -> int:
    """Of a tree, as arrays: at most. It was measured to have a leaf for each four of its samples, and with few samples
    for each three."""
    leaves = int(parameters["samples"]) // 3 + 1
    return leaves * (8 + 3 * 8 * width) + 2 * leaves * 22


def fit(x: Floats, parameters: Mapping[str, Any], seed: int, *, keep: bool = False) -> tuple[IsolationForest, object]:
    """A forest of `parameters["trees"]` trees, each grown from `parameters["samples"]` rows of x (n, d); and, when
    `keep`, scikit-learn's own, else None."""
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


def held_back(history: History, parameters: Mapping[str, Any], seed: int) -> Floats:
    """What forests say of the history's windows (n,) that they have not seen: each block by one trained without it, of
    a quarter of the trees, which say the same but for some noise."""
    parameters = {**parameters, "trees": max(1, int(parameters["trees"]) // 4)}
    blocks = Blocks(history.begin_ns)
    scores = np.empty(len(history.x))
    for fold in range(FOLDS):
        forest, _ = fit(history.x[blocks.trained_on(fold)], parameters, seed + 1 + fold)
        mine = blocks.held_back(fold)
        scores[mine] = forest.score(history.x[mine])
    return scores


def flatten(forest: Any, x: Floats) -> IsolationForest:
    """A fitted scikit-learn IsolationForest as arrays; the boxes are around the rows of x, which must hold the rows
    that the trees were grown from."""
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
    """c(n): the average path length of an unsuccessful search in a binary tree of n; equation 1 of the paper, with the
    logarithm plus Euler's constant for the harmonic number, as in scikit-learn."""
    n = samples.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        long = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, long))


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
