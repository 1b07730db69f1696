"""`anomaly backtest`: scores history with the code that serves, and compares the periods with labels."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from anomaly.backtest import report
from anomaly.backtest.labels import Truth, of_marks, read_labels
from anomaly.backtest.replay import SWEEP, BacktestReplay
from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, connect, out, read_pipelines, say
from anomaly.influxdb.marks import read_feedback
from anomaly.influxdb.source import read_series_windows, split_range
from anomaly.influxdb.times import RequestedRange, resolve_range, rfc3339
from anomaly.models.model import Model
from anomaly.models.store import Store, StoreError
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import MAINTENANCE, Feedback, Mark
from anomaly.training.gate import Refused
from anomaly.training.history import check_fields
from anomaly.windows.arrays import Key

# The value of --labels that stands for the marks of feedback.
FEEDBACK = "feedback"
_RENDERERS = {".html": report.html, ".md": report.markdown}


def backtest(options: argparse.Namespace) -> int:
    """Backtest a model on a range of history, and print the report.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification, a time or a label is not valid.
        UsageError: the options do not go together, or a file cannot be read or written.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the model cannot be read, or there is none.
        Refused: no window of the range could be scored.
    """
    pipeline = choose(read_pipelines(options.spec), options.pipeline)
    options.pipeline = pipeline.name
    asked = resolve_range(pipeline, options.begin, options.end, time.time_ns())
    page = _page(options.report)
    sweep = _sweep(options.open, pipeline)
    influx = connect(options)
    marks = read_feedback(influx, options.results_database, pipeline) if options.labels == FEEDBACK else []
    truth = _truth(options.labels, marks, pipeline, asked)
    model = _model(Store(options.models, pipeline.name), pipeline, options.model)
    # False alarms are not suppressed, as the backtest shows whether the model raises them again.
    maintenance = Feedback(pipeline, [mark for mark in marks if mark.kind == MAINTENANCE])
    replay = BacktestReplay(pipeline, model, EventCounter(f"pipeline {pipeline.name}", say), sweep, maintenance)
    check_fields(influx, pipeline)
    for begin_ns, end_ns in split_range(asked.begin_ns, asked.end_ns, pipeline.window_ns):
        say(f"scoring {rfc3339(begin_ns)} to {rfc3339(end_ns)}")
        for series in read_series_windows(influx, pipeline, begin_ns, end_ns):
            replay.feed(series)
    if not replay.scored_windows:
        raise Refused(
            f"pipeline {pipeline.name}: no window from {rfc3339(asked.begin_ns)} to {rfc3339(asked.end_ns)} could be "
            f"scored ({dict(replay.counts) or 'there is no data'}): choose a range (--from, --to) that has whole "
            "windows"
        )
    _warn(pipeline, truth, replay.series)
    evaluations = replay.evaluations(truth)
    content = report.document(
        pipeline, model, asked, len(replay.series), replay.counts, evaluations, options.results_database
    )
    if page is not None:
        _write(page, content)
    out(json.dumps(content, ensure_ascii=False) if options.json else report.text(content))
    return codes.DONE


def _model(store: Store, pipeline: Pipeline, version: str | None) -> Model:
    chosen = version or store.current()
    if chosen is None:
        raise StoreError(f"pipeline {pipeline.name} has no current model in {store.path}: train it, or name a --model")
    return store.load(chosen, pipeline)


def _truth(name: str | None, marks: list[Mark], pipeline: Pipeline, asked: RequestedRange) -> Truth:
    """Return the labels in the asked range: those of a file, of the marks of feedback, or none."""
    if name is None:
        return Truth(complete=False)
    known = of_marks(marks) if name == FEEDBACK else read_labels(Path(name), pipeline)
    inside = known.within(asked.begin_ns, asked.end_ns)
    if len(inside) < len(known):
        say(f"{len(known) - len(inside)} of {len(known)} labels lie outside of the range, and are left out")
    return inside


def _warn(pipeline: Pipeline, truth: Truth, keys: set[Key]) -> None:
    """Warn of labels whose series has no windows; keys: the series that have some."""
    for label in (*truth.labels, *truth.false_alarms):
        if not any(label.means(pipeline.group_by, key) for key in keys):
            say(
                f"warning: the label of {rfc3339(label.begin_ns)} is of the series {dict(label.tags)}, which has no "
                "windows in the range"
            )


def _sweep(asked: list[float] | None, pipeline: Pipeline) -> tuple[float, ...]:
    """Return the opening severities to look at. Raises UsageError if one of them cannot open a period."""
    for severity in asked or ():
        if not pipeline.periods.close < severity <= 100:
            raise UsageError(
                f"--open: {severity:g} is no severity that opens a period: write one above the pipeline's "
                f"periods.close ({pipeline.periods.close:g}), up to 100"
            )
    return tuple(asked) if asked else SWEEP


def _page(name: str | None) -> Path | None:
    """Return the path of the report's page. Raises UsageError if its suffix names no form of a report."""
    if name is None:
        return None
    page = Path(name)
    if page.suffix not in _RENDERERS:
        raise UsageError(f"--report: {name} is neither {' nor '.join(_RENDERERS)}: name a file with one of these")
    return page


def _write(page: Path, content: dict[str, Any]) -> None:
    try:
        page.write_text(_RENDERERS[page.suffix](content), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--report: {page} cannot be written: {error.strerror}") from error
    say(f"the report is in {page}")
