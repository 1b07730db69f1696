"""How the pages reach what they show: InfluxDB, the pipelines and the models."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.source import resolved
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline
from anomaly.refusal import Refused

# Fields and tags seldom come and go.
_RESOLVED_SECONDS = 60.0


class Stack:
    """A stack as the console sees it.

    Attributes:
        results_database: the database of the results.
        models: the folder of all models.
    """

    def __init__(
        self,
        pipelines: Callable[[], Sequence[Pipeline]],
        connect: Callable[[], InfluxClient],
        results_database: str,
        models: Path,
        trial_command: Sequence[str] = (),
    ) -> None:
        """Prepare the access; nothing is read yet.

        Args:
            pipelines: returns the enabled pipelines, which may change while the console runs.
            connect: makes a client of the server that holds the results.
            results_database: the database of the results.
            models: the folder of all models.
            trial_command: the command that tries a changed pipeline, to which `--pipeline` and its name are added.
        """
        self._trial_command = tuple(trial_command)
        self.results_database = results_database
        self.models = models
        self._read_pipelines = pipelines
        self._connect = connect
        self._local = threading.local()
        # By name: the pipeline, when it was resolved, and what it was resolved to.
        self._resolved: dict[str, tuple[Pipeline, float, Pipeline]] = {}

    @property
    def influx(self) -> InfluxClient:
        """The client of this thread, as sessions of requests are not made for several threads."""
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect()
        return client

    def pipelines(self) -> tuple[Pipeline, ...]:
        """Return the enabled pipelines."""
        return tuple(self._read_pipelines())

    def pipeline(self, name: str) -> Pipeline | None:
        """Return a pipeline by its name; None if there is none."""
        return next((pipeline for pipeline in self.pipelines() if pipeline.name == name), None)

    def resolved(self, pipeline: Pipeline) -> Pipeline:
        """Return a pipeline with its patterns resolved to the names that its source has, or had a minute ago.

        Raises:
            InfluxClientError: InfluxDB cannot be asked, or refused.
            Refused: a pattern means nothing, or too much.
        """
        if not pipeline.patterns:
            return pipeline
        known = self._resolved.get(pipeline.name)
        now = time.monotonic()
        if known is None or known[0] is not pipeline or now - known[1] > _RESOLVED_SECONDS:
            known = self._resolved[pipeline.name] = (pipeline, now, resolved(lambda: self.influx, pipeline))
        return known[2]

    def resolved_pipelines(self) -> list[Pipeline]:
        """Return the enabled pipelines with their patterns resolved, those left out whose patterns mean nothing.

        Raises:
            InfluxClientError: InfluxDB cannot be asked, or refused.
        """
        resolved = []
        for pipeline in self.pipelines():
            try:
                resolved.append(self.resolved(pipeline))
            except Refused:
                # It has no source yet, so it has no results.
                continue
        return resolved

    def trial_command(self, pipeline: str) -> list[str]:
        """Return the command of a trial of a pipeline."""
        return [*self._trial_command, "--pipeline", pipeline]

    def store(self, pipeline: str) -> Store:
        """Return the versions of a pipeline's model."""
        return Store(self.models, pipeline)
