"""The use case "catch up" of one pipeline: find what has no score, and repair it series by series.

`catch_up` takes a typed request: it loads the models, decides which stretch of time is looked at, and calls
`repair_span`, which does the work. Neither prints or knows exit codes.
"""

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from anomaly.catchup.database import NEVER_NS, PipelineDatabase
from anomaly.catchup.gaps import bucket_length, suspect_ranges
from anomaly.catchup.period_signs import prolonged_until_ns, sign_of
from anomaly.catchup.repair import ModelOfVersion, RepairCounts, RepairOrder, SeriesRepair
from anomaly.counted import counted
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.source import resolved, split_range
from anomaly.influxdb.times import TimeRange, resolve_range
from anomaly.models.model import Model
from anomaly.models.store import ModelMismatch, ModelOutdated, Store, StoreError
from anomaly.nanoseconds import DAY_NS, MINUTE_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.feedback_file import feedback_path, read_marks
from anomaly.scoring.hand_over import HandOver, HandOverFolder
from anomaly.scoring.periods import NO_DATA, rules
from anomaly.scoring.rate import LAST_WINDOWS, PointRate, scorable_at_rate
from anomaly.scoring.scorer import series_name
from anomaly.scoring.state_file import StateError, StateHeader
from anomaly.windows.arrays import Key, Times
from anomaly.windows.cut import Cut, cut_of

# Takes a share of the work, 0 to 1, and what it is a share of.
TellProgress = Callable[[float, str], None]
# How far back a catch-up looks when nobody says: 7 days, and at least this many windows.
_REACH_NS = 7 * DAY_NS
_REACH_WINDOWS = 100
# How long before now a catch-up ends when nobody says: the pipeline's lateness and this many windows, but at least a
# minute.
_LEAST_LAG_NS = MINUTE_NS
_LAG_WINDOWS = 2
# Windows that one query for missing scores reads: of all series together, and of each series at least.
_PIECE_WINDOWS = 10_000
_LEAST_PIECE_WINDOWS = 500
# Windows that are read before a stretch, so that the rate of points is known there.
_RATE_LEAD_IN_WINDOWS = 2 * LAST_WINDOWS
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
        lag_ns: how long before now to end; None: `default_lag_ns`.
        dry_run: whether to count only, and to write nothing.
        hand_over: the folder of what is handed over to running UDFs; None: nothing is.
    """

    pipeline: Pipeline
    models: Path | str
    results_database: str
    begin: str | None = None
    lag_ns: int | None = None
    dry_run: bool = False
    hand_over: Path | None = None


@dataclass(slots=True)
class CaughtUp:
    """What came out of one catch-up.

    Attributes:
        span: the stretch of time that was looked at.
        series: how many series were repaired.
        repaired: how much was written and removed.
        message: why nothing was looked at or written; empty otherwise.
        handed_over: how many series were handed over to the running UDF.
        is_outdated: whether the current model is one of another release, which nobody but a deployment replaces.
    """

    span: TimeRange
    series: int
    repaired: RepairCounts
    message: str = ""
    handed_over: int = 0
    is_outdated: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was written or removed."""
        return any(asdict(self.repaired).values())


def reach_ns(pipeline: Pipeline) -> int:
    """Return how far back a catch-up looks that is not told from when on, in nanoseconds."""
    return max(_REACH_NS, _REACH_WINDOWS * pipeline.window_ns)


def catch_up(
    request: CatchUpRequest,
    connect: Callable[[], InfluxClient],
    say: Callable[[str], None],
    progress: TellProgress = lambda share, what: None,
) -> CaughtUp:
    """Complete the scores and periods of one pipeline.

    Args:
        request: what is asked for.
        connect: opens a connection to InfluxDB; called only if there is a model to score with.
        say: is told a line for people.
        progress: is told how much is done: a share, 0 to 1, and the work that it is a share of.

    Raises:
        SpecError: a time of the request is not a time, or no whole window lies in its range.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the models cannot be read.
        Refused: a pattern of the pipeline means nothing, or too much.
    """
    pipeline = resolved(connect, request.pipeline)
    lag_ns = request.lag_ns
    if lag_ns is None:
        lag_ns = default_lag_ns(pipeline)
    asked = resolve_range(pipeline, request.begin or f"{reach_ns(pipeline)}ns", f"{lag_ns}ns", time.time_ns())
    span = TimeRange(asked.begin_ns, asked.end_ns)
    try:
        models = model_of_version(Store(request.models, pipeline.name), pipeline, say)
    except ModelMismatch as error:
        # The keeper trains a pipeline that trains itself.
        is_outdated = isinstance(error, ModelOutdated) and not pipeline.trains_itself
        return CaughtUp(span, 0, RepairCounts(), str(error), is_outdated=is_outdated)
    if models is None:
        return CaughtUp(span, 0, RepairCounts(), "there is no model yet")
    database = PipelineDatabase(connect(), pipeline, request.results_database)
    if request.begin is None:
        first_ns = database.first_score_ns(span.begin_ns)
        if first_ns is None or first_ns >= span.end_ns:
            if all(window.is_done for window in database.late_windows(span)):
                return CaughtUp(span, 0, RepairCounts(), "there is no score in reach yet")
            first_ns = span.end_ns
        # Windows before the pipeline's first score were not missed: they are history.
        span = TimeRange(first_ns, span.end_ns)
    feedback = Feedback(pipeline, read_marks(feedback_path(request.models, pipeline.name)))
    gathered = None
    if request.hand_over is not None and not request.dry_run:
        gathered = GatheredStates(pipeline, models(None), HandOverFolder(request.hand_over, pipeline.name), say)
    caught_up = repair_span(
        pipeline,
        database,
        models,
        feedback,
        span,
        say,
        late_since_ns=asked.begin_ns,
        dry_run=request.dry_run,
        gathered=gathered,
        progress=progress,
    )
    if request.dry_run:
        caught_up.message = "nothing was written"
    return caught_up


def default_lag_ns(pipeline: Pipeline) -> int:
    """Return how long before now the windows end that the UDF has scored if it is well.

    A window is closed by its series' next points, or by the clock when the pipeline's lateness is over.
    """
    return max(_LEAST_LAG_NS, pipeline.lateness_ns + _LAG_WINDOWS * pipeline.window_ns)


def repair_span(
    pipeline: Pipeline,
    database: PipelineDatabase,
    models: ModelOfVersion,
    feedback: Feedback,
    span: TimeRange,
    say: Callable[[str], None] = lambda message: None,
    *,
    late_since_ns: int | None = None,
    dry_run: bool = False,
    gathered: "GatheredStates | None" = None,
    progress: TellProgress = lambda share, what: None,
) -> CaughtUp:
    """Repair every series that lacks scores in a stretch of time, or whose results are not what they should be.

    Args:
        pipeline: the pipeline of the series.
        database: its source and results.
        models: gives the model of a version, and the current one for None.
        feedback: the pipeline's marks.
        span: the stretch of time; its bounds are window edges.
        say: is told a line for people.
        late_since_ns: since when windows that got late points are scored again; None: since the span's begin.
        dry_run: whether to count only, and to write nothing.
        gathered: takes and hands over the states of the repaired series; None: nothing is handed over.
        progress: is told how much is done.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    caught_up = CaughtUp(span, 0, RepairCounts())
    since_ns = span.begin_ns if late_since_ns is None else min(late_since_ns, span.begin_ns)
    series, orders = _orders(pipeline, database, models, span, since_ns)
    for number, repair in enumerate(orders):
        say(
            f"series {series_name(repair.key)}: {counted(len(repair.missing), 'window')} without a score, "
            f"{len(repair.late)} with late points, {counted(len(repair.doubtful), 'period')} to compare"
        )
        hand_over = None if gathered is None else gathered.states
        done = SeriesRepair(
            pipeline,
            database,
            models,
            feedback,
            repair,
            say,
            dry_run=dry_run,
            hand_over=hand_over,
            progress=_within(progress, number, series),
        ).run()
        if gathered is not None:
            gathered.look()
        caught_up.series += 1
        for name, count in asdict(done).items():
            setattr(caught_up.repaired, name, getattr(caught_up.repaired, name) + count)
    if series:
        progress(1.0, f"of {series} series")
    if gathered is not None:
        gathered.end()
        caught_up.handed_over = gathered.series
    _correct_joint_silences(database, span, caught_up.repaired, dry_run=dry_run)
    return caught_up


def _within(progress: TellProgress, number: int, series: int) -> Callable[[float], None]:
    """Return what tells the progress of one of many series as that of all of them; only their end is 1."""
    return lambda share: progress(min((number + share) / series, 0.99), f"of {series} series")


class GatheredStates:
    """Gathers the states of repaired series, and hands some over at a time, so that few are in memory.

    Args:
        pipeline: the pipeline of the series.
        model: the current model.
        folder: takes the hand-overs.
        say: is told what cannot be handed over.

    Attributes:
        states: what was gathered and not handed over yet.
        series: how many series were handed over.
    """

    def __init__(self, pipeline: Pipeline, model: Model, folder: HandOverFolder, say: Callable[[str], None]) -> None:
        self.states = HandOver(pipeline, model)
        self.series = 0
        self._pipeline = pipeline
        self._folder = folder
        self._say = say

    def look(self) -> None:
        """Hand over what was gathered, if that is enough."""
        if self.states.is_full:
            self.end()

    def end(self) -> None:
        """Hand over what was gathered; what cannot be written is said, as scores are worth more."""
        count = len(self.states)
        if not count:
            return
        header = StateHeader.of(self._pipeline, rules(self._pipeline), self.states.model.version, time.time_ns())
        try:
            self._folder.write(header, [self.states.part()])
        except StateError as error:
            self._say(str(error))
            return
        self.series += count


def _correct_joint_silences(
    database: PipelineDatabase, span: TimeRange, counts: RepairCounts, *, dry_run: bool
) -> None:
    """End each notice that all series are silent with the first window after its begin, and remove one without length.

    Args:
        database: the pipeline's results.
        span: where to look; an open notice may have begun before.
        counts: takes what is written and removed as periods.
        dry_run: whether to count only.
    """
    for silence, is_open in list(database.joint_silences(span)):
        first_ns = database.first_score_ns(silence.begin_ns)
        if first_ns is None or first_ns >= span.end_ns:
            continue
        if first_ns == silence.begin_ns:
            counts.removed += 1
            if not dry_run:
                database.remove_joint_silence(silence.begin_ns)
        elif is_open or silence.end_ns != first_ns:
            counts.periods += 1
            if not dry_run:
                database.end_joint_silence(silence.begin_ns, first_ns)


def model_of_version(store: Store, pipeline: Pipeline, say: Callable[[str], None]) -> ModelOfVersion | None:
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


def _orders(
    pipeline: Pipeline, database: PipelineDatabase, models: ModelOfVersion, span: TimeRange, since_ns: int
) -> tuple[int, Iterator[RepairOrder]]:
    """Return how many series need anything, and what each of them needs.

    Args:
        pipeline: the pipeline of the series.
        database: its source and results.
        models: gives the current model for None.
        span: where scores may be missing.
        since_ns: since when windows that got late points are scored again; at most the span's begin.
    """
    cut, filled = cut_of(pipeline), _filled_windows(pipeline)
    newest = database.newest_ns(max(cut.step(since_ns, -filled), 0))
    ends = {key: min(span.end_ns, cut.step(cut.end(time_ns), filled)) for key, time_ns in newest.items()}
    late: dict[Key, dict[int, int]] = {}
    repaired: dict[Key, dict[int, str | None]] = {}
    for window in database.late_windows(TimeRange(since_ns, span.end_ns)):
        if window.is_done:
            repaired.setdefault(window.key, {})[window.begin_ns] = window.period_sign
        else:
            late.setdefault(window.key, {})[window.begin_ns] = window.seen_ms
    missing = _missing(pipeline, database, models, suspected_windows(pipeline, database, span, ends), len(newest))
    doubtful = _doubtful(pipeline, database, span, ends, repaired)
    keys = sorted({*missing, *late, *doubtful})

    def order(key: Key) -> RepairOrder:
        return RepairOrder(
            key,
            set(missing[key].tolist()) if key in missing else set(),
            late.get(key, {}),
            tuple(doubtful.get(key, ())),
            span.end_ns,
            _MOST_LEAD_IN // len(keys),
            refilled_begins(late.get(key, {}), cut, filled, span.end_ns),
            repaired.get(key, {}),
        )

    return len(keys), map(order, keys)


def _filled_windows(pipeline: Pipeline) -> int:
    """Return how many windows after that of a value may be filled with it; 0: none."""
    return pipeline.fill.bound_ns // pipeline.window_ns


def refilled_begins(late: Iterable[int], cut: Cut, filled: int, end_ns: int) -> set[int]:
    """Return the begins of the windows after late ones that may have been filled by what was known before."""
    # Numbers, as a window after several late ones is looked up once.
    numbers, end = set(map(cut.number, late)), cut.number(end_ns - 1) + 1
    refilled: set[int] = set()
    for number in numbers:
        refilled.update(range(number + 1, min(number + filled + 1, end)))
    return set(map(cut.at, refilled - numbers))


def suspected_windows(
    pipeline: Pipeline, database: PipelineDatabase, span: TimeRange, ends: Mapping[Key, int]
) -> dict[TimeRange, list[Key]]:
    """Return the stretches in which series have fewer scores than windows, with these series."""
    cut, bucket_ns = cut_of(pipeline), bucket_length(span, pipeline.window_ns)
    fill_ns = _filled_windows(pipeline) * pipeline.window_ns
    since_ns = max(cut.step(span.begin_ns, -_filled_windows(pipeline)), 0)
    points = database.point_counts(TimeRange(since_ns, span.end_ns), bucket_ns)
    # A window by a local clock may begin in the bucket before that of its points, and be longer than others.
    before_ns = bucket_ns if cut.is_local else 0
    # Buckets without points have windows, too, where values stand.
    points = dict.fromkeys(
        (
            (key, later_ns)
            for key, bucket in points
            for later_ns in range(bucket - before_ns, min(bucket + bucket_ns + fill_ns, span.end_ns), bucket_ns)
        ),
        1,
    )
    scores = database.score_counts(span, bucket_ns)
    suspects: dict[TimeRange, list[Key]] = {}
    for key, stretches in suspect_ranges(span, bucket_ns, cut, points, scores, ends).items():
        for stretch in stretches:
            suspects.setdefault(stretch, []).append(key)
    return suspects


def _missing(
    pipeline: Pipeline,
    database: PipelineDatabase,
    models: ModelOfVersion,
    suspects: Mapping[TimeRange, Sequence[Key]],
    series: int,
) -> dict[Key, Times]:
    """Return the begins of each series' windows that could be scored and have no score, ascending, shape (n,).

    Args:
        pipeline: the pipeline of the series.
        database: its source and results.
        models: gives the current model for None.
        suspects: the stretches to look at, and the series to look at in each.
        series: how many series the pipeline has.
    """
    model, cut = models(None), cut_of(pipeline)
    # Arrays, because after an outage of a day they may be millions.
    missing: dict[Key, list[Times]] = {}
    for stretch, keys in suspects.items():
        key_set = set(keys)
        # One query for all series takes less than one for each where most of them are looked at, as after an outage.
        asked: Sequence[Key | None] = (None,) if len(keys) > 1 and 2 * len(keys) >= series else keys
        piece_windows = max(_LEAST_PIECE_WINDOWS, _PIECE_WINDOWS // (series if asked == (None,) else 1))
        # Whether a window is whole depends on those before it.
        lead_in_ns = max(cut.step(stretch.begin_ns, -_RATE_LEAD_IN_WINDOWS), cut.first(0))
        rates: defaultdict[Key, PointRate] = defaultdict(lambda: PointRate(pipeline.fields))
        for piece in split_range(lead_in_ns, stretch.end_ns, cut, least_windows=piece_windows):
            for key in asked:
                existing = database.scored_begins(key, TimeRange(*piece))
                for windows in database.counted_windows(key, TimeRange(*piece)):
                    if windows.key not in key_set:
                        continue
                    scorable, _ = scorable_at_rate(pipeline, model, rates[windows.key], windows)
                    begin_ns = scorable.windows.begin_ns
                    is_lacking = begin_ns >= stretch.begin_ns
                    is_lacking &= ~np.isin(begin_ns, list(existing.get(windows.key, ())))
                    if is_lacking.any():
                        missing.setdefault(windows.key, []).append(begin_ns[is_lacking])
    return {key: np.unique(np.concatenate(parts)) for key, parts in missing.items()}


def _doubtful(
    pipeline: Pipeline,
    database: PipelineDatabase,
    span: TimeRange,
    ends: Mapping[Key, int],
    repaired: Mapping[Key, Mapping[int, str | None]],
) -> dict[Key, list[TimeRange]]:
    """Return each series' periods that cannot be true, or that nobody has compared with their windows.

    They were left open, are silences in which there are windows, were written since a catch-up scored windows of them
    again, or begin within an earlier period.

    Args:
        pipeline: the pipeline of the series.
        database: its results.
        span: where to look.
        ends: where the windows of each series end.
        repaired: the windows that a catch-up has scored again, by their begins: the signs of their periods then.
    """
    doubtful: dict[Key, list[TimeRange]] = {}
    # A period that ends after this may go on.
    cut = cut_of(pipeline)
    over_ns = cut.step(span.end_ns, -1 - pipeline.periods.merge_ns // pipeline.window_ns)
    # A silence may have begun long ago, and ends with the first window after it.
    stored: dict[Key, list[tuple[int, int, str | None]]] = {}
    for key, period, is_silence in database.open_periods(TimeRange(0, span.end_ns)):
        if key in repaired:
            stored.setdefault(key, []).append((period.begin_ns, NEVER_NS, None))
        if is_silence:
            is_over = ends.get(key, 0) > period.begin_ns and database.is_scored(
                key, TimeRange(period.begin_ns, span.end_ns)
            )
        else:
            is_over = period.begin_ns >= span.begin_ns and period.end_ns <= over_ns
        if is_over:
            doubtful.setdefault(key, []).append(period)
    # A UDF closes a silence or a period as it remembers it, although a catch-up has found windows in the silence, or
    # corrected scores of the period, meanwhile.
    for key, period, reason in database.closed_periods(span):
        if key not in repaired:
            continue
        stored.setdefault(key, []).append((period.begin_ns, period.end_ns, reason))
        is_hit = any(period.begin_ns <= begin_ns < period.end_ns for begin_ns in repaired[key])
        if reason == NO_DATA and is_hit and database.is_scored(key, period):
            doubtful.setdefault(key, []).append(period)
    for key, periods in stored.items():
        changed = _changed_periods(pipeline, database, key, sorted(periods), repaired[key], over_ns)
        if changed:
            doubtful.setdefault(key, []).extend(changed)
    for key, period in database.second_periods(span):
        if period.end_ns <= over_ns:
            doubtful.setdefault(key, []).append(period)
    return doubtful


def _changed_periods(
    pipeline: Pipeline,
    database: PipelineDatabase,
    key: Key,
    periods: Sequence[tuple[int, int, str | None]],
    repaired: Mapping[int, str | None],
    over_ns: int,
) -> list[TimeRange]:
    """Return a series' closed periods that were written since a catch-up has scored windows of them again.

    Args:
        pipeline: the pipeline of the series.
        database: its results.
        key: the series.
        periods: begin, end and reason of its periods, by time; an open one has no reason.
        repaired: the windows that a catch-up has scored again, by their begins: the signs of their periods then.
        over_ns: a period that ends later may go on.
    """
    signs: dict[TimeRange, set[str | None]] = {}
    for begin_ns, sign in repaired.items():
        at = bisect_right(periods, begin_ns, key=itemgetter(0)) - 1
        if at < 0:
            continue
        period_ns, end_ns, reason = periods[at]
        is_over = reason not in (None, NO_DATA) and end_ns <= over_ns
        if is_over and begin_ns < prolonged_until_ns(pipeline, end_ns, reason):
            signs.setdefault(TimeRange(period_ns, end_ns), set()).add(sign)
    if not signs:
        return []
    begins = [period.begin_ns for period in signs]
    stored = database.periods(key, TimeRange(min(begins), max(begins) + 1))
    cut = cut_of(pipeline)
    return [
        period
        for period, noted in signs.items()
        if noted != {sign_of(period.begin_ns, stored.get(period.begin_ns, {}))}
        # Where retention has removed the scores, the points may be gone, too.
        and database.is_scored(key, TimeRange(cut.step(period.end_ns, -1), period.end_ns))
    ]
