"""The page of a period: what happened, which field did what, what else moved, and what people say of it."""

import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from anomaly.console.asked import key_of, pipeline_of, series_parameters
from anomaly.console.guard import API
from anomaly.console.pages import console_of, page, refused
from anomaly.console.series import period_entry, plot_data, tags_of, title_of
from anomaly.console.stack import Stack
from anomaly.influxdb.marks import REMOVED, keep_mark, read_feedback, with_appearance
from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.report.others import MOST_OTHERS, OtherSeries, around, read_others
from anomaly.report.read import ReportedPeriod, Step, chosen_fields, read_periods, read_steps
from anomaly.report.summary import period_sentences
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, TRUE, Mark
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.wording import plain
from anomaly.windows.arrays import Key
from anomaly.windows.cut import cut_of

# The names of the kinds of feedback for people.
NAMES = {FALSE_ALARM: "False alarm", TRUE: "True anomaly", MAINTENANCE: "Maintenance"}
_MOST_NOTE = 1_000
_LEAST_WINDOWS = 30
_PLOT_STEPS = 240
_RANGES = (("1h", "1 hour"), ("6h", "6 hours"), ("24h", "1 day"), ("7d", "7 days"))


class NoPeriod(HTTPException):
    """No period of a series begins at a time.

    Attributes:
        series_at_that_time: the address of the series' page at that time.
    """

    def __init__(self, pipeline: Pipeline, key: Key, begin_ns: int) -> None:
        super().__init__(404, "There is no period of this series that begins then. It may have been scored again.")
        beside_ns = _LEAST_WINDOWS * pipeline.window_ns
        begin, end = (rfc3339(max(begin_ns + more, 0)) for more in (-beside_ns, beside_ns))
        at = series_parameters(pipeline.name, tags_of(pipeline, key))
        self.series_at_that_time = f"/series?{at}&from={begin}&to={end}"


def show(request: Request) -> Response:
    """Show the page."""
    try:
        pipeline, key, period = _asked(request, request.query_params)
    except NoPeriod as error:
        # Alerts lead here, so the page leads on to what is there now.
        return refused(request, 404, str(error.detail), way_out=(error.series_at_that_time, "To the series then"))
    stack = console_of(request).stack
    series = tags_of(pipeline, key)
    span = _around(pipeline, period)
    step = None if period.reason == NO_DATA else _worst_step(stack, pipeline, key, period)
    marks = [] if period.reason == NO_DATA else _marks(stack, pipeline, key, period)
    context = {
        "title": f"{title_of(pipeline, key)}: {plain(period.reason, 60) or 'period'}",
        "pipeline": pipeline,
        "series": series,
        "at": series_parameters(pipeline.name, series),
        "name": title_of(pipeline, key),
        "period": period_entry(period),
        "sentences": period_sentences(period, "It", "by now"),
        "plot": plot_data(pipeline, key, span, is_live=False) | {"keep": True},
        "ranges": _RANGES,
        "fields": [] if step is None else _fields(pipeline, step),
        "step": None if step is None else rfc3339(step.begin_ns),
        "marks": [_mark_entry(mark) for mark in marks],
        "choices": []
        if period.reason == NO_DATA
        else [(kind, name, effect(stack, pipeline, key, period, kind)) for kind, name in NAMES.items()],
        "done": request.query_params.get("done", ""),
    }
    return page(request, "period.html", context)


def answer(request: Request) -> Response:
    """Answer with a period, and with the marks that lie on it."""
    pipeline, key, period = _asked(request, request.query_params)
    stack = console_of(request).stack
    marks = _marks(stack, pipeline, key, period)
    return JSONResponse(
        {
            "pipeline": pipeline.name,
            "series": tags_of(pipeline, key),
            **period_entry(period),
            "sentences": period_sentences(period, "It", "by now"),
            "feedback": [_mark_entry(mark) for mark in marks],
        }
    )


def others(request: Request) -> Response:
    """Answer with what else moved at the time of a period, as JSON, or as a part of the page."""
    pipeline, key, period = _asked(request, request.query_params)
    stack = console_of(request).stack
    span = around(TimeRange(period.begin_ns, period.end_ns), pipeline.window_ns)
    periods = read_others(stack.influx, stack.results_database, stack.resolved_pipelines(), span, (pipeline.name, key))
    entries = [_other_entry(each) for each in periods]
    if request.url.path.startswith(API):
        return JSONResponse({"from": rfc3339(span.begin_ns), "to": rfc3339(span.end_ns), "others": entries})
    context = {"others": entries, "at": series_parameters, "most": MOST_OTHERS}
    return page(request, "others.html", {"title": "What else moved", **context})


def give(request: Request) -> Response:
    """Keep what somebody says of a period."""
    form = request.state.form
    pipeline, key, period = _asked(request, form)
    kind, note = form.get("kind"), form.get("note", "")
    if kind not in NAMES:
        raise HTTPException(400, f"kind: {kind!r} is not one of {', '.join(NAMES)}.")
    if not isinstance(note, str) or len(note) > _MOST_NOTE:
        raise HTTPException(400, f"note: write at most {_MOST_NOTE} characters.")
    if period.reason == NO_DATA:
        raise HTTPException(400, "A silence has no windows, so feedback on it would change nothing.")
    # InfluxDB's line protocol has one line for a point.
    mark = Mark(kind, period.begin_ns, period.end_ns, tags_of(pipeline, key), " ".join(note.split()))
    stack = console_of(request).stack
    keep_mark(stack.influx, stack.results_database, stack.models, pipeline, mark)
    return _done(request, pipeline, key, period, {"status": "added", "id": mark.id, "effect": said(kind)})


def take_back(request: Request) -> Response:
    """Take back a mark on a period."""
    form = request.state.form
    pipeline, key, period = _asked(request, form)
    stack = console_of(request).stack
    mark = next((mark for mark in _marks(stack, pipeline, key, period) if mark.id == form.get("id")), None)
    if mark is None:
        raise HTTPException(404, f"id: there is no mark {form.get('id')!r} on this period.")
    keep_mark(stack.influx, stack.results_database, stack.models, pipeline, mark, REMOVED)
    return _done(request, pipeline, key, period, {"status": "removed", "id": mark.id, "effect": ""})


def said(kind: str) -> str:
    """Say what follows from a kind of feedback."""
    return {
        FALSE_ALARM: (
            "Windows like these open no period any more, neither here nor in other series, and the next training takes "
            "them for normal."
        ),
        TRUE: "Scoring stays as it is. The next training leaves these windows out, so it never takes them for normal.",
        MAINTENANCE: "These windows open no period, and the next training leaves them out.",
    }[kind]


def effect(stack: Stack, pipeline: Pipeline, key: Key, period: ReportedPeriod, kind: str) -> str:
    """Say what a kind of feedback on a period would change.

    Args:
        stack: the stack.
        pipeline: the pipeline.
        key: the series.
        period: the period.
        kind: the kind.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    if kind != FALSE_ALARM:
        return said(kind)
    mark = Mark(kind, period.begin_ns, period.end_ns, tags_of(pipeline, key))
    appearance = with_appearance(stack.influx, stack.results_database, pipeline, mark).appearance
    if appearance is None:
        return "None of its windows is anomalous by itself, so there is nothing that would be suppressed."
    shares = sorted(zip(appearance.contribution, pipeline.fields, appearance.low, appearance.high, strict=True))
    share, name, low, high = shares[-1]
    like = f"{plain(name, 60)} from {low:.5g} to {high:.5g} as the reason ({100 * share:.0f} %)"
    return f"{said(kind)} Like these means: a score of at most {1.1 * appearance.score:.3g}, and {like}."


def _asked(request: Request, parameters: Any) -> tuple[Pipeline, Key, ReportedPeriod]:
    """Return the period that a request names. Raises HTTPException if there is none."""
    named = parameters.getlist("series") if hasattr(parameters, "getlist") else parameters.get("series", [])
    pipeline = pipeline_of(request, str(parameters.get("pipeline", "")))
    key = key_of(pipeline, [named] if isinstance(named, str) else [str(each) for each in named])
    text = str(parameters.get("begin", ""))
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise HTTPException(400, f"begin: {text!r} is not the begin of a period in nanoseconds.")
    begin_ns, now_ns = int(text), time.time_ns()
    stack = console_of(request).stack
    _, periods = read_periods(stack.influx, stack.results_database, pipeline, TimeRange(begin_ns, begin_ns + 1), key)
    period = next((each for each in periods if each.begin_ns == begin_ns), None)
    if period is None:
        raise NoPeriod(pipeline, key, begin_ns)
    if period.is_open:
        # What was read ends with the range.
        period = ReportedPeriod(
            period.key,
            period.begin_ns,
            max(cut_of(pipeline).begin(now_ns), cut_of(pipeline).after(begin_ns)),
            period.is_open,
            period.peak_severity,
            period.windows,
            period.reason,
            period.text,
        )
    return pipeline, key, period


def _around(pipeline: Pipeline, period: ReportedPeriod) -> TimeRange:
    cut = cut_of(pipeline)
    margin_ns = max(period.end_ns - period.begin_ns, _LEAST_WINDOWS * pipeline.window_ns)
    now_ns = cut.first(time.time_ns())
    begin_ns = cut.begin(period.begin_ns - margin_ns)
    return TimeRange(max(begin_ns, 0), min(cut.first(period.end_ns + margin_ns // 2), now_ns))


def _worst_step(stack: Stack, pipeline: Pipeline, key: Key, period: ReportedPeriod) -> Step | None:
    fields = chosen_fields(pipeline.fields, [period.reason])
    cut = cut_of(pipeline)
    begin_ns, end_ns = cut.begin(period.begin_ns), cut.first(period.end_ns)
    span = TimeRange(begin_ns, max(end_ns, cut.after(begin_ns)))
    _, steps = read_steps(
        stack.influx, stack.results_database, pipeline, span, key, fields, _PLOT_STEPS, with_contributions=True
    )
    scored = [step for step in steps if step.severity is not None]
    return max(scored, key=lambda step: step.severity or 0.0, default=None)


def _fields(pipeline: Pipeline, step: Step) -> list[dict[str, Any]]:
    """Return what each field did in the worst step, that with the largest share first."""
    units = {field.name: field.unit for field in pipeline.watched}
    shares = []
    for name, (low, high, expected_low, expected_high) in step.values.items():
        side, value = "", high
        if high is not None and expected_high is not None and high > expected_high:
            side, value = "above", high
        elif low is not None and expected_low is not None and low < expected_low:
            side, value = "below", low
        shares.append(
            {
                "name": name,
                "unit": units.get(name) or "",
                "value": value,
                "side": side,
                "expected_low": expected_low,
                "expected_high": expected_high,
                "share": step.contributions.get(name),
            }
        )
    return sorted(shares, key=lambda each: -(each["share"] or 0.0))


def _marks(stack: Stack, pipeline: Pipeline, key: Key, period: ReportedPeriod) -> list[Mark]:
    tags = tags_of(pipeline, key)
    return [
        mark
        for mark in read_feedback(stack.influx, stack.results_database, pipeline)
        if mark.concerns(tags) and mark.meets(period.begin_ns, period.end_ns)
    ]


def _mark_entry(mark: Mark) -> dict[str, Any]:
    return {
        "id": mark.id,
        "kind": mark.kind,
        "name": NAMES[mark.kind],
        "begin": rfc3339(mark.begin_ns),
        "end": rfc3339(mark.end_ns),
        "series": dict(mark.series),
        "note": mark.note,
        "effect": said(mark.kind),
    }


def _other_entry(each: OtherSeries) -> dict[str, Any]:
    return {
        "pipeline": each.pipeline.name,
        "series": tags_of(each.pipeline, each.key),
        "severity": each.worst,
        "time": rfc3339(each.worst_ns),
        "before": each.before,
    }


def _done(request: Request, pipeline: Pipeline, key: Key, period: ReportedPeriod, result: dict[str, str]) -> Response:
    console_of(request).now.forget()
    if request.url.path.startswith(API):
        return JSONResponse(result)
    at = series_parameters(pipeline.name, tags_of(pipeline, key))
    return RedirectResponse(f"/period?{at}&begin={period.begin_ns}&done={result['status']}#feedback", 303)
