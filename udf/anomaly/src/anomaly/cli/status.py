"""`anomaly status`: says of each pipeline how many series are scored, how bad it is, and what is open."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anomaly.backtest.report import aligned
from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose_several, connect, out, read_pipelines
from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.influxdb.overview import Open, Overview, Problem, read_overview, read_problems, urgency
from anomaly.influxdb.times import rfc3339
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline

_SECOND_NS = 1_000_000_000
# An overview asks for little.
_READ_SECONDS = 20.0
_NOTHING = "-"
# Clears a terminal and goes to its first line.
_CLEAR = "\x1b[2J\x1b[H"
# An age in seconds is shown in the largest unit of which there are at least two.
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A pipeline, its current version, and what the results say of it."""

    pipeline: Pipeline
    version: str | None
    overview: Overview


def status(options: argparse.Namespace) -> int:
    """Print the status once, or again and again.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification is not valid.
        UsageError: a file cannot be read, or an option is not one.
        StoreError: the models cannot be read.
        InfluxClientError: InfluxDB cannot be asked, or refused; with --watch this is shown, and asked again.
    """
    if options.most < 1:
        raise UsageError(f"--most: {options.most} is too few: show at least 1 row")
    if options.watch is not None and options.watch <= 0:
        raise UsageError(f"--watch: {options.watch:g} is not a time: write seconds, such as 5")
    influx = connect(options, _READ_SECONDS)
    if options.watch is None:
        out("\n".join(_lines(options, influx)))
        return codes.DONE
    try:
        while True:
            try:
                lines = _lines(options, influx)
            except InfluxClientError as error:
                lines = [f"{rfc3339(time.time_ns())}  {error}"]
            out((_CLEAR if sys.stdout.isatty() else "") + "\n".join(lines))
            time.sleep(options.watch)
    except KeyboardInterrupt:
        return codes.DONE


def _lines(options: argparse.Namespace, influx: InfluxClient) -> list[str]:
    now_ns = time.time_ns()
    database = options.results_database
    # The file may be replaced while it is watched.
    pipelines = choose_several(read_pipelines(options.spec), options.pipelines)
    seen = [
        _Seen(
            pipeline,
            Store(options.models, pipeline.name).current(),
            read_overview(influx, database, pipeline, now_ns),
        )
        for pipeline in pipelines
    ]
    problems = read_problems(influx, database, now_ns)
    lines = [f"{rfc3339(now_ns)}  {_verdict(problems)}"]
    lines += [f"  {_about(problem)}{problem.text}" for problem in problems or []]
    lines += ["", *_pipelines(seen, now_ns)]
    periods = [(each.pipeline.name, period) for each in seen for period in each.overview.periods]
    notices = [(each.pipeline.name, notice) for each in seen for notice in each.overview.notices]
    lines += _opened("Open periods, the worst first", periods, now_ns, options.most)
    lines += _opened("Open notices, the newest first", notices, now_ns, options.most)
    return lines


def _verdict(problems: Sequence[Problem] | None) -> str:
    if problems is None:
        return "The keeper has said nothing for five minutes: see its log, or run verify.yml."
    if not problems:
        return "The keeper finds all well."
    return f"The keeper finds {len(problems)} problem{'s' if len(problems) > 1 else ''}:"


def _about(problem: Problem) -> str:
    return f"{problem.check}: " if not problem.pipeline else f"{problem.check} of {problem.pipeline}: "


def _pipelines(seen: Sequence[_Seen], now_ns: int) -> list[str]:
    rows = [("pipeline", "series", "last score", "severity now", "open periods", "notices", "model")]
    rows += [
        (
            each.pipeline.name,
            str(each.overview.series),
            "never" if each.overview.last_ns is None else f"{_age(now_ns - each.overview.last_ns)} ago",
            _severity(each.overview.worst),
            str(len(each.overview.periods)),
            str(len(each.overview.notices)),
            each.version or "none: run train.yml",
        )
        for each in seen
    ]
    return aligned(rows, right={1, 2, 3, 4, 5})


def _opened(title: str, found: Sequence[tuple[str, Open]], now_ns: int, most: int) -> list[str]:
    """Return a table of what is open in pipelines, which are named, or nothing if nothing is."""
    if not found:
        return []
    rows = [("since", "for", "severity", "pipeline", "series", "what")]
    rows += [
        (
            rfc3339(entry.begin_ns),
            _age(now_ns - entry.begin_ns),
            _severity(entry.severity),
            name,
            _series(entry.series),
            entry.text,
        )
        for name, entry in sorted(found, key=lambda pair: urgency(pair[1]))[:most]
    ]
    rest = [f"{len(found) - most} more: --most shows more rows."] if len(found) > most else []
    return ["", title, *aligned(rows, right={1, 2}), *rest]


def _series(tags: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(tags.items())) or _NOTHING


def _severity(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.0f}"


def _age(nanoseconds: int) -> str:
    seconds = max(nanoseconds // _SECOND_NS, 0)
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
