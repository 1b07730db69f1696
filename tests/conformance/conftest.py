"""A kapacitord and a collector for each test."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from daemons.binaries import binary
from daemons.influxd import Influxd
from daemons.kapacitord import Collector
from daemons.server import Server
from tests.conformance.starting import Start, environment_of_udfs, program, starting


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
    return environment_of_udfs(tmp_path)


@pytest.fixture
def kapacitord(kapacitord_binary: Path, tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Start a kapacitord with UDFs, as `starting` does."""
    with starting(kapacitord_binary, tmp_path, environment) as start:
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
