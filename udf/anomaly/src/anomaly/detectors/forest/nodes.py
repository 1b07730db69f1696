"""A forest laid out for walking down its trees.

Both children of a node lie side by side, so that a step is `child + (x[feature] > threshold)`; a leaf is its own child,
and its threshold infinite, so that a walk may go on until the deepest leaf. A node takes 12 bytes.

scikit-learn compares float32 values with float64 thresholds. A float32 value is greater than a threshold exactly if it
is greater than the largest float32 that is at most the threshold: so thresholds are float32 here, rounded down.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import AnyInts, Floats, Int32s

NODE = np.dtype([("threshold", np.float32), ("feature", np.int32), ("child", np.int32)])


@dataclass(frozen=True)
class Nodes:
    """A forest of m nodes, l leaves, d features and t trees.

    Attributes:
        node: shape (m,), of type `NODE`, whose feature and child are indices.
        root: the trees' first nodes, shape (t,).
        leaf: a leaf's row in the arrays of leaves, else -1, shape (m,).
        path: path lengths of the leaves, shape (l,).
        box: lowest and highest training points in a leaf, shape (l, 2, d).
        gain: what each feature isolated on the way to a leaf, shape (l, d), bits.
        depth: steps to the deepest leaf.
        kept: how many trees count for the distance.
    """

    node: NDArray[np.void]
    root: Int32s
    leaf: Int32s
    path: Floats
    box: Floats
    gain: Floats
    depth: int
    kept: int


def lay_out(
    *,
    feature: AnyInts,
    threshold: Floats,
    children: AnyInts,
    roots: AnyInts,
    leaf: AnyInts,
    path: Floats,
    box: Floats,
    gain: Floats,
    kept: int,
) -> Nodes:
    """Lay out the arrays of an `IsolationForest`, and check them, as nothing is checked while walking.

    Args:
        feature: as in `IsolationForest`, shape (m,).
        threshold: as in `IsolationForest`, shape (m,).
        children: as in `IsolationForest`, shape (m, 2).
        roots: as in `IsolationForest`, shape (t,).
        leaf: as in `IsolationForest`, shape (m,).
        path: as in `IsolationForest`, shape (l,).
        box: as in `IsolationForest`, shape (l, 2, d).
        gain: as in `IsolationForest`, shape (l, d).
        kept: how many trees count for the distance.

    Returns:
        The nodes.

    Raises:
        ValueError: the arrays are not a forest.
    """
    count, (leaves, features) = len(feature), gain.shape
    shapes = threshold.shape, children.shape, leaf.shape, path.shape, box.shape
    if shapes != ((count,), (count, 2), (count,), (leaves,), (leaves, 2, features)):
        # The compiled walk reads these without a look at their sizes.
        raise ValueError(f"the forest has arrays of {shapes} for {count} nodes, {leaves} leaves, {features} features")
    inner = np.flatnonzero(leaf < 0)
    above, below = children[inner].T
    # Where the pair of children of each inner node goes: a tree's pairs follow its root.
    tree = np.searchsorted(roots, inner, side="right") - 1
    pair = roots[tree] + 1 + 2 * (np.arange(len(inner)) - np.searchsorted(inner, roots)[tree])
    place = np.full(count, -1)
    place[roots] = roots
    place[below], place[above] = pair, pair + 1
    if not np.array_equal(np.sort(place), np.arange(count)):
        raise ValueError("the forest's nodes are no trees, one after the other")
    if leaf.max() >= leaves or not 0 <= feature.min() <= feature.max() < features:
        raise ValueError(f"the forest names more than its {leaves} leaves or its {features} features")
    child = place.copy()
    child[inner] = pair
    node = np.empty(count, NODE)
    node["threshold"][place], node["feature"][place], node["child"][place] = _rounded_down(threshold), feature, child
    placed_leaf = np.empty(count, np.intc)
    placed_leaf[place] = leaf
    return Nodes(
        node=node,
        root=roots.astype(np.intc),
        leaf=placed_leaf,
        path=path,
        box=box,
        gain=gain,
        depth=_depth(node["child"], placed_leaf, roots),
        kept=kept,
    )


def _rounded_down(threshold: Floats) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
    up = rounded > threshold
    rounded[up] = np.nextafter(rounded[up], np.float32(-np.inf))
    return rounded


def _depth(child: Int32s, leaf: Int32s, level: AnyInts) -> int:
    depth = 0
    while len(level := level[leaf[level] < 0]):
        level = np.concatenate([child[level], child[level] + 1])
        depth += 1
    return depth
