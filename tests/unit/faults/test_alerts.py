"""What people were told, against the periods of an undisturbed run."""

import json
from dataclasses import replace
from pathlib import Path

from anomaly.influxdb.times import TimeRange
from anomaly.pipeline import normalize
from tests.faults.alerts import (
    Alert,
    calm,
    levels,
    on_its_way,
    read_alerts,
    stray,
    told_at_other_levels,
    told_twice,
    under_way,
    untold,
    without_all_clear,
)
from tests.unit.anomaly import printers

SECOND_NS = 1_000_000_000
WINDOW_NS = 2 * SECOND_NS
TOLD = Alert(("p001", 100 * SECOND_NS), "WARNING")
PERIODS = {TOLD.place: {"state": "closed", "end_ms": 120_000}}
ENDS_NS = {TOLD.place: 120 * SECOND_NS}
CLEARED = Alert(TOLD.place, "OK", 120 * SECOND_NS)


def results(time: str, **fields: object) -> dict[str, object]:
    """What Kapacitor hands to handlers with an alert: the result that made it."""
    named = {"time": time, **fields}
    return {"series": [{"name": "period", "columns": list(named), "values": [list(named.values())]}]}


def test_alerts_of_periods_are_read_with_their_series_and_begin(tmp_path: Path) -> None:
    path = tmp_path / "alerts.log"
    alerts = [
        {"id": "pipeline=faults,printer=p001 period", "time": "1970-01-01T00:01:40Z", "level": "WARNING"},
        {"id": "pipeline=faults,printer=p001 silence", "time": "1970-01-01T00:01:40Z", "level": "WARNING"},
    ]
    path.write_text("".join(json.dumps(alert) + "\n" for alert in alerts))
    assert read_alerts(path) == [TOLD]
    assert read_alerts(tmp_path / "none") == []


def test_an_all_clear_is_read_with_the_end_of_its_period_or_the_time_of_a_later_score(tmp_path: Path) -> None:
    path = tmp_path / "alerts.log"
    closed, quiet = "1970-01-01T00:01:40.25Z", "1970-01-01T00:02:30Z"
    alert = {"id": "pipeline=faults,printer=p002 period", "level": "OK"}
    alerts = [
        {**alert, "time": closed, "data": results(closed, state="closed", end_ms=120_000)},
        {**alert, "time": quiet, "data": results(quiet, state="", end_ms=0)},
    ]
    path.write_text("".join(json.dumps(alert) + "\n" for alert in alerts))
    assert read_alerts(path) == [
        Alert(("p002", 100_250_000_000), "OK", 120 * SECOND_NS),
        Alert(("p002", 150 * SECOND_NS), "OK", 150 * SECOND_NS),
    ]


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


def test_an_alert_that_was_invented_or_is_of_another_series_is_stray() -> None:
    invented = Alert(("p001", 90 * SECOND_NS), "INFO")
    other = Alert(("p002", 100 * SECOND_NS), "INFO")
    assert not stray([TOLD, CLEARED], PERIODS, [], WINDOW_NS)
    assert stray([invented, TOLD, other], PERIODS, [], WINDOW_NS) == {invented.place, other.place}
    assert stray([TOLD], {}, [], WINDOW_NS) == {TOLD.place}


def test_an_alert_may_begin_within_its_period_only_where_something_was_broken() -> None:
    def is_stray(begin_s: int, name: str = "p001") -> bool:
        broken = [TimeRange(100 * SECOND_NS, 130 * SECOND_NS)]
        return bool(stray([Alert((name, begin_s * SECOND_NS), "INFO")], PERIODS, broken, WINDOW_NS))

    assert [is_stray(begin_s) for begin_s in (97, 98, 102, 119, 120, 126)] == [True, False, False, False, True, True]
    assert is_stray(102, "p002")
    calm_at = Alert(("p001", 102 * SECOND_NS), "INFO")
    assert stray([calm_at], PERIODS, [TimeRange(0, 101 * SECOND_NS)], WINDOW_NS) == {calm_at.place}
    assert stray([calm_at], PERIODS, [TimeRange(105 * SECOND_NS, 130 * SECOND_NS)], WINDOW_NS) == {calm_at.place}


def test_a_period_is_told_at_the_levels_that_its_severity_reaches() -> None:
    limits = replace(normalize([printers.PIPELINE.as_dict()])[0].alerts, info=50.0, warning=87.5, critical=100.0)
    assert levels([49.0, 50.0, 87.4, 87.5, 99.0, 100.0], limits) == ["INFO", "WARNING", "CRITICAL"]
    assert levels([100.0, 100.0], limits) == ["CRITICAL"]
    assert levels([49.0], limits) == []


def test_a_level_that_is_missing_wrong_or_in_another_order_is_found() -> None:
    expected = {TOLD.place: ["WARNING", "CRITICAL"]}
    risen = Alert(TOLD.place, "CRITICAL")
    assert not told_at_other_levels([TOLD, risen, CLEARED], expected)
    for wrong in ([TOLD], [risen, TOLD], [Alert(TOLD.place, "INFO"), TOLD, risen], [TOLD, TOLD, risen]):
        assert told_at_other_levels(wrong, expected) == {TOLD.place}
    # What nobody was told of is found by `untold`.
    assert not told_at_other_levels([CLEARED], expected)


def test_an_all_clear_that_is_missing_early_or_after_the_next_alert_is_found() -> None:
    other, of_another = (
        Alert(("p001", 140 * SECOND_NS), "INFO"),
        Alert(("p002", 110 * SECOND_NS), "OK", 130 * SECOND_NS),
    )
    early = replace(CLEARED, over_ns=CLEARED.over_ns - 1)
    assert not without_all_clear([TOLD, of_another, CLEARED, other], ENDS_NS)
    for wrong in ([TOLD], [TOLD, of_another], [CLEARED, TOLD], [TOLD, early], [TOLD, other, CLEARED]):
        assert without_all_clear(wrong, ENDS_NS) == {TOLD.place}
    assert not without_all_clear([CLEARED], ENDS_NS)
