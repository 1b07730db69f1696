"""What a pipeline names is compared with what its source has."""

from typing import Any

import pytest

from anomaly.pipeline import normalize
from anomaly.pipeline.source_keys import SourceKeys, booleans, source_notes, source_problems

PLAIN = {"name": "p", "database": "d", "measurement": "m", "fields": ["value"], "window": "10s"}
KEYS = SourceKeys({"value": ["float"], "id": ["integer"], "text": ["string"], "odd": ["string", "float"]}, ["printer"])


def problems(keys: SourceKeys = KEYS, **changed: Any) -> list[str]:
    (pipeline,) = normalize([PLAIN | changed])
    return list(source_problems(pipeline, keys))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"group_by": ["printer"]},
        {"where": {"printer": {"not": "a"}}},
        {"fields": ["odd"]},
        {"where": {"test": {"present": False}}},
    ],
)
def test_names_that_are_there_are_no_problem(changed: dict[str, Any]) -> None:
    assert problems(**changed) == []


def test_a_typing_error_in_a_tag_is_told_with_the_tag_that_was_meant() -> None:
    assert problems(group_by=["prnter"]) == [
        "no point of measurement 'm' has a tag 'prnter' (it has printer): did you mean 'printer' in `group_by`?"
    ]


def test_a_condition_on_a_tag_that_is_not_there_is_told() -> None:
    assert problems(where={"room": {"not": "a"}}) == [
        "no point of measurement 'm' has a tag 'room' (it has printer): check `where`"
    ]


def notes(where: dict[str, Any], tags: list[str]) -> list[str]:
    (pipeline,) = normalize([PLAIN | {"where": where}])
    keys = SourceKeys({"value": ["float"]}, tags)
    assert not list(source_problems(pipeline, keys))
    return list(source_notes(pipeline, keys))


@pytest.mark.parametrize(
    ("tag", "other"), [("prnter", "printer"), ("hsot", "host"), ("device", "device_name"), ("rack", "track")]
)
def test_a_tag_that_must_be_absent_and_nearly_has_the_name_of_another_is_a_note(tag: str, other: str) -> None:
    assert notes({tag: {"present": False}}, [other]) == [
        f"no point of measurement 'm' has a tag {tag!r} (it has {other}): did you mean {other!r} in `where`?"
    ]


def test_a_tag_that_must_be_absent_is_no_note_where_none_has_nearly_its_name() -> None:
    assert notes({"test": {"present": False}}, ["printer"]) == []
    assert notes({"printer": {"present": False}}, ["printer", "prnter"]) == []


@pytest.mark.parametrize("key", ["group_by", "where"])
def test_a_field_in_place_of_a_tag_is_told(key: str) -> None:
    changed: dict[str, Any] = {"group_by": {"group_by": ["id"]}, "where": {"where": {"id": "7"}}}
    (problem,) = problems(**changed[key])
    assert f"'id' is a field: write it as a tag at its source, or name a tag in `{key}`" in problem


def test_a_source_without_tags_says_so() -> None:
    (problem,) = problems(SourceKeys({"value": ["float"]}, []), group_by=["printer"])
    assert "(it has no tags)" in problem


def test_every_wrong_name_is_told() -> None:
    found = problems(fields=["valu", "text"], group_by=["a"], where={"b": "x"})
    assert [problem.partition(": ")[2] for problem in found] == [
        "check `fields`",
        (
            "remove it from `fields`, or write a number for each state at the source, such as by Telegraf's "
            "processors.enum, and watch that number with `aggregate: [min, max]`"
        ),
        "check `group_by`",
        "check `where`",
    ]


def test_a_boolean_counts_as_zero_and_one() -> None:
    keys = SourceKeys({"value": ["boolean"], "id": ["integer"], "odd": ["string", "boolean"]}, ["printer"])
    assert problems(keys) == []
    (pipeline,) = normalize([PLAIN | {"fields": ["id", "value", "odd"]}])
    assert booleans(pipeline, keys) == {"value", "odd"}


def test_the_rate_of_a_boolean_is_told() -> None:
    keys = SourceKeys({"on": ["boolean"], "n": ["integer"]}, [])
    assert problems(keys, fields=["on", {"name": "n", "rate": "1s"}], group_by=[]) == []
    told = problems(keys, fields=[{"name": "on", "rate": "1s"}, {"name": "x", "expression": "on / n", "rate": "1s"}])
    assert told == [
        "field 'on' has the rate of booleans, which count nothing: remove its `rate`",
        "field 'x' has the rate of booleans, which count nothing: remove its `rate`",
    ]


HOME = SourceKeys(
    measurements={
        "°C": SourceKeys({"value": ["float"]}, ["entity_id"]),
        "%": SourceKeys({"value": ["float"], "low": ["boolean"]}, ["entity_id", "room"]),
        "state": SourceKeys({"value": ["string"]}, ["domain"]),
    }
)


def test_several_measurements_have_their_names_together() -> None:
    assert problems(HOME, measurement=["°C", "%"], fields=["value", "low"], group_by=["entity_id", "room"]) == []
    (pipeline,) = normalize([PLAIN | {"measurement": ["°C", "%"], "fields": ["value", "low"]}])
    assert booleans(pipeline, HOME) == {"low"}
    (problem,) = problems(HOME, measurement=["°C", "%"], group_by=["domain"])
    assert problem == ("no point of measurement '°C, %' has a tag 'domain' (it has entity_id, room): check `group_by`")


def test_a_measurement_that_is_not_there_is_told_with_those_that_are() -> None:
    found = problems(HOME, measurement=["°C", "stat"], group_by=[])
    assert found == ["d.autogen has no measurement 'stat' (it has %, state, °C): did you mean state?"]
    found = problems(SourceKeys(), measurement=["°C"], group_by=[])
    assert found == [
        "d.autogen has no measurement '°C' (it has none): check `measurement`, and that something writes to it"
    ]


def test_a_pattern_of_measurements_that_is_not_resolved_yet_is_looked_up() -> None:
    assert problems(HOME, measurement="/^(°C|%)$/", group_by=["entity_id"]) == []
    (problem,) = problems(HOME, measurement="/^(°C|%)$/", group_by=["domain"])
    assert "has a tag 'domain' (it has entity_id, room): check `group_by`" in problem
    (problem,) = problems(HOME, measurement="/^K$/", group_by=[])
    assert problem.startswith("measurement '/^K$/' has no fields in d.autogen: check `measurement`")


def test_names_out_of_json_are_the_same() -> None:
    plain = {name: {"fields": keys.fields, "tags": keys.tags} for name, keys in HOME.measurements.items()}
    assert SourceKeys.of({"measurements": plain}) == HOME
    assert SourceKeys.of({"fields": KEYS.fields, "tags": KEYS.tags}) == KEYS
    assert SourceKeys().is_empty
    assert not HOME.is_empty
