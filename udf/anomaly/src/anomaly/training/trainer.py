"""Runs the trainer: a loop that trains pipelines when they are due, and hands marks of feedback to running UDFs.

Trainings run one after the other, each in a process of its own: its memory is free afterwards, and a training that
fails does not harm the trainer. `anomaly.training.schedule` decides when a pipeline is due.
"""

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.influxdb.influxql import literal
from anomaly.influxdb.marks import read_feedback
from anomaly.influxdb.times import parse_time, resolve_range
from anomaly.models.store import Store, StoreError
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Mark
from anomaly.scoring.feedback_file import feedback_path, read_marks, write_marks
from anomaly.training.feedback import unheeded_marks
from anomaly.training.schedule import TrainingState, due

# A series' drift is written this many times in the pipeline's horizon; the newest few of these results count.
_DRIFT_RESULTS = 24
_NEWEST = 3


@dataclass(frozen=True, slots=True)
class TrainerRequest:
    """A request to look after pipelines.

    Attributes:
        pipelines: the pipelines to look after.
        models: the directory of all models.
        results_database: the database that holds drift and marks of feedback.
        train_command: the command that trains one pipeline, without `--pipeline NAME`, which the trainer appends.
        poll_seconds: how long to wait between two looks at all pipelines.
        heartbeat: a file that the trainer touches at each look and while it trains; None: no file.
        keep: how many versions of each pipeline are kept.
    """

    pipelines: tuple[Pipeline, ...]
    models: Path | str
    results_database: str
    train_command: tuple[str, ...]
    poll_seconds: float
    heartbeat: Path | None
    keep: int


def run_trainer(
    request: TrainerRequest, connect: Callable[[], InfluxClient], ended: threading.Event, say: Callable[[str], None]
) -> None:
    """Look after the pipelines until `ended` is set.

    Args:
        request: the pipelines and the options.
        connect: opens a connection to InfluxDB, one for each pipeline.
        ended: ends the trainer, and a training that runs.
        say: gets each line for people.

    Raises:
        InfluxClientError: the address of InfluxDB is not an address.
    """
    trainers = [_PipelineTrainer(pipeline, connect(), request, ended, say) for pipeline in request.pipelines]
    say(f"trainer of {', '.join(pipeline.name for pipeline in request.pipelines) or 'nothing'}")
    while not ended.is_set():
        _beat(request.heartbeat)
        for trainer in trainers:
            trainer.look()
        ended.wait(request.poll_seconds)
    say("trainer ends")


def _beat(heartbeat: Path | None) -> None:
    """Show whoever watches the heartbeat's file that the trainer goes on."""
    if heartbeat is not None:
        heartbeat.touch()


class _PipelineTrainer:
    """Looks after one pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        influx: InfluxClient,
        request: TrainerRequest,
        ended: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        self._pipeline = pipeline
        self._influx = influx
        self._request = request
        self._ended = ended
        self._say = say
        self._store = Store(request.models, pipeline.name)
        self._failed_ns: int | None = None
        self._last_error = ""

    def look(self) -> None:
        """Hand feedback on, and train if the pipeline is due. It says an error once, and the next look tries again."""
        try:
            has_results = self._request.results_database in self._influx.databases()
            marks = self._hand_on() if has_results else []
            now_ns = time.time_ns()
            reason = due(self._pipeline, self._state(marks, now_ns, has_results=has_results), now_ns)
            self._last_error = ""
        except (InfluxClientError, StoreError) as error:
            if str(error) != self._last_error:
                self._last_error = str(error)
                self._say(f"anomaly: {error}")
            return
        if reason is not None and not self._ended.is_set():
            self._say(f"training {self._pipeline.name}: {reason}")
            self._failed_ns = None if self._train() else time.time_ns()

    def _hand_on(self) -> list[Mark]:
        """Read all marks of feedback, and hand them to running UDFs if they are new."""
        path = feedback_path(self._request.models, self._pipeline.name)
        marks = read_feedback(self._influx, self._request.results_database, self._pipeline)
        try:
            handed_on = read_marks(path)
        except StoreError:
            handed_on = None
        if marks != handed_on:
            write_marks(path, marks)
            self._say(f"{self._pipeline.name}: {len(marks)} marks of feedback are handed on")
        return marks

    def _state(self, marks: list[Mark], now_ns: int, *, has_results: bool) -> TrainingState:
        """Read the state of the pipeline's models."""
        current = self._store.current()
        if current is None:
            return TrainingState(None, failed_ns=self._failed_ns)
        try:
            manifest = self._store.check(current, self._pipeline)
        except StoreError as error:
            return TrainingState(None, misfit=str(error), failed_ns=self._failed_ns)
        newest = [version for version in self._store.versions() if version.problem is None][-1]
        created_ns = parse_time(str(newest.manifest.created), f"created of {newest.name}")
        drifted = self._pipeline.training.on_drift and has_results and self._drifted(current)
        asked = resolve_range(self._pipeline, None, None, now_ns)
        return TrainingState(
            created_ns,
            drifted=drifted,
            unheeded=len(unheeded_marks(manifest, marks, asked)),
            failed_ns=self._failed_ns,
        )

    def _drifted(self, version: str) -> bool:
        """Check whether the newest results of any series say that it has drifted from the version's history."""
        since_ns = time.time_ns() - _NEWEST * self._pipeline.drift.horizon_ns // _DRIFT_RESULTS
        query = (
            f'SELECT last("drifted") FROM "drift" WHERE "pipeline" = {literal(self._pipeline.name)}'
            f' AND "model" = {literal(version)} AND time > {since_ns} GROUP BY *'
        )
        parts = self._influx.query(query, self._request.results_database)
        return any(row[1] == 1 for part in parts for row in part.rows)

    def _train(self) -> bool:
        """Train in a process of its own, prune old versions, and return whether the training made a model."""
        command = [*self._request.train_command, "--pipeline", self._pipeline.name]
        with subprocess.Popen(command) as process:  # noqa: S603 (our own program and arguments)
            while process.poll() is None:
                _beat(self._request.heartbeat)
                if self._ended.wait(0.2):
                    process.terminate()
                    process.wait()
        if process.returncode != 0:
            return False
        removed = self._store.prune(self._request.keep)
        if removed:
            self._say(
                f"{self._pipeline.name}: removed {', '.join(removed)}, more than {self._request.keep} versions ago"
            )
        return True
