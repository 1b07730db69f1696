"""Patterns are resolved to the names that the source has."""

from typing import Any

import pytest

from anomaly.pipeline import Field, Pipeline, SpecError, normalize
from anomaly.pipeline.resolve import changes, left_out, meant, resolve
from anomaly.pipeline.source_keys import READABLE, STATES, SourceKeys

PLAIN = {"name": "p", "database": "d", "measurement": "m", "fields": ["value"], "window": "10s"}
KEYS = SourceKeys(
    {"value": ["float"], "temp_in": ["integer"], "temp_out": ["float"], "text": ["string"], "odd": ["float", "string"]},
    ["room", "floor", "odd", "_hidden"],
)


def resolved(keys: SourceKeys = KEYS, **changed: Any) -> Pipeline:
    (pipeline,) = normalize([PLAIN | changed])
    return resolve(pipeline, keys)


def test_every_numeric_field_and_every_tag_that_no_field_is_named_like() -> None:
    found = resolved(fields=["*"], group_by=["*"])
    assert found.fields == ("odd", "temp_in", "temp_out", "value")
    assert found.group_by == ("floor", "room")
    assert not found.patterns
    assert normalize([found.as_dict()]) == [found]


def test_the_first_entry_that_means_a_field_says_the_rest_of_it() -> None:
    found = resolved(fields=["*", {"name": "value", "min_deviation": 2}, {"matches": "^temp", "unit": "°C"}])
    assert {field.name: field.unit for field in found.watched} == dict.fromkeys(("value", "odd", "temp_in", "temp_out"))
    assert found.watched[0] == Field("value", min_deviation=2.0)
    found = resolved(fields=[{"matches": "^temp", "unit": "°C"}, "*"])
    assert {field.unit for field in found.watched if field.name.startswith("temp")} == {"°C"}


def test_what_patterns_mean_is_said_in_a_sentence() -> None:
    assert meant(resolved(fields=[{"matches": "^temp"}], group_by=["*"])) == (
        "pipeline p: its patterns mean the fields temp_in, temp_out, the tags floor, room"
    )
    assert meant(resolved(fields=[{"matches": "^temp"}])) == (
        "pipeline p: its patterns mean the fields temp_in, temp_out"
    )


def test_names_come_before_patterns() -> None:
    assert resolved(group_by=["*", "room"]).group_by == ("room", "floor")


def test_a_pipeline_without_patterns_stays_as_it_is() -> None:
    (pipeline,) = normalize([PLAIN])
    assert resolve(pipeline, KEYS) is pipeline


def test_a_pattern_that_means_nothing_says_what_there_is() -> None:
    with pytest.raises(SpecError) as caught:
        resolved(fields=[{"matches": "^tmp"}], group_by=[{"not": ["room", "floor"]}])
    assert caught.value.problems == [
        (
            "pipeline p: fields: each whose name matches ^tmp of the numeric fields means nothing (the source has odd, "
            "temp_in, temp_out, value): correct the pattern"
        ),
        (
            "pipeline p: group_by: each whose name is not room or floor of the tags means nothing (the source has "
            "floor, room): correct the pattern"
        ),
    ]


def test_patterns_that_mean_too_much_say_what_they_mean() -> None:
    many = SourceKeys({f"f{number:03}": ["float"] for number in range(65)}, [])
    with pytest.raises(SpecError) as caught:
        resolved(many, fields=["*"])
    (problem,) = caught.value.problems
    assert problem == (
        "pipeline p: fields: means 65 names (f000, f001, f002, f003, f004, f005, f006, f007 and 57 more): at most 64 "
        "are possible: leave some out by `not` or `not_matches`, or split the pipeline"
    )


def test_the_settings_of_a_pattern_are_checked_with_the_fields_it_means() -> None:
    with pytest.raises(SpecError, match="cannot be told from stddev"):
        resolved(fields=[{"matches": "^temp", "direction": "high"}], aggregate=["stddev"])


def test_an_override_may_be_about_what_a_pattern_means() -> None:
    override = {"where": {"room": "cellar"}, "fields": [{"name": "temp_in", "limits": [0, 30]}]}
    found = resolved(fields=["*"], group_by=["*"], overrides=[override])
    assert found.overrides[0].fields[0]["name"] == "temp_in"
    with pytest.raises(SpecError, match=r'^pipeline p: overrides\[0\].fields\[0\].name: "tmp_in" is not a field'):
        resolved(
            fields=["*"], group_by=["*"], overrides=[{**override, "fields": [{"name": "tmp_in", "limits": [0, 30]}]}]
        )


@pytest.mark.parametrize(
    "changed, notes",
    [
        (
            {"fields": ["*"], "group_by": ["*"]},
            [
                f"fields: 1 field of strings left out (text): {STATES}, or leave it out by `not: [text]`",
                (
                    "group_by: 1 tag with a reserved name left out (_hidden): rename such a tag at the source, or "
                    "leave it out by `not: [_hidden]`"
                ),
                (
                    "group_by: 1 tag with the name of a field left out (odd): rename one of both at the source, or "
                    "leave it out by `not: [odd]`"
                ),
            ],
        ),
        ({"fields": [{"not": "text"}], "group_by": [{"not": ["odd", "_hidden"]}]}, []),
        ({"fields": [{"matches": "^temp"}], "group_by": [{"matches": "^[rf]"}]}, []),
        ({"fields": ["value"], "group_by": ["room"]}, []),
    ],
    ids=["all", "left out on purpose", "not described", "by name"],
)
def test_names_that_match_a_pattern_and_cannot_be_used_are_told(changed: dict[str, Any], notes: list[str]) -> None:
    (pipeline,) = normalize([PLAIN | changed])

    assert left_out(pipeline, KEYS) == notes


@pytest.mark.parametrize("kind", ["float", "boolean", "string"])
def test_fields_and_tags_with_reserved_names_are_told_once(kind: str) -> None:
    (pipeline,) = normalize([PLAIN | {"fields": ["*"], "group_by": ["*"]}])
    keys = SourceKeys({"value": ["float"], READABLE: [kind]}, ["room", READABLE, "_host"])

    assert resolve(pipeline, keys).fields == ("value",)
    assert left_out(pipeline, keys) == [
        (
            f"fields: 1 field with a reserved name left out ({READABLE}): rename such a field at the source, or leave "
            f"it out by `not: [{READABLE}]`"
        ),
        (
            f"group_by: 2 tags with a reserved name left out (_host, {READABLE}): rename such a tag at the source, or "
            f"leave them out by `not: [_host, {READABLE}]`"
        ),
    ]


def test_many_names_that_are_left_out_are_counted_and_booleans_can_be_named() -> None:
    switches = {f"on{number}": ["boolean"] for number in range(10)}
    (pipeline,) = normalize([PLAIN | {"fields": ["*", "on0"]}])

    (note,) = left_out(pipeline, SourceKeys({**KEYS.fields, **switches, "text": ["float"]}, []))

    assert note == (
        "fields: 9 fields of booleans left out (on1, on2, on3, on4, on5, on6, on7, on8 and 1 more): list what is to "
        "count as 0 and 1 by its name, or leave them out by `not`"
    )


HOME = SourceKeys(
    measurements={
        "°C": SourceKeys({"value": ["float"], "mean": ["float"]}, ["entity_id", "measurement"]),
        "%": SourceKeys({"value": ["integer"]}, ["entity_id", "room"]),
        "on": SourceKeys({"value": ["boolean"]}, ["entity_id"]),
        "state": SourceKeys({"value": ["string"], "state": ["string"]}, ["entity_id"]),
    }
)


def test_an_expression_between_slashes_means_measurements_that_have_the_fields() -> None:
    found = resolved(HOME, measurement="/^(°C|%|state)$/", group_by=["entity_id"])
    assert found.measurements == ("%", "°C")
    assert found.group_by == ("measurement", "entity_id")
    assert found.point_tags == ("entity_id",)
    assert not found.patterns
    assert normalize([found.as_dict()]) == [found]
    assert resolved(HOME, measurement="/./").measurements == ("%", "on", "°C")
    assert resolved(HOME, measurement="/C/", fields=["value"]).measurements == ("°C",)


def test_patterns_of_fields_and_tags_mean_those_of_all_the_measurements() -> None:
    found = resolved(HOME, measurement="/C|%/", fields=["*"], group_by=["*"])
    assert found.fields == ("mean", "value")
    # A tag that is named like that of the measurement is left to it.
    assert found.group_by == ("measurement", "entity_id", "room")
    (described,) = normalize([PLAIN | {"measurement": "/C|%/", "fields": ["*"], "group_by": ["*"]}])
    assert left_out(described, HOME) == [
        (
            "group_by: 1 tag with the name that tells measurements apart left out (measurement): rename it at the "
            "source, or leave it out by `not: [measurement]`"
        )
    ]
    found = resolved(HOME, measurement=["%"], fields=["*"], group_by=["*"])
    assert (found.measurements, found.fields, found.point_tags) == (("%",), ("value",), ("entity_id", "room"))


@pytest.mark.parametrize(
    "measurement, fields, problem",
    [
        ("/^K$/", ["value"], "means nothing (d.autogen has %, on, state, °C): correct the pattern"),
        (
            "/stat/",
            ["value"],
            "means state, and none of them has a field of `fields`: correct one of both",
        ),
        ("/C/", [{"matches": "^x"}], "means °C, and none of them has a field of `fields`: correct one of both"),
    ],
)
def test_an_expression_for_measurements_that_means_nothing_says_what_there_is(
    measurement: str, fields: list[Any], problem: str
) -> None:
    with pytest.raises(SpecError) as caught:
        resolved(HOME, measurement=measurement, fields=fields)
    assert caught.value.problems == [f"pipeline p: measurement: {measurement} {problem}"]


def test_an_expression_that_means_too_many_measurements_says_which() -> None:
    many = SourceKeys(measurements={f"m{number:02}": SourceKeys({"value": ["float"]}, []) for number in range(65)})
    with pytest.raises(SpecError) as caught:
        resolved(many, measurement="/m/")
    assert caught.value.problems == [
        (
            "pipeline p: measurement: /m/ means 65 names (m00, m01, m02, m03, m04, m05, m06, m07 and 57 more): at most "
            "64 are possible: narrow it, or split the pipeline"
        )
    ]


def test_new_measurements_are_told() -> None:
    before, now = (
        resolved(SourceKeys(measurements={name: HOME.measurements[name] for name in names}), measurement="/C|%/")
        for names in (["°C"], ["°C", "%"])
    )
    assert changes(before, now) == ["measurement now means % as well"]
    assert before.fingerprint != now.fingerprint


def test_what_a_pattern_means_since_the_deployment_is_told() -> None:
    more = SourceKeys({"value": ["float"], "new": ["float"]}, ["room", "rack"])
    before, now = (resolved(keys, fields=["*"], group_by=["*"]) for keys in (KEYS, more))
    assert changes(before, now) == [
        "fields now means new as well",
        "fields does not mean odd, temp_in, temp_out any more",
        "group_by now means rack as well",
        "group_by does not mean floor any more",
    ]
    assert changes(before, before) == []
