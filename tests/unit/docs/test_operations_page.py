"""docs/operations.md: it says what to do about each alert and each notice."""

import re
from pathlib import Path

from anomaly.pipeline import load_schema
from anomaly.scoring import notices

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_each_kind_of_alert_has_a_row() -> None:
    kinds = load_schema()["properties"]["alerts"]["properties"]["kinds"]["items"]["enum"]
    rows = re.findall(r"^\| `(?:…|pipeline=NAME) (\w+)` \| .+ \| .+ \| .+ \|$", PAGE, re.MULTILINE)
    assert sorted(set(rows)) == sorted(kinds)


def test_what_alerts_nobody_has_a_row() -> None:
    assert re.search(rf"^\| `{notices.WARM_UP}` \| .+ \| .+ \|$", PAGE, re.MULTILINE)
