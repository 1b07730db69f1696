"""`anomaly status`: says of each pipeline how many series are scored, how bad it is, and what is open.

With `--watch` it fills a terminal, and writes what has changed over what was there. Elsewhere it prints once, whatever
`--watch` says, as a log or a pipe has no use for the same lines again and again.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anomaly.cli import codes
from anomaly.cli.columns import fitted, shortened
from anomaly.cli.common import UsageError, choose_several, connect, out, read_pipelines
from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.influxdb.overview import HealthProblem, Open, Overview, read_overview, read_problems, urgency
from anomaly.models.store import Store
from anomaly.nanoseconds import SECOND_NS, rfc3339
from anomaly.pipeline import Pipeline
from anomaly.scoring.wording import plain

# An overview asks for little.
_READ_SECONDS = 20.0
_NOTHING = "-"
# Goes to the first line of a terminal; clears what follows on a line; clears the lines below.
_HOME, _LINE_END, _BELOW = "\x1b[H", "\x1b[K\n", "\x1b[J"
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
        InfluxClientError: InfluxDB cannot be asked, or refused; on a terminal with --watch this is shown, and asked
            again.
    """
    if options.most < 1:
        raise UsageError(f"--most: {options.most} is too few: show at least 1 row")
    if options.watch is not None and options.watch <= 0:
        raise UsageError(f"--watch: {options.watch:g} is not a time: write seconds, such as 5")
    influx = connect(options, _READ_SECONDS)
    if options.watch is None or not sys.stdout.isatty():
        out("\n".join(_lines(options, influx, _width())))
        return codes.DONE
    try:
        while True:
            # The window may be made larger or smaller meanwhile.
            columns, rows = shutil.get_terminal_size()
            try:
                lines = _lines(options, influx, columns)
            except InfluxClientError as error:
                lines = [f"{rfc3339(time.time_ns())}  {error}"]
            sys.stdout.write(screen(lines, columns, rows))
            sys.stdout.flush()
            time.sleep(options.watch)
    except KeyboardInterrupt:
        return codes.DONE


def screen(lines: Sequence[str], columns: int, rows: int) -> str:
    """Return what makes a terminal show lines, and nothing else.

    Args:
        lines: the lines; those that are too long are cut off, and so are those for which there is no room.
        columns: the width of the terminal.
        rows: its height.
    """
    # The cursor stays in the last row.
    room = max(rows - 1, 2)
    shown = list(lines)
    if len(shown) > room:
        shown = [*shown[: room - 1], f"… {len(shown) - room + 1} more lines: make the window larger"]
    return _HOME + "".join(shortened(line, columns) + _LINE_END for line in shown) + _BELOW


def _width() -> int | None:
    """Return how wide lines may be; None: as wide as they are."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _lines(options: argparse.Namespace, influx: InfluxClient, width: int | None) -> list[str]:
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
    lines += [f"  {_about(problem)}{plain(problem.text)}" for problem in problems or []]
    lines += ["", *_pipelines(seen, now_ns, width)]
    periods = [(each.pipeline.name, period) for each in seen for period in each.overview.periods]
    notices = [(each.pipeline.name, notice) for each in seen for notice in each.overview.notices]
    lines += _opened("Open periods, the worst first", periods, now_ns, options.most, width)
    lines += _opened("Open notices, the newest first", notices, now_ns, options.most, width)
    return lines


def _verdict(problems: Sequence[HealthProblem] | None) -> str:
    if problems is None:
        return "The keeper has said nothing for five minutes: see its log, or run verify.yml."
    if not problems:
        return "The keeper finds all well."
    return f"The keeper finds {len(problems)} problem{'s' if len(problems) > 1 else ''}:"


def _about(problem: HealthProblem) -> str:
    return f"{problem.check}: " if not problem.pipeline else f"{problem.check} of {problem.pipeline}: "


def _pipelines(seen: Sequence[_Seen], now_ns: int, width: int | None) -> list[str]:
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
    return fitted(rows, width, right={1, 2, 3, 4, 5})


def _opened(title: str, entries: Sequence[tuple[str, Open]], now_ns: int, most: int, width: int | None) -> list[str]:
    """Return a table of what is open in pipelines, which are named, or nothing if nothing is."""
    if not entries:
        return []
    rows = [("since", "for", "severity", "pipeline", "series", "what")]
    rows += [
        (
            rfc3339(entry.begin_ns),
            _age(now_ns - entry.begin_ns),
            _severity(entry.severity),
            name,
            _series(entry.series),
            plain(entry.text),
        )
        for name, entry in sorted(entries, key=lambda pair: urgency(pair[1]))[:most]
    ]
    footer = [f"{len(entries) - most} more: --most shows more rows."] if len(entries) > most else []
    return ["", title, *fitted(rows, width, right={1, 2}), *footer]


def _series(tags: Mapping[str, str]) -> str:
    # Whoever may write points could else write to the terminal.
    return plain(",".join(f"{name}={value}" for name, value in sorted(tags.items()))) or _NOTHING


def _severity(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.0f}"


def _age(nanoseconds: int) -> str:
    seconds = max(nanoseconds // SECOND_NS, 0)
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
