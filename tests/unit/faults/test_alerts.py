"""What people were told, against the periods of an undisturbed run."""

import json
from pathlib import Path

from anomaly.influxdb.times import TimeRange
from tests.faults.alerts import Alert, calm, on_its_way, read_alerts, told_twice, under_way, untold

SECOND_NS = 1_000_000_000
TOLD = Alert(("p001", 100 * SECOND_NS), "WARNING")
PERIODS = {TOLD.place: {"state": "closed", "end_ms": 120_000}}


def test_alerts_of_periods_are_read_with_their_series_and_begin(tmp_path: Path) -> None:
    path = tmp_path / "alerts.log"
    alerts = [
        {"id": "pipeline=faults,printer=p001 period", "time": "1970-01-01T00:01:40Z", "level": "WARNING"},
        {"id": "pipeline=faults,printer=p001 silence", "time": "1970-01-01T00:01:40Z", "level": "WARNING"},
        {"id": "pipeline=faults,printer=p002 period", "time": "1970-01-01T00:01:40.25Z", "level": "OK"},
    ]
    path.write_text("".join(json.dumps(alert) + "\n" for alert in alerts))
    assert read_alerts(path) == [TOLD, Alert(("p002", 100_250_000_000), "OK")]
    assert read_alerts(tmp_path / "none") == []


def test_a_level_that_rises_tells_nothing_twice() -> None:
    assert not told_twice([TOLD, Alert(TOLD.place, "CRITICAL"), Alert(TOLD.place, "OK"), Alert(TOLD.place, "OK")])
    assert told_twice([TOLD, Alert(TOLD.place, "OK"), TOLD]) == {TOLD.place}


def test_what_kapacitor_told_and_had_not_kept_may_come_once_more() -> None:
    assert not told_twice([TOLD, TOLD], [TOLD])
    assert told_twice([TOLD, TOLD, TOLD], [TOLD]) == {TOLD.place}
    assert told_twice([TOLD, TOLD], [Alert(TOLD.place, "CRITICAL")]) == {TOLD.place}


def test_an_alert_was_on_its_way_if_it_was_told_just_before_the_kill(tmp_path: Path) -> None:
    path = tmp_path / "alerts.log"
    assert on_its_way(path, 0) == []
    told = {"id": "pipeline=faults,printer=p001 period", "time": "1970-01-01T00:01:40Z"}
    path.write_text("".join(json.dumps({**told, "level": level}) + "\n" for level in ("INFO", "WARNING")))
    written_ns = path.stat().st_mtime_ns
    assert on_its_way(path, written_ns + SECOND_NS) == [TOLD]
    assert on_its_way(path, written_ns + SECOND_NS + 1) == []


def test_periods_that_are_not_over_are_under_way() -> None:
    other = Alert(("p002", 7 * SECOND_NS), "INFO")
    earlier = Alert(("p001", 5 * SECOND_NS), "INFO")
    over = Alert(earlier.place, "OK")
    assert under_way([earlier, over, other, TOLD]) == [other, TOLD]
    assert under_way([TOLD, Alert(TOLD.place, "OK")]) == []


def test_a_period_is_calm_if_nothing_was_broken_until_it_was_over() -> None:
    margin_ns = 10 * SECOND_NS
    for begin_s, end_s, is_calm in ((0, 99, True), (0, 100, False), (110, 111, False), (130, 140, False)):
        broken = [TimeRange(begin_s * SECOND_NS, end_s * SECOND_NS)]
        assert calm(PERIODS, broken, margin_ns) == ({TOLD.place} if is_calm else set())
    assert calm(PERIODS, [TimeRange(131 * SECOND_NS, 140 * SECOND_NS)], margin_ns) == {TOLD.place}
    assert not calm({TOLD.place: {"state": "open", "end_ms": 120_000}}, [], margin_ns)


def test_a_period_without_an_alert_or_with_an_ok_alone_is_untold() -> None:
    assert not untold([TOLD], {TOLD.place})
    assert untold([Alert(TOLD.place, "OK")], {TOLD.place}) == {TOLD.place}
