import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from demo.chart import Series, chart
from demo.database import Bucket
from demo.plan import Plan
from demo.report import document, write_html, write_json
from demo.stack import Stack, read_stack
from demo.table import print_addresses, print_verdict
from demo.verdict import NO_DATA, Period, Verdict, judge
from ingest.faults import load_schedule

START_MS = 1_767_225_600_000
DAY_MS = 86_400_000
PLAN = Plan(START_MS, DAY_MS, DAY_MS, 2, 1, load_schedule(Path("day.yml")), 10_000)


def period_of(index: int, reason: str | None = None) -> Period:
    fault = PLAN.faults[index]
    why = reason or fault.fields[0]
    return Period(f"printer-{fault.printer}", fault.begin_ms, fault.end_ms, "closed", 88.4, 0.7, 3, why)


@pytest.fixture
def verdict() -> Verdict:
    """All but the last fault found, one false period."""
    false = Period("printer-1", START_MS, START_MS + 20_000, "closed", 71.0, 0.6, 2, "<air>")
    periods = [period_of(i, NO_DATA if PLAN.faults[i].kind == "gap" else None) for i in range(len(PLAN.faults) - 1)]
    return judge(PLAN.faults, [*periods, false], 10_000, DAY_MS, {"printer-1": 8_640}, {"printer-1": 8_640})


@pytest.fixture
def stack(summary: dict[str, Any], write_summary: Callable[[dict[str, Any]], Path], tmp_path: Path) -> Stack:
    return read_stack(write_summary(summary), "printer", tmp_path)


def series(verdict: Verdict) -> Series:
    buckets = [Bucket(START_MS + i * 120_000, (1.0, 2.0, 3.0), (2.0, 3.0, 4.0)) for i in range(720)]
    buckets[100] = Bucket(buckets[100].begin_ms, (None,) * 3, (None,) * 3)
    severities = [(bucket.begin_ms, None if bucket.low[0] is None else 5.0) for bucket in buckets]
    mine = [o for o in verdict.outcomes if o.fault.printer == 1]
    periods = [period for outcome in mine for period in outcome.periods]
    return Series(
        "printer-1",
        START_MS,
        START_MS + DAY_MS,
        buckets,
        severities,
        mine,
        [*periods, *verdict.false],
        verdict.false,
        70.0,
    )


def test_the_table_tells_found_missed_and_false(verdict: Verdict, stack: Stack) -> None:
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
    assert f"{len(rows) - 1} of {len(rows)} faults found, 1 false period (1 a day), 8,640 of 8,640" in text
    assert "none: no image" in text
    assert "secret-of" not in text


def test_the_document_has_what_the_table_has_and_no_secret(verdict: Verdict, stack: Stack, tmp_path: Path) -> None:
    write_json(tmp_path / "demo.json", document(stack, PLAN, verdict, {"stream": 12.34}))
    text = (tmp_path / "demo.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["ok"] is False
    assert (content["injected"], content["found"]) == (len(PLAN.faults), len(PLAN.faults) - 1)
    assert content["faults"][0]["delay_ms"] == 10_000
    assert content["faults"][-1]["peak_severity"] is None
    assert content["false_periods"][0]["reason"] == "<air>"
    assert content["elapsed_s"] == {"stream": 12.3}
    assert "secret-of" not in text


def test_the_chart_is_well_formed_and_shows_each_fault_and_period(verdict: Verdict) -> None:
    drawn = series(verdict)
    root = ElementTree.fromstring(chart(drawn))  # noqa: S314 (our own text)
    kinds = [element.get("class") for element in root.iter()]
    assert kinds.count("lane-fault") + kinds.count("lane-missed") == len(drawn.outcomes)
    assert kinds.count("lane-found") + kinds.count("lane-false") == len(drawn.periods)
    assert kinds.count("lane-false") == 1
    assert kinds.count("value") == 2 * 3, "each field is drawn before and after the gap"
    widths = [float(e.get("width", 0)) for e in root.iter() if (e.get("class") or "").startswith("lane")]
    assert min(widths) >= 3, "a fault of a second can be seen"


def test_the_page_is_self_contained_and_escapes_what_it_shows(verdict: Verdict, stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "demo.html"
    write_html(path, document(stack, PLAN, verdict, {}), [("printer-1", chart(series(verdict)))])
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=|url\(|<script", text)
    assert "&lt;air&gt;" in text
    assert "<air>" not in text
    assert text.count("<svg") == 1
    assert "prefers-color-scheme: dark" in text


def test_a_day_without_anything_can_be_drawn(stack: Stack, tmp_path: Path) -> None:
    empty = judge([], [], 10_000, DAY_MS, {}, {})
    ElementTree.fromstring(chart(Series("p", START_MS, START_MS + DAY_MS, [], [], [], [], [], None)))  # noqa: S314
    write_html(tmp_path / "demo.html", document(stack, PLAN, empty, {}), [])
    assert "None." in (tmp_path / "demo.html").read_text(encoding="utf-8")
