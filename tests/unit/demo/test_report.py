import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from anomaly.backtest.chart import timeline
from anomaly.backtest.evaluate import FoundPeriod
from anomaly.scoring.periods import NO_DATA, Period
from demo.live import LiveSilence
from demo.plan import DemoPlan
from demo.report import document, timeline_content, write_html, write_json
from demo.stack import DeployedStack, read_stack
from demo.table import print_addresses, print_verdict
from demo.verdict import DemoVerdict, compare
from ingest.faults import load_schedule
from ingest.heatpump import HEAT_PUMPS

BEGIN_MS = 1_767_225_600_000
DAY_MS = 86_400_000
PLAN = DemoPlan(BEGIN_MS, DAY_MS, DAY_MS, 2, 1, load_schedule(Path("day.yml")), 10_000)


def found(printer: int, begin_ms: int, end_ms: int, severity: float, reason: str) -> FoundPeriod:
    period = Period(begin_ms * 1_000_000, end_ms * 1_000_000, "closed", 0.7, severity, 3, reason)
    known_ms = end_ms if reason == NO_DATA else begin_ms + 10_000
    return FoundPeriod((f"printer-{printer}",), period, known_ms * 1_000_000)


def period_of(index: int, reason: str | None = None) -> FoundPeriod:
    fault = PLAN.faults[index]
    return found(fault.device, fault.begin_ms, fault.end_ms, 88.4, reason or fault.fields[0])


@pytest.fixture
def verdict() -> DemoVerdict:
    """All but the last fault found, one false period."""
    false = found(1, BEGIN_MS, BEGIN_MS + 20_000, 71.0, "<air>")
    periods = [period_of(i, NO_DATA if PLAN.faults[i].kind == "gap" else None) for i in range(len(PLAN.faults) - 1)]
    return compare(PLAN.faults, [*periods, false], 10_000, DAY_MS, {"printer-1": 8_640}, {"printer-1": 8_640})


@pytest.fixture
def stack(summary: dict[str, Any], write_summary: Callable[[dict[str, Any]], Path], tmp_path: Path) -> DeployedStack:
    return read_stack(write_summary(summary), "printer", tmp_path)


def drawn(stack: DeployedStack, verdict: DemoVerdict) -> str:
    return timeline(timeline_content(document(stack, PLAN, verdict, {})))


def test_the_table_tells_found_missed_and_false(verdict: DemoVerdict, stack: DeployedStack) -> None:
    console = Console(record=True, width=140, file=None, quiet=False)
    with console.capture() as capture:
        print_verdict(console, verdict)
        print_addresses(console, stack, [("Report", "build/demo.html")])
    text = capture.get()
    rows = [line for line in text.splitlines() if re.match(r"F\d\d ", line)]
    assert len(rows) == len(PLAN.faults)
    assert "missed" in rows[-1]
    assert sum("yes" in row for row in rows) == len(rows) - 1
    assert re.search(r"F04 gap .* 5m +no data", text), "without data there is no severity"
    assert (
        "F04: the day is replayed, so its clock is that of the points, and silence is known when data return." in text
    )
    assert f"{len(rows) - 1} of {len(rows)} faults found, 1 false period (1 a day), 8,640 of 8,640" in text
    assert "none: no image" in text
    assert "secret-of" not in text


LIVE = LiveSilence("printer-live", BEGIN_MS, 80_000, 81_300)


@pytest.mark.parametrize(
    ("live", "row", "said"),
    [
        (LIVE, "yes .* 1m22s +no data", "told 1m22s after its last window, and lasts"),
        (replace(LIVE, delay_ms=None), "missed", "here 1m20s. It was not."),
    ],
)
def test_the_silence_of_a_live_device_has_a_row_with_its_measured_delay(
    verdict: DemoVerdict, stack: DeployedStack, live: LiveSilence, row: str, said: str
) -> None:
    console = Console(width=140)
    with console.capture() as capture:
        print_verdict(console, replace(verdict, live=live))
    text = capture.get()
    assert re.search(f"live gap +printer-live +all +{row}".replace("all +", "all .* "), text), text
    assert said in text
    assert document(stack, PLAN, replace(verdict, live=live), {})["live_silence"]["delay_ms"] == live.delay_ms


def test_a_live_silence_that_nobody_told_is_a_problem(verdict: DemoVerdict) -> None:
    problems = replace(verdict, live=replace(LIVE, delay_ms=None)).problems
    assert problems[:-1] == verdict.problems
    assert problems[-1] == "printer-live wrote live and fell silent, and that was not told while it lasted"


def test_the_document_has_what_the_table_has_and_no_secret(
    verdict: DemoVerdict, stack: DeployedStack, tmp_path: Path
) -> None:
    write_json(tmp_path / "demo.json", document(stack, PLAN, verdict, {"stream": 12.34}))
    text = (tmp_path / "demo.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["ok"] is False
    assert (content["injected"], content["found"]) == (len(PLAN.faults), len(PLAN.faults) - 1)
    assert content["faults"][0]["delay_ms"] == 10_000
    assert content["faults"][-1]["peak_severity"] is None
    assert content["false_periods"][0]["reason"] == "<air>"
    assert content["elapsed_s"] == {"stream": 12.3}
    assert content["live_silence"] is None
    assert "secret-of" not in text


def test_the_chart_is_well_formed_and_shows_each_fault_and_period(verdict: DemoVerdict, stack: DeployedStack) -> None:
    root = ElementTree.fromstring(drawn(stack, verdict))  # noqa: S314 (our own text)
    kinds = [element.get("class") for element in root.iter()]
    assert kinds.count("lane-fault") + kinds.count("lane-missed") == len(verdict.outcomes)
    assert kinds.count("lane-missed") == 1
    periods = {period.id for outcome in verdict.outcomes for period in outcome.periods}
    assert kinds.count("lane-found") + kinds.count("lane-false") == len(periods) + len(verdict.false)
    assert kinds.count("lane-false") == 1
    widths = [float(e.get("width", 0)) for e in root.iter() if (e.get("class") or "").startswith("lane")]
    assert min(widths) >= 3, "a fault of a second can be seen"


def test_the_page_is_self_contained_and_escapes_what_it_shows(
    verdict: DemoVerdict, stack: DeployedStack, tmp_path: Path
) -> None:
    path = tmp_path / "demo.html"
    write_html(path, document(stack, PLAN, verdict, {}))
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=|url\(|<script", text)
    assert "&lt;air&gt;" in text
    assert "<air>" not in text
    assert text.count("<svg") == 1
    assert "prefers-color-scheme: dark" in text


def test_a_day_without_anything_can_be_drawn(stack: DeployedStack, tmp_path: Path) -> None:
    empty = compare([], [], 10_000, DAY_MS, {}, {})
    assert drawn(stack, empty) == ""
    write_html(tmp_path / "demo.html", document(stack, PLAN, empty, {}))
    assert "None." in (tmp_path / "demo.html").read_text(encoding="utf-8")


def test_heat_pumps_are_named_in_table_and_page(summary: dict[str, Any], write_summary: Any, tmp_path: Path) -> None:
    plan = DemoPlan(BEGIN_MS, DAY_MS, 14 * DAY_MS, 2, 1, load_schedule(Path("day.yml"), HEAT_PUMPS), 60_000)
    pipeline = summary["pipelines"][0] | {"name": "heatpump", "group_by": ["heatpump"]}
    summary["pipelines"] = [pipeline | {"fields": list(HEAT_PUMPS.fields), "window": "1m"}]
    stack = read_stack(write_summary(summary), "heatpump", tmp_path, HEAT_PUMPS)
    verdict = compare(plan.faults, [], 60_000, DAY_MS, {}, {}, process=HEAT_PUMPS)

    content = document(stack, plan, verdict, {})
    write_html(tmp_path / "demo.html", content)
    console = Console(width=200)
    with console.capture() as capture:
        print_verdict(console, verdict)

    assert (content["tag"], content["heatpumps"]) == ("heatpump", ["heatpump-1", "heatpump-2"])
    assert "<th>heatpump</th>" in (tmp_path / "demo.html").read_text(encoding="utf-8")
    assert re.search(r"F\d\d leak +heatpump-2 +all ", capture.get())
    assert "F01 (filter on heatpump-1) was missed" in verdict.problems
