"""Periods and drift as the product writes them, of windows of one point, which says how severe it is.

A window's `severity` is what a model would have found, its `shadow` what a candidate would have, and its `drifted` what
became of drift. Its `silent` says for how many seconds no data have come after it, and its `joint` whether a notice
tells that. Its `clock`, `rate` and `mute` (silence of all series) open a notice with 1 and close it with 0. With
`history` its results are history. Nothing is kept over a restart, so that a restart finds the UDF at its worst.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from anomaly.models.model import Model, Verdict
from anomaly.pipeline import parse
from anomaly.scoring.notices import CLOCK, INVALID, RATE, SILENCE, Notice
from anomaly.scoring.periods import Moment, Rules, Tracker, rules
from anomaly.scoring.results import Fields, Result, notice_result, period_result, results, series_tags
from anomaly.scoring.scorer import ScoredWindow
from anomaly.serving.shadow import SUFFIX
from anomaly.windows.arrays import Key
from kapacitor_udf import STREAM, STRING, UDF, Context, Option, Point, PointSink, StreamHandler, run

MODEL = cast("Model", SimpleNamespace(version="v1", threshold=lambda severity: severity))

# What each kind of notice is asked for with, and its text.
NOTICES = {
    SILENCE: ("mute", "all 2 series"),
    CLOCK: ("clock", "2 points are ahead of the clock"),
    RATE: ("rate", "2 points a window, training saw 6"),
    INVALID: ("invalid", "bed is 850, which is not a measurement"),
}


class Severe(StreamHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        pipeline = parse(context.options["spec"])
        # The other fields say what else is to be told.
        self._pipeline = replace(pipeline, watched=pipeline.watched[:1])
        self._rules: Rules = rules(self._pipeline)
        self._trackers: dict[tuple[Key, str], Tracker] = {}

    def point(self, point: Point, out: PointSink) -> None:
        key = tuple(point.tags[tag] for tag in self._pipeline.group_by)
        begin_ns = point.time // self._pipeline.window_ns * self._pipeline.window_ns
        # A field that a point lacks is an empty text.
        fields = {name: value for name, value in point.fields.items() if value != ""}
        for result in self._found(key, begin_ns, fields):
            out.point(
                Point(
                    time=result.time_ns,
                    fields=result.fields,
                    tags=result.tags,
                    name=result.measurement,
                    # What a notice tells is not a series of its own.
                    dimensions=tuple(sorted(result.tags.keys() - {"notice"})),
                )
            )

    def _found(self, key: Key, begin_ns: int, fields: Mapping[str, Any]) -> Iterator[Result]:
        history: Fields = {"history": True} if "history" in fields else {}
        limit = "severity above 90" if "limit" in fields else None
        for result in self._results(key, begin_ns, float(fields["severity"]), "", limit):
            yield replace(result, fields=result.fields | history)
        if "shadow" in fields:
            yield from self._results(key, begin_ns, float(fields["shadow"]), SUFFIX)
        if "drifted" in fields:
            drift: Fields = {"psi": 0.4, "above": 0.01, "drifted": int(fields["drifted"])}
            yield Result("drift", series_tags(self._pipeline, key), begin_ns, drift | history)
        if "silent" in fields:
            end_ns = begin_ns + self._pipeline.window_ns + int(fields["silent"]) * 1_000_000_000
            for period in self._tracker(key, "").silent(end_ns, begin_ns):
                result = period_result(self._pipeline, key, period, MODEL, joint=bool(fields.get("joint", False)))
                yield replace(result, fields=result.fields | history)
        for kind, (name, text) in NOTICES.items():
            if name in fields:
                state = "open" if fields[name] else "closed"
                notice = Notice(kind, begin_ns, begin_ns + 60_000_000_000, state, text, 2)
                result = notice_result(self._pipeline, None if kind == SILENCE else key, notice)
                yield replace(result, fields=result.fields | history)

    def _tracker(self, key: Key, suffix: str) -> Tracker:
        return self._trackers.setdefault((key, suffix), Tracker(self._rules, self._pipeline.fields))

    def _results(
        self, key: Key, begin_ns: int, severity: float, suffix: str, limit: str | None = None
    ) -> Iterator[Result]:
        verdict = Verdict(severity, severity, 0.0, (severity,), (0.0,), (50.0,), (1.0,))

        def moment() -> Moment:
            return Moment.of(begin_ns, self._pipeline.fields, (severity,), (0.0,), (50.0,), (1.0,))

        step = self._tracker(key, suffix).feed(begin_ns, severity, severity, 0.0, (1.0,), limit, moment)
        scored = ScoredWindow(begin_ns, MODEL, verdict, step.anomalous, step.periods)
        yield from results(self._pipeline, key, scored, suffix, joint=False if step.ended_silence else None)


if __name__ == "__main__":
    run(UDF(wants=STREAM, provides=STREAM, handler="severe:Severe", options=[Option("spec", STRING)], name="anomaly"))
