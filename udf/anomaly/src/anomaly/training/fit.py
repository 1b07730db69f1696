"""From windows to a model, deterministic for a seed.

Calibration needs scores of windows that the forest has not seen. A split at one point in time would show it, say, a
night after training on a day; so history is cut into short blocks, each block is scored by a forest that was trained
without it, and all of these scores together calibrate the final forest, which is trained on everything
("cross-fitting").
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.calibration import calibrate
from anomaly.detectors.base import Detector, fit
from anomaly.features import Scaling, features, fit_scaling
from anomaly.model import Model
from anomaly.spec import Pipeline
from anomaly.training.gate import Quality, Refused, check_quality, check_windows
from anomaly.windows import Windows

_FOLDS = 5
_BLOCKS = 50
# Scoring out of fold costs some 10 us a window; calibration gains little from more than this.
_MOST_CALIBRATED = 200_000


@dataclass(frozen=True)
class Trained:
    """A model, the library's own forest (for people), what it was trained on, and how good it looks."""

    model: Model
    estimator: object
    windows: int
    left_out: int
    quality: Quality


def train(
    pipeline: Pipeline,
    windows: Windows,
    version: str,
    seed: int,
    progress: Callable[[str], None] = lambda message: None,
) -> Trained:
    """Raises Refused when the windows are too few, incomplete or too odd."""
    usable = _usable(pipeline, windows)
    left_out = len(windows) - len(usable)
    progress(f"{len(usable)} windows of {len(windows.keys)} series" + (f", {left_out} left out" if left_out else ""))
    rows = _thin(len(usable), _MOST_CALIBRATED)
    fold = _folds(usable)
    held_back = np.empty(len(usable))
    scored = np.zeros(len(usable), dtype=bool)
    scored[rows] = True
    for number in range(_FOLDS):
        progress(f"calibrating, part {number + 1} of {_FOLDS}")
        inside = fold == number
        scaling, detector, _ = _fit(pipeline, usable.where(~inside), seed + 1 + number)
        mine = inside & scored
        held_back[mine] = detector.score(scaling.transform(usable.values[mine], usable.series[mine] + 1))
    calibration = calibrate(held_back[scored])
    quality = check_quality(pipeline, usable.where(scored), held_back[scored], fold[scored])
    progress("fitting the final model")
    scaling, detector, estimator = _fit(pipeline, usable, seed, keep=True)
    model = Model(version, pipeline, scaling, detector, calibration)
    return Trained(model, estimator, len(usable), left_out, quality)


def _fit(pipeline: Pipeline, windows: Windows, seed: int, *, keep: bool = False) -> tuple[Scaling, Detector, object]:
    scaling = fit_scaling(features(pipeline), windows.keys, windows.series, windows.values, windows.counts)
    x = scaling.transform(windows.values, windows.series + 1)
    detector, estimator = fit(pipeline.detector, x, pipeline.parameters, seed, keep=keep)
    return scaling, detector, estimator


def _usable(pipeline: Pipeline, windows: Windows) -> Windows:
    """Complete windows with enough points. Raises Refused when that leaves too few."""
    complete = windows.where(windows.complete)
    check_windows(pipeline, windows, len(complete))
    scaling = fit_scaling(features(pipeline), complete.keys, complete.series, complete.values, complete.counts)
    usable = complete.where(scaling.enough_points(complete.counts, complete.series + 1))
    check_windows(pipeline, windows, len(usable))
    return usable


def _folds(windows: Windows) -> NDArray[np.intp]:
    """A fold for each window, in blocks of time, the same for all series."""
    begin, end = windows.begin_ns.min(), windows.begin_ns.max()
    block = (windows.begin_ns - begin) * _BLOCKS // max(int(end - begin) + 1, 1)
    fold = np.asarray(block % _FOLDS, dtype=np.intp)
    # With a big hole in the history a fold could be empty, or all there is.
    if len(np.unique(fold)) < _FOLDS:
        fold = np.arange(len(windows), dtype=np.intp) * _BLOCKS // len(windows) % _FOLDS
    return fold


def _thin(count: int, most: int) -> NDArray[np.intp]:
    return np.arange(0, count, max(1, -(-count // most)), dtype=np.intp)


__all__ = ["Refused", "Trained", "train"]
