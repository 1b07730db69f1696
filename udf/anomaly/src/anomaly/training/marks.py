"""What marks of feedback mean for training: which a model does not heed yet, and where a model finds periods."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anomaly.influxdb.times import Range, trained_on
from anomaly.models.model import Model
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import FALSE_ALARM, Feedback, Mark
from anomaly.scoring.scorer import Scorer
from anomaly.windows.completeness import scorable, whole_fields
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows


def learned(model: Model, windows: Windows, marks: Sequence[Mark]) -> list[str]:
    """Ids of the false alarms that lie in the history and are none to the model: it opens no period there."""
    feedback = Feedback(model.pipeline, marks)
    return [mark.id for mark in marks if mark.kind == FALSE_ALARM and opens(model, windows, feedback, mark) is False]


def unheeded(manifest: Mapping[str, Any], marks: Sequence[Mark], asked: Range) -> list[Mark]:
    """Marks that were not there when a model was trained, and for which it would be trained otherwise now: false alarms
    in what would be read, and windows of its own history that must be left out."""
    known = manifest.get("feedback", {}).get("marks", ())
    begin_ns, end_ns = trained_on(manifest)
    return [
        mark
        for mark in marks
        if mark.id not in known
        and (mark.meets(asked.begin_ns, asked.end_ns) if mark.kind == FALSE_ALARM else mark.meets(begin_ns, end_ns))
    ]


def opens(model: Model, windows: Windows, feedback: Feedback, mark: Mark) -> bool | None:
    """Whether the model finds a period where a mark is, after training; None where the history has nothing of it."""
    pipeline = model.pipeline
    whole = whole_fields(windows.values, len(pipeline.fields))
    marked = feedback.marked(windows, mark) & scorable(pipeline, whole)
    if not marked.any():
        return None
    shown = windows.with_lead_in(marked)
    scorer = Scorer(pipeline, EventCounter("marks", lambda message: None))
    return any(
        scored.anomalous and scored.begin_ns in begins
        for index in np.unique(windows.series[marked])
        for mine in [shown & (windows.series == index)]
        for begins in [set(windows.begin_ns[marked & mine].tolist())]
        for scored in scorer.feed(
            model,
            SeriesWindows(windows.keys[index], windows.begin_ns[mine], windows.values[mine], windows.counts[mine]),
        )
    )
