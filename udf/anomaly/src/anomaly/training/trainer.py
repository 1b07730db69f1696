"""Looks after the models of one pipeline: hands marks of feedback to running UDFs, and says when it is to be trained.

`anomaly.training.schedule` decides when a pipeline is due. The keeper runs the training.
"""

import time
from collections.abc import Callable
from pathlib import Path

from anomaly.counted import counted
from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.influxdb.influxql import literal
from anomaly.influxdb.marks import read_feedback
from anomaly.influxdb.times import parse_time, resolve_range
from anomaly.models.store import Store, StoreError, exclusive
from anomaly.pipeline import Pipeline, SpecError
from anomaly.scoring.feedback import Mark
from anomaly.scoring.feedback_file import feedback_path, read_marks, write_marks
from anomaly.training.feedback import unheeded_marks
from anomaly.training.schedule import TrainingState, due

# A series' drift is written this many times in the pipeline's horizon; the newest few of these results count.
_DRIFT_RESULTS = 24
_NEWEST = 3


class PipelineTrainer:
    """Looks after the models of one pipeline.

    Args:
        pipeline: the pipeline.
        influx: InfluxDB, as a user who may read the results.
        models: the directory of all models.
        results_database: the database that holds drift and marks of feedback.
        keep: how many versions are kept.
        say: gets each line for people.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        influx: InfluxClient,
        models: Path | str,
        results_database: str,
        keep: int,
        say: Callable[[str], None],
    ) -> None:
        self._pipeline = pipeline
        self._influx = influx
        self._models = models
        self._results_database = results_database
        self._keep = keep
        self._say = say
        self._store = Store(models, pipeline.name)
        self._failed_ns: int | None = None
        self._last_error = ""

    def look(self) -> str | None:
        """Hand feedback on. An error is said once, and the next look tries again.

        Returns:
            Why the pipeline is to be trained now; None if it is not.
        """
        try:
            has_results = self._results_database in self._influx.databases()
            marks = self._hand_on() if has_results else []
            now_ns = time.time_ns()
            reason = None
            if self._pipeline.trains_itself:
                reason = due(self._pipeline, self._state(marks, now_ns, has_results=has_results), now_ns)
            self._last_error = ""
        except (InfluxClientError, StoreError, SpecError) as error:
            # A SpecError: a manifest has a time that is none.
            if str(error) != self._last_error:
                self._last_error = str(error)
                self._say(f"anomaly: {error}")
            return None
        return reason

    def trained(self, *, has_model: bool) -> None:
        """Record the end of a training, and remove old versions.

        Args:
            has_model: whether the training made a model.
        """
        self._failed_ns = None if has_model else time.time_ns()
        if not has_model:
            return
        removed = self._store.prune(self._keep)
        if removed:
            self._say(
                f"{self._pipeline.name}: removed {', '.join(removed)}, more than {counted(self._keep, 'version')} ago"
            )

    def _hand_on(self) -> list[Mark]:
        """Read all marks of feedback, and hand them to running UDFs if they are new."""
        path = feedback_path(self._models, self._pipeline.name)
        with exclusive(path.parent):
            marks = read_feedback(self._influx, self._results_database, self._pipeline)
            try:
                handed_on = read_marks(path)
            except StoreError:
                handed_on = None
            if marks != handed_on:
                write_marks(path, marks)
        if marks != handed_on:
            self._say(f"{self._pipeline.name}: handed on: {counted(len(marks), 'mark')} of feedback")
        return marks

    def _state(self, marks: list[Mark], now_ns: int, *, has_results: bool) -> TrainingState:
        """Read the state of the pipeline's models."""
        current = self._store.current()
        if current is None:
            return TrainingState(None, failed_ns=self._failed_ns)
        try:
            manifest = self._store.check_arrays(current, self._pipeline)
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
        parts = self._influx.query(query, self._results_database)
        return any(row[1] == 1 for part in parts for row in part.rows)
