"""The first page: all pipelines and series, the worst first.

Everything is read for all pipelines together, and kept for some seconds, so that the page costs InfluxDB the same
whether one person looks or twenty do. Search, filter and pages are applied to what is kept.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from anomaly.console.asked import number_of, one_of, series_parameters
from anomaly.console.pages import console_of, page
from anomaly.console.stack import Stack
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import literal
from anomaly.influxdb.overview import (
    OPEN_NS,
    RECENT_NS,
    SCORE_NS,
    HealthProblem,
    read_problems,
    recent_ns,
    tagged_rows,
)
from anomaly.nanoseconds import SECOND_NS, rfc3339
from anomaly.pipeline import Pipeline
from anomaly.scoring.periods import NO_DATA
from anomaly.windows.cut import cut_of

SIZE = 50
_MOST_SIZE = 500
_MOST_SEARCH = 200
# What may be shown of all series.
STATES = ("all", "open", "silent", "notice")
_MOST_INCIDENTS = 10

Tags = tuple[tuple[str, str], ...]
# A pipeline's name and the tags of a series.
Place = tuple[str, Tags]


@dataclass(slots=True)
class SeriesNow:
    """A series as its results show it.

    Attributes:
        pipeline: its pipeline's name.
        tags: its tags by name, those that it lacks left out.
        severity: that of its last score; None without a recent score.
        last_ns: the begin of the last scored window; None likewise.
        begin_ns: the begin of its worst open period; None without one.
        peak: the highest severity of this period.
        reason: the reason of this period.
        notice: the sentence of its newest open notice; empty without one.
    """

    pipeline: str
    tags: Tags
    severity: float | None = None
    last_ns: int | None = None
    begin_ns: int | None = None
    peak: float = 0.0
    reason: str = ""
    notice: str = ""

    @property
    def is_silent(self) -> bool:
        """Whether it has no data."""
        return self.begin_ns is not None and self.reason == NO_DATA

    @property
    def urgency(self) -> tuple[bool, float, bool, float]:
        """The key by which the worst is last: open periods, then notices, then severities."""
        return self.begin_ns is not None, self.peak, bool(self.notice), self.severity or 0.0

    @property
    def name(self) -> str:
        """Its pipeline and tags in one line, as people search for them."""
        return " ".join((self.pipeline, *(f"{name}={value}" for name, value in self.tags)))


@dataclass(frozen=True, slots=True)
class PipelineNow:
    """A pipeline as its results show it.

    Attributes:
        name: its name.
        series: how many series had a score of late.
        open: how many of its periods are open.
        notices: how many of its notices are open.
        worst: the highest severity among last scores; None without one.
        last_ns: the end of the newest scored window; None without one in a week.
        scored: how many windows were scored in the last hour.
        problems: what the keeper finds wrong with it.
        model: the current version; None without one.
    """

    name: str
    series: int
    open: int
    notices: int
    worst: float | None
    last_ns: int | None
    scored: int
    problems: tuple[str, ...]
    model: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the page shows, at one time.

    Attributes:
        taken_ns: the time.
        problems: what the keeper finds wrong; None if it says nothing.
        incidents: the sentences of open incidents with their begin, the newest first.
        pipelines: the pipelines, the worst first.
        series: the series, the worst first.
    """

    taken_ns: int
    problems: tuple[HealthProblem, ...] | None
    incidents: tuple[tuple[int, str], ...]
    pipelines: tuple[PipelineNow, ...]
    series: tuple[SeriesNow, ...]


def read_snapshot(stack: Stack) -> Snapshot:
    """Read everything that the page shows.

    Args:
        stack: the stack.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    influx, database, pipelines = stack.influx, stack.results_database, stack.pipelines()
    now_ns = time.time_ns()
    by_place: dict[Place, SeriesNow] = {}
    known = {pipeline.name for pipeline in pipelines}

    def series_at(tags: Mapping[str, str]) -> SeriesNow:
        pipeline = tags.get("pipeline", "")
        series_tags = tuple(
            sorted((name, value) for name, value in tags.items() if value and name not in ("pipeline", "notice"))
        )
        return by_place.setdefault((pipeline, series_tags), SeriesNow(pipeline, series_tags))

    for tags, (time_ns, severity, *_) in tagged_rows(influx, database, _last_scores(pipelines, now_ns)):
        each = series_at(tags)
        each.severity, each.last_ns = severity, time_ns
    opened: dict[str, int] = dict.fromkeys(known, 0)
    noticed: dict[str, int] = dict.fromkeys(known, 0)
    for tags, (time_ns, reason, peak, *_) in tagged_rows(
        influx, database, _open("period", '"reason", "peak_severity"', now_ns)
    ):
        each = series_at(tags)
        opened[each.pipeline] = opened.get(each.pipeline, 0) + 1
        if each.begin_ns is None or (peak or 0.0) > each.peak:
            each.begin_ns, each.peak, each.reason = time_ns, peak or 0.0, reason or ""
    for tags, (_, text, *_) in tagged_rows(influx, database, _open("notice", '"text"', now_ns)):
        each = series_at(tags)
        noticed[each.pipeline] = noticed.get(each.pipeline, 0) + 1
        each.notice = text or ""
    incidents = [
        (time_ns, text or "")
        for _, (time_ns, text, *_) in tagged_rows(influx, database, _open("incident", '"text"', now_ns))
    ]
    problems = read_problems(influx, database, now_ns)
    scored = _counted(influx, database, now_ns)
    # A notice of a whole pipeline has no tags; it is counted, and is not a series beside others.
    listed = [each for each in by_place.values() if each.pipeline in known and not _is_whole(each)]
    listed.sort(key=lambda each: (each.pipeline, each.tags))
    listed.sort(key=lambda each: each.urgency, reverse=True)
    last = _last_ns(influx, database, pipelines, listed, now_ns)
    scored_series: dict[str, int] = {}
    worst: dict[str, float] = {}
    for each in listed:
        if each.severity is not None:
            scored_series[each.pipeline] = scored_series.get(each.pipeline, 0) + 1
            worst[each.pipeline] = max(worst.get(each.pipeline, 0.0), each.severity)
    summaries = [
        PipelineNow(
            pipeline.name,
            scored_series.get(pipeline.name, 0),
            opened[pipeline.name],
            noticed[pipeline.name],
            worst.get(pipeline.name),
            last.get(pipeline.name),
            scored.get(pipeline.name, 0),
            tuple(problem.text for problem in problems or () if problem.pipeline == pipeline.name),
            stack.store(pipeline.name).current(),
        )
        for pipeline in pipelines
    ]
    summaries.sort(key=lambda each: (not each.problems, -each.open, -(each.worst or 0.0), each.name))
    return Snapshot(
        now_ns,
        None if problems is None else tuple(problems),
        tuple(sorted(incidents, reverse=True)[:_MOST_INCIDENTS]),
        tuple(summaries),
        tuple(listed),
    )


def _is_whole(series: SeriesNow) -> bool:
    return not series.tags and series.last_ns is None and series.begin_ns is None


def _last_scores(pipelines: Sequence[Pipeline], now_ns: int) -> str:
    """Return one query for the last score of each series; pipelines with long windows are looked at further back."""
    by_length: dict[int, list[str]] = {}
    for pipeline in pipelines:
        by_length.setdefault(recent_ns(pipeline), []).append(pipeline.name)
    queries = []
    for length_ns, names in by_length.items():
        among = " OR ".join(f'"pipeline" = {literal(name)}' for name in names)
        # The pipeline is a tag, so this chooses series before any point is read.
        queries.append(
            f'SELECT last("severity") FROM "score" WHERE ({among}) AND time > {now_ns - length_ns} GROUP BY *'
        )
    return "; ".join(queries)


def _open(measurement: str, fields: str, now_ns: int) -> str:
    where = f"time > {now_ns - OPEN_NS} AND \"state\" = 'open'"
    return f'SELECT {fields}, "state" FROM "{measurement}" WHERE {where} GROUP BY *'


def _counted(influx: InfluxClient, database: str, now_ns: int) -> dict[str, int]:
    query = f'SELECT count("severity") FROM "score" WHERE time > {now_ns - RECENT_NS} GROUP BY "pipeline"'
    return {tags["pipeline"]: int(row[1]) for tags, row in tagged_rows(influx, database, query)}


def _last_ns(
    influx: InfluxClient, database: str, pipelines: Sequence[Pipeline], listed: Sequence[SeriesNow], now_ns: int
) -> dict[str, int]:
    """Return the end of the newest scored window of each pipeline that has one in a week."""
    last: dict[str, int] = {}
    for each in listed:
        if each.last_ns is not None:
            last[each.pipeline] = max(last.get(each.pipeline, 0), each.last_ns)
    for pipeline in pipelines:
        if pipeline.name not in last:
            where = f'"pipeline" = {literal(pipeline.name)} AND time > {now_ns - SCORE_NS}'
            for _, row in tagged_rows(influx, database, f'SELECT last("severity") FROM "score" WHERE {where}'):
                last[pipeline.name] = row[0]
    cuts = {pipeline.name: cut_of(pipeline) for pipeline in pipelines}
    return {name: cuts[name].after(time_ns) for name, time_ns in last.items()}


def listing(snapshot: Snapshot, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return what is asked for of a snapshot, as the API gives it and the page shows it.

    Args:
        snapshot: the snapshot.
        parameters: `search`, `pipeline`, `state`, `page` and `size`.

    Raises:
        HTTPException: one of them is not valid.
    """
    search = (parameters.get("search") or "")[:_MOST_SEARCH].strip()
    pipeline = parameters.get("pipeline") or ""
    state = one_of(parameters, "state", STATES)
    size = number_of(parameters, "size", SIZE, 1, _MOST_SIZE)
    words = search.casefold().split()
    chosen = [
        each
        for each in snapshot.series
        if (not pipeline or each.pipeline == pipeline)
        and _is_in(each, state)
        and (not words or all(word in each.name.casefold() for word in words))
    ]
    pages = max(-(-len(chosen) // size), 1)
    number = min(number_of(parameters, "page", 1, 1, 1_000_000), pages)
    return {
        "time": rfc3339(snapshot.taken_ns),
        "keeper": snapshot.problems is not None,
        "problems": [
            {"check": each.check, "pipeline": each.pipeline or None, "text": each.text}
            for each in snapshot.problems or ()
        ],
        "incidents": [{"begin": rfc3339(begin_ns), "text": text} for begin_ns, text in snapshot.incidents],
        "pipelines": [_pipeline(each, snapshot.taken_ns) for each in snapshot.pipelines],
        "counts": {name: sum(_is_in(each, name) for each in snapshot.series) for name in STATES},
        "search": search,
        "pipeline": pipeline or None,
        "state": state,
        "page": number,
        "pages": pages,
        "size": size,
        "total": len(chosen),
        "series": [_series(each, snapshot.taken_ns) for each in chosen[(number - 1) * size : number * size]],
    }


def _is_in(series: SeriesNow, state: str) -> bool:
    if state == "open":
        return series.begin_ns is not None and not series.is_silent
    if state == "silent":
        return series.is_silent
    return state == "all" or bool(series.notice)


def _pipeline(each: PipelineNow, now_ns: int) -> dict[str, Any]:
    return {
        "name": each.name,
        "series": each.series,
        "open_periods": each.open,
        "open_notices": each.notices,
        "worst_severity": each.worst,
        "last_score_age_s": _age_s(each.last_ns, now_ns),
        "scored_last_hour": each.scored,
        "problems": list(each.problems),
        "model": each.model,
    }


def _series(each: SeriesNow, now_ns: int) -> dict[str, Any]:
    period = None
    if each.begin_ns is not None:
        period = {
            "begin": rfc3339(each.begin_ns),
            "begin_ns": str(each.begin_ns),
            "length_s": _age_s(each.begin_ns, now_ns),
            "peak_severity": each.peak,
            "reason": each.reason,
        }
    return {
        "pipeline": each.pipeline,
        "tags": dict(each.tags),
        "severity": each.severity,
        "last_score_age_s": _age_s(each.last_ns, now_ns),
        "open_period": period,
        "notice": each.notice or None,
    }


def _age_s(time_ns: int | None, now_ns: int) -> int | None:
    return None if time_ns is None else max((now_ns - time_ns) // SECOND_NS, 0)


def show(request: Request) -> Response:
    """Show the page."""
    content = listing(console_of(request).now.get(), request.query_params)
    return page(request, "now.html", {"title": "Now", "now": content, "link": _link(request), "at": series_parameters})


def _link(request: Request) -> Any:
    """Return a function that makes the address of this page with some parameters changed."""

    def link(**changed: object) -> str:
        kept = {name: value for name, value in request.query_params.items() if name not in (*changed, "page")}
        kept |= {name: str(value) for name, value in changed.items() if value}
        return str(request.url.replace(query="", scheme="", netloc="").include_query_params(**kept))

    return link


def answer(request: Request) -> Response:
    """Answer a script."""
    return JSONResponse(listing(console_of(request).now.get(), request.query_params))


def pipelines(request: Request) -> Response:
    """Answer which pipelines there are, without asking InfluxDB."""
    all_pipelines = console_of(request).stack.pipelines()
    return JSONResponse(
        {
            "pipelines": [
                {"name": each.name, "window": each.window, "tags": list(each.result_tags), "detector": each.detector}
                for each in all_pipelines
            ]
        }
    )
