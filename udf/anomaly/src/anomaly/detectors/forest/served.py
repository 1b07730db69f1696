"""An Isolation Forest as it serves: plain arrays.

score(x) = s(x) + g(x)

s is the anomaly score of the paper, equal to scikit-learn's `-score_samples`: about 0.5 or less for the usual, at most
1. It saturates: beyond the training range a point falls into the same leaves however far away it is. g makes up for
that. It is how far x lies outside of the box around the training points in its leaf, summed over the features, averaged
over the trees. g is 0 where training has been, grows without bound, and sees gaps between modes, which a distance to
the overall range would not.

A fifth of the trees, those with the largest distance, is left out of the average. Where modes lie far apart, a usual
point of one mode now and then falls into a sparse leaf that holds only points of another, and is then as far away as
the modes are. What is really outside is outside in all trees.

The walk down the trees is compiled (`walk`). Where that was not built, numpy does it, slower (`walk_numpy`). Which leaf
a point falls into is decided as scikit-learn decides it (`nodes`).

References: Liu, Ting and Zhou, "Isolation Forest", ICDM 2008. Boxes of nodes and distances to them are what Mondrian
Forests split by: Lakshminarayanan, Roy and Teh, NIPS 2014.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly.detectors.base import Memoryless
from anomaly.detectors.forest.nodes import Nodes, lay_out
from anomaly.detectors.parts.shares import shares
from anomaly.windows.arrays import AnyArray, AnyInts, Floats

if TYPE_CHECKING:
    from anomaly.detectors.forest.walk import Walk

_KEPT = 0.8


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """What the scores of n windows are made of.

    Attributes:
        paper: s(x), shape (n,).
        distance: g(x), shape (n,).
        gaps: each feature's part of g, shape (n, d).
        isolation: how much each feature isolated on the way to the leaves, shape (n, d).
    """

    paper: Floats
    distance: Floats
    gaps: Floats
    isolation: Floats

    @property
    def shares(self) -> Floats:
        """Each feature's share of the score, shape (n, d)."""
        return shares(self.gaps + self.isolation)


@dataclass(frozen=True)
class IsolationForest(Memoryless):
    """A forest of m nodes, l leaves, d features and t trees.

    Attributes:
        feature: the feature that a node splits by, shape (m,).
        threshold: where it splits, shape (m,), in units of the feature; +inf for a leaf.
        children: where values above the threshold and at most the threshold go, shape (m, 2); itself for a leaf.
        roots: the trees' first nodes, shape (t,).
        leaf: a leaf's row in the arrays of leaves, else -1, shape (m,).
        path: a leaf's depth plus the expected rest, shape (l,).
        box: lowest and highest training points in a leaf, shape (l, 2, d), in units of the features.
        gain: how much more than an even split each feature isolated on the way to a leaf, shape (l, d), bits.
        depth: depth of the deepest leaf.
        normal_path: the path length that gets the score 0.5.
    """

    feature: AnyInts
    threshold: Floats
    children: AnyInts
    roots: AnyInts
    leaf: AnyInts
    path: Floats
    box: Floats
    gain: Floats
    depth: int
    normal_path: float

    def paper_score(self, x: Floats) -> Floats:
        """Compute s(x), which is equal to scikit-learn's `-IsolationForest.score_samples(x)`.

        Args:
            x: features, shape (n, d).

        Returns:
            Scores, shape (n,), from 0 to 1.
        """
        return self._paper(self._walk.lengths(_contiguous(x)))

    def score(self, x: Floats) -> Floats:
        """Compute s(x) + g(x).

        Args:
            x: features, shape (n, d).

        Returns:
            Scores, shape (n,), from 0 on.
        """
        lengths, distances = self._walk.distances(_contiguous(x))
        return self._paper(lengths) + distances

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """Score windows; a share is a feature's part of g, plus the isolation it caused on the way to the leaves."""
        parts = self.parts(x)
        return parts.paper + parts.distance, parts.shares

    def parts(self, x: Floats) -> ScoreParts:
        """Compute what scores and shares are made of.

        Args:
            x: features, shape (n, d).

        Returns:
            The parts.
        """
        lengths, distances, gaps, gains = self._walk.details(_contiguous(x))
        return ScoreParts(self._paper(lengths), distances, gaps, gains / max(self.depth, 1))

    def _paper(self, lengths: Floats) -> Floats:
        # A tree of one point has no path; scikit-learn then says 0.5, too.
        normal = self.normal_path * len(self.roots)
        relative = lengths / normal if normal else np.ones(len(lengths))
        return np.asarray(2.0**-relative)

    @cached_property
    def nodes(self) -> Nodes:
        """The nodes laid out for walking.

        Raises:
            ValueError: the arrays are not a forest.
        """
        return lay_out(
            feature=self.feature,
            threshold=self.threshold,
            children=self.children,
            roots=self.roots,
            leaf=self.leaf,
            path=self.path,
            box=self.box,
            gain=self.gain,
            kept=max(1, round(_KEPT * len(self.roots))),
        )

    @cached_property
    def _walk(self) -> "Walk":
        return walk_class()(self.nodes)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the forest as arrays of the types that are stored."""
        return {f"forest_{name}": np.asarray(getattr(self, name), dtype) for name, dtype in _ARRAYS.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "IsolationForest":
        """Make a forest from the arrays of an equal one.

        Args:
            arrays: what `arrays` returned, and perhaps others.

        Returns:
            The forest.

        Raises:
            KeyError: an array is missing.
            ValueError: the arrays are not a forest.
        """
        taken: dict[str, Any] = {name: np.asarray(arrays[f"forest_{name}"], dtype) for name, dtype in _ARRAYS.items()}
        depth, normal_path = int(taken.pop("depth")), float(taken.pop("normal_path"))
        forest = cls(**taken, depth=depth, normal_path=normal_path)
        _ = forest.nodes  # checked here, not at the first score
        return forest


# The arrays that are stored, and their types.
_ARRAYS: dict[str, type[np.generic]] = {
    "feature": np.int16,
    "threshold": np.float64,
    "children": np.int32,
    "roots": np.int32,
    "leaf": np.int32,
    "path": np.float64,
    "box": np.float64,
    "gain": np.float64,
    "depth": np.float64,
    "normal_path": np.float64,
}


@cache
def walk_class() -> "type[Walk]":
    """Return the compiled walk, or the one in numpy with a warning, which comes once."""
    try:
        from anomaly.detectors.forest.walk import Walk
    except ImportError:
        warnings.warn("the compiled walk of forests is missing: numpy does its work, ten times slower", stacklevel=2)
        from anomaly.detectors.forest import walk_numpy

        return walk_numpy.Walk  # type: ignore[return-value]  # the same methods
    return Walk


def _contiguous(x: Floats) -> Floats:
    return np.ascontiguousarray(x, dtype=np.float64)
