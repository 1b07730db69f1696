"""The report: as JSON for programs, as one self-contained HTML page for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from demo.plan import Plan
from demo.stack import Stack
from demo.verdict import Outcome, Period, Verdict
from ingest.times import format_duration, format_time

# The style is shared with the report of `anomaly backtest`.
_STYLE = Path(__file__).parents[1] / "udf" / "anomaly" / "src" / "anomaly"


def document(stack: Stack, plan: Plan, verdict: Verdict, elapsed_s: Mapping[str, float]) -> dict[str, Any]:
    """The report as plain data, without secrets. Severities are 0 to 100, times RFC 3339 and epoch milliseconds."""
    return {
        "schema": 1,
        "ok": not verdict.problems,
        "problems": list(verdict.problems),
        "stack_name": stack.name,
        "pipeline": stack.pipeline.name,
        "window_ms": plan.window_ms,
        "printers": list(plan.names),
        "seed": plan.seed,
        "schedule": plan.schedule.source,
        "history": _interval(plan.history_start_ms, plan.start_ms),
        "day": _interval(plan.start_ms, plan.end_ms),
        "injected": len(verdict.outcomes),
        "found": verdict.found,
        "complete_windows": verdict.complete,
        "unscored_windows": verdict.unscored,
        "false_periods_per_day": round(verdict.false_per_day, 3),
        "faults": [_outcome(outcome) for outcome in verdict.outcomes],
        "false_periods": [_period(period) for period in verdict.false],
        "elapsed_s": {step: round(seconds, 1) for step, seconds in elapsed_s.items()},
        "addresses": {
            "InfluxDB": stack.influxdb_url,
            "Kapacitor": list(stack.kapacitor_urls),
            **{page.name: page.url for page in stack.pages},
        },
        "secrets_dir": stack.secrets_dir,
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write the document."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_html(path: Path, content: Mapping[str, Any], charts: Sequence[tuple[str, str]]) -> None:
    """Write the page. ``charts`` are pairs of a title and an SVG element."""
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, _STYLE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = format_duration
    page = environment.get_template("report.html.j2").render(
        report=content,
        # chart() has escaped what it was given.
        charts=[(title, Markup(svg)) for title, svg in charts],  # noqa: S704
    )
    path.write_text(page, encoding="utf-8")


def _interval(begin_ms: int, end_ms: int) -> dict[str, Any]:
    return {"from": format_time(begin_ms), "to": format_time(end_ms), "from_ms": begin_ms, "to_ms": end_ms}


def _period(period: Period) -> dict[str, Any]:
    return {
        "printer": period.printer,
        **_interval(period.begin_ms, period.end_ms),
        "state": period.state,
        "peak_severity": period.peak_severity,
        "peak_score": period.peak_score,
        "windows": period.windows,
        "reason": period.reason,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    fault = outcome.fault
    return {
        "id": fault.id,
        "kind": fault.kind,
        "printer": f"printer-{fault.printer}",
        "fields": list(fault.fields),
        **_interval(fault.begin_ms, fault.end_ms),
        "strength": fault.strength or None,
        "found": outcome.found,
        "delay_ms": outcome.delay_ms,
        "peak_severity": outcome.worst.peak_severity if outcome.worst else None,
        "reason": outcome.worst.reason if outcome.worst else None,
        "periods": [_period(period) for period in outcome.periods],
    }
