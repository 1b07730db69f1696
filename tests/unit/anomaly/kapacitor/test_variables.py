"""The vars document of a pipeline's task."""

import re
from pathlib import Path
from typing import Any

import pytest

from anomaly.kapacitor.tickscript import declared, find_script
from anomaly.kapacitor.variables import VARIABLES, TaskSettings, vars_document
from anomaly.pipeline import normalize, parse

ROOT = Path(__file__).parents[4]
PLAIN: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": ["hotend", "bed"],
    "group_by": ["printer", "the hall"],
    "window": "10s",
}


def document(**changed: Any) -> dict[str, dict[str, Any]]:
    """The vars document of our script."""
    (pipeline,) = normalize([PLAIN | changed])
    return vars_document(TaskSettings(pipeline, "results", "stack"), declared(find_script(pipeline, Path())))


def test_a_var_says_what_the_pipeline_says() -> None:
    found = document(retention_policy="month")
    handed = [{"type": "string", "value": name} for name in ("hotend", "bed", "_readable")]
    for name, kind, value in (
        ("retention_policy", "string", "month"),
        ("measurement", "string", "temperature"),
        ("handed", "list", handed),
        ("window", "duration", "10s"),
        ("results_database", "string", "results"),
    ):
        assert found[name] == {"type": kind, "value": value}


def test_a_custom_script_gets_the_tags_of_the_series() -> None:
    tags = [{"type": "string", "value": "printer"}, {"type": "string", "value": "the hall"}]
    for group_by, value in ((["printer", "the hall"], tags), ([], [])):
        settings = TaskSettings(normalize([PLAIN | {"group_by": group_by}])[0], "results", "stack")
        assert vars_document(settings, frozenset({"group_by"})) == {"group_by": {"type": "list", "value": value}}


def test_periods_are_told_on_a_topic_of_their_own_where_that_is_wanted() -> None:
    def topic(period_topic: str, **changed: Any) -> Any:
        settings = TaskSettings(normalize([PLAIN | changed])[0], "results", "stack", period_topic=period_topic)
        return vars_document(settings, frozenset({"period_topic"}))["period_topic"]["value"]

    assert topic("") == "stack"
    assert topic("stack-periods") == "stack-periods"
    assert topic("stack-periods", alerts={"topic": "workshop"}) == "workshop"
    assert topic("stack-periods", alerts={"topic": "stack"}) == "stack-periods"


def test_the_udf_gets_the_specification() -> None:
    awkward = {"measurement": "m'''e\"a\\'s $tag1 數", "fields": ["a'po", "back\\slash", "{{ field }}"]}
    assert parse(document(**awkward)["specification"]["value"]) == normalize([PLAIN | awkward])[0]


def test_a_name_is_not_escaped() -> None:
    assert document(measurement="it's")["measurement"]["value"] == "it's"


def test_stopping_moving_and_training_a_pipeline_do_not_change_its_task() -> None:
    for changed in ({"enabled": False}, {"kapacitor": "there"}, {"training": {"every": "7d", "on_drift": True}}):
        assert document(**changed) == document()


def test_calendars_that_change_no_score_do_not_change_the_task() -> None:
    holidays = {"means": "holiday", "country": "DE"}
    for means in ("maintenance", "quiet"):
        live = {"means": means, "begin": "2026-01-04T02:00", "lasts": "2h"}
        assert document(calendars=[live]) == document()
        weekly = {"seasonality": ["1d", "1w"]}
        assert document(calendars=[live, holidays], **weekly) == document(calendars=[holidays], **weekly)
        assert document(calendars=[holidays], **weekly) != document(**weekly)


def test_a_unit_and_a_direction_concern_the_udf() -> None:
    assert document(fields=[{"name": "hotend", "unit": "°C"}, "bed"]) != document()
    assert document(fields=[{"name": "hotend", "direction": "high"}, "bed"]) != document()


def test_another_threshold_changes_the_task() -> None:
    assert document(periods={"open": 80}) != document()


def test_alerts_do_not_concern_the_udf() -> None:
    assert document(alerts={"info": 80}) != document()
    assert document(alerts={"info": 80})["specification"] == document()["specification"]


def test_the_age_of_history_concerns_the_udf() -> None:
    assert parse(document(alerts={"age": "2h"})["specification"]["value"]).alerts.age == "2h"


def test_alerts_go_to_the_topic_of_the_stack_unless_the_pipeline_names_another() -> None:
    assert document()["topic"]["value"] == "stack"
    assert document(alerts={"topic": "workshop"})["topic"]["value"] == "workshop"


@pytest.mark.parametrize("kinds", [[], ["drift"], ["silence"], ["period", "drift"], ["clock"], ["rate"], ["invalid"]])
def test_each_kind_of_alert_has_a_switch(kinds: list[str]) -> None:
    switches = {name.removeprefix("alert_on_"): var["value"] for name, var in document(alerts={"kinds": kinds}).items()}
    assert [kind for kind in ("period", "silence", "drift", "clock", "rate", "invalid") if switches[kind]] == kinds


def test_a_var_that_the_script_does_not_declare_is_left_out() -> None:
    (pipeline,) = normalize([PLAIN])
    assert set(vars_document(TaskSettings(pipeline, "results", "stack"), frozenset({"window"}))) == {"window"}


def test_the_page_on_scripts_lists_every_var_with_its_type() -> None:
    page = (ROOT / "tickscripts" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert dict(rows) == {name: variable.type for name, variable in VARIABLES.items()}
