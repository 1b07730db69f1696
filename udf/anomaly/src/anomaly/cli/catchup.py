"""`anomaly catch-up`: what could not be scored in time, scored from InfluxDB and written as if nothing had happened."""

import argparse
import time
from dataclasses import asdict

from anomaly.catchup.database import Database
from anomaly.catchup.gaps import Span
from anomaly.catchup.repair import Models, Repaired
from anomaly.catchup.run import CaughtUp
from anomaly.catchup.run import catch_up as run
from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, connect, read_pipelines, result, say
from anomaly.influxdb.times import resolve, rfc3339
from anomaly.models.model import Model
from anomaly.models.store import ModelMismatch, Store, StoreError
from anomaly.pipeline import DurationError, Pipeline, parse_duration
from anomaly.scoring.feedback import Feedback
from anomaly.serving.feedback_file import feedback_path, read_marks

_REACH_NS = 7 * 86_400_000_000_000
_REACH_WINDOWS = 100
_LEAST_LAG_NS = 60_000_000_000
_LAG_WINDOWS = 3


def catch_up(options: argparse.Namespace) -> int:
    """Does it, for one pipeline. Raises SpecError, UsageError, InfluxError, StoreError, Refused."""
    started = time.monotonic()
    pipeline = choose(read_pipelines(options.spec), options.pipeline)
    options.pipeline = pipeline.name
    lag_ns = _lag_ns(options.lag, pipeline)
    reach_ns = max(_REACH_NS, _REACH_WINDOWS * pipeline.window_ns)
    asked = resolve(pipeline, options.start or f"{reach_ns}ns", f"{lag_ns}ns", time.time_ns())
    store = Store(options.models, pipeline.name)
    span = Span(asked.begin_ns, asked.end_ns)
    try:
        models = _models(store, pipeline)
    except ModelMismatch as error:
        _answer(pipeline, started, CaughtUp(span, 0, Repaired()), str(error))
        return codes.DONE
    if models is None:
        _answer(pipeline, started, CaughtUp(span, 0, Repaired()), "there is no model yet")
        return codes.DONE
    influx = connect(options)
    database = Database(influx, pipeline, options.results_database)
    if options.start is None:
        first_ns = database.first_score_ns(span.begin_ns)
        if first_ns is None or first_ns >= span.end_ns:
            _answer(pipeline, started, CaughtUp(span, 0, Repaired()), "there is no score in reach yet")
            return codes.DONE
        # What was there before the pipeline's first score was not missed, but history.
        span = Span(first_ns, span.end_ns)
    feedback = Feedback(pipeline, read_marks(feedback_path(options.models, pipeline.name)))
    caught_up = run(pipeline, database, models, feedback, span, say, dry_run=options.dry_run)
    _answer(pipeline, started, caught_up, "nothing was written" if options.dry_run else "")
    return codes.DONE


def _models(store: Store, pipeline: Pipeline) -> Models | None:
    """Versions, each loaded once; the current one for those that are gone, or made for another pipeline. None while
    there is no current one. Raises ModelMismatch if that does not fit the pipeline: training comes first."""
    current_version = store.current()
    if current_version is None:
        return None
    current = store.load(current_version, pipeline)
    loaded: dict[str | None, Model] = {None: current, current.version: current}

    def model(version: str | None) -> Model:
        if version not in loaded:
            try:
                loaded[version] = store.load(str(version), pipeline)
            except StoreError as error:
                say(f"{error} (the current model is used instead)")
                loaded[version] = current
        return loaded[version]

    return model


def _lag_ns(asked: str | None, pipeline: Pipeline) -> int:
    if asked is None:
        return max(_LEAST_LAG_NS, _LAG_WINDOWS * pipeline.window_ns)
    try:
        lag_ns = parse_duration(asked)
    except DurationError as error:
        raise UsageError(f"--lag: {error}") from None
    if lag_ns < pipeline.window_ns:
        raise UsageError(f"--lag: {asked} is shorter than a window ({pipeline.window}): write at least that")
    return lag_ns


def _answer(pipeline: Pipeline, started: float, caught_up: CaughtUp, message: str) -> None:
    result(
        {
            "status": "caught up" if caught_up.changed else "unchanged",
            "pipeline": pipeline.name,
            "from": rfc3339(caught_up.span.begin_ns),
            "to": rfc3339(caught_up.span.end_ns),
            "series": caught_up.series,
            **asdict(caught_up.repaired),
            "seconds": round(time.monotonic() - started, 1),
            "message": message,
        }
    )
