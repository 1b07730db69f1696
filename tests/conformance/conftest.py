"""A kapacitord and a collector for each test."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from daemons.binaries import binary
from daemons.influxd import Influxd
from daemons.kapacitord import Collector, Kapacitord
from daemons.server import Server

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
EXAMPLES = ROOT / "udf" / "kapacitor_udf" / "examples"


@pytest.fixture(scope="session")
def kapacitord_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binary("kapacitord", "kapacitor", tmp_path_factory.mktemp("kapacitord"))


@pytest.fixture(scope="session")
def influxd_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binary("influxd", "influxdb", tmp_path_factory.mktemp("influxd"))


@pytest.fixture
def influxd(influxd_binary: Path, tmp_path: Path) -> Iterator[Influxd]:
    with Influxd(influxd_binary, tmp_path / "influxdb") as influxd:
        yield influxd


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What UDF programs need."""
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "udf" / "kapacitor_udf" / "src"), str(PROGRAMS)]),
        "SCRATCH": str(tmp_path),
    }


@pytest.fixture
def kapacitord(
    kapacitord_binary: Path, tmp_path: Path, environment: dict[str, str]
) -> Iterator[Callable[..., Kapacitord]]:
    """Start a kapacitord with UDFs: handlers of programs/handlers.py by name, example programs, commands, sockets."""
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
            return stack.enter_context(Kapacitord(kapacitord_binary, tmp_path / "kapacitor", functions, **more))

        yield start


@pytest.fixture
def server(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Server]]:
    """Start a UDF server: a handler of programs/handlers.py by name."""
    with ExitStack() as stack:

        def start(name: str) -> Server:
            path = tmp_path / f"{name}.sock"
            command = [sys.executable, *program(name), str(path)]
            return stack.enter_context(Server(command, path, {**os.environ, **environment}))

        yield start


def program(name: str) -> list[str]:
    """The arguments that Python is started with to be this UDF."""
    example = EXAMPLES / f"{name}.py"
    return [str(example)] if example.exists() else [str(PROGRAMS / "program.py"), name]
