"""The panels of every dashboard: their places, numbers and thresholds, which Grafana does not check."""

import json
import re

from anomaly.grafana.panels import WIDTH, Json
from tests.unit.anomaly.grafana.dashboards import each


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


@each
def test_a_panel_that_shows_a_measure_of_severity_has_thresholds(found: Json) -> None:
    for shown in found["panels"]:
        if shown["title"].lower().startswith(("severity", "worst severity")):
            assert len(shown["fieldConfig"]["defaults"]["thresholds"]["steps"]) >= 3
