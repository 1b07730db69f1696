"""The interface of a detector, and the registry of those there are.

A detector has two halves. The fitted half (`Detector`) serves: plain arrays and numpy, nothing else. The other (`fit`)
trains and may import what it likes, in the function only.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Detector(Protocol):
    """What serving needs of a fitted detector."""

    def score(self, x: Floats) -> Floats:
        """Scores (n,) of feature vectors (n, d). The greater, the more anomalous; unbounded above."""
        ...

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """The same scores (n,), and shares (n, d) of each feature in them; each row sums to 1."""
        ...

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The detector as plain arrays, from which `load` makes an equal one."""
        ...


def load(name: str, arrays: Mapping[str, NDArray[np.generic]]) -> Detector:
    """A fitted detector from its arrays. Raises KeyError (an array is missing) or ValueError (an unknown name)."""
    if name == "isolation_forest":
        from anomaly.detectors.isolation_forest import IsolationForest

        return IsolationForest.from_arrays(arrays)
    raise ValueError(f"{name!r} is no detector: known is isolation_forest")


def fit(
    name: str, x: Floats, parameters: Mapping[str, Any], seed: int, *, keep: bool = False
) -> tuple[Detector, object]:
    """Trains a detector on feature vectors (n, d). Deterministic for a seed.

    Returns it and, when `keep`, the library's own object (for `model.joblib`), else None.
    """
    if name == "isolation_forest":
        from anomaly.detectors.isolation_forest_fit import fit as fit_forest

        return fit_forest(x, parameters, seed, keep=keep)
    raise ValueError(f"{name!r} is no detector: known is isolation_forest")
