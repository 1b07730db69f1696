"""The stack that is broken: deployed by `site.yml`, with a model, volumes of its own and no training."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from anomaly.influxdb.client import InfluxClient
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.training.fit import train
from tests.integration.playbook import ROOT
from tests.integration.results import ALERTS_IN_A_FILE
from tests.integration.small_disk import small_disk
from tests.integration.stack import Stack
from tests.integration.waiting import PATIENCE_S, wait_for
from tests.unit.anomaly import printers

__all__ = ["PIPELINE", "RESULTS", "ROOT", "VOLUMES", "Deployed", "deployed"]

RESULTS = "anomaly"
# Windows of two seconds, so that an outage of seconds loses several of each series.
SPECIFICATION = {
    "name": "faults",
    "database": "faults",
    "measurement": "temperature",
    "fields": list(printers.FIELDS),
    "group_by": ["printer"],
    "window": "2s",
    "lateness": "2s",
    "detector": "isolation_forest",
    "parameters": {"trees": 50},
}
PIPELINE: Pipeline = normalize([SPECIFICATION])[0]
# The printers of the tests have a point each second, and ten a window.
_TRAINED: Pipeline = normalize([SPECIFICATION | {"window": "10s"}])[0]
# The volumes that a fault may fill, and their sizes in MiB.
VOLUMES = {"influxdb": 2048, "state": 64}
# What each program's process is known by, among the processes of its container.
_PROGRAMS = {
    "influxdb": ("influxdb", re.compile(r"(^|/)influxd ")),
    "kapacitord": ("kapacitor", re.compile(r"^kapacitord ")),
    "udf": ("kapacitor", re.compile(r"\banomaly udf\b")),
    "keeper": ("keeper", re.compile(r"\banomaly keeper ")),
}


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed stack whose parts can be broken.

    Attributes:
        stack: the stack.
        model: the model that scores.
    """

    stack: Stack
    model: Model

    @property
    def influx(self) -> InfluxClient:
        """InfluxDB as its admin sees it."""
        return InfluxClient(self.stack.influxdb_url, *self.stack.user("admin"), read_seconds=30)

    def processes(self, program: str) -> list[int]:
        """Return the processes of a program of the stack, as this machine numbers them.

        Args:
            program: `influxdb`, `kapacitord`, `udf` or `keeper`.
        """
        service, pattern = _PROGRAMS[program]
        container = self.stack.container(service)
        if container.status != "running":
            return []
        # The columns are asked for, because an engine's own choice may differ.
        table = container.top(ps_args="-eo pid,args")
        return [int(row[0]) for row in table["Processes"] if pattern.search(row[1])]

    def send(self, program: str, signal: int, *, must_run: bool = True) -> None:
        """Send a signal to a program.

        Args:
            program: as for `processes`.
            signal: the signal's number.
            must_run: whether to wait for the program if it does not run.
        """
        if must_run:
            wait_for(lambda: self.processes(program), f"a process of {program}", explain=self.stack.logs)
        for process in self.processes(program):
            try:
                os.kill(process, signal)
            except ProcessLookupError:
                """It has ended meanwhile."""

    def main_process(self, service: str) -> int:
        """Return the first process of a container, as this machine numbers it; 0 while it does not run."""
        return int(self.stack.container(service).attrs["State"]["Pid"])

    def inside(self, service: str, *words: str) -> None:
        """Run a program of this machine in the network of a container."""
        process = str(self.main_process(service))
        subprocess.run(["nsenter", "--target", process, "--net", *words], check=True, capture_output=True)

    def data(self, name: str) -> Path:
        """Return one of the folders in which the stack keeps its data."""
        return self.stack.dir / "data" / name


@contextmanager
def deployed(folder: Path) -> Iterator[Deployed]:
    """Deploy a stack with the pipeline and a model; remove all of it at the end.

    Args:
        folder: an existing folder, below which everything of the stack lies.
    """
    # An engine that is busy answers late.
    client = docker.from_env(timeout=round(PATIENCE_S))
    stack = Stack(
        client,
        folder,
        # What is measured is a keeper as it is delivered.
        variables={"kapacitor_alert_handlers": [ALERTS_IN_A_FILE], "keeper_tell_back_after_seconds": 90},
        pipelines=[SPECIFICATION],
        groups=("influxdb", "kapacitor"),
    )
    with ExitStack() as undo:
        undo.callback(client.close)
        undo.callback(stack.destroy)
        for name, megabytes in VOLUMES.items():
            undo.enter_context(small_disk(stack.dir / "data" / name, megabytes))
        # Volumes are freed before they are unmounted.
        undo.callback(_remove_containers, stack)
        stack.play("site").succeeded()
        yield Deployed(stack, _store_model(stack))


def _remove_containers(stack: Stack) -> None:
    for container in stack.containers().values():
        container.remove(force=True, v=True)


def _store_model(stack: Stack) -> Model:
    """Train a model on undisturbed printers, make it current, and wait until the UDF has it."""
    windows = printers.windows(printers.clean(1, 20_000), printers.clean(2, 20_000))
    trained = train(_TRAINED, windows, "first", seed=0).model
    model = Model(trained.version, PIPELINE, trained.scaling, trained.detector, trained.calibration, trained.reference)
    folder = stack.dir / "data" / "models"
    store = Store(folder, PIPELINE.name)
    store.write(model)
    store.promote(model.version)
    owner = folder.stat()
    for path in folder.rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    notice = f"pipeline {PIPELINE.name}: scoring with model {model.version}"
    # Windows before the first score would be history, which is not scored.
    wait_for(lambda: notice in stack.kapacitor_log.read_text(), notice, explain=stack.logs)
    return store.load(model.version, PIPELINE)
