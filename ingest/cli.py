"""The command line: ``python -m ingest printer`` (or another dummy process) and ``python -m ingest csv``."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, TextIO

from ingest.arguments import character, count, duration, speed, start, time, zone
from ingest.batches import Pacer, batched
from ingest.csvreplay import EPOCH_UNITS_NS, CsvLayout, CsvReplay, shifted
from ingest.errors import IngestError
from ingest.faults import Schedule, load_schedule
from ingest.influx import BatchWriter, WriteTarget
from ingest.passwords import VARIABLE, read_password
from ingest.points import SeriesPoint, to_lines
from ingest.process import Process
from ingest.processes import PROCESSES
from ingest.progress import PlainLines, Reporter, reporter
from ingest.stack import find_writer
from ingest.stream import DeviceStream
from ingest.times import DAY_MS, format_duration, format_time, now_ms
from ingest.truth import truth_document, write_truth

DEFAULT_URL = "http://127.0.0.1:8086"
INTERRUPTED = 130
"""The exit code after Ctrl-C, by the convention of shells."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words of the command line; None: those of this process.

    Returns:
        The exit code: 0, 1 after an error with a message, or 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        code = run(options)
        # A full disk or a closed pipe may refuse the last lines: that error must come inside of this `try`.
        sys.stdout.flush()
    except IngestError as error:
        print(f"ingest: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has ended, as in `... --dry-run | head`. Python would report the pipe again when it flushes
        # standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        # _send() has printed how many points were written.
        return INTERRUPTED
    return code


def _process(options: argparse.Namespace) -> int:
    """Run `ingest printer`, or that of another process."""
    process: Process = options.process
    begin_ms = options.start if options.start is not None else (now_ms() // DAY_MS - 1) * DAY_MS
    schedule = load_schedule(options.faults, process) if options.faults else Schedule("none", (), process)
    schedule.check(options.length, options.devices)
    stream = DeviceStream(
        begin_ms=begin_ms,
        end_ms=begin_ms + options.length,
        step_ms=options.step,
        devices=options.devices,
        seed=options.seed,
        faults=schedule.place(begin_ms, options.devices),
        process=process,
    )
    if options.truth:
        try:
            write_truth(options.truth, truth_document(stream, options.database, options.measurement))
        except OSError as error:
            raise IngestError(f"--truth {options.truth}: {error.strerror}. Fix: a path that can be written") from error
    span = f"{format_time(begin_ms)} + {format_duration(options.length)}"
    title = f"{stream.devices} {process.title}, {span}"
    return _send(options, stream.points(), stream.precision, title, total=stream.samples * stream.devices)


def _csv(options: argparse.Namespace) -> int:
    """Run `ingest csv`."""
    layout = CsvLayout(
        time=options.time_column,
        time_format=options.time_format,
        zone=options.timezone,
        tags=tuple(options.tag),
        fields=tuple(options.field)
        + tuple(name for name in options.integer if options.field and name not in options.field),
        integers=tuple(options.integer),
    )
    by_ns = 0
    if options.shift_end_to is not None:
        if options.file == "-":
            raise IngestError("--shift-end-to reads the file twice, and - can be read once. Fix: name a file")
        with _opened(options.file) as lines:
            last = max(
                (p.time_ns for p in CsvReplay(lines, options.file, layout, True, options.delimiter).points()), default=0
            )
        by_ns = options.shift_end_to * 1_000_000 - last
    with _opened(options.file) as lines:
        replay = CsvReplay(lines, options.file, layout, options.on_error == "skip", options.delimiter)
        points = replay.points()
        if options.shift_to is not None:
            first = next(points, None)
            if first is not None:
                by_ns = options.shift_to * 1_000_000 - first.time_ns
                points = _with_first(first, points)
        code = _send(options, shifted(points, by_ns) if by_ns else points, "n", str(options.file), total=None)
    tally = replay.tally
    if tally.rows == 0:
        print(f"ingest: {options.file}: has no rows", file=sys.stderr)
    if tally.bad:
        print(
            f"ingest: {tally.bad} of {tally.rows} rows were bad and left out; the first: {tally.first}", file=sys.stderr
        )
    return code


def _with_first(first: SeriesPoint, rest: Iterable[SeriesPoint]) -> Iterator[SeriesPoint]:
    yield first
    yield from rest


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    """Open a CSV file for a ``with`` statement; ``-`` is standard input."""
    if name == "-":
        yield sys.stdin
        return
    try:
        # newline="" leaves line ends inside of quotes to the csv module; spreadsheets write a BOM.
        file = Path(name).open(encoding="utf-8-sig", newline="")  # noqa: SIM115 (only opening it is explained)
    except OSError as error:
        raise IngestError(
            f"{name}: {error.strerror}. Fix: name a readable CSV file, or - for standard input"
        ) from error
    with file:
        yield file


def _send(
    options: argparse.Namespace, points: Iterable[SeriesPoint], precision: str, title: str, total: int | None
) -> int:
    """Print or write the points; after Ctrl-C, print how many were written and raise KeyboardInterrupt."""
    pacer = Pacer(options.speed_up) if options.speed_up else None
    # A bar would disturb the printed lines, as both may go to the same terminal.
    with PlainLines(title, total, sys.stderr) if options.dry_run else reporter(title, total) as progress:
        if options.dry_run:
            write: Callable[[list[str]], None] = _print_lines
            close: Callable[[], None] = sys.stdout.flush
        else:
            writer = BatchWriter(_target(options), precision, options.retry_for, progress.note)
            write, close = writer.write, writer.close
        sent, last_ns = 0, None
        try:
            for batch in batched(points, options.batch, pacer.span_ns if pacer else None):
                if pacer:
                    pacer.wait_for(batch[-1].time_ns)
                write(to_lines(batch, options.measurement, precision))
                sent, last_ns = sent + len(batch), batch[-1].time_ns
                if not options.dry_run:
                    progress.advance(len(batch), format_time(last_ns // 1_000_000))
        except KeyboardInterrupt:
            _say_how_far(progress, "interrupted", sent, total, last_ns)
            raise
        except IngestError:
            if sent and not options.dry_run:
                _say_how_far(progress, "stopped", sent, total, last_ns)
            raise
        finally:
            close()
        if not options.dry_run:
            progress.note(f"{sent:,} points written to {_target(options)}")
    return 0


def _say_how_far(progress: Reporter, what: str, sent: int, total: int | None, last_ns: int | None) -> None:
    of = f" of {total:,}" if total is not None else ""
    upto = f", up to {format_time(last_ns // 1_000_000)}" if last_ns is not None else ""
    progress.note(
        f"ingest: {what}: {sent:,}{of} points were written{upto}. Writing the same points again changes nothing, "
        "so the same command can simply be run again"
    )


def _print_lines(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _target(options: argparse.Namespace) -> WriteTarget:
    """Return where to write. Raises IngestError if a user has no password, or the stack is not known."""
    url, username, password_file = options.url, options.username, options.password_file
    ca_file = options.ca_file
    if options.stack:
        writer = find_writer(options.stack)
        # An address that is given may be another server's.
        ca_file = ca_file or (writer.ca_file if not url else None)
        url = url or writer.url
        if username is None:
            username, password_file = writer.username, password_file or writer.password_file
    password = read_password(password_file)
    if username and password is None:
        raise IngestError(f"--username {username} has no password. Fix: --password-file, or set {VARIABLE}")
    if ca_file and not ca_file.is_file():
        raise IngestError(f"--ca-file {ca_file}: is not a file. Fix: name the file with the authorities, in PEM")
    return WriteTarget(
        url or DEFAULT_URL,
        username,
        password,
        options.database,
        options.retention_policy,
        options.measurement,
        str(ca_file) if ca_file else None,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ingest", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for process in PROCESSES.values():
        _add_process(commands, process)
    _add_csv(commands)
    return parser


def _add_process(commands: Any, process: Process) -> None:
    shipped = ", ".join(sorted(path.name for path in process.schedules.glob("*.yml")))
    command = commands.add_parser(
        process.name,
        allow_abbrev=False,
        help=f"the dummy {process.title}' stream",
        description=f"Writes what the sensors of dummy {process.title} show. The same arguments give the same points.",
    )
    command.set_defaults(run=_process, process=process)
    command.add_argument(
        "--start", type=start, metavar="TIME", help="RFC 3339, a date, or now (default: yesterday, 00:00 UTC)"
    )
    command.add_argument(
        "--length", type=duration, default=DAY_MS, metavar="DURATION", help="of the data (default: 24h)"
    )
    command.add_argument(
        "--step",
        type=duration,
        default=process.step_ms,
        metavar="DURATION",
        help=f"between samples (default: {format_duration(process.step_ms)})",
    )
    command.add_argument(
        f"--{process.name}s",
        dest="devices",
        type=count(1, 10_000),
        default=2,
        metavar="N",
        help="how many (default: 2)",
    )
    command.add_argument("--seed", type=count(0, 2**63), default=1, metavar="N", help="of the noise (default: 1)")
    command.add_argument(
        "--faults", type=Path, metavar="FILE.yml", help=f"what goes wrong; a file, or one of ours: {shipped}"
    )
    command.add_argument("--truth", type=Path, metavar="FILE.json", help="write the faults, in absolute time, there")
    _add_writing(command, process)


def _add_csv(commands: Any) -> None:
    command = commands.add_parser(
        "csv",
        allow_abbrev=False,
        help="replay of a CSV file",
        description="Writes the rows of a CSV file with a header line.",
    )
    command.set_defaults(run=_csv)
    units = ", ".join(EPOCH_UNITS_NS)
    command.add_argument("file", metavar="FILE", help="UTF-8; - is standard input")
    command.add_argument("--time-column", default="timestamp", metavar="COLUMN", help="(default: timestamp)")
    command.add_argument(
        "--time-format",
        default="auto",
        metavar="FORMAT",
        help=f"auto (ISO 8601, or a number since 1970, its unit told by its size), {units}, or a strptime format "
        "(default: auto)",
    )
    command.add_argument(
        "--timezone", type=zone, default=UTC, metavar="ZONE", help="of times that name none (default: UTC)"
    )
    command.add_argument(
        "--tag", action="append", default=[], metavar="COLUMN", help="a column that becomes a tag; repeat it"
    )
    command.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column that becomes a field; repeat it (default: all others)",
    )
    command.add_argument(
        "--integer",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a field of whole numbers; the others are floats",
    )
    command.add_argument("--delimiter", default=",", type=character, metavar="CHARACTER", help="(default: ,)")
    command.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop", help="what a bad row does (default: stop)"
    )
    shift = command.add_mutually_exclusive_group()
    shift.add_argument(
        "--shift-to", type=time, metavar="TIME", help="move all rows so that the first is at TIME, or now"
    )
    shift.add_argument(
        "--shift-end-to", type=time, metavar="TIME", help="move all rows so that the last is at TIME, or now"
    )
    _add_writing(command, None)


def _add_writing(command: argparse.ArgumentParser, process: Process | None) -> None:
    """Add the options that say where and how to write; without a process, where has no default."""
    group = command.add_argument_group("writing")
    group.add_argument(
        "--stack",
        type=Path,
        metavar="PATH",
        help="write to this deployed stack, as its user for writers: the inventory that it was deployed from, or its "
        "summary.json",
    )
    group.add_argument("--url", help=f"of InfluxDB (default: that of --stack, or {DEFAULT_URL})")
    group.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="authorities of an https address (default: those of --stack, or the usual ones)",
    )
    group.add_argument("--username", help="(default: that of --stack, or none)")
    group.add_argument("--password-file", type=Path, metavar="FILE", help=f"holds the password (default: ${VARIABLE})")
    if process is None:
        group.add_argument("--database", required=True)
        group.add_argument("--measurement", required=True)
    else:
        group.add_argument("--database", help=f"(default: {process.name})", default=process.name)
        group.add_argument("--measurement", help=f"(default: {process.measurement})", default=process.measurement)
    group.add_argument("--retention-policy", metavar="NAME", help="(default: the database's default one)")
    group.add_argument(
        "--batch", type=count(1, 1_000_000), default=5_000, metavar="N", help="points a request (default: 5000)"
    )
    group.add_argument(
        "--speed-up",
        type=speed,
        default=None,
        metavar="N",
        help="data runs N times as fast as the clock, or max (default: max)",
    )
    group.add_argument(
        "--retry-for",
        type=duration,
        default=120_000,
        metavar="DURATION",
        help="how long to go on while InfluxDB does not answer (default: 2m)",
    )
    group.add_argument("--dry-run", action="store_true", help="print line protocol and write nothing")
