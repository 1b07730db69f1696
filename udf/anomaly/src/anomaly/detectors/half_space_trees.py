"""Streaming half-space trees: how few of the last windows fell where this one falls, all features together.

Each tree halves the range of a random feature at each node, down to a fixed depth. A node's mass is the number of
windows that fell into it in the last complete stretch of windows of the series. Where the mass is small, a window is
anomalous. The score is the mean over the trees of log2(mass expected if windows were spread evenly / actual mass), at
the first node into which fewer than a few windows fell, or at the leaf; it is at least 0.

It finds windows in sparse places and goes along with change, within periods, too: a shift is usual after two
stretches. It misses small deviations, as cells are coarse. Scores are bounded, and what lies beyond the range is taken
to be at its edge. Ranges are those of training, widened by half of them to both sides.

Reference: Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011.

Example:
    A window far from where the last 250 fell scores high.

    >>> import numpy as np
    >>> from anomaly.detectors import registry
    >>> from anomaly.detectors.base import FeatureHistory, follow
    >>> from anomaly.detectors.declaration import FitRequest
    >>> x = np.random.default_rng(0).normal(0.0, 1.0, (1_000, 2))
    >>> begin_ns = np.arange(1_000) * 60_000_000_000
    >>> history = FeatureHistory(x, np.zeros(1_000, dtype=np.intp), 1, begin_ns, 60_000_000_000, is_long=True)
    >>> detector, _ = registry.fit("half_space_trees", FitRequest(history, {}))
    >>> scores, _ = follow(detector, 1).explain(begin_ns[:2], np.array([[0.0, 0.0], [3.5, -3.5]]))
    >>> bool(scores[1] > 10 * scores[0])
    True
"""

import numpy as np

from anomaly.detectors.base import filled
from anomaly.detectors.declaration import Arrays, Declaration, FitRequest, Fitted
from anomaly.detectors.parts.learnt import learn
from anomaly.detectors.parts.memory import Learnt, Memory, MemoryField
from anomaly.detectors.parts.shares import shares
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times, groups
from anomaly.windows.civil import PLAIN, CivilTime

_TREES = 25
_DEPTH = 8
_NODES = 2 ** (_DEPTH + 1) - 1
_STRETCH = 250
_FEW = 5
# The mass that an empty node is taken to have.
_LEAST = 0.5
# Windows are scored in chunks of this many, which bounds memory.
_CHUNK = 4_096
_PREFIX = "hst_"
# Masses of a series' last complete stretch, if there is one, and of the `seen` windows of the one that has begun.
_FIELDS = (
    MemoryField("ready", np.uint8),
    MemoryField("seen", np.uint8, most=_STRETCH - 1),
    MemoryField("reference", np.uint8, _TREES * _NODES, sparse=True),
    MemoryField("latest", np.uint8, _TREES * _NODES, sparse=True),
)


class HalfSpaceTrees:
    """t trees of i inner nodes; node k has the children 2 k + 1 and 2 k + 2.

    Attributes:
        feature: the feature that each inner node cuts, shape (t, i).
        threshold: where it cuts, shape (t, i), in units of the features.

    Args:
        feature: as above.
        threshold: as above.
        learnt: the masses of each row; None while there are none.
    """

    def __init__(self, feature: Ints, threshold: Floats, learnt: Learnt | None) -> None:
        self.feature = feature
        self.threshold = threshold
        self._learnt = learnt

    @property
    def adds_up(self) -> bool:
        """False: masses are about the past, but a score is about one window."""
        return False

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> "HalfSpaceTreesFollowers":
        """Make followers, as `Detector.followers` says."""
        return HalfSpaceTreesFollowers(self, capacity, self._learnt)

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
            **({} if self._learnt is None else self._learnt.kept()),
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
            ValueError: an array does not fit.
        """
        feature, threshold = arrays["hst_feature"].astype(np.intp), arrays["hst_threshold"]
        learnt = Learnt.from_arrays(_PREFIX, _FIELDS, arrays)
        return cls(feature, np.asarray(threshold, dtype=np.float64), learnt)


class HalfSpaceTreesFollowers:
    """The masses of up to `capacity` series.

    Attributes:
        memory: the masses.
    """

    def __init__(self, trees: HalfSpaceTrees, capacity: int, learnt: Learnt | None) -> None:
        self._trees = trees
        self._learnt = learnt
        self.memory = _memory(capacity)

    @property
    def bytes_per_series(self) -> int:
        """How many bytes a series takes."""
        return self.memory.bytes_per_series

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        """Score windows; a share is what a feature's cuts isolated more than an even split would have."""
        self.memory.check(place)
        x = filled(x)
        scores, parts = np.zeros(len(x)), np.zeros(x.shape)
        # A stretch's masses count once it is complete, so the windows of one stretch of each series are scored at once.
        stretch = (self.memory["seen"][place, 0].astype(np.intp) + _earlier(place)) // _STRETCH
        for rows in groups(stretch):
            for begin in range(0, len(rows), _CHUNK):
                self._feed(rows[begin : begin + _CHUNK], place, x, scores, parts)
            self._turn(np.unique(place[rows]))
        return scores, shares(parts)

    def _feed(self, rows: Ints, place: Ints, x: Floats, scores: Floats, parts: Floats) -> None:
        """Score some windows of one stretch of each series, and count them."""
        places, nodes = place[rows], self._trees.nodes(x[rows])
        ready = self.memory["ready"][places, 0] > 0
        if ready.any():
            scores[rows[ready]], parts[rows[ready]] = self._score(places[ready], nodes[ready], x.shape[1])
        np.add.at(self.memory["latest"].reshape(-1), _flat(places, nodes).ravel(), np.uint8(1))
        np.add.at(self.memory["seen"][:, 0], places, 1)

    def _turn(self, places: Ints) -> None:
        """Let the masses of complete stretches count."""
        full = places[self.memory["seen"][places, 0] == _STRETCH]
        self.memory["reference"][full] = self.memory["latest"][full]
        self.memory["latest"][full] = 0
        self.memory["seen"][full] = 0
        self.memory["ready"][full] = 1

    def _score(self, places: Ints, nodes: Ints, width: int) -> tuple[Floats, Floats]:
        trees = np.arange(nodes.shape[1])[:, None]
        mass = np.maximum(self.memory["reference"].reshape(-1).take(_flat(places, nodes)), _LEAST)
        few = mass < _FEW
        depth = np.where(few.any(axis=2), few.argmax(axis=2), _DEPTH)
        deepest = np.take_along_axis(mass, depth[:, :, None], axis=2)[:, :, 0]
        scores = np.maximum(np.log2(_STRETCH / deepest) - depth, 0.0).mean(axis=1)
        isolated = np.maximum(np.log2(mass[:, :, :-1] / mass[:, :, 1:]) - 1.0, 0.0)
        isolated *= np.arange(_DEPTH) < depth[:, :, None]
        feature = self._trees.feature[trees, nodes[:, :, :-1]]
        parts = np.stack([(isolated * (feature == each)).sum(axis=(1, 2)) for each in range(width)], axis=1)
        return scores, parts

    def begin(self, place: Ints, row: Ints) -> None:
        """Begin places where training left rows, as `Followers.begin` says."""
        self.memory.check(place)
        if self._learnt is None:
            self.memory.clear(place)
        else:
            self.memory.begin(place, self._learnt, row)

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        """Return the masses of the series at places."""
        return self.memory.kept(place)

    def restore(self, place: Ints, arrays: Arrays) -> None:
        """Replace the masses of the series at places, as `Followers.restore` says."""
        self.memory.restore(place, arrays)


def _memory(capacity: int) -> Memory:
    return Memory(_PREFIX, _FIELDS, capacity, 1)


def _flat(places: Ints, nodes: Ints) -> Ints:
    """Return where in the masses of all places nodes are, shape (n, t, depth + 1)."""
    trees = np.arange(nodes.shape[1])[:, None]
    return np.asarray(places[:, None, None] * (_TREES * _NODES) + trees * _NODES + nodes)


def _earlier(place: Ints) -> Ints:
    """Count the windows of the same series before each window, shape (n,)."""
    order = np.argsort(place, kind="stable")
    first = np.flatnonzero(np.diff(place[order], prepend=-1))
    earlier = np.empty(len(place), dtype=np.intp)
    earlier[order] = np.arange(len(place)) - np.repeat(first, np.diff(first, append=len(place)))
    return earlier


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
    trees = HalfSpaceTrees(np.array([feature for feature, _ in cuts]), np.array([cut for _, cut in cuts]), None)
    learnt = learn(history, trees.followers(history.series_count + 1))
    return Fitted(HalfSpaceTrees(trees.feature, trees.threshold, learnt))


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


DECLARATION = Declaration(
    description=Description(
        name="half_space_trees",
        summary="how few of the last 250 windows fell where this one falls",
        sees="windows in sparse places, by the last 250; goes along with change",
        misses="small deviations; what lies beyond the range looks like its edge",
        remembers="counts of 250 windows",
        series_bytes=27_648,
    ),
    fit=fit,
    load=HalfSpaceTrees.from_arrays,
)
