"""A pipeline as a value: its defaults, its fields and their rules, its fingerprint."""

import math
from typing import Any

import pytest

from anomaly.pipeline import (
    Field,
    Fill,
    canonical_json,
    normalize,
    parse,
    parse_duration,
)
from anomaly.pipeline.bounds import Bounds
from tests.unit.anomaly.pipeline.minimal import MINIMAL, one

DAY_NS = 86_400 * 10**9


def test_defaults() -> None:
    assert one().as_dict() == {
        **MINIMAL,
        "enabled": True,
        "retention_policy": "autogen",
        "group_by": [],
        "aggregate": ["mean", "stddev"],
        "missing": "skip",
        "fill": "none",
        "lateness": "10s",
        "future": "5m",
        "forget": "1w",
        "memory": "256MiB",
        "detector": "ensemble",
        "parameters": {"trees": 100, "samples": 256, "context": [], "models": "pooled"},
        "seasonality": "1d",
        "training": {"from": "24h", "to": "0s", "on_drift": False},
        "periods": {"open": 75.0, "close": 50.0, "silence": "1m", "merge": "1m"},
        "drift": {"horizon": "1d", "psi": 0.25},
        "alerts": {
            "kinds": ["period", "silence", "drift", "clock", "rate", "invalid"],
            "info": 0.0,
            "warning": 87.5,
            "critical": 100.0,
            "age": "1h",
        },
    }


@pytest.mark.parametrize(
    ("window", "severities"), [("1h", (75, 50)), ("6h", (75, 59)), ("1d", (77, 67)), ("2d", (81, 71))]
)
def test_long_windows_get_greater_severities(window: str, severities: tuple[int, int]) -> None:
    periods = one(window=window).periods
    assert (periods.open, periods.close) == severities


@pytest.mark.parametrize(
    ("alerts", "levels"), [({}, (0, 87.5, 100)), ({"info": 90}, (90, 90, 100)), ({"warning": 75}, (0, 75, 100))]
)
def test_what_is_told_from_a_severity_on_is_a_warning_at_that_severity_at_the_earliest(
    alerts: dict[str, float], levels: tuple[float, float, float]
) -> None:
    found = one(alerts=alerts).alerts
    assert (found.info, found.warning, found.critical) == levels


@pytest.mark.parametrize(("window", "lateness"), [("1ms", "1ms"), ("1m", "1m"), ("5m", "5m"), ("1h", "5m")])
def test_a_window_waits_for_late_points_for_its_own_length_and_five_minutes_at_most(window: str, lateness: str) -> None:
    pipeline = one(window=window)
    assert pipeline.lateness == lateness
    assert pipeline.lateness_ns == parse_duration(lateness)


def test_a_series_is_not_forgotten_before_it_is_silent() -> None:
    assert one().forget_ns == 7 * DAY_NS
    assert one(window="1d").forget_ns == 24 * DAY_NS
    assert one(periods={"silence": "2d"}).forget == "8d"
    assert one(periods={"silence": "200d"}).forget == "800d"
    assert one(periods={"silence": "2d"}, forget="4d").forget == "4d"


def test_a_window_is_not_history_when_it_is_scored() -> None:
    assert [one(window=window).alerts.age for window in ("10s", "1h", "1d")] == ["1h", "130m", "2890m"]
    assert one(alerts={"age": "90m"}).alerts.age_ns == 5_400 * 10**9


@pytest.mark.parametrize(
    ("fill", "expected"),
    [("none", Fill()), ({"previous": "60m"}, Fill("previous", "1h"))],
)
def test_fill_is_none_or_has_a_bound(fill: Any, expected: Fill) -> None:
    pipeline = one(fill=fill)
    assert pipeline.fill == expected
    assert pipeline.fill.bound_ns == (3_600 * 10**9 if expected.bound else 0)
    assert normalize([pipeline.as_dict()]) == [pipeline]


def test_a_size_is_kept_in_its_shortest_notation() -> None:
    assert [one(memory=memory).memory for memory in ("512MiB", "2048MiB", "1536MiB")] == ["512MiB", "2GiB", "1536MiB"]
    assert one(memory="1GiB").memory_bytes == 2**30


def test_a_field_is_a_name_or_a_mapping_and_the_shortest_is_kept() -> None:
    hotend = {"name": "hotend", "unit": "°C", "direction": "high", "min_deviation": 2.0}
    pipeline = one(fields=[hotend, {"name": "bed", "direction": "both", "min_deviation": 0}, "air"])
    assert pipeline.fields == ("hotend", "bed", "air")
    assert pipeline.watched == (Field("hotend", "°C", "high", 2.0), Field("bed"), Field("air"))
    assert pipeline.as_dict()["fields"] == [hotend, "bed", "air"]
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert parse(canonical_json(pipeline)) == pipeline
    assert list(map(str, pipeline.watched)) == [
        "hotend in °C: only what is higher than usual counts, and a deviation of at most 2 °C is normal",
        "bed",
        "air",
    ]


def test_a_counter_is_watched_by_its_rate() -> None:
    pipeline = one(fields=[{"name": "bytes_recv", "unit": "B/s", "rate": "60s"}, "bed"])
    assert pipeline.as_dict()["fields"] == [{"name": "bytes_recv", "unit": "B/s", "rate": "1m"}, "bed"]
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert pipeline.sources == pipeline.fields == ("bytes_recv", "bed")
    assert pipeline.is_derived
    assert str(pipeline.watched[0]) == "bytes_recv in B/s: its increase for each 1m is watched"
    assert not one().is_derived


def test_an_expression_is_watched_under_its_name() -> None:
    pipeline = one(fields=[{"name": "share", "expression": "errors / requests", "unit": "%"}, "requests"])
    assert pipeline.fields == ("share", "requests")
    assert pipeline.sources == ("errors", "requests")
    assert pipeline.needs_points
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert str(pipeline.watched[0]) == "share in %: errors / requests is watched"


RULES = {"name": "bed", "min_deviation": "12.5%", "limits": [None, 95.0], "valid": [-40.0, 125.0]}
OVERRIDES = [
    {"where": {"printer": ["p1", "p2"]}, "fields": [{"name": "bed", "min_deviation": 3.0, "limits": [0.0, 99.0]}]},
    {"where": {"printer": "p2"}, "fields": [{"name": "bed", "limits": [0.0, 50.0]}]},
]


def test_plain_rules_of_a_field_are_kept_and_said() -> None:
    pipeline = one(fields=["hotend", RULES])
    assert pipeline.as_dict()["fields"] == ["hotend", RULES]
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert pipeline.needs_points
    assert str(pipeline.watched[1]) == (
        "bed: a deviation of at most 12.5% of the baseline is normal, and what is not at most 95 is always "
        "anomalous, and what is not -40 to 125 is not a measurement"
    )


def test_an_override_changes_what_it_names_and_the_later_one_holds() -> None:
    pipeline = one(fields=["hotend", RULES], group_by=["printer"], overrides=OVERRIDES)
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert pipeline.as_dict()["overrides"] == OVERRIDES
    rules = [pipeline.watched_of((printer,))[1].entry() for printer in ("p0", "p1", "p2")]
    assert rules == [
        RULES,
        {**RULES, "min_deviation": 3.0, "limits": [0.0, 99.0]},
        {**RULES, "min_deviation": 3.0, "limits": [0.0, 50.0]},
    ]


def test_an_override_may_take_a_deviation_back_beside_other_rules() -> None:
    taken_back = {"name": "bed", "min_deviation": 0, "limits": [0.0, 50.0]}
    overrides = [{"where": {"printer": "p1"}, "fields": [taken_back]}]
    pipeline = one(fields=["hotend", RULES], group_by=["printer"], overrides=overrides)
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert pipeline.watched_of(("p1",))[1].least == ""
    assert pipeline.watched_of(("p0",))[1].least != ""


def test_a_side_of_bounds_that_is_infinite_is_none() -> None:
    pipeline = one(fields=[{"name": "a", "limits": [-math.inf, 9]}])
    assert pipeline.watched[0].entry() == {"name": "a", "limits": [None, 9.0]}


def test_several_measurements_are_a_tag_of_their_series() -> None:
    pipeline = one(measurement=["°C", "%"], group_by=["room"])
    assert pipeline.measurements == ("°C", "%")
    assert pipeline.group_by == pipeline.result_tags == ("measurement", "room")
    assert pipeline.point_tags == ("room",)
    assert pipeline.as_dict()["measurement"] == ["°C", "%"]
    assert pipeline.as_dict()["group_by"] == ["room"]
    assert pipeline.fingerprint != one(measurement=["%", "lx"], group_by=["room"]).fingerprint


@pytest.mark.parametrize("measurement", ["/", "//", "/x", "x/", "a/b"])
def test_what_does_not_stand_between_slashes_is_a_name(measurement: str) -> None:
    pipeline = one(measurement=measurement)
    assert (pipeline.measurement, pipeline.is_by_measurement) == (measurement, False)


def test_a_measurement_between_slashes_is_a_pattern() -> None:
    pipeline = one(measurement="/a/b/", group_by=["room"])
    assert pipeline.patterns.measurement is not None
    assert pipeline.patterns.measurement.holds("xa/by")
    assert pipeline.measured == pipeline.as_dict()["measurement"] == "/a/b/"
    assert pipeline.group_by == ("measurement", "room")


def test_rules_may_differ_by_measurement() -> None:
    override = {"where": {"measurement": "%"}, "fields": [{"name": "value", "valid": [0, 100]}]}
    pipeline = one(measurement=["°C", "%"], fields=["value"], group_by=["room"], overrides=[override])
    assert pipeline.watched_of(("%", "hall"))[0].valid == Bounds(0.0, 100.0)
    assert pipeline.watched_of(("°C", "hall"))[0].valid is None


def test_limits_change_no_fingerprint() -> None:
    limits = {"name": "bed", "limits": [0, 90]}
    overrides = [{"where": {"printer": "p1"}, "fields": [limits]}]
    grouped = one(group_by=["printer"])
    limited = one(fields=["hotend", limits], group_by=["printer"], overrides=overrides)
    assert limited.fingerprint == grouped.fingerprint
    assert one(group_by=["printer"], overrides=OVERRIDES).fingerprint != grouped.fingerprint


def test_the_fingerprint_changes_with_what_changes_scores_and_with_nothing_else() -> None:
    fingerprint = one().fingerprint
    assert len(fingerprint) == 12
    assert int(fingerprint, 16) >= 0
    changes: tuple[dict[str, Any], ...] = (
        {"fields": ["bed", "hotend"]},
        {"window": "20s"},
        {"aggregate": ["mean"]},
        {"parameters": {"trees": 50}},
        {"group_by": ["x"]},
        {"measurement": "m"},
        {"fields": ["hotend", {"name": "bed", "direction": "low"}]},
        {"missing": "usual"},
        {"fill": {"previous": "1h"}},
        {"seasonality": "1w"},
        {"seasonality": ["1d", "1w"]},
        {"timezone": "Europe/Berlin"},
        {"fields": ["hotend", {"name": "bed", "min_deviation": 1}]},
        {"fields": ["hotend", {"name": "bed", "rate": "1s"}]},
        {"fields": ["hotend", {"name": "bed", "min_deviation": "1%"}]},
        {"fields": ["hotend", {"name": "bed", "expression": "bed - hotend"}]},
        {"fields": ["hotend", {"name": "bed", "valid": [0, 100]}]},
    )
    for change in changes:
        assert one(**change).fingerprint != fingerprint
    changes = (
        {"name": "other"},
        {"enabled": False},
        {"kapacitor": "k2"},
        {"training": {"from": "7d"}},
        {"training": {"every": "7d", "on_drift": True}},
        {"periods": {"open": 90}},
        {"drift": {"psi": 0.1}},
        {"alerts": {"kinds": []}},
        {"window": "10000ms"},
        {"parameters": {"trees": 100}},
        {"missing": "skip"},
        {"fill": "none"},
        {"lateness": "30s"},
        {"future": "1m"},
        {"forget": "1d"},
        {"memory": "1GiB"},
        {"alerts": {"age": "2h"}},
        {"seasonality": "24h"},
        {"seasonality": ["1d"]},
        {"timezone": "UTC"},
        {"fields": ["hotend", {"name": "bed", "unit": "°C", "direction": "both", "min_deviation": 0}]},
    )
    for change in changes:
        assert one(**change).fingerprint == fingerprint


@pytest.mark.parametrize(
    ("zone", "window", "is_local"),
    [
        # A clock that never changes moves no windows; those that begin at the same times in UTC are cut there.
        ("Asia/Kolkata", "10s", False),
        ("Asia/Kolkata", "30m", False),
        ("Asia/Kolkata", "1h", True),
        ("Asia/Kolkata", "1d", True),
        ("Asia/Kathmandu", "10m", True),
        ("America/Sao_Paulo", "1h", False),
        ("America/Sao_Paulo", "1d", True),
        ("Etc/UTC", "1d", False),
        ("Europe/Berlin", "1h", False),
        ("Europe/Berlin", "2h", True),
        ("Europe/London", "2h", True),
        ("Australia/Lord_Howe", "30m", False),
        ("Australia/Lord_Howe", "1h", True),
        # By the clock, the hour that is shown twice would be an odd window. In UTC, all windows stay whole.
        ("Australia/Adelaide", "1h", False),
        ("Australia/Adelaide", "2h", True),
        ("Pacific/Chatham", "30m", False),
    ],
)
def test_windows_begin_by_a_clock_that_cuts_others_than_utc(zone: str, window: str, is_local: bool) -> None:
    assert one(timezone=zone, window=window).windows_zone == (zone if is_local else "UTC")


def test_the_horizon_of_drift_is_a_day_or_a_hundred_windows() -> None:
    assert [one(window=window).drift.horizon for window in ("10s", "15m", "1d")] == ["1d", "25h", "100d"]


def test_differences_name_key_and_both_values() -> None:
    assert one(window="1m").differences(one().as_dict()) == ['window: "10s" in the model, "1m" in the pipeline']
    # Written before there was such a key.
    older = {key: value for key, value in one().as_dict().items() if key not in ("missing", "fill", "seasonality")}
    assert one(missing="usual").differences(older) == ['missing: "skip" in the model, "usual" in the pipeline']
    assert one(seasonality="1w").differences(older) == ['seasonality: "1d" in the model, "1w" in the pipeline']
    assert one(fill={"previous": "1h"}).differences(older) == [
        'fill: "none" in the model, {"previous": "1h"} in the pipeline'
    ]
    assert one().differences(older) == []
    before = one(fields=["hotend", {"name": "bed", "unit": "°C"}])
    assert one(fields=["hotend", {"name": "bed", "unit": "K", "min_deviation": 2}]).differences(before.as_dict()) == [
        'fields: ["hotend", "bed"] in the model, ["hotend", {"name": "bed", "min_deviation": 2.0}] in the pipeline'
    ]
