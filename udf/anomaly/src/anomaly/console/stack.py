"""How the pages reach what they show: InfluxDB, the pipelines and the models."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from anomaly.influxdb.client import InfluxClient
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline


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
    ) -> None:
        """Prepare the access; nothing is read yet.

        Args:
            pipelines: returns the enabled pipelines, which may change while the console runs.
            connect: makes a client of the server that holds the results.
            results_database: the database of the results.
            models: the folder of all models.
        """
        self.results_database = results_database
        self.models = models
        self._read_pipelines = pipelines
        self._connect = connect
        self._local = threading.local()

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

    def store(self, pipeline: str) -> Store:
        """Return the versions of a pipeline's model."""
        return Store(self.models, pipeline)
