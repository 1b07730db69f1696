"""What a catch-up orders for which series, on a database in memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anomaly.catchup.database import NEVER_NS, LateWindow, PipelineDatabase
from anomaly.catchup.gaps import BucketCounts
from anomaly.catchup.period_signs import NO_PERIOD, sign_of
from anomaly.catchup.repair import RepairCounts, RepairOrder
from anomaly.catchup.run import (
    CatchUpRequest,
    CaughtUp,
    GatheredStates,
    catch_up,
    default_lag_ns,
    model_of_version,
    refilled_begins,
    repair_span,
    suspected_windows,
)
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.times import TimeRange
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.nanoseconds import HOUR_NS
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.hand_over import HandOver, HandOverFolder
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA
from anomaly.scoring.rate import LAST_WINDOWS
from anomaly.scoring.state_file import StateError, StateHeader
from anomaly.windows.arrays import AnyArray, Key
from anomaly.windows.cut import LocalCut, cut
from anomaly.windows.series import SeriesWindows
from tests.unit.anomaly import printers
from tests.unit.anomaly.clocks import ZONE, daily
from tests.unit.anomaly.models.test_store import outdate
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.served import SECOND_NS

W = WINDOW_NS
COUNT = 100
DAY_NS = 86_400_000_000_000
NO_EVENTS = EventCounter("", lambda message: None)
SPAN = TimeRange(0, COUNT * W)
SERIES = 4


def key(number: int) -> Key:
    return (f"printer-{number}",)


class DatabaseDouble(PipelineDatabase):
    """Some series, of which each window has a score.

    Attributes:
        begins: the begins of the scored windows of each series.
        ends: how many windows each series has.
        late: the windows that got late points.
        opened: the open periods, and whether each is a silence.
        closed: the closed periods, and their reasons.
        peaks: the peak scores of the closed periods of the first series, by their begins.
        second: the closed periods that begin within another one.
        joint: the notices that all series are silent, and whether each is open.
        asked: the series whose windows were read; None where all were.
        read: the stretches of which windows were read.
        ended: the ends of notices that were written, by their begins.
        withdrawn: the begins of notices that were removed.
    """

    def __init__(self) -> None:
        samples = [printers.clean(30 + number, COUNT * printers.WINDOW) for number in range(SERIES)]
        self.series = {key(number): printers.runs(printers.windows(each))[0] for number, each in enumerate(samples)}
        self.begins = {each: set(range(0, COUNT * W, W)) for each in self.series}
        self.ends = dict.fromkeys(self.series, COUNT)
        self.late: list[LateWindow] = []
        self.opened: list[tuple[Key, TimeRange, bool]] = []
        self.closed: list[tuple[Key, TimeRange, str]] = []
        self.peaks: dict[int, float] = {}
        self.second: list[tuple[Key, TimeRange]] = []
        self.joint: list[tuple[TimeRange, bool]] = []
        self.asked: list[Key | None] = []
        self.read: list[TimeRange] = []
        self.ended: dict[int, int] = {}
        self.withdrawn: list[int] = []

    def newest_ns(self, begin_ns: int) -> Mapping[Key, int]:
        return {each: end * W - 1 for each, end in self.ends.items()}

    def point_counts(self, span: TimeRange, bucket_ns: int) -> BucketCounts:
        return dict.fromkeys(((each, 0) for each in self.series), COUNT)

    def score_counts(self, span: TimeRange, bucket_ns: int) -> BucketCounts:
        return Counter(
            (each, begin // bucket_ns * bucket_ns)
            for each, begins in self.begins.items()
            for begin in begins
            if span.begin_ns <= begin < span.end_ns
        )

    def scored_begins(self, key: Key | None, span: TimeRange) -> Mapping[Key, set[int]]:
        return {each: begins for each, begins in self.begins.items() if key in (None, each)}

    def windows(self, key: Key | None, span: TimeRange) -> Iterator[SeriesWindows]:
        self.asked.append(key)
        self.read.append(span)
        for each, series in self.series.items():
            if key in (None, each):
                last_ns = min(span.end_ns, self.ends[each] * W)
                yield SeriesWindows(each, series.begin_ns, series.values, series.counts).where(
                    np.asarray((series.begin_ns >= span.begin_ns) & (series.begin_ns < last_ns))
                )

    counted_windows = windows

    def is_scored(self, key: Key, span: TimeRange) -> bool:
        return any(span.begin_ns <= begin < span.end_ns for begin in self.begins[key])

    def first_score_ns(self, begin_ns: int) -> int | None:
        return min((begin for each in self.begins.values() for begin in each if begin >= begin_ns), default=None)

    def late_windows(self, span: TimeRange) -> Iterator[LateWindow]:
        yield from (each for each in self.late if span.begin_ns <= each.begin_ns < span.end_ns)

    def open_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange, bool]]:
        yield from (each for each in self.opened if span.begin_ns <= each[1].begin_ns < span.end_ns)

    def closed_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange, str]]:
        yield from self.closed

    def close(self, period: TimeRange, reason: str = "bed", peak_score: float = 3.0) -> None:
        """Keep a closed period of the first series."""
        self.closed.append((key(0), period, reason))
        self.peaks[period.begin_ns] = peak_score

    def fields(self, period: TimeRange, peak_score: float) -> dict[str, Any]:
        """Return what a closed period is compared by."""
        return {"end_ms": period.end_ns // 1_000_000, "state": "closed", "peak_score": peak_score}

    def periods(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        return {
            period.begin_ns: self.fields(period, self.peaks.get(period.begin_ns, 0.0))
            for each, period, _ in self.closed
            if each == key and span.begin_ns <= period.begin_ns < span.end_ns
        }

    def second_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange]]:
        yield from self.second

    def joint_silences(self, span: TimeRange) -> Iterator[tuple[TimeRange, bool]]:
        yield from self.joint

    def end_joint_silence(self, begin_ns: int, end_ns: int) -> None:
        self.ended[begin_ns] = end_ns

    def remove_joint_silence(self, begin_ns: int) -> None:
        self.withdrawn.append(begin_ns)


@pytest.fixture
def database() -> DatabaseDouble:
    return DatabaseDouble()


@pytest.fixture
def ordered(
    model: Model, database: DatabaseDouble, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[Key, RepairOrder]]:
    """Runs a catch-up that repairs nothing, and returns its orders."""
    orders: dict[Key, RepairOrder] = {}

    class RepairDouble:
        def __init__(
            self, *arguments: Any, dry_run: bool, hand_over: HandOver | None, progress: Callable[[float], None]
        ) -> None:
            order: RepairOrder = arguments[4]
            orders[order.key] = order
            progress(0.5)
            self.takes_over, self.number = hand_over, len(orders)

        def run(self) -> RepairCounts:
            if self.takes_over is not None:
                self.takes_over.take(("printer-1",), W, 0, ScoringCore(PIPELINE, NO_EVENTS), is_drift_whole=False)
            return RepairCounts(scores=self.number, removed=10)

    monkeypatch.setattr("anomaly.catchup.run.SeriesRepair", RepairDouble)

    def run(**more: Any) -> dict[Key, RepairOrder]:
        repaired(model, database, **more)
        return orders

    return run


def repaired(
    model: Model, database: DatabaseDouble, span: TimeRange = SPAN, pipeline: Pipeline = PIPELINE, **more: Any
) -> CaughtUp:
    return repair_span(pipeline, database, lambda version: model, Feedback(pipeline), span, **more)


def lose(database: DatabaseDouble, number: int, first: int, last: int) -> set[int]:
    """Removes the scores of a series' windows first <= number < last, and returns their begins."""
    lost = set(range(first * W, last * W, W))
    database.begins[key(number)] -= lost
    return lost


def test_nothing_is_ordered_where_every_window_has_its_score(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    assert ordered() == {}
    assert database.asked == []


def test_progress_is_told_over_all_series_up_to_the_end(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    lose(database, 1, 20, 30)
    lose(database, 3, 20, 30)
    told: list[tuple[float, str]] = []

    ordered(progress=lambda share, what: told.append((share, what)))

    assert told == [(0.25, "of 2 series"), (0.75, "of 2 series"), (1.0, "of 2 series")]


def test_nothing_is_told_of_progress_where_nothing_is_missing(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    told: list[float] = []
    ordered(progress=lambda share, what: told.append(share))
    assert told == []


def test_missing_windows_of_one_series_are_looked_for_in_that_series(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    lost = lose(database, 1, 20, 30)
    assert {each: order.missing for each, order in ordered().items()} == {key(1): lost}
    assert database.asked == [key(1)]


def test_missing_windows_of_most_series_are_looked_for_at_once(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    lost = {key(number): lose(database, number, 20, 30 + number) for number in (0, 1, 3)}
    assert {each: order.missing for each, order in ordered().items()} == lost
    assert database.asked == [None]


def test_the_last_window_of_a_silent_series_is_not_forgotten(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    database.ends[key(2)] = 60
    lose(database, 2, 60, COUNT)
    assert ordered() == {}
    lost = lose(database, 2, 59, 60)
    assert ordered()[key(2)].missing == lost


def test_windows_with_late_points_are_scored_again_until_they_are_done(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    for number, (seen_ms, done_ms) in enumerate([(5, None), (5, 5), (6, 5), (4, 5)]):
        database.late.append(LateWindow(key(0), (40 + number) * W, seen_ms, done_ms))
    database.late.append(LateWindow(key(1), COUNT * W, 5, None))
    # A clock that was set back makes the time at which a point was seen earlier.
    assert {each: order.late for each, order in ordered().items()} == {key(0): {40 * W: 5, 42 * W: 6, 43 * W: 4}}


def test_windows_with_late_points_before_the_first_score_are_scored(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    database.late = [LateWindow(key(0), -5 * W, 5, None)]
    assert ordered() == {}
    assert ordered(late_since_ns=-10 * W)[key(0)].late == {-5 * W: 5}


@pytest.mark.parametrize(
    ("first", "end", "is_ordered"),
    [
        pytest.param(50, 50, True, id="data are back"),
        pytest.param(50, COUNT, False, id="it lasts"),
        pytest.param(0, 50, True, id="it began in 1970, before all windows"),
    ],
)
def test_an_open_silence_is_doubtful_when_there_are_windows_after_its_begin(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]], first: int, end: int, is_ordered: bool
) -> None:
    silence = TimeRange(first * W, NEVER_NS)
    database.opened = [(key(0), silence, True)]
    if end == COUNT:
        database.ends[key(0)] = first
        lose(database, 0, first, COUNT)
    assert {each: order.doubtful for each, order in ordered().items()} == ({key(0): (silence,)} if is_ordered else {})


@pytest.mark.parametrize(
    ("first", "end", "is_ordered"),
    [
        pytest.param(40, 50, True, id="over for good"),
        pytest.param(40, COUNT - 2, False, id="the UDF may go on with it"),
        pytest.param(-10, 50, False, id="it began before the stretch that is looked at"),
    ],
)
def test_a_period_that_was_left_open_is_doubtful_when_it_is_over(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]], first: int, end: int, is_ordered: bool
) -> None:
    period = TimeRange(first * W, end * W)
    database.opened = [(key(0), period, False)]
    assert (key(0) in ordered()) is is_ordered


def test_a_closed_silence_is_doubtful_when_late_windows_in_it_have_scores(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    silence = TimeRange(40 * W, 60 * W)
    database.closed = [(key(0), silence, NO_DATA), (key(1), silence, NO_DATA)]
    assert ordered() == {}
    database.late = [LateWindow(key(0), 50 * W, 5, 5), LateWindow(key(1), 60 * W, 5, 5)]
    assert {each: order.doubtful for each, order in ordered().items()} == {key(0): (silence,)}


PERIOD = TimeRange(40 * W, 60 * W)
MERGE = PIPELINE.periods.merge_ns // W


@pytest.mark.parametrize("late", [40, 59, 60, 59 + MERGE])
@pytest.mark.parametrize(
    ("peak_score", "is_ordered"),
    [
        pytest.param(3.0, False, id="it is as a catch-up left it"),
        pytest.param(4.0, True, id="a UDF has written it with another peak"),
        pytest.param(None, True, id="a catch-up left no period there"),
    ],
)
def test_a_closed_period_is_compared_when_it_was_written_after_windows_of_it_were_scored_again(
    database: DatabaseDouble,
    ordered: Callable[..., dict[Key, RepairOrder]],
    late: int,
    peak_score: float | None,
    is_ordered: bool,
) -> None:
    database.close(PERIOD, peak_score=3.0)
    sign = NO_PERIOD if peak_score is None else sign_of(PERIOD.begin_ns, database.fields(PERIOD, peak_score))
    database.late = [LateWindow(key(0), late * W, 5, 5, sign)]

    orders = ordered()

    assert {each: order.doubtful for each, order in orders.items()} == ({key(0): (PERIOD,)} if is_ordered else {})


def test_a_closed_period_is_doubtful_as_soon_as_it_is_over(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    period = TimeRange(40 * W, (COUNT - 7) * W)
    database.close(period)
    database.late = [LateWindow(key(0), 50 * W, 5, 5)]
    assert {each: order.doubtful for each, order in ordered().items()} == {key(0): (period,)}


@pytest.mark.parametrize(
    ("end", "late", "reason"),
    [
        pytest.param(60, 39, "bed", id="no window of it was corrected, but one before"),
        pytest.param(60, 60 + MERGE, "bed", id="no window of it was corrected, but one after"),
        pytest.param(60, 60, NEW_LEVEL, id="no window of it was corrected, but one after its new level"),
        pytest.param(COUNT - 6, 50, "bed", id="it may go on"),
    ],
)
def test_other_closed_periods_are_true(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]], end: int, late: int, reason: str
) -> None:
    database.close(TimeRange(40 * W, end * W), reason)
    database.late = [LateWindow(key(0), late * W, 5, 5)]
    assert ordered() == {}


@pytest.mark.parametrize("is_silence", [False, True])
def test_a_window_is_compared_with_the_last_period_before_it_alone(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]], is_silence: bool
) -> None:
    database.close(PERIOD)
    if is_silence:
        database.close(TimeRange(60 * W, 61 * W), NO_DATA)
    else:
        database.opened = [(key(0), TimeRange(60 * W, (COUNT - 6) * W), False)]
    database.late = [LateWindow(key(0), 61 * W, 5, 5)]
    assert ordered() == {}


def test_a_period_of_which_retention_has_removed_the_scores_is_left_alone(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    database.close(PERIOD)
    database.late = [LateWindow(key(0), 50 * W, 5, 5)]
    lost = lose(database, 0, 59, 60)
    assert {each: (order.missing, order.doubtful) for each, order in ordered().items()} == {key(0): (lost, ())}


@pytest.mark.parametrize(("end", "is_ordered"), [(COUNT - 7, True), (COUNT - 6, False)])
def test_a_second_period_within_a_first_one_is_doubtful_when_it_is_over(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]], end: int, is_ordered: bool
) -> None:
    period = TimeRange(40 * W, end * W)
    database.second = [(key(0), period)]
    assert {each: order.doubtful for each, order in ordered().items()} == ({key(0): (period,)} if is_ordered else {})


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_notice_that_all_are_silent_ends_with_the_first_window(
    model: Model, database: DatabaseDouble, dry_run: bool
) -> None:
    for number in range(SERIES):
        lose(database, number, 30, 50 + number)
    database.ends = dict.fromkeys(database.series, 30)
    database.joint = [
        (TimeRange(30 * W, 40 * W), True),
        (TimeRange(35 * W, 45 * W), False),
        (TimeRange(36 * W, 50 * W), False),
        (TimeRange(60 * W, 70 * W), True),
        (TimeRange(COUNT * W, COUNT * W), True),
        (TimeRange((COUNT + 1) * W, (COUNT + 1) * W), True),
    ]
    # The first window after the last notice is one that the running UDF has scored.
    database.begins[key(0)].add((COUNT + 2) * W)
    counts = repaired(model, database, dry_run=dry_run).repaired
    assert (counts.periods, counts.removed) == (2, 1)
    assert database.ended == ({} if dry_run else {30 * W: 50 * W, 35 * W: 50 * W})
    assert database.withdrawn == ([] if dry_run else [60 * W])


@pytest.mark.parametrize(
    ("window", "lateness", "seconds"),
    [
        pytest.param("10s", "10s", 60, id="at least a minute"),
        pytest.param("1m", "1m", 180, id="lateness and two windows"),
        pytest.param("1m", "30m", 1_920, id="a long lateness"),
        pytest.param("1h", "5m", 7_500, id="long windows"),
    ],
)
def test_a_catch_up_leaves_what_the_udf_may_still_score(window: str, lateness: str, seconds: int) -> None:
    (pipeline,) = normalize(
        [{**PIPELINE.as_dict(), "window": window, "lateness": lateness, "alerts": {}, "periods": {}}]
    )
    assert default_lag_ns(pipeline) == seconds * 1_000_000_000


def test_windows_after_a_late_one_may_have_been_filled_with_another_value() -> None:
    assert refilled_begins([20, 40], cut=cut(10), filled=3, end_ns=1_000) == {30, 50, 60, 70}
    assert refilled_begins([20], cut=cut(10), filled=3, end_ns=40) == {30}
    assert refilled_begins([20], cut=cut(10), filled=3, end_ns=41) == {30, 40}
    assert refilled_begins([20], cut=cut(10), filled=3, end_ns=20) == set()
    assert refilled_begins([20], cut=cut(10), filled=0, end_ns=1_000) == set()


def test_each_window_that_may_have_been_filled_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    local = LocalCut(6 * HOUR_NS, "Europe/Berlin")
    # The clock changes on 2024-03-31.
    first_ns = local.begin(1_711_800_000 * SECOND_NS)
    begins = [local.step(first_ns, windows) for windows in range(10)]
    looked_up = Counter[int]()

    def at(number: int) -> int:
        looked_up[number] += 1
        return LocalCut(6 * HOUR_NS, "Europe/Berlin").at(number)

    monkeypatch.setattr(local, "at", at)

    refilled = refilled_begins(begins[:2], cut=local, filled=1_000_000, end_ns=begins[9] + 1)

    assert refilled == set(begins[2:])
    assert sorted(looked_up.values()) == [1] * 8


@pytest.mark.parametrize(("training", "is_outdated"), [({}, True), ({"every": "1d"}, False)])
def test_a_model_of_another_release_is_told_unless_the_keeper_trains(
    store: Store, model: Model, training: dict[str, Any], is_outdated: bool
) -> None:
    (pipeline,) = normalize([{**model.pipeline.as_dict(), "training": training}])
    request = CatchUpRequest(pipeline, store.models, "anomaly")
    outdate(store, model.version)

    outcome = catch_up(request, never, lambda message: None)

    assert (outcome.is_outdated, outcome.changed) == (is_outdated, False)
    assert "made by anomaly 0.0.9" in outcome.message


def never() -> InfluxClient:
    """Open no connection: nothing is asked without a model."""
    raise AssertionError("InfluxDB is asked")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the clock that a catch-up asks, in nanoseconds."""

    def set_clock(time_ns: int) -> None:
        monkeypatch.setattr("anomaly.catchup.run.time", SimpleNamespace(time_ns=lambda: time_ns))

    set_clock(COUNT * W + 60 * SECOND_NS)
    return set_clock


@pytest.fixture
def caught_up(
    store: Store,
    database: DatabaseDouble,
    ordered: Callable[..., dict[Key, RepairOrder]],
    now: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., CaughtUp]:
    """Catch up on the database in memory, with repairs that write nothing."""
    monkeypatch.setattr("anomaly.catchup.run.PipelineDatabase", lambda client, pipeline, results: database)

    def run(**more: Any) -> CaughtUp:
        request = CatchUpRequest(PIPELINE, store.models, "anomaly", **more)
        return catch_up(request, lambda: InfluxClient("http://nowhere.invalid", None, None), lambda message: None)

    return run


def test_a_catch_up_looks_from_the_given_time_to_a_minute_ago(caught_up: Callable[..., CaughtUp]) -> None:
    outcome = caught_up(begin="500s")
    assert (outcome.span, outcome.series, outcome.message) == (TimeRange(56 * W, COUNT * W), 0, "")


def test_a_catch_up_ends_as_long_before_now_as_it_is_told(caught_up: Callable[..., CaughtUp]) -> None:
    assert caught_up(begin="500s", lag_ns=0).span == TimeRange(56 * W, (COUNT + 6) * W)


def test_a_catch_up_begins_with_the_first_score_of_the_last_week(
    caught_up: Callable[..., CaughtUp], database: DatabaseDouble, now: Callable[[int], None]
) -> None:
    now(7 * DAY_NS + 10 * W)
    assert caught_up().span == TimeRange(10 * W, 7 * DAY_NS + 4 * W)
    for number in range(SERIES):
        lose(database, number, 5, 13)
    outcome = caught_up()
    assert outcome.span.begin_ns == 13 * W
    # What was never scored before is history.
    assert (outcome.series, outcome.message) == (0, "")


def test_a_catch_up_of_a_pipeline_without_scores_says_so(
    caught_up: Callable[..., CaughtUp], database: DatabaseDouble
) -> None:
    for number in range(SERIES):
        lose(database, number, 0, COUNT)
    database.late = [LateWindow(key(0), 5 * W, 5, 5)]
    for begins in ((), (COUNT + 1,), (COUNT,)):
        database.begins[key(0)].update(begin * W for begin in begins)
        outcome = caught_up(begin=None, lag_ns=None)
        assert (outcome.message, outcome.series) == ("there is no score in reach yet", 0)


def test_late_windows_are_scored_even_where_there_is_no_other_score(
    caught_up: Callable[..., CaughtUp], database: DatabaseDouble
) -> None:
    for number in range(SERIES):
        lose(database, number, 0, COUNT)
    database.late = [LateWindow(key(0), 5 * W, 5, 5), LateWindow(key(0), 6 * W, 5, None)]
    outcome = caught_up()
    assert (outcome.message, outcome.series) == ("", 1)
    assert outcome.span == TimeRange(COUNT * W, COUNT * W)


def test_counts_of_all_series_are_added_up(caught_up: Callable[..., CaughtUp], database: DatabaseDouble) -> None:
    lose(database, 1, 70, 80)
    lose(database, 3, 70, 80)
    outcome = caught_up(begin="500s")
    assert (outcome.series, outcome.repaired.scores, outcome.repaired.removed) == (2, 3, 20)
    assert outcome.changed


@pytest.mark.parametrize(
    ("dry_run", "folder", "handed_over", "message"),
    [(False, True, 1, ""), (False, False, 0, ""), (True, True, 0, "nothing was written")],
)
def test_states_are_handed_over_unless_it_is_a_dry_run(
    caught_up: Callable[..., CaughtUp],
    database: DatabaseDouble,
    tmp_path: Path,
    dry_run: bool,
    folder: bool,
    handed_over: int,
    message: str,
) -> None:
    lose(database, 1, 70, 80)
    hand_over = tmp_path / "hand_over"
    outcome = caught_up(begin="500s", dry_run=dry_run, hand_over=hand_over if folder else None)
    assert (outcome.handed_over, outcome.message) == (handed_over, message)
    assert len(list(hand_over.glob("**/*.npz"))) == handed_over


def test_without_a_model_nothing_is_looked_at(tmp_path: Path) -> None:
    outcome = catch_up(CatchUpRequest(PIPELINE, tmp_path, "anomaly"), never, lambda message: None)
    assert (outcome.message, outcome.series, outcome.is_outdated) == ("there is no model yet", 0, False)


class FolderDouble(HandOverFolder):
    """Keeps how many series each hand-over has.

    Attributes:
        written: these numbers.
        is_full: whether nothing can be written.
    """

    def __init__(self) -> None:
        self.written: list[int] = []
        self.is_full = False

    def write(self, header: StateHeader, parts: Iterable[Mapping[str, AnyArray]]) -> int:
        counts = [len(part["end_ns"]) for part in parts]
        if self.is_full:
            raise StateError("no space left")
        self.written += counts
        return 1


def test_states_are_handed_over_some_at_a_time_and_the_rest_at_the_end(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anomaly.scoring.hand_over.SERIES_AT_ONCE", 2)
    folder, said = FolderDouble(), list[str]()
    gathered = GatheredStates(PIPELINE, model, folder, said.append)
    written = []
    for number in range(5):
        core = ScoringCore(PIPELINE, NO_EVENTS)
        gathered.states.take(key(number), W, 0, core, is_drift_whole=False)
        gathered.look()
        written.append(list(folder.written))
    gathered.end()
    gathered.end()

    assert written == [[], [2], [2], [2, 2], [2, 2]]
    assert (folder.written, gathered.series, said) == ([2, 2, 1], 5, [])


def test_windows_before_what_is_looked_at_are_read_for_the_rate_of_points(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    lose(database, 1, 95, 97)
    ordered(span=TimeRange(90 * W, COUNT * W))
    assert [(span.begin_ns, span.end_ns) for span in database.read] == [((90 - 2 * LAST_WINDOWS) * W, COUNT * W)]


@pytest.mark.parametrize(
    ("series", "windows"),
    [
        pytest.param((1,), 40, id="of one series as many as are well read at once"),
        pytest.param((0, 1, 2, 3), 10, id="of all series as many together"),
    ],
)
def test_windows_are_read_in_pieces(
    database: DatabaseDouble,
    ordered: Callable[..., dict[Key, RepairOrder]],
    monkeypatch: pytest.MonkeyPatch,
    series: tuple[int, ...],
    windows: int,
) -> None:
    monkeypatch.setattr("anomaly.catchup.run._PIECE_WINDOWS", 40)
    monkeypatch.setattr("anomaly.catchup.run._LEAST_PIECE_WINDOWS", 5)
    for number in series:
        lose(database, number, 20, 30)
    ordered()
    assert {(span.end_ns - span.begin_ns) // W for span in database.read[:-1]} == {windows}
    assert database.read[-1].end_ns == COUNT * W


def test_a_hand_over_that_cannot_be_written_is_said_and_not_counted(model: Model) -> None:
    folder, said = FolderDouble(), list[str]()
    folder.is_full = True
    gathered = GatheredStates(PIPELINE, model, folder, said.append)
    gathered.states.take(key(0), W, 0, ScoringCore(PIPELINE, NO_EVENTS), is_drift_whole=False)

    gathered.end()

    assert (said, gathered.series) == (["no space left"], 0)


def test_the_reach_into_the_past_is_shared_by_the_series_that_need_it(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    lose(database, 1, 20, 30)
    assert [order.reach for order in ordered().values()] == [500_000]
    lose(database, 2, 20, 30)
    assert [order.reach for order in ordered().values()] == [250_000, 250_000]


def test_missing_windows_are_looked_for_as_long_after_a_point_as_its_value_stands(
    model: Model,
    database: DatabaseDouble,
    ordered: Callable[..., dict[Key, RepairOrder]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (filled,) = normalize([{**PIPELINE.as_dict(), "fill": {"previous": "100s"}}])
    monkeypatch.setattr("anomaly.catchup.run.bucket_length", lambda span, window_ns: 10 * W)
    monkeypatch.setattr(database, "point_counts", lambda span, bucket_ns: {(key(1), 30 * W): 1})
    lost = lose(database, 1, 35, 60)

    assert ordered(pipeline=filled)[key(1)].missing == {begin_ns for begin_ns in lost if begin_ns < 50 * W}


def test_windows_before_what_is_looked_at_are_not_missing(
    database: DatabaseDouble, ordered: Callable[..., dict[Key, RepairOrder]]
) -> None:
    lose(database, 1, 20, 30)
    orders = ordered(span=TimeRange(25 * W, COUNT * W))
    assert {each: order.missing for each, order in orders.items()} == {key(1): set(range(25 * W, 30 * W, W))}


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_repair_that_writes_nothing_is_asked_for_in_a_dry_run(
    model: Model, database: DatabaseDouble, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    asked: list[bool] = []

    class RepairDouble:
        def __init__(self, *arguments: Any, dry_run: bool, **more: Any) -> None:
            asked.append(dry_run)

        def run(self) -> RepairCounts:
            return RepairCounts()

    monkeypatch.setattr("anomaly.catchup.run.SeriesRepair", RepairDouble)
    lose(database, 1, 20, 30)

    repaired(model, database, dry_run=dry_run)

    assert asked == [dry_run]


def test_a_version_that_is_gone_is_told_once_and_the_current_model_is_used(store: Store, model: Model) -> None:
    said: list[str] = []
    models = model_of_version(store, PIPELINE, said.append)
    assert models is not None

    given = [models(version) for version in (None, model.version, "gone", "gone")]

    assert [each.version for each in given] == [model.version] * 4
    assert given[0] is given[2] is given[3]
    (message,) = said
    assert "gone" in message
    assert "(the current model is used instead)" in message


def test_a_window_by_a_clock_is_looked_for_where_its_points_are_in_the_next_bucket(
    database: DatabaseDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    days, bucket_ns = cut(DAY_NS, ZONE), 360 * DAY_NS
    edge_ns = 55 * bucket_ns
    window = TimeRange(days.begin(edge_ns), days.end(edge_ns))
    monkeypatch.setattr(database, "point_counts", lambda span, bucket_ns: {(key(0), edge_ns): 9})
    monkeypatch.setattr(database, "score_counts", lambda span, bucket_ns: {})

    suspects = suspected_windows(daily(), database, window, {key(0): window.end_ns})

    assert window.begin_ns < edge_ns < window.end_ns
    assert suspects == {window: [key(0)]}
