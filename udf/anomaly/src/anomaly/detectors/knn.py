"""Nearest neighbours: the distance to the `neighbours`th nearest of training's feature vectors, all features together.

Calibration turns the distance into a conformal p-value: its rank among the distances of windows that were held back
(Laxhammar and Falkman, "Conformal prediction for distribution-independent anomaly detection in streaming vessel data",
2010). Sees gaps between modes, and features that do not fit together. Misses time; features that only make noise
dilute it. Training is thinned evenly to 2,000 vectors.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Memoryless
from anomaly.detectors.parts.shares import shares
from anomaly.windows.arrays import Floats

_MOST_REFERENCES = 2_000
_LEAST_REFERENCES = 200
_CHUNK = 64


class NearestNeighbours(Memoryless):
    """references: (r, d), r >= 1. neighbours: which nearest counts, at most r."""

    def __init__(self, references: Floats, neighbours: int) -> None:
        self._references = references
        self._neighbours = min(neighbours, len(references))

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """See `Memoryless.explain`. Shares are the features' parts of the squared distance to that neighbour."""
        parts = [self._explain(x[start : start + _CHUNK]) for start in range(0, len(x), _CHUNK)]
        return np.concatenate([score for score, _ in parts]), np.concatenate([share for _, share in parts])

    def _explain(self, x: Floats) -> tuple[Floats, Floats]:
        squares = ((x[:, None, :] - self._references) ** 2).sum(axis=2)
        nearest = np.argpartition(squares, self._neighbours - 1, axis=1)[:, self._neighbours - 1]
        apart = x - self._references[nearest]
        return np.sqrt(squares[np.arange(len(x)), nearest]), shares(apart**2)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Detector.arrays`."""
        return {"knn_references": self._references, "knn_neighbours": np.array(self._neighbours)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "NearestNeighbours":
        """The inverse of `arrays`. Raises KeyError where one is missing."""
        return cls(np.asarray(arrays["knn_references"], dtype=np.float64), int(arrays["knn_neighbours"]))


def fit(x: Floats, parameters: Mapping[str, Any], budget: int | None = None) -> NearestNeighbours:
    """Of feature vectors (n, d), n >= 1, thinned to what so many bytes hold, too."""
    most = _MOST_REFERENCES if budget is None else min(_MOST_REFERENCES, budget // (8 * x.shape[1]))
    return NearestNeighbours(x[:: -(-len(x) // most)].copy(), int(parameters["neighbours"]))


def least_own_bytes(width: int) -> int:
    """Of the smallest model of a series' own, with so many features."""
    return _LEAST_REFERENCES * 8 * width
