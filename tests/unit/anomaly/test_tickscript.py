"""The TICKscript of a pipeline's task."""

import re
from typing import Any

from anomaly.spec import normalize, parse
from anomaly.tickscript import tickscript

PLAIN: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": ["hotend", "bed"],
    "group_by": ["printer", "the hall"],
    "window": "10s",
}


def script(**changed: Any) -> str:
    return tickscript(normalize([PLAIN | changed])[0], "results")


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
    awkward = PLAIN | {"measurement": "m'''e\"a\\'s $tag1 數", "fields": ["a'po", "back\\slash", "{{ field }}"]}
    specification = tickscript(normalize([awkward])[0], "results").split(".spec('''")[1].split("''')")[0]
    assert parse(specification) == normalize([awkward])[0]


def test_a_quote_is_escaped() -> None:
    assert r".measurement('it\'s')" in script(measurement="it's")


def test_stopping_moving_and_training_a_pipeline_do_not_change_it() -> None:
    for changed in ({"enabled": False}, {"kapacitor": "there"}, {"training": {"every": "7d", "on_drift": True}}):
        assert script(**changed) == script()


def test_another_threshold_changes_it() -> None:
    assert script(periods={"open": 80}) != script()


def test_no_node_makes_anything_that_a_udf_cannot_be_handed() -> None:
    """|eval makes durations, at which Kapacitor panics; what is written to a database holds none."""
    before, _, _ = script().partition("@anomaly()")
    assert re.findall(r"\|(\w+)\(", before) == ["from", "window"]
