"""The UDF's handler: Kapacitor's windows in, `score` and `period` points out.

Neither protocol nor file formats nor scoring: `kapacitor_udf` speaks the first, `anomaly.models.store` the second, and
`anomaly.scoring.scorer` does the third.
"""

import json
import math
import os
import time
import zlib
from collections.abc import Callable

import numpy as np

from anomaly.locations import DEFAULT_MODELS, MODELS_VARIABLE
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, parse
from anomaly.scoring.drift import DriftMonitor
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback_file import feedback_path
from anomaly.scoring.results import Result, results
from anomaly.scoring.scorer import Scorer
from anomaly.serving.feedback_watcher import FeedbackWatcher
from anomaly.serving.shadow import Shadow
from anomaly.serving.watcher import Watcher
from anomaly.windows.aggregate import Window, aggregate, collect
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows
from kapacitor_udf import Batch, BatchHandler, Context, Point, PointSink, Rejected


class AnomalyHandler(BatchHandler[PointSink]):
    """Scores each window of each series with the pipeline's current model, and keeps the series' periods."""

    snapshot_version = 2
    # New models and marks are noticed, and what is counted is told, while no window ends, too.
    tick_seconds = 5.0

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(context)
        self._pipeline: Pipeline = parse(context.options["spec"])
        store = Store(os.environ.get(MODELS_VARIABLE) or DEFAULT_MODELS, self._pipeline.name)
        self._watcher = Watcher(store, self._pipeline, context.log, clock)
        self.events = EventCounter(f"pipeline {self._pipeline.name}", context.log, clock)
        self._scorer = Scorer(self._pipeline, self.events, context.counters)
        feedback = feedback_path(store.models, self._pipeline.name)
        self._feedback = FeedbackWatcher(feedback, self._pipeline, context.log, clock)
        self._drift = DriftMonitor(self._pipeline)
        self._shadow = Shadow(store, self._pipeline, context.log, clock)
        self._dimensions = tuple(sorted((*self._pipeline.group_by, "pipeline")))
        self._window_ns = self._pipeline.window_ns

    def batch(self, batch: Batch, out: PointSink) -> None:
        """One window of one series."""
        key = self._key(batch)
        begin_ns = batch.tmax - self._window_ns
        if batch.tmax % self._window_ns:
            raise Rejected(
                "not aligned",
                f"a window that ends at {batch.tmax} ns is no {self._pipeline.window} window: the TICKscript needs "
                f".window().period({self._pipeline.window}).every({self._pipeline.window}).align()",
            )
        window = collect(
            ((point.time, point.tags, point.fields) for point in batch.points),
            self._pipeline.fields,
            begin_ns,
            batch.tmax,
        )
        self.events.add("late points", window.late)
        self.events.add("values that are not numbers", window.unusable)
        run = run_of_one(self._pipeline, key, begin_ns, window)
        feedback = self._feedback.feedback()
        for scored in self._scorer.feed(self._watcher.model(), run, feedback):
            for result in results(self._pipeline, key, scored):
                out.point(self._point(result))
            for result in self._drift.feed(key, scored, run.values[0]):
                self._say_drift(result)
                out.point(self._point(result))
        for result in self._shadow.feed(run, feedback):
            out.point(self._point(result))

    def _say_drift(self, result: Result) -> None:
        if result.fields["drifted"]:
            series = ", ".join(f"{name}={value}" for name, value in result.tags.items() if name != "pipeline")
            self.events.add(
                "results that say drift",
                1,
                f"{series or 'the series'} is no longer as in training: stability index {result.fields['psi']:.2f}, "
                f"{result.fields['above']:.1%} of the windows anomalous: train again if it is as it should be",
            )

    def _point(self, result: Result) -> Point:
        return Point(
            time=result.time_ns,
            fields=result.fields,
            tags=result.tags,
            name=result.measurement,
            dimensions=self._dimensions,
        )

    def _key(self, batch: Batch) -> Key:
        missing = [tag for tag in self._pipeline.group_by if tag not in batch.tags]
        if missing:
            raise Rejected(
                "grouped otherwise",
                f"the window has the tags {sorted(batch.tags)}, the pipeline groups by "
                f"{list(self._pipeline.group_by)}: the TICKscript "
                "needs .groupBy() with the same tags",
            )
        return tuple(batch.tags[tag] for tag in self._pipeline.group_by)

    def snapshot_key(self) -> str:
        """State fits the same pipeline with the same rules, whichever model scores."""
        return f"{self._pipeline.name} {self._pipeline.fingerprint} {self._scorer.rules}"

    def snapshot(self) -> bytes:
        """All series' periods, memories and drift, compressed."""
        series = self._scorer.state()
        if not series:
            return b""
        state = {"series": series, "drift": self._drift.state(self._watcher.model())}
        return zlib.compress(json.dumps(state, separators=(",", ":")).encode())

    def restore(self, data: bytes) -> None:
        """The inverse of `snapshot`. What does not fit raises; the library then starts cold."""
        state = json.loads(zlib.decompress(data))
        self._scorer.restore(state["series"])
        self._drift.restore(state["drift"])

    def tick(self, out: PointSink) -> None:
        """Put the model's version and the counts of events into the UDF's metrics."""
        self._feedback.feedback()
        self._shadow.look()
        model = self._watcher.model()
        if model is not None:
            self.context.metrics["model"] = model.version
        self.context.metrics.update({name.replace(" ", "_"): count for name, count in self.events.counts.items()})

    def close(self) -> None:
        """The last counts, for the log."""
        self.events.report()
        self._shadow.close()


def run_of_one(pipeline: Pipeline, key: Key, begin_ns: int, window: Window) -> SeriesWindows:
    """A window of raw points as what the training query would answer for it."""
    values = []
    for name in pipeline.fields:
        samples = window.samples.get(name, ())
        for function in pipeline.aggregate:
            value = aggregate(samples, function)
            values.append(math.nan if value is None else value)
    counts = [len(window.samples.get(name, ())) for name in pipeline.fields]
    return SeriesWindows(key, np.array([begin_ns]), np.array([values]), np.array([counts], dtype=np.float64))
