"""`anomaly trainer`: trains pipelines again when it is time, and hands feedback on, until it is ended.

Each training is a process of its own, one after the other: what it needed of memory is free afterwards, and one that
fails harms nothing.
"""

import argparse
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from anomaly.cli import codes
from anomaly.cli.common import connect, read_pipelines, say
from anomaly.influxdb.client import Influx, InfluxError
from anomaly.influxdb.influxql import literal
from anomaly.influxdb.marks import read_feedback, unheeded
from anomaly.influxdb.times import moment, resolve
from anomaly.models.store import Store, StoreError
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Mark
from anomaly.serving.feedback_file import feedback_path, read_marks, write_marks
from anomaly.training.schedule import Known, due

# Of the horizon's results, the newest so many count.
_RESULTS = 24
_NEWEST = 3


def trainer(options: argparse.Namespace) -> int:
    """Runs until SIGTERM or SIGINT. Raises SpecError, UsageError, InfluxError (the address)."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    pipelines = read_pipelines(options.spec)
    trained = [Trainer(pipeline, connect(options), options, stop) for pipeline in pipelines if pipeline.enabled]
    say(f"trainer of {', '.join(one.name for one in trained) or 'nothing'}")
    while not stop.is_set():
        beat(options)
        for one in trained:
            one.look()
        stop.wait(options.poll)
    say("trainer ends")
    return codes.DONE


def beat(options: argparse.Namespace) -> None:
    """Shows whoever looks at the heartbeat's file that the trainer goes on."""
    if options.heartbeat is not None:
        Path(options.heartbeat).touch()


class Trainer:
    """Looks after one pipeline."""

    def __init__(self, pipeline: Pipeline, influx: Influx, options: argparse.Namespace, stop: threading.Event) -> None:
        self._pipeline = pipeline
        self._influx = influx
        self._options = options
        self._stop = stop
        self._store = Store(options.models, pipeline.name)
        self._failed_ns: int | None = None
        self._said = ""

    @property
    def name(self) -> str:
        """The pipeline's."""
        return self._pipeline.name

    def look(self) -> None:
        """Hands feedback on, and trains if it is time. What goes wrong is said once, and tried again."""
        try:
            results = self._options.results_database in self._influx.databases()
            marks = self._hand_on() if results else []
            now_ns = time.time_ns()
            why = due(self._pipeline, self._known(marks, now_ns, results=results), now_ns)
            self._said = ""
        except (InfluxError, StoreError) as error:
            if str(error) != self._said:
                self._said = str(error)
                say(f"anomaly: {error}")
            return
        if why is not None and not self._stop.is_set():
            say(f"training {self.name}: {why}")
            self._failed_ns = None if self._train() else time.time_ns()

    def _hand_on(self) -> list[Mark]:
        """All marks, which running UDFs are told, too."""
        path = feedback_path(self._options.models, self.name)
        marks = read_feedback(self._influx, self._options.results_database, self._pipeline)
        try:
            known = read_marks(path)
        except StoreError:
            known = None
        if marks != known:
            write_marks(path, marks)
            say(f"{self.name}: {len(marks)} marks of feedback are handed on")
        return marks

    def _known(self, marks: list[Mark], now_ns: int, *, results: bool) -> Known:
        current = self._store.current()
        if current is None:
            return Known(None, failed_ns=self._failed_ns)
        try:
            manifest = self._store.check(current, self._pipeline)
        except StoreError as error:
            return Known(None, misfit=str(error), failed_ns=self._failed_ns)
        newest = [version for version in self._store.versions() if version.problem is None][-1]
        created = moment(str(newest.manifest.get("created")), f"created of {newest.name}")
        drifted = self._pipeline.training.on_drift and results and self._drifted(current)
        asked = resolve(self._pipeline, None, None, now_ns)
        return Known(
            created,
            drifted=drifted,
            unheeded=len(unheeded(manifest, marks, asked)),
            failed_ns=self._failed_ns,
        )

    def _drifted(self, version: str) -> bool:
        since_ns = time.time_ns() - _NEWEST * self._pipeline.drift.horizon_ns // _RESULTS
        query = (
            f'SELECT last("drifted") FROM "drift" WHERE "pipeline" = {literal(self.name)}'
            f' AND "model" = {literal(version)} AND time > {since_ns} GROUP BY *'
        )
        parts = self._influx.query(query, self._options.results_database)
        return any(row[1] == 1 for part in parts for row in part.rows)

    def _train(self) -> bool:
        """Whether there is a new model."""
        options = self._options
        command = [sys.executable, "-m", "anomaly", "train", "--spec", options.spec, "--pipeline", self.name]
        command += ["--models", options.models, "--influxdb-url", options.influxdb_url]
        command += ["--results-database", options.results_database]
        for name, value in (
            ("--username", options.username),
            ("--password-file", options.password_file),
            ("--ca-file", options.ca_file),
        ):
            command += [name, value] if value is not None else []
        with subprocess.Popen(command) as process:  # noqa: S603 (our own program and arguments)
            while process.poll() is None:
                beat(options)
                if self._stop.wait(0.2):
                    process.terminate()
                    process.wait()
        if process.returncode == 0:
            removed = self._store.prune(options.keep)
            if removed:
                say(f"{self.name}: removed {', '.join(removed)}, more than {options.keep} versions ago")
        return process.returncode == 0
