"""The command line of ``python -m demo``: reads the arguments, and turns errors into messages and exit codes."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from demo.errors import DemoError
from demo.pipelines import added_pipelines
from demo.run import ROOT, DemoOptions, run
from demo.steps import Steps
from ingest.arguments import count, duration, speed, start
from ingest.errors import IngestError
from ingest.faults import load_schedule
from ingest.processes import PROCESSES
from ingest.times import DAY_MS, format_duration, now_ms

INTERRUPTED = 130

_SHOWN = {name: PROCESSES[name] for name in ("printer", "heatpump")}
"""The processes that have a day of faults, and a pipeline in `inventory/local` or in `demo/brought`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration.

    Args:
        arguments: the words of the command line; None: those of this process.

    Returns:
        The exit code: 0 if the verdict is a success, 1 if it is not or a step failed, 130 after Ctrl-C.
    """
    parsed = _parser().parse_args(arguments)
    # A file or a pipe has no width, and the lines of a log may be long.
    console = Console() if sys.stdout.isatty() else Console(width=140)
    steps = Steps(console, total=8 if parsed.deploy else 7)
    errors = Console(stderr=True, soft_wrap=True)
    try:
        options = _options(parsed, console)
        return 0 if run(options, console, steps) else 1
    except (DemoError, IngestError) as error:
        where = f"{steps.current}\n" if steps.current else ""
        errors.print(f"\ndemo: {where}{error}", style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        where = f" in {steps.current}" if steps.current else ""
        errors.print(f"\ndemo: interrupted{where}. Run it again: what is done is not done twice", highlight=False)
        return INTERRUPTED


def _options(parsed: argparse.Namespace, console: Console) -> DemoOptions:
    """Check the arguments against each other and the file system. Raises DemoError and IngestError."""
    inventory = parsed.inventory if parsed.inventory.is_absolute() else Path.cwd() / parsed.inventory
    if not inventory.exists() and not parsed.inventory.is_absolute():
        inventory = ROOT / parsed.inventory
    if not inventory.exists():
        raise DemoError(f"--inventory {parsed.inventory}: is not there. Fix: a folder such as inventory/local")
    process = _SHOWN[parsed.process]
    whole = load_schedule(parsed.faults or process.schedules / "day.yml", process)
    schedule = whole.clipped(parsed.length, parsed.devices)
    left_out = len(whole.entries) - len(schedule.entries)
    if left_out:
        console.print(
            f"{left_out} of {len(whole.entries)} faults of {whole.source} do not fit into {parsed.devices} "
            f"{process.title} and {format_duration(parsed.length)}: they are left out",
            highlight=False,
        )
    pipeline = parsed.pipeline or process.name
    variables: dict[str, Any] = dict(parsed.extra_vars)
    added = None if "pipelines" in variables else added_pipelines(inventory, pipeline)
    if added is not None:
        variables["pipelines"] = added
        console.print(
            f"The inventory has no pipeline '{pipeline}': the demonstration deploys its own beside those of the "
            "inventory, and the next site.yml takes it away",
            highlight=False,
        )
    return DemoOptions(
        inventory=inventory,
        pipeline=pipeline,
        begin_ms=parsed.start if parsed.start is not None else (now_ms() // DAY_MS - 1) * DAY_MS,
        length_ms=parsed.length,
        history_ms=parsed.history if parsed.history is not None else process.history_ms,
        devices=parsed.devices,
        seed=parsed.seed,
        schedule=schedule,
        speed_up=parsed.speed_up,
        allowed_false=parsed.allowed_false,
        deploy=parsed.deploy,
        verbose=parsed.verbose,
        become_password=getpass.getpass("sudo password: ") if parsed.ask_become_pass else None,
        variables=variables,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo",
        allow_abbrev=False,
        description="Deploys the stack, trains it on clean history, streams a day with known faults, "
        "and says what was found.",
    )
    add = parser.add_argument
    add("-i", "--inventory", type=Path, default=Path("inventory/local"), help="(default: inventory/local)")
    add("--process", choices=_SHOWN, default="printer", help="what is watched (default: printer)")
    add("--pipeline", metavar="NAME", help="the pipeline that watches it (default: the process's name)")
    add("--start", type=start, metavar="TIME", help="of the day: RFC 3339 or a date (default: yesterday, 00:00 UTC)")
    add("--length", type=duration, default=DAY_MS, metavar="DURATION", help="of the day (default: 24h)")
    histories = ", ".join(f"{format_duration(each.history_ms)} of a {each.name}" for each in _SHOWN.values())
    add("--history", type=duration, metavar="DURATION", help=f"before it, to train on (default: {histories})")
    many = [f"--{name}s" for name in _SHOWN]
    add(*many, dest="devices", type=count(1, 1_000), default=2, metavar="N", help="how many (default: 2)")
    add("--seed", type=count(0, 2**63), default=1, metavar="N", help="of their noise (default: 1)")
    add(
        "--faults",
        type=Path,
        metavar="FILE.yml",
        help="what goes wrong (default: day.yml of the process)",
    )
    add("--speed-up", type=speed, metavar="N", help="data runs N times as fast as the clock, or max (default: max)")
    add("--allowed-false", type=count(0, 1_000_000), default=1, metavar="N", help="false periods forgiven (default: 1)")
    add("--no-deploy", dest="deploy", action="store_false", help="use the stack as it is, without playbooks/site.yml")
    add(
        "-e",
        "--extra-vars",
        type=_variable,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for the playbooks",
    )
    add("-K", "--ask-become-pass", action="store_true", help="ask for the password that sudo wants")
    add("-v", "--verbose", action="store_true", help="show Ansible's output as it comes")
    return parser


def _variable(text: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
