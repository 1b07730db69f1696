"""`python -m bench.kinds`: prints a table for each kind of series, and writes all figures to build/bench/kinds.json."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.command import count_of, make_console, write_json
from bench.contest import DETECTORS, ContestTrial, contest, shortfalls, show
from bench.kinds import promise
from bench.kinds.faults import schedule
from bench.pipelines import ROOT
from ingest.kinds import FIELDS, GROWTH_DAYS, SOURCES
from ingest.times import DAY_MS

DEVICES = 3
CLEAN_DAYS = 4
# The growth begins anew with the history, whose first days also have the step.
BEGIN_MS = 352 * GROWTH_DAYS * DAY_MS


def specification(field: str) -> dict[str, Any]:
    """Return the pipeline of a kind of series."""
    return {
        "name": field,
        "database": SOURCES.name,
        "measurement": SOURCES.measurement,
        "fields": [field],
        "group_by": [SOURCES.name],
        "window": "5m",
        "training": {"from": "14d"},
    }


def trial(field: str, seed: int) -> ContestTrial:
    """Return the streams of a kind of series and a seed."""
    return ContestTrial.of(schedule(field, seed, DEVICES), BEGIN_MS, DEVICES, seed, CLEAN_DAYS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Args:
        arguments: of the command line; None takes those of the process.

    Returns:
        The exit code, 1 if the default is worse than its parts on a kind of series.
    """
    parser = argparse.ArgumentParser(prog="bench.kinds", description=__doc__)
    parser.add_argument("--seeds", type=count_of("seeds"), default=2, metavar="N", help="default 2")
    parser.add_argument("--kinds", nargs="+", choices=FIELDS, default=FIELDS, metavar="KIND")
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=DETECTORS, metavar="NAME")
    parser.add_argument("--promise", action="store_true", help="how often severity 75 comes, in ten times the training")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench" / "kinds.json", metavar="FILE")
    options = parser.parse_args(arguments)
    console = make_console(140)
    kinds, texts = (_promises if options.promise else _contests)(options, console)
    for text in texts:
        console.print(f"[red]target missed: {text}")
    write_json(options.output, {"kinds": kinds})
    console.print(f"figures: {options.output}")
    return 1 if texts else 0


def _contests(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], list[str]]:
    """Let the detectors find faults; return the figures of each kind, and where targets are missed."""
    kinds: dict[str, Any] = {}
    texts = []
    for field in options.kinds:
        trials = [trial(field, seed) for seed in range(1, options.seeds + 1)]
        entrants = contest(specification(field), trials, options.detectors)
        kinds[field] = [asdict(each) for each in entrants]
        show(console, f"{field}, {options.seeds} seeds", entrants)
        for reason in sorted({reason for each in entrants for reason in each.refused}):
            console.print(f"refused: {reason}")
        texts += [f"{field}: {text}" for text in shortfalls(entrants)]
    return kinds, texts


def _promises(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], list[str]]:
    """Count the periods where nothing is wrong; return the figures of each kind, and where targets are missed."""
    kinds: dict[str, Any] = {}
    texts = []
    for field in options.kinds:
        kinds[field] = []
        for seed in range(1, options.seeds + 1):
            rarities = promise.measure(specification(field), trial(field, seed).history, options.detectors)
            kinds[field].append([asdict(each) for each in rarities])
            promise.show(console, f"{field}, seed {seed}", rarities)
            texts += [f"{field}, seed {seed}: {text}" for text in promise.missed(rarities)]
    return kinds, texts


if __name__ == "__main__":
    sys.exit(main())
