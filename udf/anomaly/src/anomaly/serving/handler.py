"""The UDF's handler: Kapacitor's windows in, results out as points.

The handler translates only. `kapacitor_udf` speaks the protocol, `anomaly.models.store` reads models,
`anomaly.windows` aggregates raw points, and `anomaly.scoring.core` scores.
"""

import json
import os
import time
import zlib
from collections.abc import Callable

from anomaly.locations import DEFAULT_MODELS, MODELS_VARIABLE
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, parse
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback_file import feedback_path
from anomaly.scoring.results import Result
from anomaly.serving.feedback_watcher import FeedbackWatcher
from anomaly.serving.shadow import Shadow
from anomaly.serving.watcher import Watcher
from anomaly.windows.aggregate import aggregated, collect
from anomaly.windows.arrays import Key
from kapacitor_udf import Batch, BatchHandler, Context, Point, PointSink, Rejected


class AnomalyHandler(BatchHandler[PointSink]):
    """Scores each window of each series with the pipeline's current model, and keeps the series' periods."""

    snapshot_version = 3
    # New models and marks are noticed, and counts are told, while no window ends, too.
    tick_seconds = 5.0

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(context)
        self._pipeline: Pipeline = parse(context.options["spec"])
        store = Store(os.environ.get(MODELS_VARIABLE) or DEFAULT_MODELS, self._pipeline.name)
        self._watcher = Watcher(store, self._pipeline, context.log, clock)
        self.events = EventCounter(f"pipeline {self._pipeline.name}", context.log, clock)
        self._core = ScoringCore(self._pipeline, self.events, context.counters)
        feedback = feedback_path(store.models, self._pipeline.name)
        self._feedback = FeedbackWatcher(feedback, self._pipeline, context.log, clock)
        self._shadow = Shadow(store, self._pipeline, context.log, clock)
        self._dimensions = tuple(sorted((*self._pipeline.group_by, "pipeline")))
        self._window_ns = self._pipeline.window_ns

    def batch(self, batch: Batch, out: PointSink) -> None:
        """Score one window of one series, and send its results."""
        key = self._key(batch)
        if batch.tmax % self._window_ns:
            raise Rejected(
                "not aligned",
                f"a window that ends at {batch.tmax} ns is no {self._pipeline.window} window: the TICKscript needs "
                f".window().period({self._pipeline.window}).every({self._pipeline.window}).align()",
            )
        window = collect(
            ((point.time, point.tags, point.fields) for point in batch.points),
            self._pipeline.fields,
            batch.tmax - self._window_ns,
            batch.tmax,
        )
        self.events.add("late points", window.late)
        self.events.add("values that are not numbers", window.unusable)
        windows = aggregated(self._pipeline, key, batch.tmax - self._window_ns, window)
        feedback = self._feedback.feedback()
        for result in self._core.feed(self._watcher.model(), windows, feedback):
            out.point(self._point(result))
        for result in self._shadow.feed(windows, feedback):
            out.point(self._point(result))

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
        """Name the pipeline and its rules: state fits these, whichever model scores."""
        return f"{self._pipeline.name} {self._pipeline.fingerprint} {self._core.rules}"

    def snapshot(self) -> bytes:
        """Return the periods, followers and drift of all series, compressed."""
        state = self._core.state(self._watcher.model())
        return b"" if state is None else zlib.compress(json.dumps(state, separators=(",", ":")).encode())

    def restore(self, data: bytes) -> None:
        """Go on where `snapshot` was taken. Data that does not fit raises; the library then starts cold."""
        self._core.restore(json.loads(zlib.decompress(data)))

    def tick(self, out: PointSink) -> None:
        """Put the model's version and the counts of events into the UDF's metrics."""
        self._feedback.feedback()
        self._shadow.refresh()
        model = self._watcher.model()
        if model is not None:
            self.context.metrics["model"] = model.version
        self.context.metrics.update({name.replace(" ", "_"): count for name, count in self.events.counts.items()})

    def close(self) -> None:
        """Log the last counts."""
        self.events.report()
        self._shadow.close()
