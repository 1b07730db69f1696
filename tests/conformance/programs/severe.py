"""Periods and drift as the product writes them, of windows that say themselves how severe they are.

A window's `severity` is what a model would have found, its `shadow` what a candidate would have, and its `drifted` what
became of drift. Nothing is kept over a restart, so that a restart finds the UDF at its worst.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

from anomaly.models.model import Model, Verdict
from anomaly.pipeline import parse
from anomaly.scoring.periods import Rules, Tracker, rules
from anomaly.scoring.results import Fields, Result, results, series_tags
from anomaly.scoring.scorer import ScoredWindow
from anomaly.serving.shadow import SUFFIX
from anomaly.windows.arrays import Key
from kapacitor_udf import BATCH, STREAM, STRING, UDF, Batch, BatchHandler, Context, Option, Point, PointSink, run

MODEL = cast("Model", SimpleNamespace(version="v1", threshold=lambda severity: severity))


class Severe(BatchHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._pipeline = parse(context.options["spec"])
        self._rules: Rules = rules(self._pipeline)
        self._trackers: dict[tuple[Key, str], Tracker] = {}

    def batch(self, batch: Batch, out: PointSink) -> None:
        key = tuple(batch.tags[tag] for tag in self._pipeline.group_by)
        fields = batch.points[0].fields
        begin_ns = batch.tmax - self._pipeline.window_ns
        found = list(self._results(key, begin_ns, float(fields["severity"]), ""))
        if "shadow" in fields:
            found += self._results(key, begin_ns, float(fields["shadow"]), SUFFIX)
        if "drifted" in fields:
            drift: Fields = {"psi": 0.4, "above": 0.01, "drifted": int(fields["drifted"])}
            found.append(Result("drift", series_tags(self._pipeline, key), begin_ns, drift))
        for result in found:
            out.point(
                Point(
                    time=result.time_ns,
                    fields=result.fields,
                    tags=result.tags,
                    name=result.measurement,
                    dimensions=tuple(sorted(result.tags)),
                )
            )

    def _results(self, key: Key, begin_ns: int, severity: float, suffix: str) -> Iterator[Result]:
        tracker = self._trackers.setdefault((key, suffix), Tracker(self._rules, self._pipeline.fields))
        step = tracker.feed(begin_ns, severity, severity, 0.0, (1.0,))
        verdict = Verdict(severity, severity, 0.0, (severity,), (0.0,), (50.0,), (1.0,))
        scored = ScoredWindow(begin_ns, MODEL, verdict, step.anomalous, step.periods)
        yield from results(self._pipeline, key, scored, suffix)


if __name__ == "__main__":
    run(UDF(wants=BATCH, provides=STREAM, handler="severe:Severe", options=[Option("spec", STRING)], name="anomaly"))
