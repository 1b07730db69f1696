"""The detectors there are, by the name that a pipeline gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors import ensemble, half_space_trees, knn
from anomaly.detectors.base import Detector, History
from anomaly.detectors.forest.isolation_forest import IsolationForest
from anomaly.detectors.gap import Gap
from anomaly.detectors.parts import featurewise
from anomaly.detectors.parts.channel import Channel
from anomaly.detectors.robust_z import RobustZ
from anomaly.detectors.seasonal import Seasonal
from anomaly.detectors.slow_gap import SlowGap
from anomaly.detectors.wrappers import context, per_series, running_tail
from anomaly.detectors.wrappers.tails import Tailed, fit_tails, tails_from_arrays
from anomaly.windows.arrays import Floats

# Those that look at each feature for itself.
_CHANNELS: dict[str, type[Channel]] = {"gap": Gap, "slow_gap": SlowGap, "seasonal": Seasonal}
NAMES = ("ensemble", "isolation_forest", *_CHANNELS, "robust_z", "knn", "half_space_trees")


def load(name: str, arrays: Mapping[str, NDArray[np.generic]]) -> Detector:
    """A fitted detector from its arrays. Raises KeyError (an array is missing) or ValueError (an unknown name)."""
    if name == "ensemble":
        names = [str(member) for member in arrays["ensemble_members"]]
        return ensemble.Ensemble(
            {member: load(member, arrays) for member in names}, np.asarray(arrays["ensemble_levels"], dtype=np.float64)
        )
    if name == "isolation_forest":
        return context.load(arrays, _forest) if context.NAME in arrays else _forest(arrays)
    if name == "robust_z":
        return RobustZ()
    if name == "knn":
        return per_series.load(arrays, _tailed_knn)
    if name == "half_space_trees":
        return half_space_trees.HalfSpaceTrees.from_arrays(arrays)
    if name in _CHANNELS:
        return featurewise.Featurewise.from_arrays(name, _CHANNELS[name], arrays)
    raise ValueError(f"{name!r} is no detector: known are {', '.join(NAMES)}")


def _forest(arrays: Mapping[str, NDArray[np.generic]]) -> Detector:
    """An isolation forest with what is around it, but for the context."""
    tail = running_tail.load(IsolationForest.from_arrays, arrays)
    return per_series.load(arrays, _tailed_forest) if tail is None else tail


def _tailed_forest(arrays: Mapping[str, NDArray[np.generic]]) -> Tailed:
    return Tailed(tails_from_arrays(arrays), IsolationForest.from_arrays(arrays))


def _tailed_knn(arrays: Mapping[str, NDArray[np.generic]]) -> Tailed:
    return Tailed(tails_from_arrays(arrays), knn.NearestNeighbours.from_arrays(arrays))


def fit(
    name: str, history: History, parameters: Mapping[str, Any], seed: int, *, keep: bool = False, jobs: int = 1
) -> tuple[Detector, object]:
    """Trains a detector that is no ensemble, models of series' own by so many threads. Deterministic for a seed.

    Returns it and, when `keep`, the library's own object (for `model.joblib`), else None.
    """
    if name not in ("isolation_forest", *_CHANNELS):
        history = history.filled
    if name == "isolation_forest":
        # scikit-learn is for training only.
        from anomaly.detectors.forest.fit import fit_detector

        return fit_detector(history, parameters, seed, keep=keep, jobs=jobs)
    if name == "robust_z":
        return RobustZ(), None
    if name == "knn":
        pooled = _fit_knn(history, parameters)
        return per_series.fit(pooled, history, lambda mine, most, _: _fit_knn(mine, parameters, most), seed, jobs), None
    if name == "half_space_trees":
        return half_space_trees.fit(history, seed), None
    if name in _CHANNELS:
        return featurewise.fit(name, _CHANNELS[name], history), None
    raise ValueError(f"{name!r} is no detector to fit: known are {', '.join(NAMES)}")


def _fit_knn(history: History, parameters: Mapping[str, Any], budget: int | None = None) -> Tailed:
    tails = fit_tails(history.ordinary)
    return Tailed(tails, knn.fit(tails.apply(history.x), parameters, budget))


def least_own_bytes(name: str, parameters: Mapping[str, Any], width: int) -> int:
    """Of the smallest model of a series' own, with so many features and columns."""
    if name == "knn":
        return knn.least_own_bytes(width)
    from anomaly.detectors.forest.fit import least_own_bytes as least_forest_bytes

    return least_forest_bytes(parameters, width)


def members(name: str) -> tuple[str, ...]:
    """The detectors that are fitted: an ensemble's members, else the one."""
    return ensemble.MEMBERS if name == "ensemble" else (name,)


def combine(
    name: str, fitted: Mapping[str, Detector], held_back: Floats, windows_per_day: float, *, long: bool
) -> tuple[Detector, Floats]:
    """One detector of those that `members` names, fitted, and their scores (n, m) of windows that were held back; with
    it, its own scores (n,) of these. long: see `History`."""
    if name != "ensemble":
        (detector,) = fitted.values()
        return detector, held_back[:, 0]
    levels = ensemble.levels(held_back, windows_per_day, long=long)
    return ensemble.Ensemble(fitted, levels), (held_back / levels).max(axis=1)
