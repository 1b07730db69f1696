"""A kapacitord and a collector for each test."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.kapacitord import Collector, Kapacitord, binary

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
EXAMPLES = ROOT / "udf" / "kapacitor_udf" / "examples"


@pytest.fixture(scope="session")
def kapacitord_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binary(tmp_path_factory.mktemp("kapacitord"))


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def kapacitord(kapacitord_binary: Path, tmp_path: Path) -> Iterator[Callable[..., Kapacitord]]:
    """Start a kapacitord with UDFs: handlers of programs/handlers.py by name, or example programs."""
    environment = {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "udf" / "kapacitor_udf" / "src"), str(PROGRAMS)]),
        "SCRATCH": str(tmp_path),
    }
    with ExitStack() as stack:

        def start(*names: str, **more: Any) -> Kapacitord:
            functions = {}
            for name in names:
                example = EXAMPLES / f"{name}.py"
                program = [str(example)] if example.exists() else [str(PROGRAMS / "program.py"), name]
                functions[name] = [sys.executable, *program]
            more["environment"] = {**environment, **more.pop("environment", {})}
            return stack.enter_context(Kapacitord(kapacitord_binary, tmp_path / "kapacitor", functions, **more))

        yield start
