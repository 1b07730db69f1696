"""A catch-up of one pipeline: looks what is missing, and repairs series by series."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from anomaly.catchup.database import Database
from anomaly.catchup.gaps import Span, bucket_length, suspects
from anomaly.catchup.repair import Models, Repair, Repaired, Replay
from anomaly.influxdb.source import pieces
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.scorer import series_name
from anomaly.windows.arrays import Key
from anomaly.windows.completeness import scorable, whole_fields

# Windows of a series that a look at what is missing reads at once.
_PIECE_WINDOWS = 10_000
# Windows of all series that are read again for what detectors remember. The slowest, the ensemble on three fields, took
# 68 s for 200,000 on a machine that was busy otherwise.
_MOST_LEAD_IN = 500_000


@dataclass(slots=True)
class CaughtUp:
    """What came out. span: the range that was looked at. series: how many were repaired."""

    span: Span
    series: int
    repaired: Repaired

    @property
    def changed(self) -> bool:
        """Whether anything was written or removed."""
        return any(asdict(self.repaired).values())


def catch_up(
    pipeline: Pipeline,
    database: Database,
    models: Models,
    feedback: Feedback,
    span: Span,
    progress: Callable[[str], None] = lambda message: None,
    *,
    dry_run: bool = False,
) -> CaughtUp:
    """Everything in `span`, whose bounds are window edges. dry_run: count only. Raises InfluxError."""
    found = CaughtUp(span, 0, Repaired())
    for repair in _repairs(pipeline, database, models, span):
        progress(
            f"series {series_name(repair.key)}: {len(repair.missing)} windows without a score, "
            f"{len(repair.open)} periods left open"
        )
        done = Replay(pipeline, database, models, feedback, repair, progress, dry_run=dry_run).run()
        found.series += 1
        for name, count in asdict(done).items():
            setattr(found.repaired, name, getattr(found.repaired, name) + count)
    return found


def _repairs(pipeline: Pipeline, database: Database, models: Models, span: Span) -> Iterator[Repair]:
    window_ns = pipeline.window_ns
    # A window ends with the next point of its series: the newest may still be Kapacitor's.
    newest = database.newest_ns(span.begin_ns)
    ends = {key: min(span.end_ns, time_ns // window_ns * window_ns) for key, time_ns in newest.items()}
    bucket_ns = bucket_length(span, window_ns)
    stretches = suspects(
        span,
        bucket_ns,
        window_ns,
        database.point_counts(span, bucket_ns),
        database.score_counts(span, bucket_ns),
        ends,
    )
    left_open: dict[Key, list[Span]] = {}
    for key, begin_ns, end_ns in database.open_periods(span):
        if end_ns + pipeline.periods.merge_ns + window_ns <= ends.get(key, span.begin_ns):
            left_open.setdefault(key, []).append(Span(begin_ns, end_ns))
    keys = sorted({*stretches, *left_open})
    for key in keys:
        missing: set[int] = set()
        for stretch in stretches.get(key, ()):
            missing.update(_missing(pipeline, database, models, key, stretch))
        if missing or key in left_open:
            yield Repair(key, missing, tuple(left_open.get(key, ())), ends[key], _MOST_LEAD_IN // len(keys))


def _missing(pipeline: Pipeline, database: Database, models: Models, key: Key, stretch: Span) -> Iterator[int]:
    """Begins of the windows that could be scored and have no score."""
    model = models(None)
    for piece in pieces(stretch.begin_ns, stretch.end_ns, pipeline.window_ns, least=_PIECE_WINDOWS):
        written = database.scores(key, Span(*piece))
        for run in database.runs(key, Span(*piece)):
            whole = whole_fields(run.values, len(pipeline.fields)) & model.enough_points(run.key, run.counts)
            usable = run.where(scorable(pipeline, whole))
            yield from (begin_ns for begin_ns in usable.begin_ns.tolist() if begin_ns not in written)
