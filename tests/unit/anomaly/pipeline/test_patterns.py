"""Names that a pipeline describes instead of listing."""

from typing import Any

import pytest

from anomaly.pipeline import SpecError, normalize, parse
from anomaly.pipeline.patterns import NamePattern

PLAIN = {"name": "p", "database": "d", "measurement": "m", "fields": ["value"], "window": "10s"}


@pytest.mark.parametrize(
    ("entry", "meant", "others"),
    [
        ("*", ["a", "b"], []),
        ({"not": "a"}, ["b"], ["a"]),
        ({"not": ["a", "b"]}, ["c"], ["a", "b"]),
        ({"matches": "^temp", "not": "temp_raw"}, ["temp", "temp_in"], ["temp_raw", "a temp"]),
        ({"not_matches": "_id$"}, ["a"], ["session_id"]),
    ],
)
def test_a_pattern_means_these_names(entry: Any, meant: list[str], others: list[str]) -> None:
    pattern = NamePattern.of(entry)
    assert pattern is not None
    assert [name for name in (*meant, *others) if pattern.holds(name)] == meant
    assert pattern.entry() == entry


def test_a_field_that_is_named_like_a_pattern_keeps_its_name() -> None:
    (pipeline,) = normalize([PLAIN | {"fields": [{"name": "*"}]}])
    assert pipeline.fields == ("*",)
    assert normalize([pipeline.as_dict()]) == [pipeline]


@pytest.mark.parametrize("entry", ["a", {"name": "a"}, {"name": "a", "unit": "°C"}])
def test_a_name_is_not_a_pattern(entry: Any) -> None:
    assert NamePattern.of(entry) is None


def test_a_pipeline_keeps_its_patterns_until_they_are_resolved() -> None:
    described = {"fields": [{"matches": "^t", "unit": "°C"}, "value"], "group_by": [{"not": "id"}, "room"]}
    (pipeline,) = normalize([PLAIN | described])
    assert pipeline.fields == ("value",)
    assert pipeline.group_by == ("room",)
    assert pipeline.as_dict()["fields"] == ["value", {"matches": "^t", "unit": "°C"}]
    assert pipeline.as_dict()["group_by"] == ["room", {"not": "id"}]
    assert normalize([pipeline.as_dict()]) == [pipeline]


def test_a_unit_of_a_pattern_does_not_change_the_fingerprint() -> None:
    plain, with_unit = (
        normalize([PLAIN | {"fields": [{"matches": "^t", "direction": "high", **more}]}])[0]
        for more in ({}, {"unit": "°C"})
    )
    assert plain.fingerprint == with_unit.fingerprint


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fields": [{"unit": "°C"}]}, "fields[0].name: is missing: add it, such as `name: hotend`"),
        ({"fields": [{"matches": "("}]}, 'fields.matches: "(" is not a regular expression (RE2): missing )'),
        ({"fields": [{"name": "a", "matches": "b"}]}, 'fields[0]: the name "a" cannot stand beside not, matches or'),
        (
            {"fields": [{"matches": "b", "expression": "b / 2"}]},
            'fields.expression: "b / 2" needs one name: write `name` beside it',
        ),
        ({"fields": [{"matches": "b", "limits": [9, 0]}]}, "fields.limits: [9.0, 0.0] has nothing between its ends"),
        (
            {"fields": [{"matches": "b", "direction": "low"}], "aggregate": ["stddev"]},
            'fields.direction: "low" cannot be told from stddev',
        ),
        ({"fields": [{"matches": "b", "rate": "2d"}]}, 'fields.rate: "2d" is not a unit of time for a rate'),
        (
            {"fields": [{"matches": "b", "rate": "1s"}], "fill": {"previous": "1h"}},
            'lets the last rate of "each whose name matches b" stand',
        ),
        ({"group_by": [{}]}, "group_by[0]: {} is empty"),
        ({"group_by": [{"name": "a"}]}, 'group_by[0].name: "a" is under an unknown key: known keys are not, matches'),
        ({"group_by": [{"mathces": "a"}]}, 'group_by[0].mathces: "a" is under an unknown key: did you mean matches?'),
    ],
)
def test_a_pattern_that_is_not_valid_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        normalize([PLAIN | changed])
    assert message in str(caught.value)


def test_what_runs_refuses_patterns() -> None:
    (pipeline,) = normalize([PLAIN | {"group_by": ["*"]}])
    with pytest.raises(SpecError, match=r"its patterns are not resolved: deploy it by site\.yml"):
        parse('{"name": "p", "database": "d", "measurement": "m", "fields": ["*"], "window": "10s"}')
    assert pipeline.patterns
