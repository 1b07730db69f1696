"""python -m bench.udf: measure, print the tables, write the JSON."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench.command import make_console, print_error, print_json, write_json
from bench.udf.about import machine
from bench.udf.errors import BenchError
from bench.udf.measure import Sampling, measure
from bench.udf.prepare import ROOT, forest_cost, prepare, versions
from bench.udf.report import print_report, report
from bench.udf.rows import NAMES, rows
from daemons.binaries import NoBinary, binary

_WIDTH = 120
_OUTPUT = ROOT / "build" / "bench.json"
_QUICK = Sampling(turns=1, seconds=0.4, starts=1, latency_seconds=1.0, alone_points=20_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 when everything was measured, whether or not the targets are reached."""
    options = _parser().parse_args(arguments)
    console = make_console(_WIDTH)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            _run(options, console, Path(scratch))
    except (BenchError, NoBinary) as error:
        print_error(error)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.udf", description=__doc__)
    parser.add_argument("--rows", type=_names, default=NAMES, metavar="ROW,ROW", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="one short round: does it work, not how fast is it")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="where the JSON goes (build/bench.json)")
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a row. Fix: some of {','.join(NAMES)}")
    return names


def _run(options: argparse.Namespace, console: Console, scratch: Path) -> None:
    on = machine()
    tools = prepare(ROOT / "build" / "bench" / "udf", console.print)
    kapacitord = binary("kapacitord", "kapacitor", scratch)
    forest = forest_cost(tools)
    sampling = _QUICK if options.quick else Sampling()
    every = rows(tools)
    with console.status("") as status:
        chosen_rows = [every[name] for name in NAMES if name in options.rows]
        samples = measure(chosen_rows, kapacitord, tools.environment, sampling, scratch, status.update)
    about = {"machine": on, "versions": versions(tools, kapacitord), "plan": asdict(sampling)}
    result = report(samples, forest, about)
    write_json(options.output, result)
    print_report(console, result, {name: row.title for name, row in every.items()})
    print_json(console, {key: result[key] for key in ("rows", "forest_us_per_point")})
