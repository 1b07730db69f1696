"""`anomaly explain`: tells people what follows from a pipeline.

It reads files. Only if it gets the address of InfluxDB, it asks there which names a pipeline's patterns mean.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, connect, out, read_pipelines
from anomaly.detectors.base import LONG_WINDOWS
from anomaly.detectors.wrappers.context import column_names
from anomaly.influxdb.influxql import source
from anomaly.influxdb.times import resolve_range
from anomaly.influxdb.window_queries import windows_query
from anomaly.kapacitor.tickscript import DEFAULT_NAME, TickscriptError, declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.nanoseconds import DAY_NS, SECOND_NS, rfc3339
from anomaly.pipeline import Alerts, Pipeline
from anomaly.pipeline.calendars import Calendar
from anomaly.pipeline.resolve import left_out
from anomaly.pipeline.season import season_parts
from anomaly.pipeline.state import mebibytes, most_series, process_bytes, series_bytes
from anomaly.pipeline.timezone import UTC, timezone
from anomaly.severity.rarity import once_in
from anomaly.windows.cut import cut_of

_YEAR_NS = 366 * DAY_NS
# This many times of a calendar are shown.
_SHOWN_TIMES = 2
_MISSING = {
    "skip": "a window that lacks a field, or half of its usual points, is not scored",
    "usual": "a field that a window lacks, or half of its usual points, is taken to be as usual",
}


def explain(options: argparse.Namespace) -> int:
    """Print what follows from the chosen pipeline.

    Args:
        options: the arguments of the command.

    Returns:
        The exit code.

    Raises:
        UsageError: the pipeline cannot be chosen, or its TICKscript is not there.
        SpecError: the specification is not valid.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        Refused: a pattern of the pipeline means nothing, or too much.
    """
    pipeline = choose(read_pipelines(options.spec), options.pipeline)
    try:
        script = find_script(pipeline, Path(options.tickscripts))
    except TickscriptError as error:
        raise UsageError(f'tickscript: "{pipeline.tickscript}" {error}; --tickscripts names another folder') from error
    notes: list[str] = []
    if pipeline.patterns and options.influxdb_url:
        # Imported here, because the other pipelines need no numpy.
        from anomaly.influxdb.source import read_source_keys, resolved_to

        keys = read_source_keys(connect(options), pipeline)
        pipeline, notes = resolved_to(keys, pipeline), left_out(pipeline, keys)
    settings = TaskSettings(pipeline, options.results_database, options.topic)
    about = describe(pipeline, options.topic, time.time_ns())
    for line in [*about, *_listed("left out", notes), *_task(settings, script)]:
        out(line)
    return codes.DONE


def describe(pipeline: Pipeline, topic: str, now_ns: int) -> list[str]:
    """Return lines about a pipeline: what it reads, what its detector sees, and what is made of the scores.

    Args:
        pipeline: the pipeline.
        topic: the topic of alerts, unless the pipeline names another.
        now_ns: the time from which the training range is counted, in nanoseconds.
    """
    asked = resolve_range(pipeline, None, None, now_ns)
    periods = pipeline.periods
    tags = [*pipeline.group_by, *(["what the patterns mean"] if pipeline.patterns.tags else [])]
    series = f"one for each combination of {', '.join(tags)}" if tags else "one"
    features = [f"{function}({field})" for field in pipeline.fields for function in pipeline.aggregate]
    windows = cut_of(pipeline).windows(asked.begin_ns, asked.end_ns)
    by_clock = " in UTC" if pipeline.windows_zone == UTC else f" by the clock of {pipeline.windows_zone}"
    return [
        f"pipeline     {pipeline.name}{'' if pipeline.enabled else ' (disabled)'}",
        f"fingerprint  {pipeline.fingerprint}",
        f"source       {source(pipeline)}",
        f"series       {series}",
        *_listed("where", map(str, pipeline.where.conditions)),
        *([] if pipeline.patterns.fields else _memory(pipeline)),
        *_listed("fields", map(str, pipeline.watched)),
        *_listed("overrides", map(str, pipeline.overrides)),
        *_patterns(pipeline),
        f"windows      {pipeline.window}, aligned{by_clock}, {pipeline.windows_per_day:g} a day for each series",
        f"             each is scored when a point, or the clock, is {pipeline.lateness} past its end",
        f"             points more than {pipeline.future} ahead of the clock are refused",
        *_fill(pipeline),
        *_points(pipeline),
        *_listed("features", [", ".join(features)] if features else []),
        *_context(pipeline, features),
        f"missing      {_MISSING[pipeline.missing]}",
        *_models(pipeline),
        f"detector     {pipeline.detector} {dict(pipeline.parameters)}",
        *_season(pipeline, asked.end_ns - asked.begin_ns),
        *_listed("calendars", (line for each in pipeline.calendars for line in _calendar(pipeline, each, now_ns))),
        f"training     {rfc3339(asked.begin_ns)} to {rfc3339(asked.end_ns)}: up to {windows} windows for each series",
        *_listed("query", [windows_query(pipeline, asked.begin_ns, asked.end_ns)] if pipeline.fields else []),
        f"periods      open at severity {periods.open:g}, once in {once_in(periods.open)} for each series",
        "             or by several windows that are as rare together",
        f"             end after {periods.merge} below {periods.close:g}, once in {once_in(periods.close)}",
        f"             a change that lasts for {periods.new_level} is a new level, which ends its period",
        f"silence      more than {periods.silence} without complete windows is a period `no data`, told while it lasts",
        f"drift        a stability index above {pipeline.drift.psi:g}, over {pipeline.drift.horizon}",
        f"retraining   {_retraining(pipeline)}",
        f"alerts       {_alerts(pipeline.alerts, topic)}",
        f"             of nothing that is older than {pipeline.alerts.age} when it becomes known",
    ]


def _task(settings: TaskSettings, script: str) -> list[str]:
    """Return lines about the pipeline's task: its TICKscript and its vars."""
    document = vars_document(settings, declared(script))
    width = max(map(len, document), default=0)
    return [
        f"task         of the TICKscript {settings.pipeline.tickscript or DEFAULT_NAME}",
        "vars",
        *(f"    {name:{width}} {var['type']:8} {_shown(var['value'])}" for name, var in document.items()),
        "script",
        *(f"    {line}".rstrip() for line in script.splitlines()),
    ]


def _shown(value: object) -> str:
    """Return a text as it is, any other value as JSON, and a list without the types of its entries."""
    if isinstance(value, str):
        return value
    plain = [entry["value"] for entry in value] if isinstance(value, list) else value
    return json.dumps(plain, ensure_ascii=False)


def _patterns(pipeline: Pipeline) -> list[str]:
    """Return lines about what the pipeline describes by patterns."""
    several = pipeline.patterns.measurement
    lines = [] if several is None else [f"{several} of the measurements that have such fields"]
    lines += [f"{pattern} of the numeric fields" for pattern in pipeline.patterns.fields]
    lines += [f"{pattern} of the tags tells series apart" for pattern in pipeline.patterns.tags]
    lines += ["site.yml resolves this to names; --influxdb-url shows which"] if lines else []
    return _listed("patterns", lines)


def _context(pipeline: Pipeline, features: Sequence[str]) -> list[str]:
    asked = pipeline.parameters.get("context")
    return [f"context      {', '.join(column_names(asked, features))}; what the history is enough for"] if asked else []


def _memory(pipeline: Pipeline) -> list[str]:
    """Return lines about the state of the series: how many fit, and what more of them need."""
    each = series_bytes(pipeline)
    needs = ", ".join(f"{count:,}: {mebibytes(count * each)}" for count in (100, 1_000, 10_000))
    return [
        f"memory       {pipeline.memory}: the state of about {most_series(pipeline):,} series",
        f"             about {-(-each // 1024):,} KiB for each series; {needs}",
        f"             with a model its process needs at most some {mebibytes(process_bytes(pipeline))}",
        f"             a series without points for {pipeline.forget} is forgotten",
    ]


def _fill(pipeline: Pipeline) -> list[str]:
    if pipeline.fill.bound is None:
        return []
    return [f"             without points the last values hold for {pipeline.fill.bound}"]


def _points(pipeline: Pipeline) -> list[str]:
    notes = {
        "stddev": "stddev needs two points of a window: where each has one, write aggregate: [last]",
        "spread": "spread is 0 where a window has one point",
    }
    return [f"             {notes[name]}" for name in pipeline.aggregate if name in notes]


def _season(pipeline: Pipeline, history_ns: int) -> list[str]:
    lines = []
    for number, (season, season_ns) in enumerate(zip(pipeline.seasons, pipeline.seasons_ns, strict=False)):
        title = "" if number else "seasonality"
        clock = pipeline.timezone if season_ns % DAY_NS == 0 else UTC
        lines.append(f"{title:12} {season}, in {season_parts(season_ns)} parts ({clock}): what is usual in each")
        if history_ns < 2 * season_ns:
            instead = f"hour's {pipeline.seasons[number - 1]}" if number else "one before"
            less = f"the training range holds it less than twice: a new part is compared with the {instead}"
            lines.append(f"{'':12} {less}")
    return lines


def _calendar(pipeline: Pipeline, calendar: Calendar, now_ns: int) -> Iterator[str]:
    """Yield lines about a calendar: what it says, and its next times within a year."""
    yield str(calendar)
    spans = sorted(calendar.spans(pipeline.timezone, now_ns, now_ns + _YEAR_NS))
    zone = timezone(pipeline.timezone)
    times = [
        " to ".join(f"{datetime.fromtimestamp(at_ns / SECOND_NS, zone):%Y-%m-%d %H:%M %Z}" for at_ns in span)
        for span in spans[:_SHOWN_TIMES]
    ]
    yield f"  next: {'; '.join(times)}" if times else "  has no time within a year from now"


def _listed(title: str, entries: Iterable[str]) -> list[str]:
    """Return one line for each entry; the first of them has the title."""
    return [f"{title if number == 0 else '':12} {entry}" for number, entry in enumerate(entries)]


def _models(pipeline: Pipeline) -> list[str]:
    if pipeline.parameters.get("models") != "own":
        return []
    return [f"models       of its own for each series with {LONG_WINDOWS} windows or more, a pooled one for all others"]


def _retraining(pipeline: Pipeline) -> str:
    reasons = [f"when the model is {pipeline.training.every} old"] if pipeline.training.every else []
    reasons += ["on drift"] if pipeline.training.on_drift else []
    return f"again by the keeper {' or '.join(reasons)}" if reasons else "again only when asked for"


def _alerts(alerts: Alerts, topic: str) -> str:
    if not alerts.kinds:
        return "none"
    levels = f"INFO from peak severity {alerts.info:g}, WARNING {alerts.warning:g}, CRITICAL {alerts.critical:g}"
    kinds = [f"period ({levels})" if kind == "period" else kind for kind in alerts.kinds]
    return f"{', '.join(kinds)}: on the topic {alerts.topic or topic}"
