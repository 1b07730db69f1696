"""Pipelines whose dashboards are tested, the dashboards of their stack, and the queries of a dashboard."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anomaly.grafana.panels import Json
from anomaly.grafana.pipeline_dashboard import pipeline_dashboard
from anomaly.grafana.stack_dashboards import health_dashboard, overview_dashboard
from anomaly.pipeline import Pipeline, normalize

PLAIN: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": ["hotend", {"name": "bed", "unit": "°C", "direction": "high", "min_deviation": 2}, "air"],
    "group_by": ["printer"],
    "window": "10s",
}
# Every name has what ends a string, an identifier or a regular expression somewhere.
AWKWARD: dict[str, Any] = {
    "name": "Odd.pipe-line_2",
    "database": 'it\'s a "db"',
    "measurement": "m'''e\"a\\'s /x/ Ünïcödé 数",
    "fields": ["load 1", 'q"uote', "a'po", "back\\slash", "{{ field }}"],
    "group_by": ["host name", "r\"a'ck", "zone/1", "state"],
    "window": "1m",
}
LONELY: dict[str, Any] = {**PLAIN, "name": "lonely", "group_by": [], "fields": ["only"], "retention_policy": "month"}
PIPELINES: list[Pipeline] = normalize([PLAIN, AWKWARD, LONELY])
FILES = Path(__file__).parents[4] / "grafana"


def dashboards(pipelines: list[Pipeline] | None = None) -> dict[str, Json]:
    """Return the dashboards of a stack by name, those that are files among them."""
    known = PIPELINES if pipelines is None else pipelines
    return {
        "overview": overview_dashboard(known, "stack"),
        "health": health_dashboard(known, "stack"),
        **{pipeline.name: pipeline_dashboard(pipeline, "stack") for pipeline in known},
        **{path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES.glob("*.json")},
    }


def queries(found: Json) -> Iterator[tuple[str, str]]:
    """Yield every query of a dashboard: what it is of, and its text."""
    for panel in found["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["query"]
    for annotation in found["annotations"]["list"]:
        if "query" in annotation:
            yield f"annotation {annotation['name']}", annotation["query"]
    for variable in found["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['label']}", variable["query"]


ALL = dashboards()
each = pytest.mark.parametrize("found", ALL.values(), ids=ALL)
