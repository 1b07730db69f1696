"""`python -m bench.catchup`: prints the table, and writes all figures to build/bench-catchup.json."""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.catchup.measure import CatchUpFigures, measure, write_points
from bench.command import count_of, make_console, print_error, print_json, write_json
from bench.pipelines import ROOT
from bench.udf.about import machine
from bench.udf.errors import BenchError
from daemons.binaries import NoBinary, binary
from daemons.influxd import Influxd

_WIDTH = 140
_OUTPUT = ROOT / "build" / "bench-catchup.json"
_HOUR_NS = 3_600_000_000_000
# The detector of plain scoring: it looks at windows alone. The others are compared with it.
PLAIN = "robust_z"
LEAST_POINTS_PER_PROCESSOR_S = 200_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 when everything was measured, whether or not the target is reached."""
    options = _parser().parse_args(arguments)
    console = make_console(_WIDTH)
    figures: dict[str, CatchUpFigures] = {}
    # A whole hour, so that windows begin with the points; the last of them may not be closed by the clock yet.
    begin_ns = (time.time_ns() // _HOUR_NS - options.hours - 1) * _HOUR_NS
    about = {"machine": machine()}
    try:
        with tempfile.TemporaryDirectory(prefix="bench-catchup-") as scratch:
            program = binary("influxd", "influxdb", Path(scratch))
            with Influxd(program, Path(scratch) / "influxdb") as influxd:
                influxd.create("db")
                console.print("bench: writing points", style="dim", highlight=False)
                write_points(influxd, options.series, begin_ns, options.hours * 3_600)
                for detector in options.detectors:
                    console.print(f"bench: catching up, {detector}", style="dim", highlight=False)
                    folder = Path(scratch) / detector
                    folder.mkdir()
                    figures[detector] = measure(
                        detector, influxd, folder, options.series, begin_ns, options.hours * 3_600
                    )
    except (BenchError, NoBinary) as error:
        print_error(error)
        return 1
    rows = report(figures)
    write_json(options.output, {"rows": rows, **about})
    print_report(console, rows)
    print_json(console, rows)
    return 0


def report(figures: Mapping[str, CatchUpFigures]) -> dict[str, dict[str, Any]]:
    """Return each row's figures, and its processor time for each point by that of plain scoring, if it was measured."""
    plain = figures.get(PLAIN)
    rows = {}
    for detector, measured in figures.items():
        rows[detector] = {
            **asdict(measured),
            "points_per_processor_s": measured.points_per_processor_s,
            "points_per_s": measured.points_per_s,
            "by_plain": None if plain is None else plain.points_per_processor_s / measured.points_per_processor_s,
        }
    return rows


def print_report(console: Console, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table, and whether the target was reached."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("detector")
    columns = (
        ("points", "points", ",.0f"),
        ("scores", "scores", ",.0f"),
        ("points_per_processor_s", "points a processor s", ",.0f"),
        ("by_plain", f"x {PLAIN}", ".2f"),
        ("points_per_s", "points a s", ",.0f"),
        ("processor_s", "processor, s", ".1f"),
        ("idle_processor_s", "nothing to do", ".1f"),
        ("influxd_s", "influxd, s", ".1f"),
    )
    for _, heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for detector, row in rows.items():
        table.add_row(detector, *("-" if row[name] is None else f"{row[name]:{form}}" for name, _, form in columns))
    console.print(table)
    if PLAIN in rows:
        measured = rows[PLAIN]["points_per_processor_s"]
        is_reached = measured >= LEAST_POINTS_PER_PROCESSOR_S
        verdict = Text("reached", "green") if is_reached else Text("missed", "bold red")
        label = f"{LEAST_POINTS_PER_PROCESSOR_S:,} wanted:"
        console.print(f"\n{PLAIN}: {measured:,.0f} points a processor s, {label}", verdict)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.catchup", description=__doc__)
    parser.add_argument("--detectors", nargs="+", default=(PLAIN, "isolation_forest", "ensemble"), help="which")
    parser.add_argument("--series", type=count_of("series"), default=10, help="number of series (10)")
    parser.add_argument("--hours", type=count_of("hours"), default=12, help="hours with a point each second (12)")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="where the JSON goes (build/bench-catchup.json)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
