"""`python -m kapacitor_udf`: run a UDF that a module declares, or record, show and replay a conversation.

A UDF that a module declares is the module's variable `udf`, or `MODULE:VARIABLE`. Each command imports what it needs
itself: Kapacitor waits for `run` to answer Info.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from ._declaration import find
from ._errors import DeclarationError, InitError, RecordingError, ReplayError, check_number
from ._limits import LEAST_SECONDS, MOST_SECONDS, Limits, check_tick
from ._process import claim_standard_descriptors, converse, describe

_EQUAL, _DIFFERENT, _FAILED = 0, 1, 2
_MOST_DIFFERENCES = 20


def main(arguments: list[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: the command line without the program; that of the process if None.

    Returns:
        The exit code. `run`, `serve` and `record` do not return.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (DeclarationError, InitError, RecordingError, ReplayError, OSError) as error:
        print(f"{options.command_name}: {error}", file=sys.stderr)  # noqa: T201
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kapacitor_udf", description=__doc__)
    commands = parser.add_subparsers(dest="command_name", required=True)

    for name, run, help in (
        ("run", _run, "be the UDF that a module declares, for Kapacitor on stdin and stdout"),
        ("serve", _serve, "be the UDF that a module declares, on a Unix socket"),
        ("check", _check, "import the UDF that a module declares and its handler, and tell what it is"),
    ):
        command = commands.add_parser(name, help=help)
        if name == "serve":
            command.add_argument("socket", type=Path)
            command.add_argument("--mode", type=lambda text: int(text, 8), default=0o660, help="default: 660")
            command.add_argument("--preload", action="store_true", help="import the handler once, before connections")
        if name != "check":
            command.add_argument(
                "--limit",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help=f"a bound of the conversation; may be repeated: {', '.join(each.name for each in fields(Limits))}",
            )
        command.add_argument("module", metavar="MODULE[:VARIABLE]")
        command.set_defaults(run=run)

    recording = commands.add_parser(
        "record",
        help="be a UDF's command for Kapacitor, and record the conversation",
        description="In kapacitor.conf: args = ['-m', 'kapacitor_udf', 'record', FOLDER, '--', CMD, ...]. "
        "Each process makes a file of its own in FOLDER.",
    )
    recording.add_argument("folder", type=Path)
    recording.add_argument("--largest", type=int, default=1024, metavar="MB", help="of each file (default: 1024)")
    recording.set_defaults(run=_record)

    replaying = commands.add_parser(
        "replay",
        help="feed a recording to a UDF, and compare its answers with the recorded ones",
        description=f"Exit codes: {_EQUAL} equal, {_DIFFERENT} different, {_FAILED} it could not be replayed.",
    )
    replaying.add_argument("file", type=Path)
    replaying.add_argument("--paced", action="store_true", help="as slowly as it was recorded")
    replaying.add_argument(
        "--ignore", action="append", default=[], metavar="MEASUREMENT", help="do not compare it; may be repeated"
    )
    replaying.add_argument(
        "--patience", type=float, default=60.0, metavar="SECONDS", help="for a UDF that says nothing (default: 60)"
    )
    replaying.set_defaults(run=_replay)
    for command in (recording, replaying):
        command.add_argument("command", nargs="+", metavar="CMD", help="the UDF's command, after --")

    showing = commands.add_parser("show", help="print a recording, one message a line")
    showing.add_argument("file", type=Path)
    showing.add_argument("--keepalives", action="store_true", help="these, too")
    showing.set_defaults(run=_show)
    return parser


def _run(options: argparse.Namespace) -> int:
    # This comes before the import of the module: what it prints must not get into the stream.
    source, sink = claim_standard_descriptors()
    converse(find(options.module), source, sink, Limits.parse(options.limit))


def _serve(options: argparse.Namespace) -> int:
    from ._server import serve

    limits = Limits.parse(options.limit)
    serve(find(options.module), options.socket, limits=limits, mode=options.mode, preload=options.preload)


def _check(options: argparse.Namespace) -> int:
    udf = find(options.module)
    check_tick(getattr(udf.load(), "tick_seconds", None))
    _say(f"{udf.name}: {describe(udf)}".rstrip())
    return 0


def _record(options: argparse.Namespace) -> int:
    from ._record import record

    check_number("--largest", options.largest, 0, 2**20)
    record(options.folder, options.command, options.largest * 2**20)


def _replay(options: argparse.Namespace) -> int:
    from ._recording import Recording
    from ._replay import replay

    check_number("--patience", options.patience, LEAST_SECONDS, MOST_SECONDS)
    outcome = replay(
        Recording(options.file),
        options.command,
        paced=options.paced,
        ignored=options.ignore,
        patience=options.patience,
    )
    for line in outcome.differences[:_MOST_DIFFERENCES]:
        _say(line)
    more = len(outcome.differences) - _MOST_DIFFERENCES
    if more > 0:
        _say(f"... and {more} more lines")
    if outcome.problem:
        _say(f"note: {outcome.problem}")
    verdict = "different" if outcome.differences else "equal"
    _say(f"{verdict}: {outcome.requests} requests, {outcome.recorded} responses recorded, {outcome.replayed} replayed")
    return _DIFFERENT if outcome.differences else _EQUAL


def _show(options: argparse.Namespace) -> int:
    from ._recording import TO_UDF, Recording
    from ._text import request, response

    recording = Recording(options.file)
    _say(f"recorded {recording.began}: {' '.join(recording.command)}")
    for message in recording.messages():
        to_udf = message.direction == TO_UDF
        text = (request if to_udf else response)(message.data)
        if options.keepalives or not text.startswith("keepalive"):
            _say(f"{message.time / 1e9:12.6f} {'>' if to_udf else '<'} {text}")
    if recording.problem:
        _say(f"note: {recording.problem}")
    return 0


def _say(line: str) -> None:
    print(line)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
