"""python -m bench.series: measure, print the table, write the JSON."""

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from bench.command import count_of, make_console, print_error, print_json, write_json
from bench.series.measure import SeriesRow, measure
from bench.series.report import print_report, report
from bench.series.session import ROOT
from bench.udf.about import machine
from bench.udf.errors import BenchError
from daemons.binaries import NoBinary, binary

_WIDTH = 180
_OUTPUT = ROOT / "build" / "bench-series.json"
_SERIES = (10, 300, 1_000, 10_000)
_WINDOWS = ("10s", "1m")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 when everything was measured, whether or not the targets are reached."""
    options = _parser().parse_args(arguments)
    console = make_console(_WIDTH)
    figures = {}
    try:
        about = {"machine": machine()}
        with tempfile.TemporaryDirectory(prefix="bench-series-") as scratch:
            kapacitord = binary("kapacitord", "kapacitor", Path(scratch))
            for series, window in ((series, window) for window in options.windows for series in options.series):
                row = SeriesRow(series, window, round(options.incomplete * series), round(options.new * series))
                folder = Path(scratch) / f"{row.series}-{row.window}"
                folder.mkdir()
                name = f"{row.series:,} series, windows of {row.window}"
                figures[row] = measure(
                    row,
                    options.memory,
                    kapacitord,
                    folder,
                    partial(_say, console, name),
                )
    except (BenchError, NoBinary) as error:
        print_error(error)
        return 1
    result = report(figures, about)
    write_json(options.output, result)
    print_report(console, figures)
    print_json(console, result["rows"])
    return 0


def _say(console: Console, row: str, what: str) -> None:
    console.print(f"bench: {row}: {what}", style="dim", highlight=False)


def _share(text: str) -> float:
    """Return an argument that is a share, less than a half."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share < 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share of the series. Fix: from 0 to less than 0.5")
    return share


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.series", description=__doc__)
    parser.add_argument("--series", type=count_of("series"), nargs="+", default=_SERIES, help="numbers of series")
    parser.add_argument("--windows", nargs="+", default=_WINDOWS, help="lengths of windows")
    parser.add_argument("--incomplete", type=_share, default=0.0, help="the share of series that lack a field (0)")
    parser.add_argument("--new", type=_share, default=0.0, help="the share of series that the model does not know (0)")
    parser.add_argument("--memory", default="2GiB", help="the pipeline's `memory` (2GiB)")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="where the JSON goes (build/bench-series.json)")
    return parser
