"""The page of a series: its values with the expected band, severity and periods, over any range.

The page's script asks for steps (`/api/steps`) of the range that is looked at. InfluxDB makes at most as many of them
as the plot has room for, each with its lowest and its highest values, so a month of seconds costs the browser what an
hour costs.
"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from anomaly.console.asked import key_of, number_of, pipeline_of, series_parameters, span_of
from anomaly.console.pages import console_of, page
from anomaly.counted import counted
from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import DAY_NS, HOUR_NS, SECOND_NS, rfc3339
from anomaly.pipeline import Pipeline
from anomaly.report.read import ReportedPeriod, chosen_fields, read_periods, read_steps, step_begins
from anomaly.windows.arrays import Key

MOST_STEPS = 1_200
_STEPS = 480
# The page shows this much at first: enough windows to see what is normal, and not more than a month.
_LEAST_NS, _FIRST_WINDOWS, _MOST_NS = 6 * HOUR_NS, 500, 30 * DAY_NS
# The periods that the page lists.
_LISTED_NS, _LISTED = 30 * DAY_NS, 50
# Ranges that the page offers, in the browser's words.
RANGES = (("1h", "1 hour"), ("6h", "6 hours"), ("24h", "1 day"), ("7d", "7 days"), ("30d", "30 days"))


def show(request: Request) -> Response:
    """Show the page."""
    pipeline = pipeline_of(request)
    key = key_of(pipeline, request.query_params.getlist("series"))
    # A wrong range is refused by the page, not by its script.
    span = span_of(pipeline, request.query_params, first_range(pipeline))
    stack = console_of(request).stack
    now_ns = time.time_ns()
    count, periods = read_periods(
        stack.influx, stack.results_database, pipeline, TimeRange(now_ns - _LISTED_NS, now_ns), key
    )
    series = tags_of(pipeline, key)
    newest = sorted(periods, key=lambda each: -each.begin_ns)[:_LISTED]
    still = sum(each.is_open for each in periods)
    context = {
        "title": title_of(pipeline, key),
        "pipeline": pipeline,
        "series": series,
        "at": series_parameters(pipeline.name, series),
        "plot": plot_data(pipeline, key, span, is_live=not request.query_params.get("to")),
        "ranges": RANGES,
        "periods": [period_entry(each) for each in newest],
        "summary": f"{counted(count, 'period')} in 30 days" + (f", {still} of them open" if still else ""),
        "left_out": count - len(newest),
    }
    return page(request, "series.html", context)


def first_range(pipeline: Pipeline) -> str:
    """Return how far back the page goes at first, as a duration."""
    length_ns = min(max(_LEAST_NS, _FIRST_WINDOWS * pipeline.window_ns), _MOST_NS)
    return f"{length_ns // SECOND_NS}s"


def tags_of(pipeline: Pipeline, key: Key) -> dict[str, str]:
    """Return the tags of a series, those that it lacks left out."""
    return {name: value for name, value in zip(pipeline.result_tags, key, strict=True) if value}


def title_of(pipeline: Pipeline, key: Key) -> str:
    """Return the title of a series: the values of its tags, which say more than their names."""
    return ", ".join(value for value in key if value) or pipeline.name


def plot_data(pipeline: Pipeline, key: Key, span: TimeRange, *, is_live: bool) -> dict[str, Any]:
    """Return what the script of a plot needs to begin."""
    return {
        "address": f"/api/steps?{series_parameters(pipeline.name, tags_of(pipeline, key))}",
        "from": span.begin_ns // SECOND_NS,
        "to": span.end_ns // SECOND_NS,
        "window": pipeline.window_ns / SECOND_NS,
        "live": is_live,
    }


def period_entry(period: ReportedPeriod) -> dict[str, Any]:
    """Return a period, as the API gives it and pages show it."""
    return {
        "begin": rfc3339(max(period.begin_ns, 0)),
        # JavaScript has no integers as large as nanoseconds.
        "begin_ns": str(period.begin_ns),
        "end": rfc3339(max(period.end_ns, 0)),
        "length_s": max(period.end_ns - period.begin_ns, 0) // SECOND_NS,
        "open": period.is_open,
        "peak_severity": period.peak_severity,
        "windows": period.windows,
        "reason": period.reason,
        "text": period.text,
    }


def steps(request: Request) -> Response:
    """Answer with the steps of a range."""
    pipeline = pipeline_of(request)
    key = key_of(pipeline, request.query_params.getlist("series"))
    span = span_of(pipeline, request.query_params, first_range(pipeline))
    most = number_of(request.query_params, "steps", _STEPS, 10, MOST_STEPS)
    stack = console_of(request).stack
    _, periods = read_periods(stack.influx, stack.results_database, pipeline, span, key)
    fields = chosen_fields(pipeline.fields, [period.reason for period in periods])
    step_ns, known_steps = read_steps(
        stack.influx, stack.results_database, pipeline, span, key, fields, most, with_contributions=True
    )
    by_begin = {step.begin_ns: step for step in known_steps}
    # A step without scores is a gap in the plot.
    grid = step_begins(pipeline, span, step_ns)
    ordered = [by_begin.get(at_ns) for at_ns in grid]
    units = {field.name: field.unit for field in pipeline.watched}
    return JSONResponse(
        {
            "pipeline": pipeline.name,
            "series": tags_of(pipeline, key),
            "from": rfc3339(span.begin_ns),
            "to": rfc3339(span.end_ns),
            "step_s": step_ns / SECOND_NS,
            "open_severity": pipeline.periods.open,
            "times": [at_ns / SECOND_NS for at_ns in grid],
            "severity": [None if step is None else step.severity for step in ordered],
            "fields": [
                {
                    "name": name,
                    "unit": units.get(name),
                    **{
                        what: [None if step is None else step.values[name][place] for step in ordered]
                        for place, what in enumerate(("low", "high", "expected_low", "expected_high"))
                    },
                    "contribution": [None if step is None else step.contributions.get(name) for step in ordered],
                }
                for name in fields
            ],
            "left_out_fields": len(pipeline.fields) - len(fields),
            "periods": [period_entry(each) for each in sorted(periods, key=lambda each: each.begin_ns)],
        }
    )
