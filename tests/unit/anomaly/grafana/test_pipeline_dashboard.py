"""The dashboard of a pipeline: what Grafana refuses or shows wrongly without a word."""

from typing import Any

import pytest

from anomaly.grafana.panels import Json
from anomaly.grafana.pipeline_dashboard import pipeline_dashboard
from anomaly.influxdb.influxql import identifier, literal
from anomaly.pipeline import normalize
from anomaly.pipeline.dashboard import dashboard_uid
from tests.unit.anomaly.grafana.dashboards import ALL, PIPELINES, PLAIN, queries

each_pipeline = pytest.mark.parametrize("pipeline", PIPELINES, ids=[pipeline.name for pipeline in PIPELINES])


def panel(title: str, **changes: Any) -> Json:
    found: Json
    (found,) = (
        panel
        for panel in pipeline_dashboard(normalize([{**PLAIN, **changes}])[0], "stack")["panels"]
        if panel["title"] == title
    )
    return found


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
    assert bed["fieldConfig"]["defaults"]["unit"] == "suffix:°C"
    assert "unit" not in air["fieldConfig"]["defaults"]
    assert bed["description"].endswith("Only what is higher than usual counts. A deviation of at most 2 °C is normal.")


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
        '&from=${__data.fields["from_ms"].numeric}&to=${__data.fields["to_ms"].numeric}'
    )


@pytest.mark.parametrize(("window", "beside_ms"), [("10s", 3_600_000), ("5m", 18_000_000)])
def test_a_period_is_shown_with_what_was_around_it_as_in_messages(window: str, beside_ms: int) -> None:
    periods = panel("Periods", window=window)

    assert (
        f'"begin_ms" - {beside_ms} AS "from_ms", "end_ms" + {beside_ms} AS "to_ms", ' in periods["targets"][0]["query"]
    )
    hidden = {
        override["matcher"]["options"]
        for override in periods["fieldConfig"]["overrides"]
        if {"id": "custom.hidden", "value": True} in override["properties"]
    }
    assert hidden == {"from_ms", "to_ms"}


@pytest.mark.parametrize(
    ("zone", "window", "interval"),
    [
        ("Asia/Kolkata", "10s", "10s"),
        ("Europe/Berlin", "1h", "1h"),
        ("Europe/Berlin", "1d", "15m"),
        ("Europe/Berlin", "72m", "3m"),
    ],
)
def test_boxes_are_as_long_as_what_the_begins_of_all_windows_are_multiples_of(
    zone: str, window: str, interval: str
) -> None:
    (pipeline,) = normalize([{**PLAIN, "timezone": zone, "window": window, "detector": "isolation_forest"}])

    panels = pipeline_dashboard(pipeline, "stack")["panels"]

    (boxes,) = (panel for panel in panels if panel["title"] == "Severity by series")
    assert boxes["interval"] == interval


def test_the_worst_series_comes_first() -> None:
    assert panel("Worst series")["options"]["sortBy"] == [{"displayName": "worst severity", "desc": True}]


@pytest.mark.parametrize("fields", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_charts_are_two_in_a_row_and_a_last_one_alone_is_wide(fields: list[str]) -> None:
    places = [panel(title, fields=fields)["gridPos"] for title in (*fields, "Score", "Reasons")]

    assert [place["x"] for place in places] == [at % 2 * 12 for at in range(len(places))]
    assert places[-1]["w"] == (24 if len(places) % 2 else 12)


@each_pipeline
def test_periods_and_notices_are_regions_with_an_end(pipeline: Any) -> None:
    regions = {each["name"]: each for each in ALL[pipeline.name]["annotations"]["list"] if "query" in each}
    assert set(regions) == {"Periods", "Notices"}
    for region in regions.values():
        query = region["target"]["query"]
        selected, _, rest = query.removeprefix("SELECT ").partition(' FROM "')
        measurement = rest.partition('"')[0]
        end, title = (f"{measurement}.{column}" for column in ("end_ms", "state"))
        # Grafana 9 knows the first two by these names, and later versions the second two.
        assert selected.startswith(f'"state" AS "{title}", "end_ms" AS "{end}", "state", "end_ms", ')
        for place in (region, region["target"]):
            assert (place["timeEndColumn"], place["titleColumn"]) == (end, title)
            assert identifier(place["textColumn"]) in selected
    # Grafana leaves out rows in which a column is null, and a notice of all series has no tags.
    assert regions["Notices"]["tagsColumn"] == ""
    assert not any(
        identifier(tag) in regions["Notices"]["query"].partition(" FROM ")[0] for tag in pipeline.result_tags
    )


def test_a_tag_whose_name_is_a_part_of_a_columns_is_not_taken_for_it() -> None:
    (found,) = normalize([{**PLAIN, "group_by": ["end", "host"]}])
    regions = pipeline_dashboard(found, "stack")["annotations"]["list"]
    assert [each["tagsColumn"] for each in regions if each["name"] == "Periods"] == ["host"]


@pytest.mark.parametrize(
    ("window", "timezone", "interval"),
    [("1d", "UTC", "1d"), ("10s", "Europe/Berlin", "10s"), ("1d", "Europe/Berlin", "15m")],
)
def test_charts_show_windows_by_a_clock_where_they_begin(window: str, timezone: str, interval: str) -> None:
    shown = [
        panel(title, window=window, timezone=timezone) for title in ("Severity", "Severity by series", "bed", "Score")
    ]

    # Grafana counts intervals in UTC, where days do not begin at midnight in Berlin.
    assert [each["interval"] for each in shown] == [interval] * 4
