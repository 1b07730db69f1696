"""Streaming half-space trees: how few of the last windows fell where this one falls, all features together.

Each tree halves the range of a random feature at each node, down to a fixed depth. A node's mass is the number of
windows that fell into it in the last complete stretch of windows of the series. Where the mass is small, a window is
anomalous. The score is the mean over the trees of log2(mass expected if windows were spread evenly / actual mass), at
the first node into which fewer than a few windows fell, or at the leaf; it is at least 0.

It finds windows in sparse places and goes along with change: a shift is usual after two stretches. It misses small
deviations, as cells are coarse. Scores are bounded, and what lies beyond the range is taken to be at its edge. Ranges
are those of training, widened by half of them to both sides.

Reference: Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011.

Example:
    A window far from where the last 250 fell scores high.

    >>> import numpy as np
    >>> from anomaly.detectors import registry
    >>> from anomaly.detectors.base import FeatureHistory
    >>> from anomaly.detectors.declaration import FitRequest
    >>> x = np.random.default_rng(0).normal(0.0, 1.0, (1_000, 2))
    >>> begin_ns = np.arange(1_000) * 60_000_000_000
    >>> history = FeatureHistory(x, np.zeros(1_000, dtype=np.intp), 1, begin_ns, 60_000_000_000, is_long=True)
    >>> detector, _ = registry.fit("half_space_trees", FitRequest(history, {}))
    >>> scores, _ = detector.follow(1).explain(begin_ns[:2], np.array([[0.0, 0.0], [3.5, -3.5]]))
    >>> bool(scores[1] > 10 * scores[0])
    True
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anomaly.detectors.base import filled
from anomaly.detectors.declaration import Arrays, Declaration, FitRequest, Fitted
from anomaly.detectors.parts.learnt import learnt_states, packed, unpacked
from anomaly.detectors.parts.shares import shares
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray, Floats, Ints, Times

_TREES = 25
_DEPTH = 8
_NODES = 2 ** (_DEPTH + 1) - 1
_STRETCH = 250
_FEW = 5
# The mass that an empty node is taken to have.
_LEAST = 0.5


class HalfSpaceTrees:
    """t trees of i inner nodes; node k has the children 2 k + 1 and 2 k + 2.

    Attributes:
        feature: the feature that each inner node cuts, shape (t, i).
        threshold: where it cuts, shape (t, i), in units of the features.
    """

    def __init__(self, feature: Ints, threshold: Floats, states: Sequence[Any]) -> None:
        self.feature = feature
        self.threshold = threshold
        self._states = states

    @property
    def adds_up(self) -> bool:
        """False: masses are about the past, but a score is about one window."""
        return False

    def follow(self, row: int, state: Any = None) -> "HalfSpaceTreesFollower":
        """Make a follower for a series, as `Detector.follow` says."""
        return HalfSpaceTreesFollower.from_state(self, self._states[row] if state is None else state)

    def nodes(self, x: Floats) -> Ints:
        """Find the nodes that windows fall into.

        Args:
            x: features, shape (n, d).

        Returns:
            Numbers of nodes from the root to the leaf, shape (n, t, depth + 1).
        """
        trees = np.arange(len(self.feature))
        nodes = np.zeros((len(x), len(trees), _DEPTH + 1), dtype=np.intp)
        for depth in range(_DEPTH):
            node = nodes[:, :, depth]
            above = x[np.arange(len(x))[:, None], self.feature[trees, node]] > self.threshold[trees, node]
            nodes[:, :, depth + 1] = 2 * node + 1 + above
        return nodes

    def arrays(self) -> dict[str, AnyArray]:
        """Return the cuts, and what the followers remember of each series."""
        return {
            "hst_feature": self.feature.astype(np.int16),
            "hst_threshold": self.threshold,
            "hst_states": packed(self._states),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "HalfSpaceTrees":
        """Make trees from the arrays of equal ones.

        Args:
            arrays: what `arrays` returned.

        Returns:
            The trees.

        Raises:
            KeyError: an array is missing.
        """
        return cls(
            arrays["hst_feature"].astype(np.intp),
            np.asarray(arrays["hst_threshold"], dtype=np.float64),
            unpacked(arrays["hst_states"]),
        )


class HalfSpaceTreesFollower:
    """The masses of one series."""

    def __init__(self, trees: HalfSpaceTrees) -> None:
        self._trees = trees
        # Masses of the last complete stretch, shape (t, nodes), and of the `_seen` windows of the one that has begun.
        self._reference: Ints | None = None
        self._latest = np.zeros((len(trees.feature), _NODES), dtype=np.intp)
        self._seen = 0

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """Score the next windows; a share is what a feature's cuts isolated more than an even split would have."""
        x = filled(x)
        scores, parts = np.zeros(len(x)), np.zeros(x.shape)
        begin = 0
        while begin < len(x):
            part = slice(begin, begin + _STRETCH - self._seen)
            nodes = self._trees.nodes(x[part])
            if self._reference is not None:
                scores[part], parts[part] = self._score(self._reference, nodes, x.shape[1])
            trees = np.arange(nodes.shape[1])[:, None]
            np.add.at(self._latest, (trees, nodes), 1)
            self._seen += len(nodes)
            if self._seen == _STRETCH:
                self._reference, self._latest, self._seen = self._latest, np.zeros_like(self._latest), 0
            begin += len(nodes)
        return scores, shares(parts)

    def _score(self, reference: Ints, nodes: Ints, width: int) -> tuple[Floats, Floats]:
        trees = np.arange(nodes.shape[1])
        mass = np.maximum(reference[trees[:, None], nodes], _LEAST)
        few = mass < _FEW
        depth = np.where(few.any(axis=2), few.argmax(axis=2), _DEPTH)
        deepest = np.take_along_axis(mass, depth[:, :, None], axis=2)[:, :, 0]
        scores = np.maximum(np.log2(_STRETCH / deepest) - depth, 0.0).mean(axis=1)
        isolated = np.maximum(np.log2(mass[:, :, :-1] / mass[:, :, 1:]) - 1.0, 0.0)
        isolated *= np.arange(_DEPTH) < depth[:, :, None]
        feature = self._trees.feature[trees[:, None], nodes[:, :, :-1]]
        parts = np.stack([(isolated * (feature == each)).sum(axis=(1, 2)) for each in range(width)], axis=1)
        return scores, parts

    def state(self) -> Any:
        """Return the masses, for JSON, as [places, counts] of those that are not 0."""
        return [
            None if self._reference is None else _sparse(self._reference),
            _sparse(self._latest),
            self._seen,
        ]

    @classmethod
    def from_state(cls, trees: HalfSpaceTrees, state: Any) -> "HalfSpaceTreesFollower":
        """Make a follower that goes on from a state.

        Args:
            trees: the detector.
            state: what `state` returned.

        Returns:
            The follower.

        Raises:
            TypeError: the state is of another form.
            ValueError: the state is of another form.
        """
        follower = cls(trees)
        reference, latest, seen = state
        shape = follower._latest.shape
        follower._reference = None if reference is None else _dense(reference, shape)
        follower._latest, follower._seen = _dense(latest, shape), int(seen)
        return follower


def fit(request: FitRequest) -> Fitted:
    """Draw cuts within the range of the history, and run over it for the masses.

    Args:
        request: history and seed.

    Returns:
        The detector.
    """
    history = request.history.filled
    generator = np.random.default_rng(request.seed)
    low, high = history.x.min(axis=0), history.x.max(axis=0)
    margin = np.maximum((high - low) / 2, 1e-9)
    cuts = [_tree(generator, low - margin, high + margin) for _ in range(_TREES)]
    trees = HalfSpaceTrees(np.array([feature for feature, _ in cuts]), np.array([cut for _, cut in cuts]), [])
    states = learnt_states(history, lambda: HalfSpaceTreesFollower(trees))
    return Fitted(HalfSpaceTrees(trees.feature, trees.threshold, states))


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


DECLARATION = Declaration(
    description=Description(
        name="half_space_trees",
        summary="how few of the last 250 windows fell where this one falls",
        sees="windows in sparse places, by the last 250; goes along with change",
        misses="small deviations; what lies beyond the range looks like its edge",
        remembers="counts of 250 windows",
    ),
    fit=fit,
    load=HalfSpaceTrees.from_arrays,
)
