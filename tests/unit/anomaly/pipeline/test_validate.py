"""The specification: defaults, every kind of mistake with its message, canonical JSON, fingerprint."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from anomaly.pipeline import (
    Field,
    Fill,
    Pipeline,
    SpecError,
    canonical_json,
    load_schema,
    normalize,
    parse,
    parse_duration,
)
from anomaly.pipeline.bounds import Bounds

ROOT = Path(__file__).parents[4]
DAY_NS = 86_400 * 10**9
MINIMAL: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": ["hotend", "bed"],
    "window": "10s",
}


LIMITED_BED = [{"name": "bed", "limits": [0, 9]}]


def problems(*changes: Mapping[str, Any]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        normalize([{**MINIMAL, "name": f"p{index}", **change} for index, change in enumerate(changes)])
    return caught.value.problems


def one(**changes: Any) -> Pipeline:
    return normalize([{**MINIMAL, **changes}])[0]


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


def test_what_normalize_gives_it_takes_again() -> None:
    alerts = {"kinds": [], "topic": "workshop"}
    pipeline = one(group_by=["printer"], kapacitor="k1", periods={"open": 80}, parameters={"trees": 50}, alerts=alerts)
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert parse(canonical_json(pipeline)) == pipeline


def test_a_field_is_a_name_or_a_mapping_and_the_shortest_is_kept() -> None:
    hotend = {"name": "hotend", "unit": "°C", "direction": "high", "min_deviation": 2.0}
    pipeline = one(fields=[hotend, {"name": "bed", "direction": "both", "min_deviation": 0}, "air"])
    assert pipeline.fields == ("hotend", "bed", "air")
    assert pipeline.watched == (Field("hotend", "°C", "high", 2.0), Field("bed"), Field("air"))
    assert pipeline.as_dict()["fields"] == [hotend, "bed", "air"]
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert parse(canonical_json(pipeline)) == pipeline
    assert list(map(str, pipeline.watched)) == [
        "hotend in °C: only what is higher than usual counts, and what is at most 2 °C from the usual is usual",
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
        "bed: what is at most 12.5% of the usual from the usual is usual, and what is not at most 95 is always "
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


def test_what_is_wrong_of_all_series_is_not_told_again_of_each_override() -> None:
    fields = [{"name": "bed", "limits": [0, 200], "valid": [0, 100]}]
    overrides = [{"where": {"printer": "p1"}, "fields": [{"name": "bed", "min_deviation": 1}]}]
    with pytest.raises(SpecError) as caught:
        one(fields=fields, group_by=["printer"], overrides=overrides, aggregate=["sum"])
    assert [problem.partition(": ")[2].partition(":")[0] for problem in caught.value.problems] == 2 * [
        "fields[0].limits"
    ]


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


def test_the_schema_is_valid_and_describes_every_key() -> None:
    schema = load_schema()
    Draft202012Validator.check_schema(schema)

    def undescribed(node: Mapping[str, Any], path: str) -> list[str]:
        found = []
        for key, value in node.get("properties", {}).items():
            found += [] if "description" in value else [f"{path}.{key}"]
            found += undescribed(value, f"{path}.{key}")
        return found

    assert undescribed(schema, "") == []


@pytest.mark.parametrize("inventory", ["local", "cluster"])
def test_editors_complete_the_pipelines_of_an_inventory(inventory: str) -> None:
    """Each file names the schema, which needs no more than the files beside it."""
    path = ROOT / "inventory" / inventory / "group_vars" / "all" / "pipelines.yml"
    text = path.read_text(encoding="utf-8")
    (named,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)$", text, flags=re.MULTILINE)
    schema = json.loads((path.parent / named).read_text(encoding="utf-8"))
    beside = Resource.from_contents(load_schema())
    validator = Draft202012Validator(schema, registry=Registry().with_resource("pipeline.schema.json", beside))
    content = yaml.safe_load(text)
    assert list(validator.iter_errors(content)) == []
    content["pipelines"][0]["windw"] = content["pipelines"][0].pop("window")
    messages = [error.message for error in validator.iter_errors(content)]
    assert any("'windw' was unexpected" in message for message in messages)


def test_the_schemas_defaults_are_those_that_are_filled_in() -> None:
    schema = load_schema()["properties"]
    filled = one().as_dict()
    for key in ("enabled", "retention_policy", "group_by", "aggregate", "missing", "fill", "memory", "detector"):
        assert schema[key]["default"] == filled[key]
    parameters = {
        name: value
        for detector in schema["detector"]["enum"]
        for name, value in one(detector=detector).parameters.items()
    }
    assert parameters == {name: rule["default"] for name, rule in schema["parameters"]["properties"].items()}
    for key in ("training", "periods", "drift", "alerts"):
        for inner, rule in schema[key]["properties"].items():
            if "default" in rule:
                assert rule["default"] == filled[key][inner]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"windwo": "10s"}, 'pipelines[0] "p0": windwo: "10s" is under an unknown key: did you mean window?'),
        ({"zzz": 1}, "zzz: 1 is under an unknown key: known keys are name, enabled,"),
        (
            {"detector": "knn", "parameters": {"trees": 50}},
            "parameters.trees: 50 is no parameter of knn (it has neighbours, models): remove it",
        ),
        (
            {"detector": "gap", "parameters": {"trees": 50}},
            "parameters.trees: 50 is no parameter of gap (it has none): remove it",
        ),
        ({"parameters": {"tree": 5}}, "parameters.tree: 5 is under an unknown key: did you mean trees?"),
        ({"window": "10 s"}, 'window: "10 s" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        ({"window": 10}, "window: 10 is not text: write text, such as `10s`"),
        ({"window": "7s"}, 'window: "7s" is cut at other places by InfluxQL than by Kapacitor: write one that divides'),
        ({"window": "1w"}, "is cut at other places"),
        ({"window": "10u"}, 'window: "10u" is shorter than 1ms'),
        ({"fields": "hotend"}, 'fields: "hotend" is not a list: write a list, such as `["hotend", "bed"]`'),
        ({"fields": []}, 'fields: [] is empty: name at least 1, such as `["hotend", "bed"]`'),
        ({"fields": ["a", "b", "a"]}, 'fields: ["a", "b", "a"] has a more than once: name each once'),
        ({"fields": ["a", 3]}, "fields[1]: 3 is not text or a mapping: write one of them, such as `hotend`"),
        ({"fields": ["time"]}, 'fields: "time" is the point\'s timestamp'),
        ({"fields": ["a\\"]}, 'fields[0]: "a\\\\" has a control character in it or a backslash at its end'),
        ({"fields": ["a\nb"]}, "has a control character in it"),
        ({"fields": [""]}, 'fields[0]: "" is empty'),
        ({"fields": ["a\n"]}, "has a control character in it"),
        ({"fields": [{"name": "a\\"}]}, 'fields[0].name: "a\\\\" has a control character in it or a backslash'),
        ({"fields": [{"unit": "K"}]}, "fields[0].name: is missing: add it, such as `name: hotend`"),
        ({"fields": [{"name": "a"}, "a"]}, 'fields: "a" is there more than once: name each once'),
        ({"fields": [{"name": "a", "units": "K"}]}, 'fields[0].units: "K" is under an unknown key: did you mean unit?'),
        ({"fields": [{"name": "a", "unit": "K\n"}]}, 'fields[0].unit: "K\\n" has a control character in it'),
        ({"fields": [{"name": "a", "direction": "hi"}]}, 'fields[0].direction: "hi" is none of both, high, low: did'),
        ({"fields": [{"name": "a", "min_deviation": -1}]}, "fields[0].min_deviation: -1 is out of range: write at lea"),
        (
            {"fields": ["b", {"name": "a", "direction": "low"}], "aggregate": ["stddev", "count"]},
            'fields[1].direction: "low" cannot be told from stddev, count: add one that says where they are',
        ),
        (
            {"fields": [{"name": "a", "rate": "s"}]},
            'fields[0].rate: "s" is not a duration: write an integer and one of',
        ),
        (
            {"fields": [{"name": "a", "rate": "0s"}]},
            'fields[0].rate: "0s" is no unit of time for a rate: write',
        ),
        (
            {"fields": [{"name": "a", "rate": "2d"}]},
            'fields[0].rate: "2d" is no unit of time for a rate: write',
        ),
        ({"fields": [{"name": "a", "Rate": "1s"}]}, 'fields[0].Rate: "1s" is under an unknown key: did you mean rat'),
        (
            {"fields": [{"name": "a", "rate": "1s"}], "aggregate": ["sum"]},
            'fields[0].rate: "1s" cannot be summed up over a window\'s points (aggregate has sum): choose mean, which',
        ),
        (
            {"fields": [{"name": "a", "min_deviation": "20 %"}]},
            (
                'fields[0].min_deviation: "20 %" is not a percentage: write a number, or a number and %, without a '
                "space, "
                "such as `20%`"
            ),
        ),
        ({"fields": [{"name": "a", "min_deviation": True}]}, "fields[0].min_deviation: true is not a number or text"),
        (
            {"fields": [{"name": "a", "min_deviation": "20%"}], "aggregate": ["stddev"]},
            'fields[0].min_deviation: "20%" is a share of the usual value, which stddev does not say: add an aggr',
        ),
        ({"fields": [{"name": "a", "limits": [0]}]}, "fields[0].limits: [0] has 1 entries: write 2, such as `[0, 90]`"),
        ({"fields": [{"name": "a", "limits": 90}]}, "fields[0].limits: 90 is not a list: write a list, such as `[0,"),
        (
            {"fields": [{"name": "a", "valid": [0, "x"]}]},
            'fields[0].valid[1]: "x" is not a number or null: write one of them',
        ),
        (
            {"fields": [{"name": "a", "limits": [90, 0]}]},
            "fields[0].limits: [90.0, 0.0] has nothing between its ends: write the lower one first",
        ),
        (
            {"fields": [{"name": "a", "valid": [None, None]}]},
            "fields[0].valid: [null, null] bounds nothing: write a number on one side, or remove it",
        ),
        (
            {"fields": [{"name": "a", "limits": [0, 150], "valid": [-40, 125]}]},
            (
                "fields[0].limits: [0.0, 150.0] contradicts valid, [-40.0, 125.0]: a value beyond 150 is not a "
                "measurement, "
                "so it breaks no limit; write limits within valid"
            ),
        ),
        (
            {"fields": [{"name": "a", "limits": [0, 90]}], "aggregate": ["stddev", "sum"]},
            "fields[0].limits: [0.0, 90.0] cannot be told from stddev, sum: add an aggregate of values, such as max",
        ),
        ({"fields": [{"name": "a", "limit": [0, 90]}]}, "fields[0].limit: [0, 90] is under an unknown key: did you me"),
        (
            {
                "group_by": ["printer"],
                "overrides": [{"where": {"prnter": "p1"}, "fields": [{"name": "bed", "limits": [0, 9]}]}],
            },
            'overrides[0].where: "prnter" is no tag that tells the pipeline\'s series apart: did you mean printer?',
        ),
        (
            {
                "group_by": ["printer"],
                "overrides": [{"where": {"printer": "p1"}, "fields": [{"name": "bad", "limits": [0, 9]}]}],
            },
            'overrides[0].fields[0].name: "bad" is no field of the pipeline: did you mean bed?',
        ),
        (
            {"group_by": ["printer"], "overrides": [{"where": {"printer": "p1"}, "fields": [{"name": "bed"}]}]},
            'overrides[0].fields[0]: {"name": "bed"} says nothing: write what it is for, such as `{"name": "used_perc',
        ),
        (
            {
                "group_by": ["printer"],
                "overrides": [{"where": {"printer": "p1"}, "fields": [{"name": "bed", "direction": "low"}]}],
            },
            'overrides[0].fields[0].direction: "low" is under an unknown key: known keys are name, min_deviation, ',
        ),
        (
            {
                "group_by": ["printer"],
                "fields": ["hotend", {"name": "bed", "valid": [0, 100]}],
                "overrides": [{"where": {"printer": "p1"}, "fields": [{"name": "bed", "limits": [0, 120]}]}],
            },
            "overrides[0].fields[0].limits: [0.0, 120.0] contradicts valid, [0.0, 100.0]",
        ),
        (
            {
                "group_by": ["printer"],
                "overrides": [{"where": {"printer": {"matches": "("}}, "fields": [{"name": "bed", "limits": [0, 9]}]}],
            },
            'overrides[0].where.printer.matches: "(" is not a regular expression (RE2)',
        ),
        (
            {"fields": [{"name": "share", "expression": "errors // requests"}]},
            "fields[0].expression: \"errors // requests\" has 'errors // requests' in it: use names of fields, numb",
        ),
        ({"fields": [{"name": "a", "expresion": "b / c"}]}, "under an unknown key: did you mean expression?"),
        ({"fields": [{"name": "a", "expression": ""}]}, 'fields[0].expression: "" is empty: write a name, such as `er'),
        (
            {"fields": [{"name": "a", "expression": "b / c", "valid": [0, 1]}]},
            "fields[0].valid: [0.0, 1.0] is about a field of InfluxDB, not about an expression: name the fields of the",
        ),
        (
            {"fields": [{"name": "a", "expression": "b / host"}], "group_by": ["host"]},
            'group_by: "host" is also in fields',
        ),
        (
            {"fields": [{"name": "a", "expression": "+".join(f"f{n}" for n in range(65))}]},
            "fields: 65 fields of InfluxDB are named by them and their expressions: at most 64 are possible; split",
        ),
        (
            {"group_by": ["printer"], "overrides": [{"where": {"printer": "p1"}}]},
            "overrides[0].fields: is missing: add it",
        ),
        ({"fields": [f"f{n}" for n in range(65)]}, "fields: has 65 entries: at most 64 are possible"),
        ({"where": {}}, "where: {} is empty: write what it asks for, or remove it"),
        (
            {"where": {"floor": 3}},
            "where.floor: 3 is not text or a list or a mapping: write one of them, such as `kitchen`;",
        ),
        ({"where": {"floor": 3}}, 'with quotes, "3", it is text'),
        (
            {"where": {"room": {"mathces": "x"}}},
            'where.room.mathces: "x" is under an unknown key: did you mean matches?',
        ),
        ({"where": {"room": {"matches": "("}}}, 'where.room.matches: "(" is not a regular expression (RE2): missing )'),
        ({"where": {"hotend": "x"}}, 'where: "hotend" is also in fields: conditions are on tags'),
        ({"where": {"_x": "x"}}, 'where: "_x" is a name that InfluxDB keeps for itself'),
        (
            {"where": {"room": {"is": ["a", "b"], "not_matches": "."}}},
            'where.room.is: ["a", "b"] contradicts the other conditions, which allow none of it',
        ),
        ({"where": {"room": {"present": False, "matches": "."}}}, "where.room.present: false contradicts the other"),
        ({"where": {"room": "a\\"}}, "which line protocol cannot carry"),
        ({"seasonality": "daily"}, 'seasonality: "daily" is not a duration'),
        (
            {"seasonality": "90m", "window": "30m"},
            'seasonality: "90m" is shorter than 4 windows (30m each), which show',
        ),
        (
            {"seasonality": "1d", "detector": "knn"},
            'seasonality: "1d" is nothing that knn looks at: remove it, or choose ensemble or seasonal',
        ),
        ({"seasonality": ["1d", "25h"]}, 'seasonality: "25h" is not a multiple of 1d, so neither says what the other'),
        ({"seasonality": [7]}, "seasonality[0]: 7 is not text"),
        ({"timezone": "Europe/Berln"}, 'timezone: "Europe/Berln" is not a time zone: did you mean Europe/Berlin?'),
        ({"timezone": "+02:00"}, 'timezone: "+02:00" is not a time zone: write an IANA name, such as Europe/Berlin'),
        (
            {"timezone": "Europe/Berlin", "window": "1d"},
            "does not go with windows of 1d, which begin at midnight UTC and never have 23 or 25 hours: write",
        ),
        ({"aggregate": ["men"]}, 'aggregate[0]: "men" is none of mean, stddev,'),
        ({"aggregate": ["men"]}, "did you mean mean?"),
        ({"aggregate": ["count"]}, 'aggregate: "count" alone says nothing about the values'),
        ({"detector": "isolation_tree"}, "did you mean isolation_forest?"),
        ({"parameters": {"trees": 5}}, "parameters.trees: 5 is out of range: write at least 10, such as `100`"),
        ({"parameters": {"trees": 1e9}}, "parameters.trees: 1000000000.0 is out of range: write at most 1000"),
        ({"parameters": {"trees": True}}, "parameters.trees: true is not an integer: write an integer, such as `100`"),
        ({"parameters": None}, "parameters: null is not a mapping"),
        (
            {"parameters": {"context": ["hour"]}},
            'parameters.context[0]: "hour" is none of difference, deviation, lag, time_of_day, time_of_week: ',
        ),
        ({"parameters": {"context": "lag"}}, 'parameters.context: "lag" is not a list: write a list, such as `["diff'),
        (
            {"parameters": {"context": ["time_of_day"]}, "window": "1d"},
            'parameters.context: "time_of_day" is the same in all windows of 1d: remove it',
        ),
        (
            {"detector": "knn", "parameters": {"context": ["lag"]}},
            'parameters.context: ["lag"] is no parameter of knn (it has neighbours, models): remove it',
        ),
        ({"parameters": {"models": "series"}}, 'parameters.models: "series" is none of pooled, own: choose one'),
        (
            {"detector": "gap", "parameters": {"models": "own"}},
            'parameters.models: "own" is no parameter of gap (it has none): remove it',
        ),
        ({"enabled": "yes"}, 'enabled: "yes" is not true or false: write true or false'),
        (
            {"group_by": ["label", "tag_label"]},
            'group_by: "label" is named tag_label in results, as another tag is: remove one, or rename it at its',
        ),
        ({"group_by": ["hotend"]}, 'group_by: "hotend" is also in fields'),
        ({"group_by": ["time"]}, 'group_by: "time" is a name that InfluxDB keeps for itself'),
        ({"training": {"from": "yesterday"}}, 'training.from: "yesterday" is not a time: write a duration before now'),
        ({"training": {"from": "2024-13-01T00:00:00Z"}}, 'training.from: "2024-13-01T00:00:00Z" is no such time'),
        ({"training": {"from": "1h", "to": "2h"}}, 'training.from: "1h" is not before training.to (2h)'),
        (
            {"training": {"from": "2024-01-02T00:00:00Z", "to": "2024-01-01T00:00:00+00:00"}},
            'training.from: "2024-01-02T00:00:00Z" is not before training.to',
        ),
        ({"training": {"every": "1s"}}, 'training.every: "1s" is shorter than 1m, less than a training may take'),
        ({"training": {"every": "often"}}, 'training.every: "often" is not a duration'),
        ({"drift": {"horizon": "3m"}}, 'drift.horizon: "3m" is shorter than 24 windows (10s each), which say little'),
        ({"drift": {"psi": 0}}, "drift.psi: 0 is out of range: write at least 0.01, such as `0.25`"),
        ({"periods": {"open": 40}}, "periods.close: 50.0 is not below periods.open (40): write a lower severity"),
        ({"periods": {"close": 40}, "window": "1h"}, "periods.close: 40.0 is reached by one window of 1h in twenty"),
        ({"periods": {"open": 101}}, "periods.open: 101 is out of range: write at most 100"),
        ({"periods": {"silence": "10s"}}, 'periods.silence: "10s" is shorter than two windows'),
        (
            {"periods": {"silence": "-1m"}},
            'periods.silence: "-1m" is not a duration: write an integer and one of ms, s,',
        ),
        ({"periods": {"silence": 60}}, "periods.silence: 60 is not text: write text, such as"),
        (
            {"periods": {"new_level": "1m"}},
            'periods.new_level: "1m" is too short to tell a new level from a fault: write at least 2m, better 1d',
        ),
        ({"periods": {"merge": "15s"}}, 'periods.merge: "15s" is not a multiple of the window: write one of 10s'),
        (
            {"alerts": {"kinds": ["periods"]}},
            'alerts.kinds[0]: "periods" is none of period, silence, drift, clock, rate, invalid: did',
        ),
        ({"lateness": "-5s"}, 'lateness: "-5s" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        ({"lateness": 10}, "lateness: 10 is not text: write text, such as `10s`"),
        ({"lateness": "2h"}, 'lateness: "2h" is longer than 1h, and each window waits that long for its score: write'),
        ({"future": "-1m"}, 'future: "-1m" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        ({"future": "0s"}, 'future: "0s" is shorter than 1s, by which the clocks of two hosts may differ: write at'),
        ({"future": "2d"}, 'future: "2d" is longer than 1d, and one wrong clock would make the right ones late for'),
        ({"forget": "-1d"}, 'forget: "-1d" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        ({"forget": "soon"}, 'forget: "soon" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        (
            {"forget": "1m"},
            (
                'forget: "1m" is shorter than twice periods.silence (1m), so series that only pause would be dropped: '
                "write at least 2m"
            ),
        ),
        (
            {"forget": "1d", "fill": {"previous": "1d"}},
            "is shorter than twice fill.previous (1d), so series that only pause would be dropped: write at least 2d",
        ),
        ({"forget": "60w"}, 'forget: "60w" is longer than 366d, after which a series is a new one: write at most'),
        ({"memory": "256"}, 'memory: "256" is not a size: write an integer and one of KiB, MiB, GiB, such as `256MiB`'),
        ({"memory": "-1MiB"}, 'memory: "-1MiB" is not a size: write an integer and one of KiB, MiB, GiB'),
        ({"memory": 2**28}, "memory: 268435456 is not text: write text, such as `256MiB`"),
        ({"memory": "8191KiB"}, 'memory: "8191KiB" is less than 8MiB, which holds few series: write at least 8MiB'),
        (
            {"memory": "8MiB", "fields": [f"f{n}" for n in range(64)]},
            'memory: "8MiB" holds the state of 5 series (1415KiB each): write at least 14MiB',
        ),
        ({"memory": "65GiB"}, 'memory: "65GiB" is more than 64GiB: write at most that, or split the pipeline'),
        ({"fill": "last"}, 'fill: "last" is none of none, previous: choose one'),
        ({"fill": 3}, 'fill: 3 is not text or a mapping: write one of them, such as `{"previous": "1h"}`'),
        ({"fill": "previous"}, 'fill: "previous" does not say how long the last values hold: write such as'),
        ({"fill": {"previous": "long"}}, 'fill.previous: "long" is not a duration: write an integer and one of'),
        ({"fill": {"previous": "5s"}}, 'fill.previous: "5s" is shorter than a window (10s), so it fills none: write'),
        (
            {"fields": [{"name": "a", "rate": "1s"}], "fill": {"previous": "1h"}},
            'fill: {"previous": "1h"} lets the last rate of "a" stand although a counter that is not reported has not',
        ),
        ({"fill": {"next": "1h"}}, 'fill.next: "1h" is under an unknown key: known keys are previous'),
        ({"alerts": {"age": "15s"}}, 'alerts.age: "15s" is shorter than a window and its lateness, so nobody would'),
        ({"alerts": {"age": "old"}}, 'alerts.age: "old" is not a duration: write an integer and one of'),
        ({"alerts": {"topic": "a b"}}, 'alerts.topic: "a b" cannot be a topic\'s name: use letters a to z, digits'),
        ({"alerts": {"info": 101}}, "alerts.info: 101 is out of range: write at most 100"),
        ({"alerts": {"info": 90, "warning": 80}}, "alerts.info: 90.0 is above alerts.warning (80): write at most that"),
        ({"alerts": {"critical": 80}}, "alerts.warning: 87.5 is above alerts.critical (80): write at most that"),
        ({"database": "a/b"}, 'database: "a/b" cannot be a name in InfluxDB'),
        ({"retention_policy": ".."}, 'retention_policy: ".." cannot be a name in InfluxDB'),
        ({"measurement": "x" * 300}, "longer than 256 characters"),
        ({"measurement": 3}, "measurement: 3 is not text or a list: write one of them, such as `temperature`"),
        ({"measurement": []}, "measurement: [] is empty: name at least 1"),
        ({"measurement": ["m", "m"]}, 'measurement: ["m", "m"] has m more than once: name each once'),
        ({"measurement": [f"m{n}" for n in range(65)]}, "measurement: has 65 entries: at most 64 are possible"),
        ({"measurement": "/(/"}, 'measurement: "(" is not a regular expression (RE2): missing )'),
        (
            {"measurement": "/./", "group_by": ["measurement"]},
            'group_by: "measurement" is what series have the name of their measurement under, as there may be several',
        ),
        (
            {"measurement": ["m"], "overrides": [{"where": {"measurment": "m"}, "fields": LIMITED_BED}]},
            'overrides[0].where: "measurment" is no tag that tells the pipeline\'s series apart: did you mean meas',
        ),
        ({"fields": ["_readable"]}, 'fields: "_readable" is a name that the pipeline\'s script uses itself: rename'),
        (
            {"fields": [{"name": "a", "min_deviation": math.inf}]},
            "fields[0].min_deviation: Infinity is not a finite number: write one, or remove the key for its default",
        ),
        ({"fields": [{"name": "a", "min_deviation": math.nan}]}, "fields[0].min_deviation: NaN is not a finite number"),
        ({"fields": [{"name": "a", "limits": [math.nan, 3]}]}, "fields[0].limits[0]: NaN is not a finite number"),
        ({"periods": {"open": math.nan}}, "periods.open: NaN is not a finite number: write one, or remove the key"),
        ({"drift": {"psi": math.nan}}, "drift.psi: NaN is not a finite number"),
        ({"group_by": [{"mathces": "x"}]}, 'group_by[0].mathces: "x" is under an unknown key: did you mean matches?'),
        ({"calendars": [{"mean": "quiet"}]}, 'calendars[0].mean: "quiet" is under an unknown key: did you mean means?'),
        ({"fill": {"previus": "1h"}}, 'fill.previus: "1h" is under an unknown key: did you mean previous?'),
    ],
)
def test_a_mistake_is_named_with_pipeline_key_value_and_fix(change: dict[str, Any], message: str) -> None:
    found = problems(change)
    assert any(message in problem for problem in found), found
    assert all(problem.startswith('pipelines[0] "p0": ') for problem in found)


@pytest.mark.parametrize("name", ["", "a b", "it's", "über", ".hidden", "-x", "a/b", "x" * 65, "..", "\n"])
def test_a_name_that_cannot_be_a_task_and_a_directory_is_refused(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        normalize([{**MINIMAL, "name": name}])
    assert any("cannot be a pipeline's name" in problem for problem in caught.value.problems)


def test_missing_keys_are_named_once_each() -> None:
    with pytest.raises(SpecError) as caught:
        normalize([{"name": "x"}])
    assert caught.value.problems == [
        'pipelines[0] "x": database: is missing: add it, such as `database: printer`',
        'pipelines[0] "x": measurement: is missing: add it, such as `measurement: temperature`',
        'pipelines[0] "x": fields: is missing: add it, such as `fields: ["hotend", "bed"]`',
        'pipelines[0] "x": window: is missing: add it, such as `window: 10s`',
    ]


def test_all_problems_of_all_pipelines_are_told_at_once() -> None:
    found = problems({"window": "x"}, {}, {"fields": [], "enabled": 3})
    assert [problem.partition(":")[0] for problem in found] == ['pipelines[0] "p0"'] + ['pipelines[2] "p2"'] * 2


def test_a_name_is_taken_once_whatever_its_case() -> None:
    with pytest.raises(
        SpecError, match=r'pipelines\[1\] "Printer": name: "Printer" is already the name of pipelines\[0\]'
    ):
        normalize([MINIMAL, {**MINIMAL, "name": "Printer"}])


@pytest.mark.parametrize("value", ["text", 3, None, {"name": "x"}])
def test_what_is_no_list_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match="is not a list"):
        normalize(value)


def test_an_entry_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(SpecError, match=r'pipelines\[0\]: "x" is not a mapping'):
        normalize(["x"])


def test_nothing_is_fine() -> None:
    assert normalize([]) == []


AWKWARD = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    lambda name: not name.endswith("\\") and name != "time" and not name.startswith("_")
)


@given(st.lists(AWKWARD, min_size=1, max_size=4, unique=True), AWKWARD)
def test_awkward_names_go_through_a_triple_quoted_string_unharmed(fields: list[str], measurement: str) -> None:
    # A name alone may be a pattern.
    pipeline = one(fields=[{"name": field} for field in fields], measurement=measurement)
    text = canonical_json(pipeline)
    assert text.isascii()
    assert "'" not in text
    assert "\n" not in text
    assert parse(text) == pipeline


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


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"name": "x"}', '{"name": 3, "window": 5}'])
def test_parse_refuses_what_canonical_json_did_not_write(text: str) -> None:
    with pytest.raises(SpecError):
        parse(text)


@pytest.mark.parametrize(
    "change", [{"window": "7s"}, {"surprise": 1}, {"fields": "hotend"}, {"aggregate": ["mode"]}, {"detector": "oracle"}]
)
def test_parse_refuses_what_normalize_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        parse(json.dumps({**one().as_dict(), **change}))


def test_the_standard_library_and_jsonschema_are_enough() -> None:
    script = (
        "import sys; from anomaly.pipeline import parse; assert 'jsonschema' not in sys.modules; parse(sys.argv[1]);"
        "unneeded = 'numpy requests sklearn kapacitor_udf yaml tzdata re2 holidays icalendar'.split();"
        "print([module for module in unneeded if module in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, canonical_json(one())],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert output.stdout == "[]\n"
