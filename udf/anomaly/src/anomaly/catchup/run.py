"""The use case "catch up" of one pipeline: find what has no score, and repair it series by series.

`catch_up` takes a typed request: it loads the models, decides which stretch of time is looked at, and calls
`repair_span`, which does the work. Neither prints or knows exit codes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from anomaly.catchup.database import PipelineDatabase
from anomaly.catchup.gaps import bucket_length, suspect_ranges
from anomaly.catchup.repair import ModelOfVersion, RepairCounts, RepairOrder, SeriesRepair
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.source import split_range
from anomaly.influxdb.times import TimeRange, resolve_range
from anomaly.models.model import Model
from anomaly.models.store import ModelMismatch, Store, StoreError
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.feedback_file import feedback_path, read_marks
from anomaly.scoring.scorer import series_name
from anomaly.windows.arrays import Key
from anomaly.windows.completeness import scorable_windows

# How far back a catch-up looks when nobody says: 7 days, and at least this many windows.
_REACH_NS = 7 * 86_400_000_000_000
_REACH_WINDOWS = 100
# How long before now a catch-up ends when nobody says: a minute, and at least this many windows.
_LEAST_LAG_NS = 60_000_000_000
_LAG_WINDOWS = 3
# Windows of a series that one query for missing scores reads.
_PIECE_WINDOWS = 10_000
# Windows of all series that are read again for what detectors remember. The slowest, the ensemble on three fields, took
# 68 s for 200,000 on a busy machine.
_MOST_LEAD_IN = 500_000


@dataclass(frozen=True, slots=True)
class CatchUpRequest:
    """What is asked of one catch-up.

    Attributes:
        pipeline: the pipeline whose scores are completed.
        models: the directory of all models.
        results_database: the database that holds scores and periods.
        begin: where to begin, as a duration before now or an RFC 3339 time; None: with the pipeline's oldest score of
            the last 7 days.
        lag_ns: how long before now to end; None: a minute, and at least 3 windows.
        dry_run: whether to count only, and to write nothing.
    """

    pipeline: Pipeline
    models: Path | str
    results_database: str
    begin: str | None = None
    lag_ns: int | None = None
    dry_run: bool = False


@dataclass(slots=True)
class CaughtUp:
    """What came out of one catch-up.

    Attributes:
        span: the stretch of time that was looked at.
        series: how many series were repaired.
        repaired: how much was written and removed.
        message: why nothing was looked at or written; empty otherwise.
    """

    span: TimeRange
    series: int
    repaired: RepairCounts
    message: str = ""

    @property
    def changed(self) -> bool:
        """Whether anything was written or removed."""
        return any(asdict(self.repaired).values())


def catch_up(request: CatchUpRequest, connect: Callable[[], InfluxClient], say: Callable[[str], None]) -> CaughtUp:
    """Complete the scores and periods of one pipeline.

    Args:
        request: what is asked for.
        connect: opens a connection to InfluxDB; called only if there is a model to score with.
        say: is told a line for people.

    Raises:
        SpecError: a time of the request is not a time, or no whole window lies in its range.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the models cannot be read.
    """
    pipeline = request.pipeline
    lag_ns = request.lag_ns
    if lag_ns is None:
        lag_ns = max(_LEAST_LAG_NS, _LAG_WINDOWS * pipeline.window_ns)
    reach_ns = max(_REACH_NS, _REACH_WINDOWS * pipeline.window_ns)
    asked = resolve_range(pipeline, request.begin or f"{reach_ns}ns", f"{lag_ns}ns", time.time_ns())
    span = TimeRange(asked.begin_ns, asked.end_ns)
    try:
        models = _models(Store(request.models, pipeline.name), pipeline, say)
    except ModelMismatch as error:
        return CaughtUp(span, 0, RepairCounts(), str(error))
    if models is None:
        return CaughtUp(span, 0, RepairCounts(), "there is no model yet")
    database = PipelineDatabase(connect(), pipeline, request.results_database)
    if request.begin is None:
        first_ns = database.first_score_ns(span.begin_ns)
        if first_ns is None or first_ns >= span.end_ns:
            return CaughtUp(span, 0, RepairCounts(), "there is no score in reach yet")
        # Windows before the pipeline's first score were not missed: they are history.
        span = TimeRange(first_ns, span.end_ns)
    feedback = Feedback(pipeline, read_marks(feedback_path(request.models, pipeline.name)))
    caught_up = repair_span(pipeline, database, models, feedback, span, say, dry_run=request.dry_run)
    if request.dry_run:
        caught_up.message = "nothing was written"
    return caught_up


def repair_span(
    pipeline: Pipeline,
    database: PipelineDatabase,
    models: ModelOfVersion,
    feedback: Feedback,
    span: TimeRange,
    say: Callable[[str], None] = lambda message: None,
    *,
    dry_run: bool = False,
) -> CaughtUp:
    """Repair every series that lacks scores in a stretch of time.

    Args:
        pipeline: the pipeline of the series.
        database: its source and results.
        models: gives the model of a version, and the current one for None.
        feedback: the pipeline's marks.
        span: the stretch of time; its bounds are window edges.
        say: is told a line for people.
        dry_run: whether to count only, and to write nothing.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    caught_up = CaughtUp(span, 0, RepairCounts())
    for repair in _repairs(pipeline, database, models, span):
        say(
            f"series {series_name(repair.key)}: {len(repair.missing)} windows without a score, "
            f"{len(repair.open)} periods left open"
        )
        done = SeriesRepair(pipeline, database, models, feedback, repair, say, dry_run=dry_run).run()
        caught_up.series += 1
        for name, count in asdict(done).items():
            setattr(caught_up.repaired, name, getattr(caught_up.repaired, name) + count)
    return caught_up


def _models(store: Store, pipeline: Pipeline, say: Callable[[str], None]) -> ModelOfVersion | None:
    """Give versions, each loaded once, and the current one for versions that are gone or made for another pipeline.

    Returns:
        The function that gives them; None while there is no current version.

    Raises:
        ModelMismatch: the current version does not fit the pipeline: training comes first.
    """
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


def _repairs(
    pipeline: Pipeline, database: PipelineDatabase, models: ModelOfVersion, span: TimeRange
) -> Iterator[RepairOrder]:
    window_ns = pipeline.window_ns
    # A window ends with the next point of its series: the newest may still be Kapacitor's.
    newest = database.newest_ns(span.begin_ns)
    ends = {key: min(span.end_ns, time_ns // window_ns * window_ns) for key, time_ns in newest.items()}
    bucket_ns = bucket_length(span, window_ns)
    stretches = suspect_ranges(
        span,
        bucket_ns,
        window_ns,
        database.point_counts(span, bucket_ns),
        database.score_counts(span, bucket_ns),
        ends,
    )
    left_open: dict[Key, list[TimeRange]] = {}
    for key, begin_ns, end_ns in database.open_periods(span):
        if end_ns + pipeline.periods.merge_ns + window_ns <= ends.get(key, span.begin_ns):
            left_open.setdefault(key, []).append(TimeRange(begin_ns, end_ns))
    keys = sorted({*stretches, *left_open})
    for key in keys:
        missing: set[int] = set()
        for stretch in stretches.get(key, ()):
            missing.update(_missing(pipeline, database, models, key, stretch))
        if missing or key in left_open:
            yield RepairOrder(key, missing, tuple(left_open.get(key, ())), ends[key], _MOST_LEAD_IN // len(keys))


def _missing(
    pipeline: Pipeline, database: PipelineDatabase, models: ModelOfVersion, key: Key, stretch: TimeRange
) -> Iterator[int]:
    """Yield the begins of the windows that could be scored and have no score."""
    model = models(None)
    for piece in split_range(stretch.begin_ns, stretch.end_ns, pipeline.window_ns, least_windows=_PIECE_WINDOWS):
        existing = database.scores(key, TimeRange(*piece))
        for series in database.windows(key, TimeRange(*piece)):
            scorable = scorable_windows(pipeline, series, model.usual_points(key))
            yield from (begin_ns for begin_ns in scorable.windows.begin_ns.tolist() if begin_ns not in existing)
