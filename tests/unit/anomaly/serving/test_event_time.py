"""The UDF and the clock: late points, points from the future, silence, restarts, and series that come and go."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.timezone import timezone
from anomaly.scoring.core import ScoringCore
from anomaly.serving.shadow import Shadow
from anomaly.windows.assembler import Assembler
from kapacitor_udf import Point
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, PIPELINE, WINDOW_NS
from tests.unit.anomaly.served import SECOND_NS, Served
from tests.unit.anomaly.serving.test_handler import T0, harness, named, periods

SAMPLES = printers.clean(7, 600)


@pytest.fixture(autouse=True)
def models(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    return store


def points(begin: int, end: int, printer: str = "printer-1", every: int = 1, **fields: float) -> list[Point]:
    """Points of the seconds [begin, end) after T0."""
    return [
        Point(
            time=T0 + second * SECOND_NS,
            fields={**dict(zip(FIELDS, SAMPLES[second % len(SAMPLES)].tolist(), strict=True)), **fields},
            tags={"printer": printer},
            name="temperature",
        )
        for second in range(begin, end, every)
    ]


def after(seconds: float) -> int:
    return T0 + int(seconds * SECOND_NS)


def told(found: list[Point], name: str = "period") -> list[tuple[Any, ...]]:
    return [
        (point.tags.get("printer"), point.fields["state"], point.fields.get("joint")) for point in named(found, name)
    ]


def test_the_clock_closes_the_last_window_of_a_series_that_died() -> None:
    with harness() as udf:
        udf.points(points(0, 10))
        assert len(named(udf.at(after(11)), "score")) == 1


def test_silence_is_told_while_it_lasts() -> None:
    with harness() as udf:
        udf.points(points(0, 30))
        # The silence, one window, and the time between two looks.
        found = udf.at(after(30) + PIPELINE.periods.silence_ns + WINDOW_NS + 3 * SECOND_NS)
        assert told(found) == [("printer-1", "open", False)]
        opened = named(found, "period")[0]
        assert opened.time == after(30)
        back = udf.points(points(300, 310)) + udf.at(after(312))
    assert told(back) == [("printer-1", "closed", False)]
    assert named(back, "period")[0].time == opened.time


DUE_S = (PIPELINE.periods.silence_ns + WINDOW_NS) // SECOND_NS


@pytest.mark.parametrize("behind_s", [0, 3, 9])
def test_silence_does_not_wait_for_the_lateness_of_windows_without_points(behind_s: int) -> None:
    assert PIPELINE.lateness_ns == WINDOW_NS
    with harness(now_ns=after(behind_s), waits=True) as udf:
        # A writer that is steadily late is silent as much later.
        for point in points(0, 30):
            udf.at(point.time + behind_s * SECOND_NS)
            udf.feed_points([point])
        early = udf.at(after(30 + DUE_S + behind_s - 2))
        found = udf.at(after(30 + DUE_S + behind_s + 1))
    assert told(early) == []
    assert told(found) == [("printer-1", "open", False)]
    assert named(found, "period")[0].time == after(30)


def test_points_that_come_out_of_order_within_the_lateness_are_no_silence() -> None:
    short = normalize([{**PIPELINE.as_dict(), "periods": {"silence": "20s"}}])[0]
    # Each point is under way for up to 9 s, and the sensor rests for as long as it may now and then.
    arriving = sorted(
        (point.time + (7 * number % 10) * SECOND_NS, number, point)
        for number, point in enumerate(points(0, 300))
        if number % 80 >= 20
    )
    with harness(short, waits=True) as udf:
        found = []
        for arrival_ns, _, point in arriving:
            found += udf.at(arrival_ns) + udf.feed_points([point])
        assert udf.handler.events.counts.get("late points", 0) == 0
    assert told(found) == []
    assert len(named(found, "score")) >= 20


def test_a_silence_that_late_points_contradict_is_named_for_a_catch_up() -> None:
    # The points of the window after as long as a series may be silent are under way when that window is over.
    back_s = 30 + DUE_S - 10
    arriving = [(point.time, point) for point in points(0, 30) + points(0, 150, "printer-2") + points(back_s + 10, 150)]
    arriving += [(after(back_s + 13), point) for point in points(back_s, back_s + 10)]
    with harness(waits=True) as udf:
        found = []
        for arrival_ns, point in sorted(arriving, key=lambda pair: pair[0]):
            found += udf.at(arrival_ns) + udf.feed_points([point])
        assert udf.handler.events.counts["silences that were none"] == 1
    assert told(found) == [("printer-1", "open", False), ("printer-1", "closed", False)]
    assert [(point.tags["printer"], point.time) for point in named(found, "late")] == [
        ("printer-1", after(20)),
        ("printer-1", after(back_s)),
    ]


def test_a_pipeline_that_is_silent_is_one_notice() -> None:
    both = sorted(points(0, 30) + points(0, 30, "printer-2"), key=lambda point: point.time)
    with harness() as udf:
        udf.points(both)
        found = udf.at(after(120))
    assert told(found) == [("printer-1", "open", True), ("printer-2", "open", True)]
    (notice,) = named(found, "notice")
    assert notice.tags == {"pipeline": "printer", "notice": "silence"}
    assert tuple(notice.dimensions) == ("pipeline",)
    assert notice.fields["text"] == "all 2 series"


def test_series_that_stop_a_window_apart_are_one_notice_although_windows_wait() -> None:
    both = sorted(points(0, 30) + points(0, 40, "printer-2"), key=lambda point: point.time)
    with harness(waits=True) as udf:
        udf.points(both)
        found = udf.at(after(40 + DUE_S + 1))
    assert told(found) == [("printer-1", "open", True), ("printer-2", "open", True)]
    assert [notice.fields["text"] for notice in named(found, "notice")] == ["all 2 series"]


def test_a_trained_series_that_never_comes_is_silent(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = replace(model, trained_until="2023-11-14T22:00:00Z")
    monkeypatch.setattr(Store, "load", lambda *arguments: trained)
    with harness() as udf:
        found = udf.points(points(0, 120)) + udf.at(after(122))
    assert told(found) == [(key[0], "open", False) for key in model.scaling.keys if key != ("printer-1",)]


def test_metrics_tell_how_long_ago_the_history_of_the_model_ended(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = replace(model, trained_until="2023-11-14T22:00:00Z")
    monkeypatch.setattr(Store, "load", lambda *arguments: trained)
    with harness() as udf:
        udf.points(points(0, 30))
        udf.at(after(32))
        (metrics,) = udf.metrics()
    ended_s = int(datetime.fromisoformat("2023-11-14T22:00:00Z").timestamp())
    assert metrics.fields["model_age_s"] == after(32) // SECOND_NS - ended_s


@pytest.mark.parametrize("is_restarted", [False, True])
def test_history_that_is_imported_after_a_silence_tells_nothing_of_it_again(*, is_restarted: bool) -> None:
    """The points of a new series and of the one that was silent are an hour behind, and come in the order of time."""
    hour_ns = 3_600 * SECOND_NS
    old = points(0, 60) + points(0, 60, "printer-2")
    history = [replace(point, time=point.time - hour_ns) for point in sorted(old, key=lambda point: point.time)]
    with harness(waits=True) as udf:
        before = udf.points(points(0, 30)) + udf.at(after(130)) + udf.points(points(130, 200))
        assert told(before) == [("printer-1", "open", False), ("printer-1", "closed", False)]
        saved, now_ns = udf.snapshot(), udf.now_ns
        if not is_restarted:
            found = udf.feed_points(history) + udf.points(points(200, 300)) + udf.at(after(500))
    if is_restarted:
        with harness(now_ns=now_ns + SECOND_NS, restore=saved, waits=True) as udf:
            found = udf.feed_points(history) + udf.points(points(202, 300)) + udf.at(after(500))
    # Only the silence that begins with the end of all of it.
    assert [(row.time, row.fields["state"]) for row in named(found, "period")] == [(after(300), "open")]


def test_a_series_without_complete_windows_is_not_silent() -> None:
    lacking = [replace(point, fields={"bed": point.fields["bed"]}) for point in points(0, 200, "printer-2")]
    with harness() as udf:
        found = udf.points(sorted(points(0, 200) + lacking, key=lambda point: point.time))
    assert told(found) == []


def test_a_model_that_comes_late_finds_no_silence(models: Store, model: Model) -> None:
    (models.path / "current").unlink()
    with harness() as udf:
        found = udf.points(points(0, 200))
        models.promote(model.version)
        found += udf.points(points(200, 300))
    assert told(found) == []
    assert len(named(found, "score")) >= 8


def test_a_point_from_the_future_is_refused_told_once_and_its_series_goes_on() -> None:
    stray = replace(points(5, 6)[0], time=T0 + 10 * 365 * 86_400 * SECOND_NS)
    with harness() as udf:
        found = udf.feed_points([stray, *points(0, 1)]) + udf.feed_points([stray]) + udf.points(points(1, 40))
        assert udf.handler.events.counts["future points"] == 2
        assert len(named(found, "score")) >= 2
        (notice,) = named(found, "notice")
        assert notice.tags == {"pipeline": "printer", "printer": "printer-1", "notice": "clock"}
        assert tuple(notice.dimensions) == ("pipeline", "printer")
        assert "ahead of this host's clock: refused" in str(notice.fields["text"])
        closed = named(udf.points(points(40, 500)), "notice")
    assert [point.fields["state"] for point in closed] == ["closed"]
    assert closed[0].time == notice.time


def test_a_late_point_is_counted_and_names_its_window() -> None:
    with harness() as udf:
        udf.points(points(0, 40))
        found = udf.feed_points(points(12, 14))
        assert udf.handler.events.counts["late points"] == 2
    (late,) = named(found, "late")
    assert late.tags == {"pipeline": "printer", "printer": "printer-1"}
    assert late.time == after(10)
    assert late.fields == {"points": 2, "seen_ms": udf.now_ns // 1_000_000}


def test_a_slower_writer_is_scored_and_told() -> None:
    with harness() as udf:
        udf.points(points(0, 300))
        found = udf.points(points(300, 600, every=3))
    (notice,) = named(found, "notice")
    assert notice.tags["notice"] == "rate"
    assert "training saw 10" in str(notice.fields["text"])
    assert len(named(found, "score")) >= 20


def test_history_is_scored_and_marked() -> None:
    with harness(now_ns=T0 + 86_400 * SECOND_NS) as udf:
        found = udf.feed_points(points(0, 100))
    assert len(named(found, "score")) >= 8
    assert all(point.fields["history"] is True for point in named(found, "score"))


def test_a_clock_that_jumps_forward_closes_no_window_before_its_points_are_there() -> None:
    arriving = points(0, 160)
    with harness(waits=True) as udf:
        undisturbed = udf.points(arriving) + udf.at(after(190))
    with harness(waits=True) as udf:
        found = udf.points(arriving[:103])
        udf.now_ns += 600 * SECOND_NS
        for point in arriving[103:]:
            found += udf.at(udf.now_ns + SECOND_NS) + udf.feed_points([point])
        found += udf.at(udf.now_ns + 30 * SECOND_NS)
        assert udf.handler.events.counts.get("late points", 0) == 0
    assert named(found, "score") == named(undisturbed, "score")
    assert told(found) == []
    # Nobody can tell this jump from a pause in which points were lost, so a catch-up looks at the windows since.
    assert after(100) in {window.time for window in named(found, "late")}


# A year in windows of six hours, each of ten points.
YEARLY: Pipeline = normalize(
    [
        {
            "name": PIPELINE.name,
            "database": PIPELINE.database,
            "measurement": PIPELINE.measurement,
            "fields": list(FIELDS),
            "group_by": ["printer"],
            "window": "6h",
            "detector": "isolation_forest",
        }
    ]
)[0]
YEAR_WINDOWS = 365 * 4
YEAR_BEGIN_NS = (T0 // YEARLY.window_ns - YEAR_WINDOWS) * YEARLY.window_ns


@pytest.fixture
def yearly(model: Model, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A pipeline whose current model is that of the printers, of whom it knows windows of ten points."""
    trained = Model(model.version, YEARLY, model.scaling, model.detector, model.calibration, model.reference)
    monkeypatch.setattr(Store, "load", lambda *arguments: trained)
    return YEARLY


def a_year(printer: str) -> list[Point]:
    samples = printers.clean(7, YEAR_WINDOWS * 10)
    printers.break_down(samples, printers.Fault("offset", (1,), 7_000, 300, 9.0))
    return [
        Point(
            time=YEAR_BEGIN_NS + number * YEARLY.window_ns // 10,
            fields=dict(zip(FIELDS, row, strict=True)),
            tags={"printer": printer},
            name="temperature",
        )
        for number, row in enumerate(samples.tolist())
    ]


def imported(udf: Served, arriving: list[Point]) -> list[Point]:
    """What comes of points that are written 500 at a time, a second after each other."""
    found = []
    for at in range(0, len(arriving), 500):
        found += udf.feed_points(arriving[at : at + 500]) + udf.at(udf.now_ns + SECOND_NS)
    return found


def test_a_year_of_history_of_a_new_series_is_scored_once_whatever_its_order(yearly: Pipeline) -> None:
    year = a_year("printer-9")

    with harness(yearly, waits=True) as udf:
        in_order = imported(udf, year)
    with harness(yearly, waits=True) as udf:
        newest_first = imported(udf, year[::-1])
        # An older window could still come, until none has come for a window and the lateness.
        assert named(newest_first, "score") == []
        newest_first = udf.at(udf.now_ns + YEARLY.window_ns + YEARLY.lateness_ns + 60 * SECOND_NS)

    # The last window in order is still open.
    scores = named(in_order, "score")
    begins = [YEAR_BEGIN_NS + number * YEARLY.window_ns for number in range(YEAR_WINDOWS)]
    assert [score.time for score in scores] == begins[:-1]
    assert [score.time for score in named(newest_first, "score")] == begins
    assert named(newest_first, "score")[:-1] == scores
    assert periods(newest_first) == periods(in_order)
    # The newest window of the others is no older than what people are told of.
    assert all(score.fields["history"] for score in scores[:-1])
    assert 0 < len(periods(in_order)) < 20


def test_windows_begin_by_the_clock_and_a_silence_over_its_change_is_between_their_edges(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    (local,) = normalize([{**YEARLY.as_dict(), "timezone": "Europe/Berlin"}])
    trained = Model(model.version, local, model.scaling, model.detector, model.calibration, model.reference)
    monkeypatch.setattr(Store, "load", lambda *arguments: trained)

    def at(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp()) * SECOND_NS

    # The clock changes in the night to 27 October, and the series is silent for two days from the evening before on.
    begin_ns = at("2024-10-20T00:00:00+02:00")
    arriving = [replace(each, time=begin_ns + each.time - YEAR_BEGIN_NS) for each in a_year("printer-1")]
    silent_ns = at("2024-10-26T18:00:00+02:00"), at("2024-10-29T00:00:00+01:00")
    arriving = [each for each in arriving[:500] if not silent_ns[0] <= each.time < silent_ns[1]]
    with harness(local, now_ns=begin_ns + 365 * 86_400 * SECOND_NS) as udf:
        found = imported(udf, arriving)

    hours = {datetime.fromtimestamp(each.time / 1e9, timezone(local.timezone)).hour for each in named(found, "score")}
    assert hours == {0, 6, 12, 18}
    (silence,) = [each for each in named(found, "period") if each.fields["reason"] == "no data"]
    assert (silence.time, silence.fields["end_ms"] * 1_000_000) == silent_ns


def test_a_year_of_history_of_a_live_series_is_counted_and_changes_none_of_its_windows(yearly: Pipeline) -> None:
    year = a_year("printer-1")
    recent = [point for point in year if point.time >= year[-1].time - 3 * YEARLY.window_ns]
    now_ns = year[-1].time

    with harness(yearly, now_ns=now_ns, waits=True) as udf:
        undisturbed = imported(udf, recent)
    with harness(yearly, now_ns=now_ns, waits=True) as udf:
        found = udf.feed_points(recent) + imported(udf, year[: -len(recent)])
        counts = dict(udf.handler.events.counts)

    assert named(found, "score") == named(undisturbed, "score") != []
    # What a catch-up covers by itself, 100 windows here, is named for it; it must be told to look further back.
    covered = {window.time for window in named(found, "late") if window.fields["points"]}
    assert (recent[0].time - min(covered)) // YEARLY.window_ns in range(97, 101)
    assert counts["late points"] + counts["too old points"] == len(year) - len(recent)
    assert counts["too old points"] > len(year) - 102 * 10


@pytest.mark.parametrize("cut", range(100, 111))
def test_a_restart_at_any_point_of_a_window_changes_nothing(cut: int) -> None:
    broken = points(0, 100) + points(100, 150, bed=95.0) + points(150, 300)
    with harness() as udf:
        whole = udf.points(broken) + udf.at(after(301))
    with harness() as udf:
        before = udf.points(broken[:cut])
        saved, now_ns = udf.snapshot(), udf.now_ns
    with harness(now_ns=now_ns, restore=saved) as udf:
        found = before + udf.points(broken[cut:]) + udf.at(after(301))
    assert named(found, "score") == named(whole, "score")
    assert periods(found) == periods(whole)


def scored(found: list[Point]) -> dict[int, dict[str, Any]]:
    """The last score of each window."""
    return {point.time: dict(point.fields) for point in named(found, "score")}


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize(("killed", "back"), [(104, 107), (108, 113), (119, 121), (112, 148), (123, 190)])
def test_windows_that_a_kill_leaves_with_another_score_are_named(killed: int, back: int, *, silent: bool) -> None:
    # The state is of the second 97; a series that is silent later has its last points while nobody listens.
    end = back if silent else 300
    with harness() as udf:
        whole = udf.points(points(0, end)) + udf.at(after(400))
    with harness() as udf:
        found = udf.points(points(0, 97))
        saved = udf.snapshot()
        found += udf.points(points(97, killed))
    with harness(now_ns=after(back), restore=saved) as udf:
        later = udf.points(points(back, end)) + udf.at(after(400))
        assert udf.handler.events.counts["torn windows"] == len(named(later, "late"))
    expected, actual = scored(whole), scored(found + later)
    wrong = {time for time in actual if actual[time] != expected[time]}
    late = named(later, "late")
    assert wrong
    assert wrong <= {point.time for point in late}
    # Each is named once, and none of those that were closed in the state or came after.
    assert [point.time for point in late] == sorted({point.time for point in late})
    assert all(after(90) <= point.time <= after(back) for point in late)
    assert {point.fields["points"] for point in late} == {0}
    assert all(int(point.fields["seen_ms"]) > point.time // 1_000_000 for point in late)


def test_the_window_in_which_an_import_was_interrupted_at_its_begin_is_named() -> None:
    hour_ns = 3_600 * SECOND_NS
    history = [replace(point, time=point.time - hour_ns) for point in points(13, 40, "printer-2")]
    with harness() as udf:
        udf.points(points(0, 9))
        saved = udf.snapshot()
    # The first three of its points came while nobody listened.
    with harness(now_ns=after(13), restore=saved) as udf:
        found = []
        for point in history:
            found += udf.at(point.time + hour_ns) + udf.feed_points([point])
        found += udf.at(after(60))
    mine = [point for point in found if point.tags["printer"] == "printer-2"]
    assert [point.time + hour_ns for point in named(mine, "score")] == [after(10), after(20), after(30)]
    assert [point.time + hour_ns for point in named(mine, "late")] == [after(10)]


def test_no_window_is_named_while_there_is_no_model(models: Store) -> None:
    with harness() as udf:
        udf.points(points(0, 35))
        saved = udf.snapshot()
    (models.path / "current").unlink()
    with harness(now_ns=after(52), restore=saved) as udf:
        assert named(udf.points(points(52, 100)), "late") == []


def test_a_quiet_series_is_forgotten_and_its_silence_ends() -> None:
    pipeline = normalize([{**PIPELINE.as_dict(), "forget": "2m"}])[0]
    with harness(pipeline) as udf:
        udf.points(points(0, 30))
        found = udf.at(after(240))
        assert told(found) == [("printer-1", "open", False), ("printer-1", "closed", False)]
        assert udf.handler.events.counts["forgotten series"] == 1
        assert len(udf.handler.groups) == 0
        assert udf.snapshot() == b""
        again = udf.points(points(250, 270)) + udf.at(after(272))
    assert len(named(again, "score")) == 2


def test_a_forgotten_series_leaves_no_open_notice() -> None:
    pipeline = normalize([{**PIPELINE.as_dict(), "forget": "2m"}])[0]
    with harness(pipeline) as udf:
        found = udf.points(points(0, 100)) + udf.points(points(100, 300, every=3))
        found += udf.at(after(600))
    assert udf.handler.events.counts["forgotten series"] == 1
    assert [(notice.tags["notice"], notice.fields["state"]) for notice in named(found, "notice")] == [
        ("rate", "open"),
        ("rate", "closed"),
    ]


def test_series_beyond_the_memory_are_evicted_counted_and_told() -> None:
    pipeline = normalize([{**PIPELINE.as_dict(), "memory": "8MiB"}])[0]
    with harness(pipeline) as udf:
        most = udf.handler.most_groups
        for number in range(most + 5):
            udf.feed_points(points(number % 10, number % 10 + 1, f"p{number}"))
        assert udf.handler.events.counts["evicted series"] >= 5
        assert len(udf.handler.groups) <= most
        assert any("`memory` is enough for" in line for line in udf.log)


def test_a_series_that_cannot_be_scored_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    judge_many = Model.judge_many

    def fails(self: Model, followers: Any, row: Any, *more: Any) -> Any:
        if self.row(("printer-2",)) in np.atleast_1d(row):
            raise FloatingPointError("no way")
        return judge_many(self, followers, row, *more)

    monkeypatch.setattr(Model, "judge_many", fails)
    both = sorted(points(0, 30) + points(0, 30, "printer-2"), key=lambda point: point.time)
    with harness() as udf:
        found = udf.points(both) + udf.at(after(31))
        assert udf.handler.events.counts["failed windows"] == 3
    assert {point.tags["printer"] for point in named(found, "score")} == {"printer-1"}
    assert len(named(found, "score")) == 3


@pytest.mark.parametrize("lost", ["before scoring", "after scoring", "with one point"])
def test_nothing_is_lost_by_a_call_that_raises(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = points(0, 30) + points(30, 60, bed=95.0) + points(60, 90)
    with harness() as udf:
        whole = udf.points(broken) + udf.at(after(91))
    owner, method = {
        "before scoring": (ScoringCore, "feed_together"),
        "after scoring": (Shadow, "feed"),
        "with one point": (Assembler, "add"),
    }[lost]
    unbroken, left = getattr(owner, method), [MemoryError("no room")]
    with harness(strict=False) as udf:

        def short(*arguments: Any) -> Any:
            if left and udf.now_ns >= after(40):
                raise left.pop()
            return unbroken(*arguments)

        monkeypatch.setattr(owner, method, short)
        found = udf.points(broken) + udf.at(after(91))
        interrupted = udf.handler.events.counts.get("interrupted windows", 0)
    assert not left
    assert interrupted == (lost != "after scoring")
    late = {point.time for point in named(found, "late")}
    if lost == "after scoring":
        assert not late
        assert named(found, "score") == named(whole, "score")
        assert periods(found) == periods(whole)
    else:
        assert late == {after(40 if lost == "with one point" else 30)}
        scores, right = scored(found), scored(whole)
        missing = right.keys() - scores.keys()
        assert missing == (late if lost == "before scoring" else set())


def test_points_replace_each_other_as_in_influxdb() -> None:
    with harness() as udf:
        (expected,) = named(udf.points(points(0, 10)) + udf.at(after(11)), "score")
    with harness() as udf:
        wrong = points(3, 4, bed=1e6)
        found = udf.feed_points(wrong) + udf.points(points(0, 10)) + udf.at(after(11))
    (score,) = named(found, "score")
    assert score.fields["score"] == pytest.approx(expected.fields["score"], rel=1e-9)


def test_a_damaged_snapshot_starts_cold() -> None:
    with harness() as udf:
        udf.points(points(0, 35))
        saved = udf.snapshot()
    with Served(now_ns=T0, restore=saved[:-20] + bytes(20)) as udf:
        assert udf.handler.snapshot() == b""


class TestInvalidValues:
    """A broken sensor's codes: neither scored nor silent about."""

    FIELDS = ("hotend", {"name": "bed", "valid": [0, 120]}, "air")

    @pytest.fixture
    def pipeline(self, models: Store, model: Model) -> Pipeline:
        """A pipeline whose bed has valid values, with a model of that kind."""
        (pipeline,) = normalize([{**PIPELINE.as_dict(), "fields": list(self.FIELDS)}])
        models.write(replace(model, pipeline=pipeline, version="valid"))
        models.promote("valid")
        return pipeline

    def test_they_are_counted_and_not_scored_and_told_when_they_last(self, pipeline: Pipeline) -> None:
        with harness(pipeline) as udf:
            before = udf.points(points(0, 40))
            found = udf.points(points(40, 80, bed=850.0))
            after_it = udf.points(points(80, 140))
            assert udf.handler.events.counts["invalid values"] == 40
            assert udf.handler.events.counts["incomplete windows"] == 4
        scores = [point.time for point in named(before + found + after_it, "score")]
        assert scores == [after(second) for second in (*range(0, 40, 10), *range(80, 130, 10))]
        (notice,) = named(found, "notice")
        assert notice.tags == {"pipeline": "printer", "printer": "printer-1", "notice": "invalid"}
        assert notice.time == after(40)
        assert notice.fields["text"] == "bed is 850, which is not a measurement (valid is 0 to 120)"
        assert [(each.time, each.fields["state"]) for each in named(after_it, "notice")] == [(after(40), "closed")]
        assert named(found + after_it, "period") == []

    def test_a_window_with_one_is_scored_by_its_other_points(self, pipeline: Pipeline) -> None:
        whole, spoilt = points(0, 10), points(0, 10)
        whole[4] = replace(whole[4], fields={name: whole[4].fields[name] for name in ("hotend", "air")})
        spoilt[4] = replace(spoilt[4], fields={**spoilt[4].fields, "bed": -127.0})
        values = []
        for arriving in (whole, spoilt):
            with harness(pipeline) as udf:
                (score,) = named(udf.points(arriving) + udf.at(after(11)), "score")
                values.append({name: value for name, value in score.fields.items() if name != "model"})
        assert values[0] == values[1]

    def test_one_replaces_the_value_that_its_point_had_and_is_replaced_as_in_influxdb(self, pipeline: Pipeline) -> None:
        lacking, whole, spoilt = points(0, 10), points(0, 10), points(4, 5, bed=-127.0)
        lacking[4] = replace(lacking[4], fields={name: lacking[4].fields[name] for name in ("hotend", "air")})
        values = []
        for arriving in (lacking, whole + spoilt, whole, whole[:4] + spoilt + whole[4:]):
            with harness(pipeline) as udf:
                (score,) = named(udf.feed_points(arriving) + udf.at(after(11)), "score")
                values.append({name: value for name, value in score.fields.items() if name != "model"})
        assert values[0] == values[1] != values[2]
        assert values[2] == values[3]

    def test_a_point_from_far_ahead_keeps_no_values_quiet_that_last(self, pipeline: Pipeline) -> None:
        stray = replace(points(5, 6, bed=850.0)[0], time=T0 + 10 * 365 * 86_400 * SECOND_NS)
        with harness(pipeline) as udf:
            udf.feed_points([stray])
            found = udf.points(points(0, 40, bed=850.0))
        assert [each.time for each in named(found, "notice") if each.tags["notice"] == "invalid"] == [after(0)]

    def test_a_forgotten_series_leaves_no_open_notice(self, pipeline: Pipeline) -> None:
        (short,) = normalize([{**pipeline.as_dict(), "forget": "2m"}])
        with harness(short) as udf:
            opened = named(udf.points(points(0, 60, bed=-127.0)), "notice")
            closed = named(udf.at(after(400)), "notice")
            assert udf.handler.events.counts["forgotten series"] == 1
        assert [each.fields["state"] for each in opened] == ["open"]
        told = [(each.time, each.fields["state"]) for each in closed if each.tags["notice"] == "invalid"]
        assert told == [(after(0), "closed")]

    def test_a_restart_goes_on(self, pipeline: Pipeline) -> None:
        with harness(pipeline) as udf:
            udf.points(points(0, 60, bed=-127.0))
            saved, now_ns = udf.snapshot(), udf.now_ns
        with harness(pipeline, now_ns=now_ns, restore=saved) as udf:
            closed = named(udf.points(points(60, 110)), "notice")
        assert [(each.time, each.fields["state"]) for each in closed] == [(after(0), "closed")]
