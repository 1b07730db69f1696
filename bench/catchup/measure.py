"""Writes the points of some hosts into an InfluxDB of its own, and runs `anomaly catch-up` on them twice.

The first run finds no score at all, and writes one of each window. The second finds nothing to do. What the first takes
beyond the second is what the points cost; the second is what the start of the program and the look cost.
"""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly.models.store import Store
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline, normalize
from anomaly.training.fit import train
from anomaly.windows.windows import Windows
from bench.udf.errors import BenchError
from bench.udf.processes import processor_seconds
from daemons.influxd import Influxd

_SECOND_NS = 1_000_000_000
_MEASUREMENT, _TAG = "machine", "host"
# Level and noise of each field.
_FIELDS = {"load": (40.0, 4.0), "temperature": (60.0, 0.5), "queue": (12.0, 2.0)}
_WINDOW_S = 10
_TRAINED_WINDOWS = 1_500
_LINES_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class CatchUpFigures:
    """What one detector gave. A point is a time of one series, with its three fields.

    Attributes:
        points: how many points there are.
        scores: how many scores the first run wrote.
        wall_s: seconds from the start to the end of the first run.
        processor_s: what the first run had of the processors.
        idle_processor_s: what the second run had of them.
        influxd_s: what InfluxDB had of them during the first run.
    """

    points: int
    scores: int
    wall_s: float
    processor_s: float
    idle_processor_s: float
    influxd_s: float

    @property
    def points_per_processor_s(self) -> float:
        """Points a second of one core, without what a run costs that has nothing to do."""
        return self.points / max(self.processor_s - self.idle_processor_s, 1e-9)

    @property
    def points_per_s(self) -> float:
        """Points a second by the clock, with InfluxDB on the same machine."""
        return self.points / self.wall_s


def make_pipeline(detector: str) -> Pipeline:
    """Return the pipeline of the bench."""
    (pipeline,) = normalize(
        [
            {
                "name": "machines",
                "database": "db",
                "measurement": _MEASUREMENT,
                "fields": list(_FIELDS),
                "group_by": [_TAG],
                "window": f"{_WINDOW_S}s",
                "detector": detector,
            }
        ]
    )
    return pipeline


def write_points(influxd: Influxd, hosts: int, begin_ns: int, seconds: int) -> None:
    """Write a point each second of each host."""
    rng = np.random.default_rng(0)
    levels, sigmas = (np.array(column) for column in zip(*_FIELDS.values(), strict=True))
    for host in range(hosts):
        for first in range(0, seconds, _LINES_AT_ONCE):
            rows = levels + sigmas * rng.standard_normal((min(_LINES_AT_ONCE, seconds - first), len(_FIELDS)))
            lines = [
                f"{_MEASUREMENT},{_TAG}=h{host} "
                + ",".join(f"{name}={value:.3f}" for name, value in zip(_FIELDS, row, strict=True))
                + f" {begin_ns + second * _SECOND_NS}"
                for second, row in enumerate(rows.tolist(), first)
            ]
            influxd.client.write(lines, "db")


def store_model(pipeline: Pipeline, models: Path, hosts: int, end_ns: int) -> None:
    """Train the pipeline on a history of all hosts that ends at a time, and make the version current."""
    rng = np.random.default_rng(1)
    levels, sigmas = (np.array(column) for column in zip(*_FIELDS.values(), strict=True))
    samples = levels + sigmas * rng.standard_normal((hosts * _TRAINED_WINDOWS, _WINDOW_S, len(_FIELDS)))
    history = Windows(
        keys=tuple((f"h{host}",) for host in range(hosts)),
        series=np.repeat(np.arange(hosts), _TRAINED_WINDOWS),
        begin_ns=np.tile(end_ns + np.arange(-_TRAINED_WINDOWS, 0) * pipeline.window_ns, hosts),
        values=np.stack([samples.mean(axis=1), samples.std(axis=1, ddof=1)], axis=2).reshape(len(samples), -1),
        counts=np.full((len(samples), len(_FIELDS)), float(_WINDOW_S)),
    )
    store = Store(models, pipeline.name)
    store.write(train(pipeline, history, "v1", seed=0).model)
    store.promote("v1")


def measure(detector: str, influxd: Influxd, folder: Path, hosts: int, begin_ns: int, seconds: int) -> CatchUpFigures:
    """Catch up twice with points that are stored.

    Args:
        detector: the pipeline's detector.
        influxd: the server that holds the points.
        folder: an empty folder for specification and model.
        hosts: how many series there are.
        begin_ns: the time of the first points.
        seconds: how many points each series has.

    Raises:
        BenchError: a run failed, or did not write what it should.
    """
    results = f"results-{detector}"
    influxd.create(results)
    pipeline = make_pipeline(detector)
    store_model(pipeline, folder / "models", hosts, begin_ns)
    specification = folder / "pipelines.json"
    specification.write_text(json.dumps([pipeline.as_dict()]))
    words = ["--spec", specification, "--models", folder / "models", "--influxdb-url", influxd.url]
    words += ["--results-database", results, "--from", rfc3339(begin_ns)]
    command = [sys.executable, "-m", "anomaly", "catch-up", *map(str, words)]

    before_s, began = processor_seconds(influxd.process.pid), time.monotonic()
    first, processor_s = _run(command)
    wall_s = time.monotonic() - began
    influxd_s = processor_seconds(influxd.process.pid) - before_s
    second, idle_s = _run(command)
    windows = hosts * (seconds // _WINDOW_S)
    if first != windows or second != 0:
        raise BenchError(
            f"{detector}: the catch-up wrote {first} scores and then {second}, of {windows} windows. "
            f"Fix: what {' '.join(command)} says"
        )
    return CatchUpFigures(hosts * seconds, first, wall_s, processor_s, idle_s, influxd_s)


def _run(command: list[str]) -> tuple[int, float]:
    """Run a catch-up; return how many scores it wrote, and its processor time in seconds.

    Raises:
        BenchError: it failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        # `-m` must find the tree that this process was started in.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != 0:
        raise BenchError(f"{' '.join(command)} exited {run.returncode}. Fix: what it says: {run.stderr[-1_000:]}")
    answer = json.loads(run.stdout.splitlines()[-1])
    return int(answer["scores"]), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
