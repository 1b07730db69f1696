"""python -m tests.faults: deploy a stack, break it, compare what it says with an undisturbed run, print the table."""

import argparse
import math
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.faults.breaking import LENGTHS
from tests.faults.deployed import deployed
from tests.faults.report import failures, period_failures, summary, table
from tests.faults.run import Run
from tests.faults.schedule import Event, ScheduleError, at_random, one_by_one, read_schedule

_RANDOM_EVENTS = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 if every point has its score after every event, 1 if not, 2 for a wrong schedule."""
    options = make_parser().parse_args(arguments)
    # A run that is told to end takes its stack away.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        events = events_of(options)
    except ScheduleError as error:
        say(f"faults: {error}")
        return 2
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, deployed(Path(folder)) as stack:
        say(f"faults: {len(events)} events, seed {options.seed}")
        run = Run(stack, say)
        try:
            run.events(events, options.minutes * 60)
        finally:
            run.end()
            if run.outcomes:
                say(f"\n{table(run.outcomes)}\n\n{summary(run.outcomes)}")
        periods = run.judge_periods()
        problems = [*failures(run.outcomes), *period_failures(periods)]
        say(f"{run.stream.points} points, {len(run.truth.scores)} windows, {periods.count} periods")
    for problem in problems:
        say(f"faults: {problem}")
    return 1 if problems else 0


def say(line: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}" if line.strip() else line, file=sys.stdout, flush=True)


def events_of(options: argparse.Namespace) -> list[Event]:
    """Return the events that the command line asks for."""
    if options.schedule is not None:
        events = read_schedule(options.schedule, LENGTHS)
    else:
        events = [] if options.only_random else one_by_one(LENGTHS)
        events += at_random(LENGTHS, options.events, options.seed)
    if not options.without_keeper:
        return events
    # What breaks the keeper breaks nothing without one.
    return [replace(event, keeper=False) for event in events if "keeper" not in event.fault]


def minutes(text: str) -> float:
    """Return a number of minutes for argparse, which names this function where `text` is none."""
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes above 0")
    return number


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--schedule", type=Path, help="a file with events; docs/reliability.md has its format")
    which.add_argument("--only-random", action="store_true", help="the events at random alone, not each fault before")
    parser.add_argument("--events", type=int, default=_RANDOM_EVENTS, help="how many events at random (50)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another random schedule (1)")
    parser.add_argument(
        "--minutes", type=minutes, default=math.inf, help="begin no further event after this time (no limit)"
    )
    parser.add_argument("--without-keeper", action="store_true", help="without the keeper: must find losses")
    return parser
