"""Custom TICKscripts: is each script that a pipeline names there, and does it fit a pipeline.

Kapacitor checks the script itself when the task is defined, and names line and column.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from anomaly.kapacitor.tickscript import TickscriptError, find_script, misfits, script_problems
from anomaly.pipeline import Pipeline, SpecError, normalize

from .inventory import Host, Inventory
from .problem import Problem


def check(inventory: Inventory, root: Path) -> Iterator[Problem]:
    """Yield the problems of all custom scripts.

    Args:
        inventory: all hosts and groups.
        root: the repository, from which a relative folder starts.
    """
    for host in inventory.members("kapacitor"):
        directory = directory_of(host, root)
        for index, pipeline in enumerate(_pipelines(host)):
            if pipeline.tickscript is not None:
                thing = f'pipelines[{index}] "{pipeline.name}": tickscript'
                for wrong, fix in _script_problems(pipeline, directory):
                    yield Problem(thing, pipeline.tickscript, wrong, fix, host.where.get("pipelines"), host.name)


def directory_of(host: Host, root: Path) -> Path:
    """Return the folder of a host's custom scripts."""
    return root / host.text("pipelines_tickscripts_dir")


def custom_scripts(host: Host, root: Path) -> Iterator[str]:
    """Yield the text of each custom script that a host's pipelines name and that is there."""
    for pipeline in _pipelines(host):
        if pipeline.tickscript is not None:
            with contextlib.suppress(TickscriptError):
                yield find_script(pipeline, directory_of(host, root))


def _pipelines(host: Host) -> list[Pipeline]:
    """Return the pipelines of a host; none if they are not valid, which another check tells."""
    try:
        return normalize(host.effective.get("pipelines"))
    except SpecError:
        return []


def _script_problems(pipeline: Pipeline, directory: Path) -> Iterator[tuple[str, str]]:
    try:
        script = find_script(pipeline, directory)
    except TickscriptError as error:
        yield error.wrong, error.fix
        return
    yield from script_problems(script)
    yield from misfits(script, pipeline)
