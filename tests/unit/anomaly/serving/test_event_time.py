"""The UDF and the clock: late points, points from the future, silence, restarts, and series that come and go."""

from dataclasses import replace
from typing import Any

import pytest

from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import normalize
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


def test_a_trained_series_that_never_comes_is_silent(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = replace(model, trained_until="2023-11-14T22:00:00Z")
    monkeypatch.setattr(Store, "load", lambda *arguments: trained)
    with harness() as udf:
        found = udf.points(points(0, 120)) + udf.at(after(122))
    assert told(found) == [(key[0], "open", False) for key in model.scaling.keys if key != ("printer-1",)]


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
    judge = Model.judge

    def fails(self: Model, follower: Any, key: Any, *more: Any) -> Any:
        if key == ("printer-2",):
            raise FloatingPointError("no way")
        return judge(self, follower, key, *more)

    monkeypatch.setattr(Model, "judge", fails)
    both = sorted(points(0, 30) + points(0, 30, "printer-2"), key=lambda point: point.time)
    with harness() as udf:
        found = udf.points(both) + udf.at(after(31))
        assert udf.handler.events.counts["failed windows"] == 3
    assert {point.tags["printer"] for point in named(found, "score")} == {"printer-1"}
    assert len(named(found, "score")) == 3


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
