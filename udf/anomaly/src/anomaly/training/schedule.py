"""Decides when the keeper trains a pipeline again. The logic is pure: it reads no clock and does no I/O."""

from dataclasses import dataclass

from anomaly.nanoseconds import HOUR_NS, SECOND_NS
from anomaly.pipeline import Pipeline, format_duration

# How long the keeper waits before it repeats a training that failed or was refused, and how long it gathers marks.
_AGAIN_NS = HOUR_NS


@dataclass(frozen=True, slots=True)
class TrainingState:
    """The state of a pipeline's models, from which `due` decides.

    Attributes:
        created_ns: when its newest version was made; None if no version can be used.
        misfit: why the current version does not fit the pipeline; None if it does.
        drifted: whether its data have drifted from what the current version was trained on.
        unheeded: how many marks of feedback would change the current version.
        failed_ns: when the last training ended without a model; None if it made the newest version.
    """

    created_ns: int | None
    misfit: str | None = None
    drifted: bool = False
    unheeded: int = 0
    failed_ns: int | None = None


def due(pipeline: Pipeline, known: TrainingState, now_ns: int) -> str | None:
    """Return why a pipeline must be trained now; None if it need not be.

    Args:
        pipeline: the pipeline.
        known: the state of its models.
        now_ns: the time, in nanoseconds since 1970.
    """
    training = pipeline.training
    if not pipeline.trains_itself:
        return None
    if known.failed_ns is not None and now_ns - known.failed_ns < _AGAIN_NS:
        return None
    if known.misfit is not None:
        return known.misfit
    if known.created_ns is None:
        return "it has no model"
    age_ns = now_ns - known.created_ns
    if training.every_ns is not None and age_ns >= training.every_ns:
        return f"its newest model is {format_duration(age_ns // SECOND_NS * SECOND_NS)} old"
    # People mark one period after the other, and serving suppresses marked false alarms before the next training.
    if known.unheeded and age_ns >= _AGAIN_NS:
        return f"marks of feedback are newer than its model: {known.unheeded}"
    # A model that was made in the middle of a change is only judged once the horizon holds data from after it.
    if training.on_drift and known.drifted and age_ns >= pipeline.drift.horizon_ns:
        return "its data have drifted"
    return None
