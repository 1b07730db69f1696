"""docs/dashboards.md: its panels are there, and its bounds are those of the queries."""

import re
from pathlib import Path

from anomaly.grafana.queries import MOST_CHOICES, MOST_LINES, MOST_ROWS
from tests.unit.anomaly.grafana.dashboards import dashboards

PAGE = (Path(__file__).parents[3] / "docs" / "dashboards.md").read_text(encoding="utf-8")


def part(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def named(title: str) -> set[str]:
    """Return the panels that the tables of a part of the page name."""
    rows = re.findall(r"^\| ([^|]+) \|", part(title), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_its_panels_of_the_overview_are_there() -> None:
    assert named("Overview") <= {panel["title"] for panel in dashboards()["overview"]["panels"]}
    assert len(named("Overview")) == 5


def test_it_names_every_panel_of_a_pipeline_but_those_of_its_fields() -> None:
    titles = {panel["title"] for panel in dashboards()["printer"]["panels"]}
    assert titles - named("A pipeline") == {"Windows", "hotend", "bed", "air"}
    assert named("A pipeline") <= titles


def test_its_bounds_are_those_of_the_queries() -> None:
    assert f"the newest {MOST_ROWS} " in PAGE
    assert f"at most {MOST_LINES} series, a list of choices {MOST_CHOICES:,} values" in PAGE
