"""The repair of one series, on a database in memory; `tests/conformance` repeats the whole on a real InfluxDB."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest

from anomaly.catchup.database import NEVER_NS, PipelineDatabase, WrittenScore
from anomaly.catchup.queries import COMPARED_FIELDS
from anomaly.catchup.repair import PERIOD_LEAD_IN_WINDOWS, RepairCounts, RepairOrder, SeriesRepair
from anomaly.influxdb.client import InfluxClientError
from anomaly.influxdb.times import TimeRange
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.hand_over import HandOver
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.results import LIMIT_FIELD, Result, ResultColumns, results
from anomaly.scoring.scorer import Scorer
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows
from tests.unit.anomaly import printers
from tests.unit.anomaly.clocks import daily, spring
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS, Fault

W = WINDOW_NS
KEY: Key = ("printer-1",)
BEGIN = 5_000 * W
COUNT = 2_600
END = BEGIN + COUNT * W
# A period ends for good this long after its last window.
MERGE = PIPELINE.periods.merge_ns + W
FAULT = Fault("offset", (1,), 1_500 * printers.WINDOW, 30 * printers.WINDOW, 9.0)
FAULT_BEGIN = BEGIN + 1_500 * W


class DatabaseDouble(PipelineDatabase):
    """One series in memory, with its scores and periods; keeps which stretches were read.

    Attributes:
        read: the stretches whose windows were read, in order.
        last: what `last_period` answers, by the time that it is asked for.
        first_ns: what `first_score_of_ns` answers.
        new_level: what `has_new_level` answers.
        asked_last: the times that `last_period` was asked for.
        removed: the begins of the periods that were removed.
        seen: when windows were named as late, by their begins.
        done: what was recorded of windows that got late points, by their begins.
        writes_left: how many writes succeed before InfluxDB is away.
    """

    def __init__(self, model: Model, pipeline: Pipeline = PIPELINE) -> None:
        samples = printers.clean(31, COUNT * printers.WINDOW)
        printers.break_down(samples, FAULT)
        (self.series,) = printers.runs(printers.windows(samples, begin_ns=BEGIN))
        self.scored: dict[int, Mapping[str, Any]] = {}
        self.stored_periods: dict[int, Mapping[str, Any]] = {}
        self.read: list[TimeRange] = []
        self.last: list[TimeRange] = []
        self.first_ns: int | None = None
        self.new_level = False
        self.done: dict[int, Any] = {}
        self.seen: dict[int, Any] = {}
        self.asked_last: list[int] = []
        self.removed: list[int] = []
        self.writes_left = 10**6
        scorer = Scorer(pipeline, EventCounter("", lambda message: None))
        for scored in scorer.feed(model, self.series):
            self.write(results(pipeline, KEY, scored))

    def windows(self, key: Key | None, span: TimeRange) -> Iterator[SeriesWindows]:
        self.read.append(span)
        inside = (self.series.begin_ns >= span.begin_ns) & (self.series.begin_ns < span.end_ns)
        if inside.any():
            yield self.series.where(inside)

    def scores(self, key: Key, span: TimeRange) -> Mapping[int, WrittenScore]:
        return {
            begin_ns: WrittenScore(fields["label"], fields["model"], fields.get("feedback") is not None)
            for begin_ns, fields in self.scored.items()
            if span.begin_ns <= begin_ns < span.end_ns
        }

    def whole_scores(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        return {begin: fields for begin, fields in self.scored.items() if span.begin_ns <= begin < span.end_ns}

    def remove_score(self, key: Key, begin_ns: int) -> None:
        del self.scored[begin_ns]

    def periods(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        return {begin: fields for begin, fields in self.stored_periods.items() if span.begin_ns <= begin < span.end_ns}

    def last_period(self, key: Key, end_ns: int) -> TimeRange | None:
        self.asked_last.append(end_ns)
        return max((span for span in self.last if span.begin_ns < end_ns), key=lambda span: span.begin_ns, default=None)

    def first_score_of_ns(self, key: Key, model: str | None, end_ns: int) -> int | None:
        return self.first_ns

    def has_new_level(self, key: Key, model: str, end_ns: int) -> bool:
        return self.new_level

    def write(self, results: Iterable[Result | ResultColumns]) -> None:
        if self.writes_left == 0:
            raise InfluxClientError("InfluxDB is away")
        self.writes_left -= 1
        for result in chain.from_iterable([each] if isinstance(each, Result) else each for each in results):
            if result.measurement == "score":
                self.scored[result.time_ns] = {**self.scored.get(result.time_ns, {}), **result.fields}
            elif result.measurement == "late" and "done_ms" in result.fields:
                self.done[result.time_ns] = result.fields["done_ms"]
            elif result.measurement == "late":
                self.seen[result.time_ns] = result.fields["seen_ms"]
            else:
                known = dict(result.fields)
                if known["reason"] == NO_DATA:
                    # What it says depends on who told it.
                    del known["text"]
                self.stored_periods[result.time_ns] = {name: known[name] for name in COMPARED_FIELDS if name in known}

    def remove_period(self, key: Key, begin_ns: int) -> None:
        self.removed.append(begin_ns)
        del self.stored_periods[begin_ns]


class RememberingModel(Model):
    """A model whose scores depend on the windows before."""

    @property
    def remembers(self) -> bool:
        return True


@pytest.fixture
def database(model: Model) -> DatabaseDouble:
    """The results as they are when nothing is missed."""
    return DatabaseDouble(model)


def remembering(model: Model) -> Model:
    parts = model.scaling, model.detector, model.calibration, model.reference
    return RememberingModel(model.version, model.pipeline, *parts)


def repair(
    model: Model,
    database: DatabaseDouble,
    missing: Iterable[int] = (),
    opened: tuple[TimeRange, ...] = (),
    *,
    late: Mapping[int, int] | None = None,
    end_ns: int = END,
    reach: int = 10_000,
    said: list[str] | None = None,
    dry_run: bool = False,
    pipeline: Pipeline = PIPELINE,
    progress: Callable[[float], None] = lambda share: None,
    hand_over: HandOver | None = None,
) -> RepairCounts:
    """Runs a repair of what is missing, came late, or was left open."""
    order = RepairOrder(KEY, set(missing), dict(late or {}), opened, end_ns, reach)
    say = (said if said is not None else []).append
    return SeriesRepair(
        pipeline,
        database,
        lambda version: model,
        Feedback(pipeline),
        order,
        say,
        dry_run=dry_run,
        hand_over=hand_over,
        progress=progress,
    ).run()


def lose(database: DatabaseDouble, first: int, last: int) -> dict[int, Mapping[str, Any]]:
    """Removes the scores of the windows first <= number < last, and returns them."""
    return {begin: database.scored.pop(begin) for begin in range(BEGIN + first * W, BEGIN + last * W, W)}


def test_missing_scores_end_as_if_nothing_had_happened(model: Model, database: DatabaseDouble) -> None:
    whole, periods = dict(database.scored), dict(database.stored_periods)
    lost = lose(database, 1_490, 1_520)
    # The second half of the period looked like one of its own, as its begin was missed.
    database.stored_periods = {begin: fields for begin, fields in periods.items() if begin > BEGIN + 1_600 * W}
    counts = repair(model, database, lost)
    assert database.scored == whole
    assert database.stored_periods == periods
    assert (counts.scores, counts.labels, counts.removed) == (30, 0, 0)
    assert counts.periods >= 1


def test_a_finished_repair_changes_nothing_when_it_is_repeated(model: Model, database: DatabaseDouble) -> None:
    lost = lose(database, 1_490, 1_520)
    repair(model, database, lost)
    assert repair(model, database, lost) == RepairCounts()


def test_a_period_whose_reason_is_a_limit_stays_as_it_is(model: Model, database: DatabaseDouble) -> None:
    usual = database.series.values[:1_500, 2 * PIPELINE.fields.index("bed")]
    bed = {"name": "bed", "limits": [None, float(usual.max())]}
    fields = [bed if name == "bed" else name for name in PIPELINE.fields]
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "fields": fields}])
    limited = replace(model, pipeline=pipeline)
    database = DatabaseDouble(limited, pipeline)
    periods = dict(database.stored_periods)
    assert any(stored.get("_limit") for stored in periods.values())

    lost = lose(database, 1_510, 1_520)

    assert repair(limited, database, lost, pipeline=pipeline) == RepairCounts(scores=10)
    assert database.stored_periods == periods


def test_an_interrupted_repair_is_resumed(model: Model, database: DatabaseDouble) -> None:
    whole, periods = dict(database.scored), dict(database.stored_periods)
    lost = [*lose(database, 1_100, 1_110), *lose(database, 2_150, 2_160)]
    # One write names what the repair is about, the next one has the scores of the first piece.
    database.writes_left = 2
    with pytest.raises(InfluxClientError):
        repair(model, database, lost)
    still_missing = [begin for begin in lost if begin not in database.scored]
    assert still_missing == lost[10:]
    database.writes_left = 10**6
    assert repair(model, database, still_missing).scores == 10
    assert (database.scored, database.stored_periods) == (whole, periods)


@pytest.mark.parametrize("writes", range(5))
def test_a_repair_that_is_killed_between_any_two_writes_is_made_good_by_the_next(
    model: Model, database: DatabaseDouble, writes: int
) -> None:
    whole, periods = dict(database.scored), dict(database.stored_periods)
    # The whole fault was missed, and what remains may be scored by the time of the kill: its periods are not.
    lost = lose(database, 1_490, 2_520)
    database.stored_periods.clear()
    database.writes_left = writes

    with pytest.raises(InfluxClientError):
        repair(model, database, lost)
    missing = [begin for begin in lost if begin not in database.scored]
    late = {begin: seen_ms for begin, seen_ms in database.seen.items() if database.done.get(begin) != seen_ms}
    database.writes_left = 10**6
    repair(model, database, missing, late=late)

    assert (database.scored, database.stored_periods) == (whole, periods)
    assert database.done.keys() == database.seen.keys()


def test_a_repair_leaves_no_window_to_be_scored_again(model: Model, database: DatabaseDouble) -> None:
    lost = lose(database, 1_490, 1_520)
    repair(model, database, lost)
    assert database.done == database.seen
    assert database.seen.keys() == {min(lost), max(lost)}


def test_a_replay_reads_pieces_that_grow_and_tells_how_far_it_is(
    model: Model, database: DatabaseDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anomaly.catchup.repair._PIECE_WINDOWS", 100)
    monkeypatch.setattr("anomaly.catchup.repair._MOST_PIECE_WINDOWS", 300)
    lost = lose(database, 1_600, 2_500)
    shares: list[float] = []

    assert repair(model, database, lost, progress=shares.append).scores == 900

    lengths = [(span.end_ns - span.begin_ns) // W for span in database.read]
    assert lengths[:5] == [PERIOD_LEAD_IN_WINDOWS, 100, 200, 300, 300]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(1_000 / 1_899, abs=0.01)
    assert shares[-1] == 1


def test_the_last_period_is_not_asked_for_again_where_the_answer_tells_it(
    model: Model, database: DatabaseDouble
) -> None:
    lost = lose(database, 1_700, 1_710)
    repair(model, database, lost)
    assert database.asked_last == [min(lost)]
    # An answer that begins later than the time that is asked for tells nothing.
    database.last = [TimeRange(BEGIN + 1_300 * W, BEGIN + 1_310 * W)]
    repair(model, database, lost)
    assert database.asked_last[1:] == [
        min(lost),
        min(lost) - PERIOD_LEAD_IN_WINDOWS * W,
    ]


def test_a_memory_takes_in_the_windows_since_its_begin_that_have_no_score(
    model: Model, database: DatabaseDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose(database, 1_700, 1_710)
    # Nobody ordered these: they may be older than what a catch-up looks at. Those before the begin are history.
    lose(database, 1_300, 1_310)
    lose(database, 1_000, 1_010)
    database.first_ns = BEGIN + 1_200 * W
    fed: list[int] = []
    feed_series = Scorer.feed_series

    def spy(self: Scorer, model: Model | None, windows: SeriesWindows, *more: Any) -> Any:
        fed.extend(windows.begin_ns.tolist())
        return feed_series(self, model, windows, *more)

    monkeypatch.setattr(Scorer, "feed_series", spy)
    repair(remembering(model), database, lost)

    assert set(range(BEGIN + 1_300 * W, BEGIN + 1_310 * W, W)) <= set(fed)
    assert not set(range(BEGIN + 1_000 * W, BEGIN + 1_010 * W, W)) & set(fed)


def test_a_dry_run_counts_and_writes_nothing(model: Model, database: DatabaseDouble) -> None:
    lost = lose(database, 1_490, 1_520)
    before, database.writes_left = dict(database.scored), 0
    assert repair(model, database, lost, dry_run=True).scores == 30
    assert database.scored == before


def test_the_replay_begins_a_lead_in_before_what_is_missing(model: Model, database: DatabaseDouble) -> None:
    lost = lose(database, 1_200, 1_210)
    repair(model, database, lost)
    assert database.read[0] == TimeRange(min(lost) - PERIOD_LEAD_IN_WINDOWS * W, min(lost))


def test_the_replay_does_not_begin_before_1970(model: Model, database: DatabaseDouble) -> None:
    repair(model, database, [20 * W])
    assert database.read[0] == TimeRange(0, 20 * W)


@pytest.mark.parametrize(
    ("ends_before", "extended"),
    [
        pytest.param(MERGE + 1, False, id="it was closed before the lead-in"),
        pytest.param(MERGE, False, id="it is closed when the lead-in begins"),
        pytest.param(MERGE - 1, True, id="it still runs"),
    ],
)
def test_a_period_that_runs_where_the_lead_in_begins_extends_it(
    model: Model, database: DatabaseDouble, ends_before: int, extended: bool
) -> None:
    lost = lose(database, 1_200, 1_210)
    begin_ns = min(lost) - PERIOD_LEAD_IN_WINDOWS * W
    database.last = [TimeRange(begin_ns - 40 * W, begin_ns - ends_before)]
    repair(model, database, lost)
    expected_ns = begin_ns - (40 + PERIOD_LEAD_IN_WINDOWS) * W if extended else begin_ns
    assert database.read[0].begin_ns == expected_ns


@pytest.mark.parametrize(
    ("first", "reach", "begins", "warned"),
    [
        pytest.param(1_500, 10_000, 1_500, False, id="all that was learnt"),
        pytest.param(1_500, 1_500, 1_500, False, id="just in reach"),
        pytest.param(1_501, 1_500, 1_500, True, id="a window out of reach"),
        # The lead-in of periods is longer than the memory.
        pytest.param(10, 10_000, PERIOD_LEAD_IN_WINDOWS, False, id="learnt little"),
    ],
)
def test_a_detector_that_remembers_is_led_in_by_what_it_has_learnt(
    model: Model, database: DatabaseDouble, first: int, reach: int, begins: int, warned: bool
) -> None:
    lost = lose(database, 1_600, 1_610)
    database.first_ns = min(lost) - first * W
    said: list[str] = []
    repair(remembering(model), database, lost, reach=reach, said=said)
    assert database.read[0].begin_ns == min(lost) - begins * W
    assert bool(said) is warned
    assert all("further back than 1500 windows" in message for message in said)


def test_a_series_with_a_new_level_is_led_in_by_its_periods_whatever_its_detector_remembers(
    model: Model, database: DatabaseDouble
) -> None:
    lost = lose(database, 1_600, 1_610)
    database.first_ns = min(lost) - 1_500 * W
    database.new_level = True
    repair(model, database, lost)
    assert database.read[0].begin_ns == min(lost) - 1_500 * W


@pytest.mark.parametrize(
    ("windows", "pieces"),
    [
        pytest.param(-1, 1, id="over before the piece ends"),
        pytest.param(0, 2, id="not over when the piece ends"),
    ],
)
def test_the_replay_goes_on_until_an_open_period_is_over(
    model: Model, database: DatabaseDouble, windows: int, pieces: int
) -> None:
    begin_ns = BEGIN + 1_550 * W
    opened = TimeRange(begin_ns, begin_ns + 1_000 * W - MERGE + windows * W)
    repair(model, database, opened=(opened,))
    assert [span.begin_ns for span in database.read if span.begin_ns >= begin_ns] == [
        begin_ns + piece * 1_000 * W for piece in range(pieces)
    ]


@pytest.mark.parametrize(
    ("state", "ends_before", "removed"),
    [
        pytest.param("closed", 0, 1, id="closed"),
        pytest.param("open", MERGE + W, 1, id="open, and over for good"),
        pytest.param("open", MERGE, 1, id="open, and just over"),
        pytest.param("open", MERGE - W, 0, id="open, and the UDF may go on with it"),
    ],
)
def test_a_period_that_the_replay_does_not_have_is_removed_once_it_is_over(
    model: Model, database: DatabaseDouble, state: str, ends_before: int, removed: int
) -> None:
    lost = lose(database, 1_700, 1_710)
    begin_ns, end_ns = min(lost), BEGIN + 2_000 * W
    database.stored_periods[begin_ns] = {"state": state, "end_ms": (end_ns - ends_before) // 1_000_000}
    counts = repair(model, database, lost, end_ns=end_ns)
    assert counts.removed == removed
    assert (begin_ns in database.stored_periods) is not bool(removed)


def test_a_period_is_no_longer_one_beyond_a_limit_once_its_windows_are_not(
    model: Model, database: DatabaseDouble
) -> None:
    begin_ns, fields = next(iter(database.stored_periods.items()))
    database.stored_periods[begin_ns] = {**fields, "reason": "bed above 95", LIMIT_FIELD: True}

    counts = repair(model, database, late={begin_ns: 1})

    assert counts.periods == 1
    assert database.stored_periods[begin_ns] == fields
    assert database.removed == [begin_ns]


def test_the_open_period_in_which_a_replay_ends_replaces_the_one_that_a_udf_has_begun_later(
    model: Model, database: DatabaseDouble
) -> None:
    lost, end_ns = lose(database, 1_490, 1_512), FAULT_BEGIN + 20 * W
    begun = {"state": "open", "end_ms": end_ns // 1_000_000, "reason": "bed"}
    database.stored_periods = {FAULT_BEGIN + 12 * W: begun}

    counts = repair(model, database, lost, end_ns=end_ns)

    assert counts.removed == 1
    assert {begin_ns: fields["state"] for begin_ns, fields in database.stored_periods.items()} == {FAULT_BEGIN: "open"}


def test_a_period_before_the_repair_is_left_alone(model: Model, database: DatabaseDouble) -> None:
    lost = lose(database, 1_700, 1_710)
    earlier = {"state": "closed", "end_ms": (min(lost) - 10 * W) // 1_000_000}
    database.stored_periods[min(lost) - W] = earlier
    assert repair(model, database, lost).removed == 0
    assert database.stored_periods[min(lost) - W] == earlier


def test_a_label_that_comes_out_otherwise_is_written_alone(model: Model, database: DatabaseDouble) -> None:
    lost = lose(database, 1_490, 1_495)
    whole = dict(database.scored)
    fault = [begin for begin in range(FAULT_BEGIN, FAULT_BEGIN + 5 * W, W) if database.scored[begin]["label"] == 1]
    for begin in fault:
        database.scored[begin] = {**database.scored[begin], "label": 0}
    counts = repair(model, database, lost)
    assert counts.labels == len(fault) > 0
    assert {begin: database.scored[begin] for begin in whole} == whole


def test_windows_that_are_not_missing_get_no_score(model: Model, database: DatabaseDouble) -> None:
    lose(database, 2_000, 2_010)
    lost = lose(database, 1_700, 1_710)
    counts = repair(model, database, lost)
    assert counts.scores == 10
    assert not np.isin(np.arange(BEGIN + 2_000 * W, BEGIN + 2_010 * W, W), list(database.scored)).any()


def test_a_window_with_late_points_is_scored_again(model: Model, database: DatabaseDouble) -> None:
    whole, periods = dict(database.scored), dict(database.stored_periods)
    # A fault's windows were scored when half of their points were there, and looked as usual then.
    late = {begin: 5_000 + number for number, begin in enumerate(range(FAULT_BEGIN, FAULT_BEGIN + 4 * W, W))}
    for begin in late:
        database.scored[begin] = {**whole[begin], "score": 0.1, "severity": 1.0, "label": 0}
    database.stored_periods.clear()
    counts = repair(model, database, late=late)
    assert (database.scored, database.stored_periods) == (whole, periods)
    assert (counts.corrected, counts.scores, counts.labels) == (4, 0, 0)
    assert database.done == late
    assert repair(model, database, late=late) == RepairCounts()


def test_a_late_window_that_had_no_score_gets_one(model: Model, database: DatabaseDouble) -> None:
    whole = dict(database.scored)
    (begin,) = lose(database, 1_700, 1_701)
    counts = repair(model, database, late={begin: 1})
    assert database.scored == whole
    assert (counts.corrected, counts.scores) == (0, 1)


def test_a_late_window_whose_score_stays_the_same_is_only_marked(model: Model, database: DatabaseDouble) -> None:
    begin = BEGIN + 1_700 * W
    stored = database.scored[begin]
    # InfluxDB answers integers where a float has no fraction, and what other windows have as None.
    database.scored[begin] = {**stored, "severity": stored["severity"] * (1 + 1e-12), "feedback": None}
    database.writes_left = 1
    assert repair(model, database, late={begin: 7}) == RepairCounts()
    assert database.done == {begin: 7}


def test_a_late_window_is_judged_by_the_model_that_scored_it(model: Model, database: DatabaseDouble) -> None:
    begin = BEGIN + 1_700 * W
    database.scored[begin] = {**database.scored[begin], "score": 0.1, "model": "earlier"}
    asked: list[str | None] = []

    def models(version: str | None) -> Model:
        asked.append(version)
        return model

    order = RepairOrder(KEY, set(), {begin: 1}, (), END, 10_000)
    SeriesRepair(PIPELINE, database, models, Feedback(PIPELINE), order, print).run()
    assert "earlier" in asked


def test_an_interrupted_correction_is_resumed(model: Model, database: DatabaseDouble) -> None:
    whole, begin = dict(database.scored), FAULT_BEGIN
    database.scored[begin] = {**whole[begin], "score": 0.1, "label": 0}
    database.stored_periods.clear()
    database.writes_left = 1
    with pytest.raises(InfluxClientError):
        repair(model, database, late={begin: 1})
    assert database.done == {}
    database.writes_left = 10**6
    counts = repair(model, database, late={begin: 1})
    assert counts.periods >= 1
    assert (database.scored, database.done) == (whole, {begin: 1})


def test_a_dry_run_marks_no_late_window(model: Model, database: DatabaseDouble) -> None:
    begin = FAULT_BEGIN
    database.scored[begin] = {**database.scored[begin], "score": 0.1}
    database.writes_left = 0
    assert repair(model, database, late={begin: 1}, dry_run=True).corrected == 1


def test_a_mark_that_no_longer_holds_leaves_a_late_window(model: Model, database: DatabaseDouble) -> None:
    whole, begin = dict(database.scored), FAULT_BEGIN
    database.scored[begin] = {**whole[begin], "label": 0, "feedback": "a1b2"}
    repair(model, database, late={begin: 1})
    assert database.scored[begin] == whole[begin]


def silence(first: int, end: int, state: str) -> dict[str, Any]:
    """A stored silence from window `first` to before window `end`."""
    begin_ms, end_ms = ((BEGIN + number * W) // 1_000_000 for number in (first, end))
    return {
        "begin_ms": begin_ms,
        "end_ms": end_ms,
        "state": state,
        "peak_score": 0.0,
        "peak_severity": 0.0,
        "points": 0,
        "reason": NO_DATA,
        "model": "20240101T000000Z-test",
    }


def empty(database: DatabaseDouble, first: int, end: int) -> None:
    """Takes the windows first <= number < end out of the source."""
    numbers = (database.series.begin_ns - BEGIN) // W
    database.series = database.series.where((numbers < first) | (numbers >= end))
    lose(database, first, end)


def test_an_open_silence_is_closed_when_the_series_has_data_again(model: Model, database: DatabaseDouble) -> None:
    begin_ns = BEGIN + 700 * W
    empty(database, 700, 2_300)
    # It was told after six windows, and its end came while nobody ran.
    database.stored_periods = {begin_ns: silence(700, 706, "open")}
    counts = repair(model, database, opened=(TimeRange(begin_ns, NEVER_NS),))
    assert database.stored_periods == {begin_ns: silence(700, 2_300, "closed")}
    assert (counts.periods, counts.removed) == (1, 0)
    # Who told it first has words of its own for it.
    assert repair(model, database, opened=(TimeRange(begin_ns, NEVER_NS),)) == RepairCounts()


def test_a_silence_that_lasts_begins_after_the_windows_that_came_late(model: Model, database: DatabaseDouble) -> None:
    periods = {begin: fields for begin, fields in database.stored_periods.items() if begin < BEGIN + 2_000 * W}
    empty(database, 2_010, COUNT)
    lost = lose(database, 2_000, 2_010)
    database.stored_periods = {**periods, BEGIN + 2_000 * W: silence(2_000, 2_006, "open")}

    repair(model, database, lost)

    assert database.stored_periods == {**periods, BEGIN + 2_010 * W: silence(2_010, COUNT, "open")}


def test_an_open_silence_without_windows_after_it_stays_open(model: Model, database: DatabaseDouble) -> None:
    begin_ns = BEGIN + 2_000 * W
    empty(database, 2_000, COUNT)
    lost = lose(database, 1_990, 2_000)
    database.stored_periods[begin_ns] = silence(2_000, 2_006, "open")
    repair(model, database, lost)
    assert database.stored_periods[begin_ns] == silence(2_000, 2_006, "open")


@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_silence_that_the_backlog_fills_is_withdrawn(model: Model, database: DatabaseDouble, state: str) -> None:
    periods = dict(database.stored_periods)
    begin_ns = BEGIN + 1_700 * W
    lost = lose(database, 1_700, 1_720)
    database.stored_periods[begin_ns] = silence(1_700, 1_720, state)
    counts = repair(model, database, lost)
    assert database.stored_periods == periods
    assert counts.removed == 1


@pytest.mark.parametrize(
    ("first", "end", "rest"),
    [
        pytest.param(1_700, 1_710, (1_710, 1_730), id="its begin is filled"),
        pytest.param(1_720, 1_730, (1_700, 1_720), id="its end is filled"),
        pytest.param(1_704, 1_730, None, id="what is left is no silence"),
    ],
)
@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_silence_is_cut_to_the_part_that_is_empty(
    model: Model, database: DatabaseDouble, state: str, first: int, end: int, rest: tuple[int, int] | None
) -> None:
    periods = dict(database.stored_periods)
    lost = lose(database, first, end)
    if rest is not None:
        empty(database, *rest)
    else:
        empty(database, 1_700, first)
    told = TimeRange(BEGIN + 1_700 * W, BEGIN + 1_730 * W)
    database.stored_periods[told.begin_ns] = silence(1_700, 1_730, state)
    database.last = [told]
    repair(model, database, lost)
    expected = {} if rest is None else {BEGIN + rest[0] * W: silence(*rest, "closed")}
    assert database.stored_periods == periods | expected


def test_a_told_silence_that_was_none_is_removed(model: Model, database: DatabaseDouble) -> None:
    """It is as long as a series may be silent, and the UDF has named the windows on both sides of it."""
    periods = dict(database.stored_periods)
    empty(database, 1_700, 1_706)
    told = TimeRange(BEGIN + 1_700 * W, BEGIN + 1_706 * W)
    database.stored_periods[told.begin_ns] = silence(1_700, 1_706, "closed")
    database.last = [told]
    counts = repair(model, database, late={told.begin_ns - W: 1, told.end_ns: 1})
    assert database.stored_periods == periods
    assert (counts.corrected, counts.labels, counts.removed) == (0, 0, 1)


def test_a_period_that_late_points_disprove_is_removed(model: Model, database: DatabaseDouble) -> None:
    """It had begun before the first window that got late points."""
    periods = dict(database.stored_periods)
    begin = BEGIN + 1_703 * W
    for number in range(1_700, 1_705):
        at = BEGIN + number * W
        database.scored[at] = {**database.scored[at], "label": 1}
    database.scored[begin] = {**database.scored[begin], "score": 5.0, "severity": 99.0}
    told = TimeRange(BEGIN + 1_700 * W, BEGIN + 1_705 * W)
    database.stored_periods[told.begin_ns] = {**silence(1_700, 1_705, "closed"), "reason": "bed", "points": 5}
    database.last = [told]
    counts = repair(model, database, late={begin: 1})
    assert database.stored_periods == periods
    assert (counts.corrected, counts.labels, counts.removed) == (1, 4, 1)


def handed(model: Model, hand_over: HandOver) -> tuple[int, dict[str, Any]] | None:
    """The horizon of the series that was handed over, and its periods, rates and levels; None if it was not."""
    if not len(hand_over):
        return None
    part = hand_over.part()
    (end_ns,) = part["end_ns"].tolist()
    names = ("core_scorer_series_", "core_scorer_levels_")
    series = {name: array.tolist() for name, array in part.items() if name.startswith(names)}
    return end_ns, series


def test_what_is_handed_over_is_the_state_after_the_newest_window_that_had_a_score(
    model: Model, database: DatabaseDouble
) -> None:
    expected = Scorer(PIPELINE, EventCounter("", lambda message: None))
    list(expected.feed(model, database.series.where(np.arange(COUNT) < COUNT - 5)))
    # It is over, and may still become a new level.
    database.last = [TimeRange(FAULT_BEGIN, FAULT_BEGIN + 30 * W)]
    lost = lose(database, 2_500, 2_510)
    # The UDF has not closed these windows yet.
    lose(database, COUNT - 5, COUNT)
    hand_over = HandOver(PIPELINE, model)

    repair(model, database, lost, hand_over=hand_over)

    state = {f"core_scorer_{name}": array.tolist() for name, array in expected.state().items()}
    assert "core_scorer_levels_kept" in state
    assert handed(model, hand_over) == (END - 5 * W, state)


@pytest.mark.parametrize(("missing", "is_handed_over"), [(360, True), (359, False)])
def test_the_drift_is_handed_over_where_enough_was_missed_for_it(
    model: Model, database: DatabaseDouble, missing: int, is_handed_over: bool
) -> None:
    expected = ScoringCore(PIPELINE, EventCounter("", lambda message: None))
    list(expected.feed(model, database.series, Feedback(PIPELINE)))
    database.first_ns = BEGIN
    hand_over = HandOver(PIPELINE, model)

    repair(model, database, lose(database, 1_100, 1_100 + missing), hand_over=hand_over)

    drift = {name: array.tolist() for name, array in hand_over.part().items() if name.startswith("core_drift_")}
    whole = {f"core_{name}": array.tolist() for name, array in expected.state_of([KEY]).items() if "drift_" in name}
    assert (drift == whole) is is_handed_over
    assert len(drift["core_drift_key_lengths"]) == is_handed_over


def test_nothing_is_handed_over_while_the_newest_windows_are_missing(model: Model, database: DatabaseDouble) -> None:
    lost = lose(database, COUNT - 5, COUNT)
    hand_over = HandOver(PIPELINE, model)
    repair(model, database, lost, hand_over=hand_over)
    assert handed(model, hand_over) is None


def test_what_a_detector_has_forgotten_since_is_not_handed_over(model: Model, database: DatabaseDouble) -> None:
    hand_over = HandOver(PIPELINE, model)
    repair(model, database, lose(database, 1_200, 1_210), hand_over=hand_over)
    assert handed(model, hand_over) is None
    assert max(span.end_ns for span in database.read) < END


def test_a_detector_that_remembers_is_replayed_to_the_end_and_handed_over(
    model: Model, database: DatabaseDouble
) -> None:
    hand_over = HandOver(PIPELINE, remembering(model))
    database.first_ns = BEGIN
    repair(remembering(model), database, lose(database, 1_200, 1_210), hand_over=hand_over)
    assert max(span.end_ns for span in database.read) == END
    found = handed(model, hand_over)
    assert found is not None
    assert found[0] == END


def test_a_memory_that_is_not_read_as_a_whole_is_not_handed_over(model: Model, database: DatabaseDouble) -> None:
    hand_over = HandOver(PIPELINE, remembering(model))
    database.first_ns = BEGIN
    repair(remembering(model), database, lose(database, 1_200, 1_210), reach=1_100, hand_over=hand_over)
    assert handed(model, hand_over) is None


def test_a_memory_of_which_the_source_has_lost_points_is_not_handed_over(
    model: Model, database: DatabaseDouble
) -> None:
    lost = lose(database, 2_500, 2_510)
    database.series = database.series.where(np.arange(COUNT) != 2_400)
    hand_over = HandOver(PIPELINE, model)
    repair(model, database, lost, hand_over=hand_over)
    assert handed(model, hand_over) is None


def test_the_state_of_a_model_that_is_not_current_is_not_handed_over(model: Model, database: DatabaseDouble) -> None:
    lost = lose(database, 2_500, 2_510)
    hand_over = HandOver(PIPELINE, replace(model, version="another"))
    repair(model, database, lost, hand_over=hand_over)
    assert handed(model, hand_over) is None


def test_history_that_nobody_has_scored_is_not_learnt_from(model: Model, database: DatabaseDouble) -> None:
    # The pipeline begins within the fault.
    lose(database, 0, 1_510)
    database.first_ns = BEGIN + 1_510 * W
    database.stored_periods.clear()
    repair(remembering(model), database, lose(database, 1_512, 1_514))
    assert min(database.stored_periods) == BEGIN + 1_510 * W


def test_a_range_of_which_retention_has_removed_the_begin_is_scored_as_far_as_it_is_there(
    model: Model, database: DatabaseDouble
) -> None:
    whole, periods = dict(database.scored), dict(database.stored_periods)
    lost = lose(database, 2_300, 2_320)
    database.series = database.series.where(np.arange(COUNT) >= 2_310)
    counts = repair(model, database, lost)
    assert counts.scores == 10
    assert whole.keys() - database.scored.keys() == set(range(BEGIN + 2_300 * W, BEGIN + 2_310 * W, W))
    assert all(_equal_fields(whole[begin], fields) for begin, fields in database.scored.items())
    # What was scored before, and the fault's period, is not taken back.
    assert database.stored_periods == periods


def test_results_that_were_dropped_are_refilled_as_they_were(model: Model, database: DatabaseDouble) -> None:
    whole, periods = dict(database.scored), dict(database.stored_periods)
    lost = lose(database, 0, COUNT)
    database.stored_periods.clear()
    counts = repair(model, database, lost)
    assert counts.scores == len(whole)
    assert database.scored.keys() == whole.keys()
    assert all(_equal_fields(whole[begin], fields) for begin, fields in database.scored.items())
    assert database.stored_periods == periods


def _equal_fields(expected: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return fields.keys() == expected.keys() and all(
        value == pytest.approx(expected[name], rel=1e-9) if isinstance(value, float) else value == expected[name]
        for name, value in fields.items()
    )


def test_a_period_is_over_after_whole_windows_by_their_clock(model: Model, database: DatabaseDouble) -> None:
    pipeline = daily(group_by=["printer"], periods={"merge": "2d"})
    order = RepairOrder(KEY, {spring(-1)}, {}, (), spring(9), 10)
    repair = SeriesRepair(pipeline, database, lambda version: model, Feedback(pipeline), order, print)

    # Two days and the window of the next look, of which one has 23 hours.
    assert repair._over_ns(spring(0)) == spring(3)
