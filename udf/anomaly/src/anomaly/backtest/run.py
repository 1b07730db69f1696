"""The use case "backtest a model" of one pipeline, from a typed request to a report as plain data.

It scores the history of a range with the code that serves, and compares the periods with labels. Whoever asks builds a
`BacktestRequest`, and prints or writes the report; this module does not print or know exit codes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly.backtest import report
from anomaly.backtest.labels import Truth, of_marks, read_labels
from anomaly.backtest.replay import SWEEP, BacktestReplay
from anomaly.counted import counted
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.marks import read_feedback
from anomaly.influxdb.point_source import InvalidValues
from anomaly.influxdb.source import check_source, read_series_windows, resolved, split_range
from anomaly.influxdb.times import RequestedRange, resolve_range
from anomaly.models.model import Model
from anomaly.models.store import Store, StoreError
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.refusal import Refused
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import MAINTENANCE, Feedback, Mark
from anomaly.windows.arrays import Key
from anomaly.windows.cut import cut_of
from anomaly.windows.unscored import advice, named

# The labels of a backtest that takes the marks of feedback for labels.
FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """A request to backtest one pipeline's model.

    Attributes:
        pipeline: the pipeline.
        models: the directory of all models.
        results_database: the database that holds marks of feedback.
        begin: where the range begins, as a duration before now or an RFC 3339 time; None: as the training's.
        end: where the range ends, likewise.
        version: the version that scores; None: the current one.
        labels: the file of the labels, or FEEDBACK; None: there are no labels.
        sweep: the opening severities that are tried beside the pipeline's own, each above its `periods.close`.
    """

    pipeline: Pipeline
    models: Path | str
    results_database: str
    begin: str | None = None
    end: str | None = None
    version: str | None = None
    labels: str | None = None
    sweep: tuple[float, ...] = SWEEP


def run_backtest(
    request: BacktestRequest, connect: Callable[[], InfluxClient], say: Callable[[str], None]
) -> dict[str, Any]:
    """Backtest one pipeline's model.

    Args:
        request: the pipeline, the range and the options.
        connect: makes the client of the server that holds the history and the marks; called once the request is
            known to make sense.
        say: is told a line for people.

    Returns:
        The report (`report.document`).

    Raises:
        SpecError: a time or a label is not valid.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the model cannot be read, or there is none.
        Refused: a field is missing, or no window of the range could be scored.
    """
    influx = connect()
    pipeline = resolved(lambda: influx, request.pipeline)
    asked = resolve_range(pipeline, request.begin, request.end, time.time_ns())
    marks = read_feedback(influx, request.results_database, pipeline) if request.labels == FEEDBACK else []
    truth = _truth(request.labels, marks, pipeline, asked, say)
    model = _model(Store(request.models, pipeline.name), pipeline, request.version)
    # False alarms are not suppressed, as the backtest shows whether the model raises them again.
    maintenance = Feedback(pipeline, [mark for mark in marks if mark.kind == MAINTENANCE])
    events, invalid = EventCounter(f"pipeline {pipeline.name}", say), InvalidValues()
    replay = BacktestReplay(pipeline, model, events, request.sweep, maintenance)
    pipeline = check_source(influx, pipeline)
    for begin_ns, end_ns in split_range(asked.begin_ns, asked.end_ns, cut_of(pipeline)):
        say(f"scoring {rfc3339(begin_ns)} to {rfc3339(end_ns)}")
        for series in read_series_windows(influx, pipeline, begin_ns, end_ns, invalid=invalid):
            replay.feed(series)
    events.add("invalid values", invalid.total())
    if not replay.scored_windows:
        raise Refused(
            f"pipeline {pipeline.name}: no window from {rfc3339(asked.begin_ns)} to {rfc3339(asked.end_ns)} could be "
            f"scored ({dict(replay.counts) or 'there is no data'}): choose a range (--from, --to) that has whole "
            "windows"
        )
    for warning in _warnings(pipeline, truth, replay.series):
        say(f"warning: {warning}")
    if replay.unscored:
        say(
            f"warning: {len(replay.unscored)} of {len(replay.series)} series have no window that could be scored: "
            f"{named(replay.unscored)}: {advice(pipeline)}"
        )
    return report.document(
        pipeline,
        model,
        asked,
        len(replay.series),
        replay.unscored,
        replay.counts,
        replay.evaluations(truth),
        request.results_database,
    )


def _model(store: Store, pipeline: Pipeline, version: str | None) -> Model:
    chosen = version or store.current()
    if chosen is None:
        raise StoreError(f"pipeline {pipeline.name} has no current model in {store.path}: train it, or name a --model")
    return store.load(chosen, pipeline)


def _truth(
    labels: str | None, marks: list[Mark], pipeline: Pipeline, asked: RequestedRange, say: Callable[[str], None]
) -> Truth:
    """Return the labels in the asked range: those of a file, of the marks of feedback, or none."""
    if labels is None:
        return Truth(complete=False)
    known = of_marks(marks, pipeline) if labels == FEEDBACK else read_labels(Path(labels), pipeline)
    inside = known.within(asked.begin_ns, asked.end_ns)
    if len(inside) < len(known):
        say(f"outside of the range, and left out: {len(known) - len(inside)} of {counted(len(known), 'label')}")
    return inside


def _warnings(pipeline: Pipeline, truth: Truth, keys: set[Key]) -> list[str]:
    """Return a sentence for each label whose series is not among `keys`, the series that have windows."""
    return [
        f"the label of {rfc3339(label.begin_ns)} is of the series {dict(label.tags)}, which has no windows in the range"
        for label in (*truth.labels, *truth.false_alarms)
        if not any(label.means(pipeline.group_by, key) for key in keys)
    ]
