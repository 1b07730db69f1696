"""Decides what marks of feedback mean for training: which marks a model has learned, and which are newer than it.

`anomaly.influxdb.marks` reads and writes marks, and `anomaly.scoring.feedback` decides what they mean for scoring.
"""

from collections.abc import Sequence

import numpy as np

from anomaly.influxdb.times import TimeRange, trained_on
from anomaly.models.manifest import Manifest
from anomaly.models.model import Model
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import FALSE_ALARM, Feedback, Mark
from anomaly.scoring.scorer import Scorer
from anomaly.windows.completeness import scorable_windows
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows


def learned_false_alarms(model: Model, windows: Windows, marks: Sequence[Mark]) -> list[str]:
    """Return the ids of the false alarms in the history at which the model opens no period.

    Args:
        model: the model, as it is right after training.
        windows: the history that it was trained on.
        marks: all marks of the pipeline.
    """
    feedback = Feedback(model.pipeline, marks)
    return [
        mark.id for mark in marks if mark.kind == FALSE_ALARM and opens_period(model, windows, feedback, mark) is False
    ]


def unheeded_marks(manifest: Manifest, marks: Sequence[Mark], asked: TimeRange) -> list[Mark]:
    """Return the marks that are newer than a model, and for which training would make another model now.

    These are false alarms in the range that would be read, and other marks in the model's own history.

    Args:
        manifest: the model's manifest.
        marks: all marks of the pipeline.
        asked: the range that training would read now.
    """
    known = manifest.feedback.marks
    begin_ns, end_ns = trained_on(manifest)
    return [
        mark
        for mark in marks
        if mark.id not in known
        and (mark.meets(asked.begin_ns, asked.end_ns) if mark.kind == FALSE_ALARM else mark.meets(begin_ns, end_ns))
    ]


def opens_period(model: Model, windows: Windows, feedback: Feedback, mark: Mark) -> bool | None:
    """Check whether a model, right after training, opens a period where a mark is.

    Args:
        model: the model.
        windows: a history.
        feedback: the marks of the pipeline.
        mark: the mark.

    Returns:
        None where no scorable window of the history is marked.
    """
    pipeline = model.pipeline
    marked = feedback.marked(windows, mark) & scorable_windows(pipeline, windows).mask
    if not marked.any():
        return None
    replayed = windows.with_lead_in(marked)
    scorer = Scorer(pipeline, EventCounter("marks", lambda message: None))
    for index in np.unique(windows.series[marked]):
        of_series = replayed & (windows.series == index)
        begins = set(windows.begin_ns[marked & of_series].tolist())
        series = SeriesWindows(
            windows.keys[index], windows.begin_ns[of_series], windows.values[of_series], windows.counts[of_series]
        )
        if any(scored.anomalous and scored.begin_ns in begins for scored in scorer.feed(model, series)):
            return True
    return False
