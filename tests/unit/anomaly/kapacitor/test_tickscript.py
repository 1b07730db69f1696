"""The TICKscript of a pipeline's task."""

import re
from typing import Any

import pytest

from anomaly.kapacitor.tickscript import tickscript
from anomaly.pipeline import normalize, parse

PLAIN: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": ["hotend", "bed"],
    "group_by": ["printer", "the hall"],
    "window": "10s",
}


def script(**changed: Any) -> str:
    return tickscript(normalize([PLAIN | changed])[0], "results", "stack")


def specification(text: str) -> str:
    """What the UDF gets."""
    return text.split(".spec('''")[1].split("''')", maxsplit=1)[0]


def test_says_what_the_pipeline_says() -> None:
    for node in (
        ".retentionPolicy('month')",
        ".measurement('temperature')",
        ".groupBy('printer', 'the hall')",
        ".period(10s)",
        ".every(10s)",
        ".align()",
        ".database('results')",
    ):
        assert node in script(retention_policy="month")
    assert "groupBy" not in script(group_by=[])


def test_carries_the_specification() -> None:
    awkward = {"measurement": "m'''e\"a\\'s $tag1 數", "fields": ["a'po", "back\\slash", "{{ field }}"]}
    assert parse(specification(script(**awkward))) == normalize([PLAIN | awkward])[0]


def test_a_quote_is_escaped() -> None:
    assert r".measurement('it\'s')" in script(measurement="it's")


def test_stopping_moving_and_training_a_pipeline_do_not_change_it() -> None:
    for changed in ({"enabled": False}, {"kapacitor": "there"}, {"training": {"every": "7d", "on_drift": True}}):
        assert script(**changed) == script()


def test_a_unit_is_not_the_udf_s_affair_and_what_counts_is() -> None:
    assert script(fields=[{"name": "hotend", "unit": "°C"}, "bed"]) == script()
    assert script(fields=[{"name": "hotend", "direction": "high"}, "bed"]) != script()


def test_another_threshold_changes_it() -> None:
    assert script(periods={"open": 80}) != script()


def test_no_node_makes_anything_that_a_udf_cannot_be_handed() -> None:
    """|eval makes durations, at which Kapacitor panics; it has its place behind the UDF."""
    before, _, _ = script().partition("@anomaly()")
    assert re.findall(r"\|(\w+)\(", before) == ["from", "window"]


def test_alerts_are_not_the_udf_s_affair() -> None:
    assert script(alerts={"info": 80}) != script()
    assert specification(script(alerts={"info": 80})) == specification(script())


def test_alerts_go_to_the_stack_s_topic_unless_another_is_named() -> None:
    topic = re.compile(r"\.topic\('(.*)'\)")
    assert topic.findall(script()) == ["stack"] * 3
    assert topic.findall(script(alerts={"topic": "workshop"})) == ["workshop"] * 3


@pytest.mark.parametrize("kinds", [[], ["drift"], ["silence"], ["period", "drift"]])
def test_each_kind_that_is_told_has_an_alert(kinds: list[str]) -> None:
    text = script(alerts={"kinds": kinds})
    assert re.findall(r"\.id\('{{ .Group }} (\w+)'\)", text) == kinds
    assert ("var series" in text) == bool({"period", "silence"} & set(kinds))
