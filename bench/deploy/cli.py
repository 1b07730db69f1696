"""python -m bench.deploy: deploy a stack, run site.yml again, print the table, write the JSON, remove the stack."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.command import count_of, make_console, print_error, print_json, write_json
from bench.deploy.report import REFERENCE, print_report, report
from bench.deploy.run import ROOT, Run, run_playbook
from bench.deploy.stack import BenchStack
from bench.udf.about import machine
from bench.udf.errors import BenchError

_WIDTH = 120
_OUTPUT = ROOT / "build" / "bench-deploy.json"
_LOGS = ROOT / "build" / "logs" / "bench-deploy"
# How many pipelines the stack has after the rows `more` and `fewer`.
MANY_PIPELINES, FEW_PIPELINES = 26, 5
# What a changed pipeline changes: its own task, and the controller's record of what is deployed.
PIPELINE_CHANGES = (
    "pipelines : tasks | Ensure the task of each pipeline, and no others of this stack",
    "summary : Record the summary on the controller",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 when everything was measured, whether or not the targets are reached."""
    options = _parser().parse_args(arguments)
    console = make_console(_WIDTH)
    try:
        about = {"machine": machine()}
        with tempfile.TemporaryDirectory(prefix="bench-deploy-") as folder:
            runs = measure(BenchStack(Path(folder), ROOT / "inventory" / "local"), options.runs, console)
    except BenchError as error:
        print_error(error)
        return 1
    result = report(runs, about)
    write_json(options.output, result)
    print_report(console, result)
    print_json(console, result["rows"])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.deploy", description=__doc__)
    parser.add_argument(
        "--runs", type=count_of("runs"), default=3, help="runs of each row but the first deployment (3)"
    )
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="where the JSON goes (build/bench-deploy.json)")
    return parser


def measure(stack: BenchStack, runs: int, console: Console) -> dict[str, list[Run]]:
    """Deploy the stack, run each row, and remove the stack and its data. Images stay.

    Args:
        stack: the stack, which is not deployed yet.
        runs: how often the rows after the first deployment run.
        console: where progress is told.

    Returns:
        Row to its runs.

    Raises:
        BenchError: a playbook failed, or a row did not do what it measures.
    """
    logs = _LOGS / stack.name
    confirmations = [
        "-e",
        json.dumps({"teardown_data": True, "teardown_confirm": stack.name, "teardown_images": False}),
    ]
    measured: dict[str, list[Run]] = {}

    def site(row: str) -> Run:
        console.print(f"bench: site.yml, {row}", style="dim", highlight=False)
        run = run_playbook("site", stack.inventory, logs / f"{row}-{len(measured.get(row, []))}.log")
        measured.setdefault(row, []).append(run)
        return run

    try:
        # Images that are missing would be built, which is not what is measured.
        run_playbook("images", stack.inventory, logs / "images.log")
        site("first")
        for _ in range(runs):
            _check_changes(site(REFERENCE), "site.yml with nothing to do", (), logs)
        for _ in range(runs):
            stack.change_pipeline()
            _check_changes(site("pipeline"), "site.yml with one changed pipeline", PIPELINE_CHANGES, logs)
        for _ in range(runs):
            stack.set_pipelines(MANY_PIPELINES)
            site("more")
            stack.set_pipelines(FEW_PIPELINES)
            site("fewer")
            stack.set_pipelines(1)
            if len(measured["more"]) < runs:
                run_playbook("site", stack.inventory, logs / "one-pipeline-again.log")
    finally:
        console.print("bench: removing the stack", style="dim", highlight=False)
        run_playbook("teardown", stack.inventory, logs / "teardown.log", confirmations)
    return measured


def _check_changes(run: Run, what: str, expected: tuple[str, ...], logs: Path) -> None:
    """Raise BenchError unless exactly the expected tasks changed something, each once."""
    if run.changes != expected:
        changed, wanted = (", ".join(names) or "nothing" for names in (run.changes, expected))
        raise BenchError(f"{what} changed {changed}; expected: {wanted}. Fix: the tasks that differ, see {logs}")
