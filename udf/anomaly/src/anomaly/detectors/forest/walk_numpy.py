"""The walk down the trees of a forest in numpy, level by level, for machines without the compiled `walk`."""

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.forest.nodes import Nodes
from anomaly.windows.arrays import Floats, Int32s

# Small enough that the boxes of all trees' leaves stay in the processor's cache.
_CHUNK = 128


class Walk:
    """Walks down all trees of a forest.

    Its methods take features `x`, shape (n, d), C-contiguous. They raise ValueError for another number of features than
    the forest's.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._threshold, self._feature, self._child = (
            np.ascontiguousarray(nodes.node[name]) for name in ("threshold", "feature", "child")
        )

    def lengths(self, x: Floats) -> Floats:
        """Return path lengths, summed over the trees, shape (n,)."""
        return np.concatenate([self._lengths(self._leaves(part)) for part in _chunks(x)])

    def distances(self, x: Floats) -> tuple[Floats, Floats]:
        """Measure how far windows lie outside of the boxes around their leaves.

        Args:
            x: features, shape (n, d).

        Returns:
            Path lengths, summed over the trees, shape (n,); and distances, shape (n,), summed over the features and
            averaged over the `kept` trees with the least distance.
        """
        lengths, means, _, _ = self.details(x)
        return lengths, means

    def details(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Measure all that scores and shares need.

        Args:
            x: features, shape (n, d).

        Returns:
            Path lengths and distances as `distances` returns them, shape (n,) each; the distances feature by feature,
            shape (n, d); and the mean gain of the leaves in all trees, shape (n, d).
        """
        parts = [self._details(part) for part in _chunks(x)]
        lengths, means, gaps, gains = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return lengths, means, gaps, gains

    def _details(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        leaves = self._leaves(x)
        gaps = self._gaps(x, leaves)
        return self._lengths(leaves), gaps.sum(axis=1), gaps, self._nodes.gain.take(leaves, axis=0).mean(axis=1)

    def _lengths(self, leaves: Int32s) -> Floats:
        return np.asarray(self._nodes.path.take(leaves).sum(axis=1))

    def _leaves(self, x: Floats) -> Int32s:
        if x.shape[1] != self._nodes.gain.shape[1]:
            raise ValueError(f"{x.shape[1]} features instead of {self._nodes.gain.shape[1]}")
        with np.errstate(over="ignore"):
            single = x.astype(np.float32)
        if len(x) == 1:
            return self._leaves_of_one(single[0])
        nodes = np.broadcast_to(self._nodes.root, (len(x), len(self._nodes.root)))
        rows = np.arange(len(x))[:, None]
        for _ in range(self._nodes.depth):
            above = single[rows, self._feature.take(nodes)] > self._threshold.take(nodes)
            nodes = self._child.take(nodes) + above
        return self._nodes.leaf.take(nodes)

    def _leaves_of_one(self, single: NDArray[np.float32]) -> Int32s:
        # Deciding at all nodes at once costs less than gathering the nodes on the way, level by level.
        following = self._child + (single.take(self._feature) > self._threshold)
        nodes = self._nodes.root
        for _ in range(self._nodes.depth):
            nodes = following.take(nodes)
        return self._nodes.leaf.take(nodes)[None, :]

    def _gaps(self, x: Floats, leaves: Int32s) -> Floats:
        point, box = x[:, None, :], self._nodes.box.take(leaves, axis=0)
        gaps = np.maximum(box[:, :, 0] - point, point - box[:, :, 1])
        np.maximum(gaps, 0.0, out=gaps)
        nearest = np.argpartition(gaps.sum(axis=2), self._nodes.kept - 1, axis=1)[:, : self._nodes.kept]
        return np.asarray(gaps[np.arange(len(x))[:, None], nearest].mean(axis=1))


def _chunks(x: Floats) -> list[Floats]:
    return [x[start : start + _CHUNK] for start in range(0, max(len(x), 1), _CHUNK)]
