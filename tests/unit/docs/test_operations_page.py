"""docs/operations.md: it says what to do about each alert and each notice."""

import re
from pathlib import Path

import pytest

from anomaly.keeper import checks
from anomaly.keeper.alarms import Alarms
from anomaly.keeper.checks import Finding
from anomaly.pipeline import load_schema
from anomaly.scoring import notices

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_each_kind_of_alert_has_a_row() -> None:
    kinds = load_schema()["properties"]["alerts"]["properties"]["kinds"]["items"]["enum"]
    rows = re.findall(r"^\| `(?:…|pipeline=NAME) (\w+)` \| .+ \| .+ \| .+ \|$", PAGE, re.MULTILINE)
    assert sorted(set(rows)) == sorted(kinds)


def test_what_alerts_nobody_has_a_row() -> None:
    assert re.search(rf"^\| `{notices.WARM_UP}` \| .+ \| .+ \|$", PAGE, re.MULTILINE)


# The rows of `detection pipeline NAME`, of which each is for what one check finds.
OF_A_PIPELINE = {
    checks.TASK: "its task has ended",
    checks.UDF: "its UDF is silent",
    checks.MODEL: "its model does not fit",
    checks.FED: "points are stored and do not reach its UDF",
    checks.SCORES: "points are stored and not scored",
}


OF_THE_STACK = [checks.INFLUXDB, checks.KAPACITOR, checks.DISK, checks.CLOCK, checks.CERTIFICATE, checks.BACKUP]


@pytest.mark.parametrize("check", [*OF_A_PIPELINE, checks.STATE, *OF_THE_STACK])
def test_what_the_keeper_tells_has_a_row(check: str) -> None:
    finding = Finding(check, "" if check in OF_THE_STACK else "NAME", ok=False, text="wrong")
    (message,) = Alarms(patience_ns=0).look([finding], 1)
    rows = re.findall(r"^\| ((?:`|… )[^|]+) \| [^|]+ \| [^|]+ \|$", PAGE.partition("## The keeper")[2], re.MULTILINE)

    if check in OF_A_PIPELINE:
        assert message.id == "detection pipeline NAME"
        assert any(OF_A_PIPELINE[check] in row for row in rows), rows
    else:
        assert any(row.startswith(f"`{message.id}`") for row in rows), (message.id, rows)
