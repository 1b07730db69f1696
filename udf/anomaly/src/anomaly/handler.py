"""The UDF's handler: windows in, `score` and `period` points out.

Neither protocol nor file formats: `kapacitor_udf` speaks the one, `anomaly.store` the other.
"""

import json
import os
import time
import zlib
from collections.abc import Callable

from anomaly.aggregate import aggregate, collect
from anomaly.locations import DEFAULT_MODELS, MODELS_VARIABLE
from anomaly.model import Model, Verdict
from anomaly.periods import Period, Tracker, rules
from anomaly.spec import Pipeline, parse
from anomaly.store import Store
from anomaly.tally import Tally
from anomaly.watcher import Watcher
from kapacitor_udf import Batch, BatchHandler, Context, Point, PointSink, Rejected

Key = tuple[str, ...]

# State of this many series is kept; beyond, the one that has been quiet longest is forgotten.
_MOST_SERIES = 100_000


class AnomalyHandler(BatchHandler[PointSink]):
    """Scores each window of each series with the pipeline's current model, and keeps the series' periods."""

    snapshot_version = 1

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        self._pipeline: Pipeline = parse(context.options["spec"])
        self._rules = rules(self._pipeline)
        store = Store(os.environ.get(MODELS_VARIABLE) or DEFAULT_MODELS, self._pipeline.name)
        self._watcher = Watcher(store, self._pipeline, context.log, clock)
        self.tally = Tally(f"pipeline {self._pipeline.name}", context.log, clock)
        self._trackers: dict[Key, Tracker] = {}
        self._dimensions = tuple(sorted((*self._pipeline.group_by, "pipeline")))
        self._window_ns = self._pipeline.window_ns
        self._threshold: tuple[str, float] | None = None

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
        self.tally.add("late points", window.late)
        self.tally.add("values that are not numbers", window.unusable)
        values = []
        for name in self._pipeline.fields:
            samples = window.samples.get(name, [])
            for function in self._pipeline.aggregate:
                value = aggregate(samples, function)
                if value is None:
                    self.tally.add("incomplete windows", 1, f"{function}({name}) of {_series(key)} is missing")
                    return
                values.append(value)
        model = self._watcher.model()
        if model is None:
            self.tally.add("unscored windows", 1)
            return
        if not model.enough_points(key, [len(window.samples[name]) for name in self._pipeline.fields]):
            self.tally.add("cut-off windows", 1, f"a window of {_series(key)} has less than half of its usual points")
            return
        verdict = model.judge(key, values)
        self._emit(key, begin_ns, model, verdict, out)
        self.tally.add("scored windows", 1)

    def _emit(self, key: Key, begin_ns: int, model: Model, verdict: Verdict, out: PointSink) -> None:
        tracker = self._tracker(key)
        last_ns = tracker.last_ns
        step = tracker.feed(begin_ns, verdict.score, verdict.severity, verdict.surprise, verdict.contribution)
        if step.restarted:
            self.tally.add(
                "restarts",
                1,
                f"time of {_series(key)} went back from {last_ns} to {begin_ns} ns: its periods start anew",
            )
        out.point(self._point("score", key, begin_ns, self._score_fields(model, verdict, step.anomalous)))
        for period in step.periods:
            out.point(self._point("period", key, period.begin_ns, _period_fields(period, model)))

    def _score_fields(self, model: Model, verdict: Verdict, anomalous: bool) -> dict[str, float | int | str | bool]:
        if self._threshold is None or self._threshold[0] != model.version:
            self._threshold = model.version, model.threshold(self._pipeline.periods.open)
        fields: dict[str, float | int | str | bool] = {
            "score": verdict.score,
            "threshold": self._threshold[1],
            "severity": verdict.severity,
            "label": int(anomalous),
            "model": model.version,
        }
        for index, name in enumerate(self._pipeline.fields):
            fields[f"value_{name}"] = verdict.value[index]
            fields[f"expected_low_{name}"] = verdict.expected_low[index]
            fields[f"expected_high_{name}"] = verdict.expected_high[index]
            fields[f"contribution_{name}"] = verdict.contribution[index]
        return fields

    def _point(self, name: str, key: Key, time_ns: int, fields: dict[str, float | int | str | bool]) -> Point:
        tags = {"pipeline": self._pipeline.name, **dict(zip(self._pipeline.group_by, key, strict=True))}
        return Point(time=time_ns, fields=fields, tags=tags, name=name, dimensions=self._dimensions)

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

    def _tracker(self, key: Key) -> Tracker:
        # Put back last: the dict's order is from the longest quiet to the latest seen.
        tracker = self._trackers.pop(key, None) or Tracker(self._rules, self._pipeline.fields)
        self._trackers[key] = tracker
        if len(self._trackers) > _MOST_SERIES:
            self._trackers.pop(next(iter(self._trackers)))
            self.tally.add("forgotten series", 1, f"more than {_MOST_SERIES} series are seen")
        return tracker

    def snapshot_key(self) -> str:
        """State fits the same pipeline with the same rules, whichever model scores."""
        return f"{self._pipeline.name} {self._pipeline.fingerprint} {self._rules}"

    def snapshot(self) -> bytes:
        """All series' periods, compressed."""
        if not self._trackers:
            return b""
        state = [[list(key), tracker.state()] for key, tracker in self._trackers.items()]
        return zlib.compress(json.dumps(state, separators=(",", ":")).encode())

    def restore(self, data: bytes) -> None:
        """The inverse of `snapshot`. What does not fit raises; the library then starts cold."""
        trackers = {
            tuple(key): Tracker.from_state(self._rules, self._pipeline.fields, state)
            for key, state in json.loads(zlib.decompress(data))
        }
        if any(len(key) != len(self._pipeline.group_by) for key in trackers):
            raise ValueError("the snapshot's series have other tags")
        self._trackers = trackers

    def close(self) -> None:
        """The last counts, for the log."""
        self.tally.report()


def _period_fields(period: Period, model: Model) -> dict[str, float | int | str | bool]:
    return {
        "begin_ms": period.begin_ns // 1_000_000,
        "end_ms": period.end_ns // 1_000_000,
        "state": period.state,
        "peak_score": period.peak_score,
        "peak_severity": period.peak_severity,
        "points": period.points,
        "reason": period.reason,
        "model": model.version,
    }


def _series(key: Key) -> str:
    return ", ".join(key) if key else "the series"
