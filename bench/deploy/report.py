"""From runs to the numbers of build/bench-deploy.json, and to a table.

A number is the median over the runs of its row. The reference is a run of `site.yml` that has nothing to do: what any
other run takes beyond it is what that run did.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.deploy.run import Run

REFERENCE = "no_op"
TITLES = {
    "first": "a first deployment, with its images there",
    REFERENCE: "nothing to do",
    "pipeline": "one pipeline was changed",
    "more": "25 pipelines are new",
    "fewer": "21 of 26 pipelines are gone",
}
_NUMBERS = ("wall_s", "processor_s", "tasks", "skipped", "changed")
# For runs of these rows, on two idle cores.
WALL_LIMITS_S = {REFERENCE: 25.0, "more": 90.0}


def report(runs: Mapping[str, Sequence[Run]], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what build/bench-deploy.json holds.

    Args:
        runs: row to its runs; the row `no_op` is the reference.
        about: what the runs were measured on.

    Returns:
        The rows, the targets, `about`, and each run.
    """
    reference = _middle(runs[REFERENCE])
    rows = {name: {**_middle(found), **_ratios(_middle(found), reference)} for name, found in runs.items()}
    targets = [
        {
            "what": f"{name}: wall_s",
            "limit": limit,
            "value": rows[name]["wall_s"],
            "reached": rows[name]["wall_s"] <= limit,
        }
        for name, limit in WALL_LIMITS_S.items()
        if name in rows
    ]
    samples = {name: [vars(run) for run in found] for name, found in runs.items()}
    return {"rows": rows, "targets": targets, **about, "samples": samples}


def _middle(runs: Sequence[Run]) -> dict[str, float]:
    return {name: median(vars(run)[name] for run in runs) for name in _NUMBERS}


def _ratios(row: Mapping[str, float], reference: Mapping[str, float]) -> dict[str, float]:
    return {f"{name}_by_{REFERENCE}": row[name] / reference[name] for name in ("wall_s", "processor_s")}


def print_report(console: Console, result: Mapping[str, Any]) -> None:
    """Print the rows, and whether the targets were reached."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in (
        "site.yml",
        "",
        "wall, s",
        "processor, s",
        "tasks",
        "skipped",
        "changed",
        "x no_op: wall",
        "processor",
    ):
        # What a row is may be wrapped on a narrow terminal; its numbers may not.
        table.add_column(column, justify="left" if column in ("site.yml", "") else "right", no_wrap=column != "")
    for name, row in result["rows"].items():
        table.add_row(
            name,
            Text(TITLES[name], "dim"),
            *(f"{row[key]:.1f}" for key in ("wall_s", "processor_s")),
            *(f"{row[key]:.0f}" for key in ("tasks", "skipped", "changed")),
            *(f"{row[f'{key}_by_{REFERENCE}']:.2f}" for key in ("wall_s", "processor_s")),
        )
    console.print(table)
    for target in result["targets"]:
        verdict = Text("reached", "green") if target["reached"] else Text("missed", "bold red")
        console.print(f"\n{target['what']} <= {target['limit']:g}, measured {target['value']:.1f}:", verdict)
