"""Writes the report, as JSON for programs and as one self-contained HTML page for people."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from anomaly.backtest import evaluate
from anomaly.backtest.chart import timeline
from anomaly.backtest.evaluate import FoundPeriod
from demo.live import LiveSilence
from demo.plan import DemoPlan
from demo.stack import DeployedStack
from demo.verdict import DemoVerdict, FaultOutcome
from ingest.process import Process
from ingest.times import format_duration, format_time

# The folder of the style sheet, which this report shares with the report of `anomaly backtest`.
_STYLE = Path(evaluate.__file__).parent
_NS_PER_MS = 1_000_000


def document(
    stack: DeployedStack, plan: DemoPlan, verdict: DemoVerdict, elapsed_s: Mapping[str, float]
) -> dict[str, Any]:
    """Return the report as plain data, without secrets.

    Severities are 0 to 100, and times are RFC 3339 and milliseconds since 1970.

    Args:
        stack: the stack.
        plan: the times and data of the demonstration.
        verdict: the comparison.
        elapsed_s: how long each step took, in seconds.
    """
    return {
        "schema": 1,
        "ok": not verdict.problems,
        "problems": list(verdict.problems),
        "stack_name": stack.name,
        "pipeline": stack.pipeline.name,
        "window_ms": plan.window_ms,
        "open_severity": stack.pipeline.open_severity,
        "tag": plan.process.name,
        f"{plan.process.name}s": list(plan.names),
        "seed": plan.seed,
        "schedule": plan.schedule.source,
        "history": _interval(plan.history_start_ms, plan.begin_ms),
        "day": _interval(plan.begin_ms, plan.end_ms),
        "injected": len(verdict.outcomes),
        "found": verdict.found,
        "complete_windows": verdict.complete,
        "unscored_windows": verdict.unscored,
        "false_periods_per_day": round(verdict.false_per_day, 3),
        "faults": [_outcome(plan.process, outcome) for outcome in verdict.outcomes],
        "false_periods": [_period(plan.process, period) for period in verdict.false],
        "live_silence": None if verdict.live is None else _live(plan.process, verdict.live),
        "elapsed_s": {step: round(seconds, 1) for step, seconds in elapsed_s.items()},
        "addresses": {
            "InfluxDB": stack.influxdb_url,
            "Kapacitor": list(stack.kapacitor_urls),
            **{page.name: page.url for page in stack.pages},
        },
        "secrets_dir": stack.secrets_dir,
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write the document as JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_html(path: Path, content: Mapping[str, Any]) -> None:
    """Write the page, with the timeline that a backtest draws."""
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
        # timeline() has escaped all texts.
        timeline=Markup(timeline(timeline_content(content))),  # noqa: S704
    )
    path.write_text(page, encoding="utf-8")


def timeline_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report as `anomaly.backtest.chart.timeline` draws it: faults are labels."""
    tag = content["tag"]

    def event(entry: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {"from": entry["from"], "to": entry["to"], "tags": {tag: entry[tag]}, **more}

    def period(entry: Mapping[str, Any], verdict: str) -> dict[str, Any]:
        return event(entry, verdict=verdict, reason=entry["reason"], peak_severity=entry["peak_severity"])

    true = {
        (entry[tag], entry["from_ms"]): period(entry, "true")
        for fault in content["faults"]
        for entry in fault["periods"]
    }
    return {
        "pipeline": content["pipeline"],
        "from": content["day"]["from"],
        "to": content["day"]["to"],
        "labels": [
            event(fault, found=fault["found"], kind=f"{fault['id']} {fault['kind']} on {', '.join(fault['fields'])}")
            for fault in content["faults"]
        ],
        "periods": [*true.values(), *(period(entry, "false") for entry in content["false_periods"])],
    }


def _interval(begin_ms: int, end_ms: int) -> dict[str, Any]:
    return {"from": format_time(begin_ms), "to": format_time(end_ms), "from_ms": begin_ms, "to_ms": end_ms}


def _period(process: Process, found_period: FoundPeriod) -> dict[str, Any]:
    (device,), period = found_period.key, found_period.period
    return {
        process.name: device,
        **_interval(period.begin_ns // _NS_PER_MS, period.end_ns // _NS_PER_MS),
        "state": period.state,
        "peak_severity": period.peak_severity,
        "peak_score": period.peak_score,
        "windows": period.points,
        "reason": period.reason,
    }


def _live(process: Process, live: LiveSilence) -> dict[str, Any]:
    return {
        process.name: live.device,
        "from": format_time(live.begin_ms),
        "from_ms": live.begin_ms,
        "within_ms": live.within_ms,
        "delay_ms": live.delay_ms,
    }


def _outcome(process: Process, outcome: FaultOutcome) -> dict[str, Any]:
    fault = outcome.fault
    return {
        "id": fault.id,
        "kind": fault.kind,
        process.name: process.device_name(fault.device),
        "fields": list(fault.fields),
        **_interval(fault.begin_ms, fault.end_ms),
        "strength": fault.strength or None,
        "found": outcome.found,
        "delay_ms": outcome.delay_ms,
        "coverage": outcome.outcome.coverage,
        "peak_severity": outcome.worst.period.peak_severity if outcome.worst else None,
        "reason": outcome.worst.period.reason if outcome.worst else None,
        "periods": [_period(process, period) for period in outcome.periods],
    }
