"""Dashboards: what Grafana refuses or shows wrongly without a word. tests/conformance runs their queries."""

import json
import re
from typing import Any

import pytest

from anomaly.grafana.panels import WIDTH, Json
from anomaly.grafana.pipeline_dashboard import pipeline_dashboard
from anomaly.influxdb.influxql import identifier, literal
from anomaly.pipeline import canonical_json, normalize
from anomaly.pipeline.dashboard import dashboard_uid
from anomaly.serving.udf import declaration
from kapacitor_udf.testing import Harness
from tests.unit.anomaly.grafana.dashboards import PIPELINES, PLAIN, dashboards, queries

ALL = dashboards()
each = pytest.mark.parametrize("found", ALL.values(), ids=ALL)
each_pipeline = pytest.mark.parametrize("pipeline", PIPELINES, ids=[pipeline.name for pipeline in PIPELINES])


def panel(title: str, **changes: Any) -> Json:
    found: Json
    (found,) = (
        panel
        for panel in pipeline_dashboard(normalize([{**PLAIN, **changes}])[0], "stack")["panels"]
        if panel["title"] == title
    )
    return found


@each
def test_panels_fill_the_width_without_overlap(found: Json) -> None:
    taken: set[tuple[int, int]] = set()
    for shown in found["panels"]:
        place = shown["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < WIDTH
        assert not cells & taken, shown["title"]
        taken |= cells


@each
def test_a_dashboard_is_json_and_its_panels_have_numbers_of_their_own(found: Json) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert len({shown["id"] for shown in found["panels"]}) == len(found["panels"])
    assert found["schemaVersion"] == 39
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", found["uid"])
    assert all(shown["description"] for shown in found["panels"])


def test_dashboards_have_identifiers_of_their_own() -> None:
    assert len({found["uid"] for found in ALL.values()}) == len(ALL)
    assert ALL["printer"]["uid"] == dashboard_uid("printer")


@each
def test_every_query_keeps_to_the_time_shown_once(found: Json) -> None:
    for title, query in queries(found):
        # Grafana fills in the first one of a variable's or an annotation's query only.
        assert query.count("$timeFilter") == 1, title


@each
def test_every_query_is_bounded(found: Json) -> None:
    for title, query in queries(found):
        # The last one is a single row of aggregates over everything.
        assert (
            re.search(r" GROUP BY time\(\$__interval\) fill\(none\)$", query)
            or re.search(r" GROUP BY time\(\$__interval\), .* fill\(none\) SLIMIT 20$", query)
            or re.search(r" S?LIMIT \d+$", query)
            or re.match(r'SELECT top\("worst", .*, 20\) ', query)
            or (re.match(r"SELECT (count|max|sum)\(", query) and not query.rpartition(")")[2].count(" GROUP BY "))
        ), (title, query)


@each
def test_a_panel_that_shows_a_measure_of_severity_has_thresholds(found: Json) -> None:
    for shown in found["panels"]:
        if shown["title"].lower().startswith(("severity", "worst severity")):
            assert len(shown["fieldConfig"]["defaults"]["thresholds"]["steps"]) >= 3


@each_pipeline
def test_names_arrive_whole_and_quoted(pipeline: Any) -> None:
    found = ALL[pipeline.name]
    titles = [shown["title"] for shown in found["panels"]]
    assert [title for title in titles if title in pipeline.fields] == list(pipeline.fields)
    assert [variable["label"] for variable in found["templating"]["list"]] == list(pipeline.group_by)
    asked = "\n".join(query for _, query in queries(found))
    for field in pipeline.fields:
        assert f"mean({identifier(f'value_{field}')})" in asked
        assert f'max({identifier(f"expected_high_{field}")}) AS "expected high"' in asked
    for _, query in queries(found):
        assert f'"pipeline" = {literal(pipeline.name)}' in query
    if "state" in pipeline.group_by:
        assert '"tag_state" =~ /^$tag4$/' in asked


def test_the_expected_range_is_a_band() -> None:
    overrides = {each["matcher"]["options"]: each["properties"] for each in panel("bed")["fieldConfig"]["overrides"]}
    assert {"id": "custom.fillBelowTo", "value": "expected low"} in overrides["expected high"]
    assert set(overrides) == {"expected low", "expected high"}


def test_a_field_may_say_more_than_its_name() -> None:
    bed, air = panel("bed"), panel("air")
    assert bed["fieldConfig"]["defaults"]["unit"] == "suffix: °C"
    assert "unit" not in air["fieldConfig"]["defaults"]
    assert bed["description"].endswith(
        "Only what is higher than usual counts. What is at most 2 °C from the usual is usual."
    )


def test_severity_shows_the_pipelines_own_thresholds() -> None:
    steps = panel("Severity", periods={"open": 88, "close": 44})["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, 44, 88]


def test_drift_is_shown_once_it_means_something() -> None:
    (target,) = panel("Drift")["targets"]
    assert '"filled" >= 0.5' in target["query"]


def test_a_row_of_a_table_leads_to_its_series_and_time() -> None:
    (peak,) = (
        each for each in panel("Periods")["fieldConfig"]["overrides"] if each["matcher"]["options"] == "peak_severity"
    )
    (links,) = (each["value"] for each in peak["properties"] if each["id"] == "links")
    assert links[0]["url"] == (
        f'/d/{dashboard_uid("printer")}/?var-tag1=${{__data.fields["printer"]:percentencode}}'
        '&from=${__data.fields["begin_ms"].numeric}&to=${__data.fields["end_ms"].numeric}'
    )


@each_pipeline
def test_periods_and_notices_are_regions_with_an_end(pipeline: Any) -> None:
    regions = {each["name"]: each for each in ALL[pipeline.name]["annotations"]["list"] if "query" in each}
    assert set(regions) == {"Periods", "Notices"}
    for region in regions.values():
        assert region["timeEndColumn"] == region["target"]["timeEndColumn"] == "end_ms"
        assert '"end_ms"' in region["target"]["query"]


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


def test_two_hundred_pipelines_make_an_overview_of_the_same_size() -> None:
    many = normalize([{**PLAIN, "name": f"p{number}", "group_by": [f"t{number}"]} for number in range(200)])
    overview = dashboards(many)["overview"]
    assert len(json.dumps(overview)) < 2 * len(json.dumps(ALL["overview"]))
