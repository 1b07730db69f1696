"""The dashboards of a stack: their identifiers and sizes, and what they ask of the UDFs."""

import json
import re

import pytest

from anomaly.grafana.panels import boxes_height
from anomaly.grafana.queries import MOST_LINES
from anomaly.keeper import checks
from anomaly.pipeline import canonical_json, normalize
from anomaly.pipeline.dashboard import dashboard_uid
from anomaly.serving.udf import declaration
from kapacitor_udf.testing import Harness
from tests.unit.anomaly.grafana.dashboards import ALL, PIPELINES, PLAIN, dashboards, queries


def test_dashboards_have_identifiers_of_their_own() -> None:
    assert len({found["uid"] for found in ALL.values()}) == len(ALL)
    assert ALL["printer"]["uid"] == dashboard_uid("printer")


def test_the_udfs_queries_ask_for_fields_that_it_writes() -> None:
    with Harness(declaration(), options={"spec": canonical_json(PIPELINES[0])}) as harness:
        for what in ("scored windows", "unscored windows", "future points", "late points", "too old points"):
            harness.handler.events.add(what, 1)
        harness.tick()
        (metrics,) = harness.metrics()
    # Strings come with the first model and the first error.
    written = {*metrics.fields, "model", "last_error"}
    asked = " ".join(query for _, query in queries(ALL["health"]) if 'FROM "udf"' in query)
    assert len(set(re.findall(r'(?:last|max)\("(\w+)"\)', asked))) > 10
    assert set(re.findall(r'(?:last|max)\("(\w+)"\)', asked)) <= written


@pytest.mark.parametrize(
    ("dashboard", "title", "column", "descending"),
    [
        ("health", "What the keeper finds", "ok", False),
        ("health", "UDFs now", "last word", False),
        ("health", "Given up by pipeline", "shed points", True),
        ("health", "Lag", "newest window", False),
        ("overview", "Last scores", "last window", False),
        ("overview", "In the time shown", "worst", True),
    ],
)
def test_what_is_wrong_comes_first(dashboard: str, title: str, column: str, descending: bool) -> None:
    (table,) = (panel for panel in ALL[dashboard]["panels"] if panel["title"] == title)
    assert table["options"]["sortBy"][0] == {"displayName": column, "desc": descending}


def test_there_is_a_row_of_boxes_for_each_check_of_the_keeper() -> None:
    names = {value for name, value in vars(checks).items() if name.isupper() and isinstance(value, str)}
    (panel,) = (panel for panel in ALL["health"]["panels"] if panel["title"] == "Checks over time")
    assert panel["gridPos"]["h"] == boxes_height(len(names))


def test_all_pipelines_can_be_chosen() -> None:
    (variable,) = ALL["health"]["templating"]["list"]
    assert [option["value"] for option in variable["options"]] == ["$__all", *(each.name for each in PIPELINES)]


def test_a_pipeline_in_the_overview_leads_to_its_dashboard() -> None:
    linked = [
        each["value"][0]["url"]
        for panel in ALL["overview"]["panels"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links" and override["matcher"]["options"] == "pipeline"
    ]
    assert len(linked) == 3
    assert set(linked) == {'/dashboards?query=${__data.fields["pipeline"]:percentencode}&tag=influx-anomaly'}


def test_two_hundred_pipelines_make_an_overview_of_the_same_size() -> None:
    many = normalize([{**PLAIN, "name": f"p{number}", "group_by": [f"t{number}"]} for number in range(200)])
    overview = dashboards(many)["overview"]
    assert len(json.dumps(overview)) < 2 * len(json.dumps(ALL["overview"]))
    heights = {panel["title"]: panel["gridPos"]["h"] for panel in overview["panels"]}
    assert heights["Severity by pipeline"] == boxes_height(MOST_LINES)
