"""Starts kapacitords with UDFs, for a test or for several comparisons at once."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from daemons.kapacitord import Kapacitord

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
EXAMPLES = ROOT / "udf" / "kapacitor_udf" / "examples"

Start = Callable[..., Kapacitord]


def environment_of_udfs(folder: Path) -> dict[str, str]:
    """Return what UDF programs need; they may write to the folder."""
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "udf" / "kapacitor_udf" / "src"), str(PROGRAMS)]),
        "SCRATCH": str(folder),
    }


def program(name: str) -> list[str]:
    """Return the arguments that Python is started with to be this UDF."""
    example = EXAMPLES / f"{name}.py"
    return [str(example)] if example.exists() else [str(PROGRAMS / "program.py"), name]


@contextmanager
def starting(binary: Path, folder: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Start kapacitords with UDFs: handlers of programs/handlers.py by name, example programs, commands, sockets.

    Args:
        binary: kapacitord.
        folder: where its folder is made.
        environment: what all UDFs get.
    """
    with ExitStack() as stack:

        def start(
            *names: str,
            sockets: dict[str, Path] | None = None,
            commands: dict[str, list[str]] | None = None,
            **more: Any,
        ) -> Kapacitord:
            functions: dict[str, list[str] | Path] = {**(sockets or {}), **(commands or {})}
            for name in names:
                functions[name] = [sys.executable, *program(name)]
            more["environment"] = {**environment, **more.pop("environment", {})}
            return stack.enter_context(Kapacitord(binary, folder / "kapacitor", functions, **more))

        yield start
