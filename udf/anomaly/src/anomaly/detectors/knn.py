"""Nearest neighbours: the distance to the k-th nearest of training's feature vectors, all features together.

It finds gaps between modes, and features that do not fit together. It misses time, and features that are only noise
dilute it. Training is thinned evenly to 2,000 vectors. Calibration turns the distance into a conformal p-value: its
rank among the distances of the hold-out.

References: Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000;
Laxhammar and Falkman, "Conformal prediction for distribution-independent anomaly detection in streaming vessel data",
2010.

Example:
    Two features that are usual each for itself do not fit together.

    >>> import numpy as np
    >>> from anomaly.detectors.knn import NearestNeighbours
    >>> line = np.linspace(-2.0, 2.0, 101)
    >>> detector = NearestNeighbours(np.stack([line, line], axis=1), neighbours=3)
    >>> scores, shares = detector.explain(np.array([[1.0, 1.0], [1.0, -1.0]]))
    >>> scores.round(2).tolist(), shares[1].round(2).tolist()
    ([0.06, 1.42], [0.46, 0.54])
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from anomaly.detectors.base import Detector, FeatureHistory, Memoryless
from anomaly.detectors.declaration import Arrays, Declaration, FitRequest, Fitted
from anomaly.detectors.parts.shares import shares
from anomaly.detectors.wrappers import per_series
from anomaly.detectors.wrappers.tails import Tailed, fit_tails, tails_from_arrays
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray, Floats

_MOST_REFERENCES = 2_000
_LEAST_REFERENCES = 200
_CHUNK = 64


class NearestNeighbours(Memoryless):
    """Distances to some reference vectors.

    Args:
        references: feature vectors of training, shape (r, d), r >= 1.
        neighbours: the distance to which nearest reference counts; r where there are fewer.
    """

    def __init__(self, references: Floats, neighbours: int) -> None:
        self._references = references
        self._neighbours = min(neighbours, len(references))

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """Score windows; shares are the features' parts of the squared distance to that neighbour."""
        parts = [self._explain(x[begin : begin + _CHUNK]) for begin in range(0, len(x), _CHUNK)]
        return np.concatenate([score for score, _ in parts]), np.concatenate([share for _, share in parts])

    def _explain(self, x: Floats) -> tuple[Floats, Floats]:
        squares = ((x[:, None, :] - self._references) ** 2).sum(axis=2)
        nearest = np.argpartition(squares, self._neighbours - 1, axis=1)[:, self._neighbours - 1]
        apart = x - self._references[nearest]
        return np.sqrt(squares[np.arange(len(x)), nearest]), shares(apart**2)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the references and the number of neighbours."""
        return {"knn_references": self._references, "knn_neighbours": np.array(self._neighbours)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "NearestNeighbours":
        """Make a detector from the arrays of an equal one.

        Args:
            arrays: what `arrays` returned, and perhaps others.

        Returns:
            The detector.

        Raises:
            KeyError: an array is missing.
        """
        return cls(np.asarray(arrays["knn_references"], dtype=np.float64), int(arrays["knn_neighbours"]))


def fit(request: FitRequest) -> Fitted:
    """Take references from the history, and from each series that gets a model for itself.

    Args:
        request: history and parameter `neighbours`.

    Returns:
        The detector.
    """
    history = request.history.filled

    def fit_series(series_history: FeatureHistory, budget_bytes: int, seed: int) -> Tailed:
        return _fit_tailed(series_history, request.parameters, budget_bytes // (8 * history.x.shape[1]))

    pooled = _fit_tailed(history, request.parameters, _MOST_REFERENCES)
    return Fitted(per_series.fit(pooled, history, fit_series, request.seed, request.jobs))


def _fit_tailed(history: FeatureHistory, parameters: Mapping[str, Any], most: int) -> Tailed:
    tails = fit_tails(history.unconfirmed)
    x = tails.apply(history.x)
    references = x[:: -(-len(x) // min(most, _MOST_REFERENCES))].copy()
    return Tailed(tails, NearestNeighbours(references, int(parameters["neighbours"])))


def load(arrays: Arrays) -> Detector:
    """Make the fitted detector from its arrays.

    Args:
        arrays: what `arrays` of the fitted detector returned.

    Returns:
        A detector that scores as the stored one did.
    """
    return per_series.load(arrays, _load_tailed)


def _load_tailed(arrays: Arrays) -> Tailed:
    return Tailed(tails_from_arrays(arrays), NearestNeighbours.from_arrays(arrays))


def _least_bytes(parameters: Mapping[str, Any], width: int) -> int:
    return _LEAST_REFERENCES * 8 * width


DECLARATION = Declaration(
    description=Description(
        name="knn",
        summary="the distance to the k-th nearest window of training",
        sees="gaps between modes, features that do not fit together",
        misses="time; features that are only noise dilute it",
        parameters={
            "neighbours": {
                "description": "Only `knn`: the distance to which nearest neighbour counts.",
                "type": "integer",
                "minimum": 1,
                "maximum": 100,
                "default": 5,
                "examples": [5],
            },
            "models": per_series.PARAMETER,
        },
    ),
    fit=fit,
    load=load,
    least_bytes=_least_bytes,
)
