"""Streaming half-space trees: random cuts through the middle of the feature space, and how many of the last windows
fell where this one falls.

Source: Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011. Each tree halves a random feature's
range at each node, down to a fixed depth; a node's mass is the number of windows that fell into it in the last complete
stretch of windows of the series. Where the mass is small, a window is anomalous. The score is the mean over the trees
of log2(mass expected if windows were spread evenly / mass found), at the first node into which fewer than a few windows
fell, or at the leaf; at least 0.

Sees windows in sparse places, all features together, and goes along with what changes: a shift is usual after two
stretches. Misses small deviations, as cells are coarse; scores are bounded, and what is beyond the range is taken to be
at its edge. Ranges are of training, widened by their half to both sides.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import History, filled
from anomaly.detectors.parts.learnt import learnt_states, packed, unpacked
from anomaly.detectors.parts.shares import shares
from anomaly.windows.arrays import Floats, Ints, Times

_TREES = 25
_DEPTH = 8
_NODES = 2 ** (_DEPTH + 1) - 1
_STRETCH = 250
_FEW = 5
# Of a node without mass.
_LEAST = 0.5


class HalfSpaceTrees:
    """t trees; inner nodes i have the children 2 i + 1 and 2 i + 2. feature, threshold: (t, inner nodes). states: for
    each row (see `Detector.follow`), what its follower remembers."""

    def __init__(self, feature: Ints, threshold: Floats, states: Sequence[Any]) -> None:
        self.feature = feature
        self.threshold = threshold
        self._states = states

    @property
    def adds_up(self) -> bool:
        """No: masses are of the past, but a score is of one window."""
        return False

    def follow(self, row: int, state: Any = None) -> "HalfSpaceTreesFollower":
        """See `Detector.follow`."""
        return HalfSpaceTreesFollower.from_state(self, self._states[row] if state is None else state)

    def nodes(self, x: Floats) -> Ints:
        """The nodes (n, t, depth + 1), from the root to the leaf, that feature vectors (n, d) fall into."""
        trees = np.arange(len(self.feature))
        nodes = np.zeros((len(x), len(trees), _DEPTH + 1), dtype=np.intp)
        for depth in range(_DEPTH):
            node = nodes[:, :, depth]
            above = x[np.arange(len(x))[:, None], self.feature[trees, node]] > self.threshold[trees, node]
            nodes[:, :, depth + 1] = 2 * node + 1 + above
        return nodes

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Detector.arrays`."""
        return {
            "hst_feature": self.feature.astype(np.int16),
            "hst_threshold": self.threshold,
            "hst_states": packed(self._states),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "HalfSpaceTrees":
        """The inverse of `arrays`. Raises KeyError where one is missing."""
        return cls(
            arrays["hst_feature"].astype(np.intp),
            np.asarray(arrays["hst_threshold"], dtype=np.float64),
            unpacked(arrays["hst_states"]),
        )


class HalfSpaceTreesFollower:
    """The masses of one series. reference: (t, nodes), of the last complete stretch; None before the first. latest: (t,
    nodes), of the `seen` windows of the stretch that has begun."""

    def __init__(self, trees: HalfSpaceTrees, reference: Ints | None = None) -> None:
        self._trees = trees
        self._reference = reference
        self._latest = np.zeros((len(trees.feature), _NODES), dtype=np.intp)
        self._seen = 0

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """See `Follower.explain`. A share is what a feature's cuts isolated more than an even split would have."""
        x = filled(x)
        scores, parts = np.zeros(len(x)), np.zeros(x.shape)
        start = 0
        while start < len(x):
            part = slice(start, start + _STRETCH - self._seen)
            nodes = self._trees.nodes(x[part])
            if self._reference is not None:
                scores[part], parts[part] = self._score(self._reference, nodes, x.shape[1])
            trees = np.arange(nodes.shape[1])[:, None]
            np.add.at(self._latest, (trees, nodes), 1)
            self._seen += len(nodes)
            if self._seen == _STRETCH:
                self._reference, self._latest, self._seen = self._latest, np.zeros_like(self._latest), 0
            start += len(nodes)
        return scores, shares(parts)

    def _score(self, reference: Ints, nodes: Ints, width: int) -> tuple[Floats, Floats]:
        trees = np.arange(nodes.shape[1])
        mass = np.maximum(reference[trees[:, None], nodes], _LEAST)
        few = mass < _FEW
        depth = np.where(few.any(axis=2), few.argmax(axis=2), _DEPTH)
        found = np.take_along_axis(mass, depth[:, :, None], axis=2)[:, :, 0]
        scores = np.maximum(np.log2(_STRETCH / found) - depth, 0.0).mean(axis=1)
        isolated = np.maximum(np.log2(mass[:, :, :-1] / mass[:, :, 1:]) - 1.0, 0.0)
        isolated *= np.arange(_DEPTH) < depth[:, :, None]
        feature = self._trees.feature[trees[:, None], nodes[:, :, :-1]]
        parts = np.stack([(isolated * (feature == each)).sum(axis=(1, 2)) for each in range(width)], axis=1)
        return scores, parts

    def state(self) -> Any:
        """See `Follower.state`. Masses as [places, counts] of those that are not 0."""
        return [
            None if self._reference is None else _sparse(self._reference),
            _sparse(self._latest),
            self._seen,
        ]

    @classmethod
    def from_state(cls, trees: HalfSpaceTrees, state: Any) -> "HalfSpaceTreesFollower":
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        follower = cls(trees)
        reference, latest, seen = state
        shape = follower._latest.shape
        follower._reference = None if reference is None else _dense(reference, shape)
        follower._latest, follower._seen = _dense(latest, shape), int(seen)
        return follower


def fit(history: History, seed: int) -> HalfSpaceTrees:
    """Cuts by the range of the history, and masses from running over it. Deterministic for a seed."""
    generator = np.random.default_rng(seed)
    low, high = history.x.min(axis=0), history.x.max(axis=0)
    margin = np.maximum((high - low) / 2, 1e-9)
    cuts = [_tree(generator, low - margin, high + margin) for _ in range(_TREES)]
    trees = HalfSpaceTrees(np.array([feature for feature, _ in cuts]), np.array([cut for _, cut in cuts]), [])
    return HalfSpaceTrees(trees.feature, trees.threshold, learnt_states(history, lambda: HalfSpaceTreesFollower(trees)))


def _tree(generator: np.random.Generator, low: Floats, high: Floats) -> tuple[Ints, Floats]:
    inner = _NODES // 2
    feature = generator.integers(0, len(low), inner)
    threshold = np.empty(inner)
    ranges = [(low, high)]
    for node in range(inner):
        low, high = ranges[node]
        cut = feature[node]
        middle = (low[cut] + high[cut]) / 2
        threshold[node] = middle
        below, above = high.copy(), low.copy()
        below[cut] = above[cut] = middle
        ranges += [(low, below), (above, high)]
    return feature.astype(np.intp), threshold


def _sparse(mass: Ints) -> list[list[int]]:
    places = np.flatnonzero(mass)
    return [places.tolist(), mass.ravel()[places].tolist()]


def _dense(sparse: Any, shape: tuple[int, ...]) -> Ints:
    places, counts = (np.array(numbers, dtype=np.intp) for numbers in sparse)
    mass = np.zeros(shape, dtype=np.intp)
    if len(places) and not 0 <= places.min() <= places.max() < mass.size:
        raise ValueError(f"places up to {places.max()} of {mass.size}")
    mass.ravel()[places] = counts
    return mass
