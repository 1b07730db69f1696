"""`python -m bench.console`: prints the table, and writes all figures to build/bench-console.json."""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.command import count_of, make_console, print_error, print_json, write_json
from bench.console.measure import Look, look, prepare, write_scores
from bench.pipelines import ROOT
from bench.udf.about import machine
from bench.udf.errors import BenchError
from daemons.binaries import NoBinary, binary
from daemons.influxd import Influxd

_WIDTH = 120
_OUTPUT = ROOT / "build" / "bench-console.json"
MOST_PAGE_S = 1.0
MOST_MEMORY_BYTES = 150_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 when everything was measured, whether or not the targets are reached."""
    options = _parser().parse_args(arguments)
    console = make_console(_WIDTH)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-console-") as scratch:
            program = binary("influxd", "influxdb", Path(scratch))
            with Influxd(program, Path(scratch) / "influxdb") as influxd:
                console.print("bench: writing scores", style="dim", highlight=False)
                write_scores(influxd, options.series, options.windows)
                command = prepare(Path(scratch), influxd)
                looks = [look(command, influxd, options.series) for _ in range(options.looks)]
    except (BenchError, NoBinary) as error:
        print_error(error)
        return 1
    row = {"series": options.series, "windows": options.windows, **report(looks)}
    write_json(options.output, {**row, "machine": machine()})
    print_report(console, row)
    print_json(console, row)
    return 0


def report(looks: Sequence[Look]) -> dict[str, float]:
    """Return the median of each figure, and the most memory."""
    rows = [asdict(each) for each in looks]
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    return {**medians, "memory_bytes": max(each.memory_bytes for each in looks)}


def print_report(console: Console, row: Mapping[str, Any]) -> None:
    """Print the figures, and whether the targets were reached."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    columns = {
        "series": f"{row['series']:,}",
        "scores of each": f"{row['windows']:,}",
        "first page, s": f"{row['wall_s']:.2f}",
        "processor, s": f"{row['processor_s']:.2f}",
        "influxd, s": f"{row['influxd_s']:.2f}",
        "again, s": f"{row['again_s']:.3f}",
        "search, s": f"{row['search_s']:.3f}",
        "memory, MB": f"{row['memory_bytes'] / 1e6:.0f}",
    }
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row(*columns.values())
    console.print(table)
    for what, is_reached in verdicts(row).items():
        console.print(f"\n{what}:", Text("reached", "green") if is_reached else Text("missed", "bold red"))


def verdicts(row: Mapping[str, Any]) -> dict[str, bool]:
    """Return which targets are reached, by their words."""
    return {
        f"first page in less than {MOST_PAGE_S:g} s": row["wall_s"] < MOST_PAGE_S,
        f"memory below {MOST_MEMORY_BYTES / 1e6:.0f} MB": row["memory_bytes"] < MOST_MEMORY_BYTES,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--series", type=count_of("series"), default=10_000, help="number of series (10000)")
    parser.add_argument("--windows", type=count_of("windows"), default=58, help="scores of each, one a minute (58)")
    parser.add_argument("--looks", type=count_of("looks"), default=5, help="consoles that are started (5)")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="where the JSON goes (build/bench-console.json)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
