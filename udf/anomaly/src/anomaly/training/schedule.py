"""Decides when a pipeline is trained again without being asked. Pure logic: no clock, no I/O."""

from dataclasses import dataclass

from anomaly.pipeline import Pipeline, format_duration

# How long a training that failed or was refused waits for its next try, and how long marks are gathered.
_AGAIN_NS = 3_600_000_000_000
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What is known of a pipeline's models.

    Attributes:
        created_ns: when its newest version was made; None without a version that can be used.
        misfit: why the current version does not fit the pipeline; None if it does.
        drifted: whether its data have drifted from what the current version was trained on.
        unheeded: how many marks of feedback would change the current version.
        failed_ns: when the last training ended without a model, if that was later than the newest version.
    """

    created_ns: int | None
    misfit: str | None = None
    drifted: bool = False
    unheeded: int = 0
    failed_ns: int | None = None


def due(pipeline: Pipeline, known: TrainingState, now_ns: int) -> str | None:
    """Return why a pipeline is to be trained now; None if it is not.

    Args:
        pipeline: the pipeline.
        known: what is known of its models.
        now_ns: the time.
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
        return f"its newest model is {format_duration(age_ns // _SECOND_NS * _SECOND_NS)} old"
    # People mark one period after the other; until the next training, their false alarms are suppressed anyway.
    if known.unheeded and age_ns >= _AGAIN_NS:
        return f"marks of feedback are newer than its model: {known.unheeded}"
    # A model that was made in the middle of a change is judged by the data that came after.
    if training.on_drift and known.drifted and age_ns >= pipeline.drift.horizon_ns:
        return "its data have drifted"
    return None
