"""One of `anomaly`'s detectors on one file, as a pipeline would run it, strictly online.

The probationary period is the training history: scaling and detector are fitted to it, as `anomaly train` does. The
points after it are scored in the order of time; a score depends on the past and the point itself. Each point is a
window, whose length is the median distance between two points of the probationary period. The history is short, so the
ensemble has its lowest levels.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly.detectors.base import FeatureHistory, follow
from anomaly.detectors.declaration import Declaration, FitRequest
from anomaly.detectors.registry import declaration
from anomaly.models.features import Feature, fit_scaling
from anomaly.windows.arrays import Floats
from bench.nab.corpus import Series


@dataclass(frozen=True)
class DetectorRun:
    """What a detector said of one file, and what that took.

    Attributes:
        scores: shape (n,), 0 in the probationary period.
        seconds: processor time to score the points after it.
        state_bytes: size of what the detector remembers of the series in the end, as compact arrays.
    """

    scores: Floats
    seconds: float
    state_bytes: int


def run(
    detector: str, parameters: Mapping[str, Any], series: Series, seed: int = 0, *, as_member: bool = False
) -> DetectorRun:
    """Fit a detector to the probationary period of a file, and score the rest.

    Args:
        detector: its name.
        parameters: all of its parameters.
        series: the file.
        seed: of all that is random.
        as_member: whether it is the ensemble's member of this name.

    Returns:
        The scores, and what they took.
    """
    probation = series.probation
    values = series.values[:, None]
    begin_ns = series.times * 1_000_000_000
    window_ns = max(1, int(np.median(np.diff(begin_ns[:probation]))))
    rows = np.zeros(probation, dtype=np.intp)
    scaling = fit_scaling([Feature("value", "mean")], [()], rows, values[:probation], np.ones((probation, 1)))
    x = scaling.transform(values, 1)
    history = FeatureHistory(x[:probation], rows, 1, begin_ns[:probation], window_ns, is_long=False)
    fitted = (members()[detector] if as_member else declaration(detector)).fit(FitRequest(history, parameters, seed))
    follower = follow(fitted.detector, 1)
    started = time.process_time()
    scores, _ = follower.explain(begin_ns[probation:], x[probation:])
    seconds = time.process_time() - started
    state_bytes = sum(array.nbytes for array in follower.arrays().values())
    return DetectorRun(np.concatenate([np.zeros(probation), scores]), seconds, state_bytes)


def members() -> dict[str, Declaration]:
    """Return the ensemble's members by name."""
    return {member.name: member for member in declaration("ensemble").members}
