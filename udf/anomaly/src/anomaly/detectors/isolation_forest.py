"""Isolation Forest, as it is served: plain arrays, numpy only.

score(x) = s(x) + g(x)

s is the anomaly score of Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, equal to scikit-learn's `-score_samples`:
about 0.5 or less for the usual, at most 1. It saturates: beyond the training range a point falls into the same leaves
however far away it is. g makes up for that: how far x lies outside of the box around the training points in its leaf,
summed over the features, averaged over the trees (the box of a node and the distance to it are what Mondrian Forests
split by; Lakshminarayanan, Roy and Teh, NIPS 2014). g is 0 where training has been, grows without bound, and sees gaps
between modes, which a distance to the overall range would not.

A fifth of the trees, those with the largest distance, is left out of the average: where there are modes far apart, a
usual point of one mode now and then falls into a sparse leaf that holds only points of another, and is then as far away
as the modes are. What is really outside is outside in all trees.

Which leaf a point falls into is decided in float32 against float64 thresholds, as scikit-learn does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Memoryless

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_CHUNK = 128
_KEPT = 0.8


@dataclass(frozen=True)
class IsolationForest(Memoryless):
    """m nodes, l leaves, d features, t trees.

    feature, threshold: (m,), what a node splits by; a leaf has threshold +inf and points to itself. children: (m, 2),
    where values above the threshold and at most the threshold go to. roots: (t,). leaf: (m,), a leaf's row in the
    arrays below, else -1. path: (l,), the leaf's depth plus the expected rest. box_low, box_high: (l, d). gain: (l,
    d), how much more than an even split each feature isolated on the way to the leaf, in bits. depth: the deepest
    leaf's. normal_path: the path length that gets the score 0.5.
    """

    feature: Ints
    threshold: Floats
    children: Ints
    roots: Ints
    leaf: Ints
    path: Floats
    box_low: Floats
    box_high: Floats
    gain: Floats
    depth: int
    normal_path: float

    def paper_score(self, x: Floats) -> Floats:
        """s(x), (n,) of (n, d): equal to scikit-learn's `-IsolationForest.score_samples(x)`."""
        return np.concatenate([self._paper(self._leaves(part)) for part in _chunks(x)])

    def score(self, x: Floats) -> Floats:
        """s(x) + g(x), (n,) of (n, d)."""
        scores = []
        for part in _chunks(x):
            leaves = self._leaves(part)
            scores.append(self._paper(leaves) + self._gaps(part, leaves).sum(axis=1))
        return np.concatenate(scores)

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """Scores (n,), and shares (n, d): each feature's part of g, plus the isolation it caused on the way to the
        leaves."""
        scores, shares = [], []
        for part in _chunks(x):
            leaves = self._leaves(part)
            gaps = self._gaps(part, leaves)
            scores.append(self._paper(leaves) + gaps.sum(axis=1))
            weight = gaps + self.gain.take(leaves, axis=0).mean(axis=1) / max(self.depth, 1)
            total = weight.sum(axis=1, keepdims=True)
            shares.append(np.where(total > 0, weight / np.where(total > 0, total, 1.0), 1.0 / x.shape[1]))
        return np.concatenate(scores), np.concatenate(shares)

    def _leaves(self, x: Floats) -> Ints:
        with np.errstate(over="ignore"):
            single = x.astype(np.float32)
        if len(x) == 1:
            return self._leaves_of_one(single[0])
        nodes = np.broadcast_to(self.roots, (len(x), len(self.roots)))
        rows = np.arange(len(x))[:, None]
        for _ in range(self.depth):
            below = single[rows, self.feature[nodes]] <= self.threshold[nodes]
            nodes = self._flat_children[2 * nodes + below]
        return self.leaf[nodes]

    def _leaves_of_one(self, single: NDArray[np.float32]) -> Ints:
        # Deciding at all nodes at once costs less than gathering those on the way, level by level.
        following = np.where(single.take(self.feature) <= self.threshold, self.children[:, 1], self.children[:, 0])
        nodes = self.roots
        for _ in range(self.depth):
            nodes = following.take(nodes)
        return self.leaf.take(nodes)[None, :]

    def _paper(self, leaves: Ints) -> Floats:
        # A tree of one point has no path; scikit-learn then says 0.5, too.
        normal = self.normal_path * len(self.roots)
        relative = self.path.take(leaves).sum(axis=1) / normal if normal else np.ones(len(leaves))
        return np.asarray(2.0**-relative)

    def _gaps(self, x: Floats, leaves: Ints) -> Floats:
        point = x[:, None, :]
        gaps = np.maximum(self.box_low.take(leaves, axis=0) - point, point - self.box_high.take(leaves, axis=0))
        np.maximum(gaps, 0.0, out=gaps)
        kept = max(1, round(_KEPT * leaves.shape[1]))
        nearest = np.argpartition(gaps.sum(axis=2), kept - 1, axis=1)[:, :kept]
        return np.asarray(gaps[np.arange(len(x))[:, None], nearest].mean(axis=1))

    @cached_property
    def _flat_children(self) -> Ints:
        return np.ascontiguousarray(self.children.reshape(-1))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as arrays, for the model's file."""
        small = {"feature": np.int16, "children": np.int32, "roots": np.int32, "leaf": np.int32}
        return {
            f"forest_{name}": np.asarray(getattr(self, name)).astype(small.get(name, np.float64)) for name in _ARRAYS
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "IsolationForest":
        """The inverse of `arrays`. Raises KeyError where one is missing."""
        whole = {"feature", "children", "roots", "leaf"}
        taken = {name: arrays[f"forest_{name}"].astype(np.intp if name in whole else np.float64) for name in _ARRAYS}
        depth, normal_path = int(taken.pop("depth")), float(taken.pop("normal_path"))
        return cls(**taken, depth=depth, normal_path=normal_path)  # type: ignore[arg-type]


_ARRAYS = (
    "feature",
    "threshold",
    "children",
    "roots",
    "leaf",
    "path",
    "box_low",
    "box_high",
    "gain",
    "depth",
    "normal_path",
)


def _chunks(x: Floats) -> list[Floats]:
    # Small enough that the boxes of all trees' leaves stay in the processor's cache.
    return [x[start : start + _CHUNK] for start in range(0, max(len(x), 1), _CHUNK)]
