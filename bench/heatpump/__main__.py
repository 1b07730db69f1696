"""`python -m bench.heatpump`: prints the tables, and writes all figures to build/bench/heatpump.json."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.command import count_of, make_console, write_json
from bench.contest import DETECTORS, ContestTrial, Entrant, contest, number, shortfalls, show
from bench.heatpump.faults import schedule
from bench.pipelines import ROOT, shipped

DEVICES = 2
CLEAN_DAYS = 3
# A Monday of 2024, so that days begin at midnight.
BEGIN_MS = 1_704_067_200_000


def trial(seed: int) -> ContestTrial:
    """Return the streams of a seed."""
    return ContestTrial.of(schedule(seed, DEVICES), BEGIN_MS, DEVICES, seed, CLEAN_DAYS)


def show_kinds(console: Console, entrants: Sequence[Entrant]) -> None:
    """Print what each detector, as it is delivered, found of each kind of fault."""
    table = Table(title="found and covered, by kind of fault", box=None, title_justify="left")
    table.add_column("fault")
    delivered = {each.detector: each.delivered for each in entrants if each.delivered is not None}
    for detector in delivered:
        table.add_column(detector, justify="right")
    for kind in sorted({kind for figures in delivered.values() for kind in figures.kinds}):
        each = (figures.kinds[kind] for figures in delivered.values())
        table.add_row(kind, *(f"{one.found}/{one.labels} {number(one.coverage, 2)}" for one in each))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Args:
        arguments: of the command line; None takes those of the process.

    Returns:
        The exit code, 1 if the default is worse than its parts.
    """
    parser = argparse.ArgumentParser(prog="bench.heatpump", description=__doc__)
    parser.add_argument("--seeds", type=count_of("seeds"), default=4, metavar="N", help="default 4")
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=DETECTORS, metavar="NAME")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench" / "heatpump.json", metavar="FILE")
    options = parser.parse_args(arguments)
    specification = shipped("heatpump")
    console = make_console(140)
    entrants = contest(specification, [trial(seed) for seed in range(1, options.seeds + 1)], options.detectors)
    show(console, f"heat pumps, {options.seeds} seeds", entrants)
    show_kinds(console, entrants)
    texts = shortfalls(entrants)
    for text in texts:
        console.print(f"[red]target missed: {text}")
    write_json(options.output, {"pipeline": specification, "entrants": [asdict(each) for each in entrants]})
    console.print(f"figures: {options.output}")
    return 1 if texts else 0


if __name__ == "__main__":
    sys.exit(main())
