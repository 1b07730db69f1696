"""The panels of every dashboard: their places, numbers and thresholds, which Grafana does not check."""

import json
import re

import pytest

from anomaly.grafana.panels import WIDTH, Json, boxes_height
from anomaly.grafana.queries import MOST_LINES
from tests.unit.anomaly.grafana.dashboards import each


@each
def test_panels_leave_no_hole_and_do_not_overlap(found: Json) -> None:
    """Grafana pulls the next panel up into a hole, and a row falls apart."""
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
    assert len(taken) == WIDTH * (1 + max(y for _, y in taken))


@each
def test_a_dashboard_is_json_and_its_panels_have_numbers_of_their_own(found: Json) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert len({shown["id"] for shown in found["panels"]}) == len(found["panels"])
    assert found["schemaVersion"] == 39
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", found["uid"])
    assert all(shown["description"] for shown in found["panels"])


@each
def test_a_table_has_room_for_times_and_shows_whole_sentences(found: Json) -> None:
    for shown in found["panels"]:
        if shown["type"] != "table":
            continue
        asked = shown["targets"][0]["query"]
        settings = {
            override["matcher"]["options"]: {each["id"]: each["value"] for each in override["properties"]}
            for override in shown["fieldConfig"]["overrides"]
        }
        for name in ("begin_ms", "end_ms"):
            if f'"{name}"' in asked:
                assert settings[name]["unit"] == "dateTimeAsIso"
                assert settings[name]["custom.width"] >= 165
        if '"text"' in asked:
            assert settings["text"]["custom.minWidth"] >= 500
            assert settings["text"]["custom.inspect"] is True


@pytest.mark.parametrize("rows", range(1, MOST_LINES + 1))
def test_names_beside_boxes_do_not_overlap(rows: int) -> None:
    # A unit of height is 30 pixels and a gap of 8; title, axis and paddings take 76; a name is 14 high.
    assert (38 * boxes_height(rows) - 8 - 76) / rows >= 14


@each
def test_a_table_is_sorted_by_a_column_that_it_has(found: Json) -> None:
    for shown in found["panels"]:
        titles = {
            each["value"]
            for override in shown["fieldConfig"]["overrides"]
            for each in override["properties"]
            if each["id"] == "displayName"
        }
        for order in shown["options"].get("sortBy", []):
            assert order["displayName"] in titles or f'AS "{order["displayName"]}"' in shown["targets"][0]["query"]


@each
def test_a_panel_that_shows_a_measure_of_severity_has_thresholds(found: Json) -> None:
    for shown in found["panels"]:
        if shown["title"].lower().startswith(("severity", "worst severity")):
            assert len(shown["fieldConfig"]["defaults"]["thresholds"]["steps"]) >= 3
