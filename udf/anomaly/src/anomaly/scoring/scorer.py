"""The one way from windows to scores and periods, whoever brings the windows.

Kapacitor brings them one by one, a backtest and a catch-up bring thousands of one series at once; both call
`Scorer.feed`. It decides which windows can be scored, has the model judge them, and feeds the series' tracker. What is
read from where, and written to where, is the callers' affair (`anomaly.serving.handler`, `anomaly.backtest`,
`anomaly.catchup`); what a result looks like is in `anomaly.scoring.results`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anomaly.detectors.base import Follower
from anomaly.models.features import features
from anomaly.models.model import Model, Verdict
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.periods import Period, Rules, Tracker, Transition, rules
from anomaly.windows.arrays import Key
from anomaly.windows.completeness import of_whole, scorable, whole_fields
from anomaly.windows.series import SeriesWindows
from kapacitor_udf import Counters, Groups

# State of this many series is kept; beyond, the one that has been quiet longest is forgotten.
_MOST_SERIES = 100_000


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """What became of one window: which model judged it how, whether it belongs to a period as far as is known by now,
    what it made known of periods, oldest first, and the id of the mark of feedback that keeps it out of periods."""

    begin_ns: int
    model: Model
    verdict: Verdict
    anomalous: bool
    periods: list[Period]
    suppressed: str | None = None


@dataclass(slots=True)
class _Series:
    """One series' state. version: of the model that `follower` belongs to; so does `saved`, which is its state in a
    snapshot, while no follower has been made from it yet."""

    tracker: Tracker
    version: str | None = None
    follower: Follower | None = None
    saved: Any = None

    def state(self) -> list[Any]:
        """For JSON."""
        return [self.tracker.state(), self.version, self.saved if self.follower is None else self.follower.state()]


class Scorer:
    """Scores the windows of a pipeline's series, and keeps the series' periods and what the detector remembers of
    them.

    events: counts what is not scored. counters: where the number of series is kept.
    """

    def __init__(self, pipeline: Pipeline, events: EventCounter, counters: Counters | None = None) -> None:
        self._pipeline = pipeline
        self._features = features(pipeline)
        self._rules = rules(pipeline)
        self._events = events
        self._series: Groups[Key, _Series] = Groups(
            lambda: _Series(Tracker(self._rules, pipeline.fields)), most=_MOST_SERIES, counters=counters
        )

    @property
    def rules(self) -> Rules:
        """When periods open and close."""
        return self._rules

    def feed(self, model: Model | None, run: SeriesWindows, feedback: Feedback | None = None) -> Iterator[ScoredWindow]:
        """The next windows of a series; those that can be scored come out, by time. Without a model none can.

        feedback: what people said of periods.
        """
        whole = whole_fields(run.values, len(self._pipeline.fields))
        complete = scorable(self._pipeline, whole)
        if not complete.all():
            first = self._features[int((~np.isfinite(run.values[~complete][0])).argmax())]
            self._events.add(
                "incomplete windows", int((~complete).sum()), f"{first.name} of {series_name(run.key)} is missing"
            )
            run, whole = run.where(complete), whole[complete]
        if model is None:
            self._events.add("unscored windows", len(run))
            return
        whole &= model.enough_points(run.key, run.counts)
        uncut = scorable(self._pipeline, whole)
        if not uncut.all():
            self._events.add(
                "cut-off windows",
                int((~uncut).sum()),
                f"a window of {series_name(run.key)} has less than half of its usual points",
            )
            run, whole = run.where(uncut), whole[uncut]
        if not len(run):
            return
        if not whole.all():
            partial = int((~whole).any(axis=1).sum())
            self._events.add("partial windows", partial, f"a field of {series_name(run.key)} is taken to be as usual")
            run = replace(run, values=of_whole(run.values, whole))
        series = self._series[run.key]
        if run.begin_ns[0] == series.tracker.last_ns:
            self._events.add("repeated windows", 1, f"a window of {series_name(run.key)} has been scored already")
            run = run.where(np.arange(len(run)) > 0)
            if not len(run):
                return
        verdicts = model.judge(self._follower(series, run.key, model), run.key, run.begin_ns, run.values)
        for begin_ns, verdict in zip(run.begin_ns.tolist(), verdicts, strict=True):
            yield self._track(run.key, series.tracker, begin_ns, model, verdict, feedback)
            self._events.add("scored windows", 1)

    def _follower(self, series: _Series, key: Key, model: Model) -> Follower:
        """The one that goes on where it was; with another model, one that begins where its training left the series."""
        if series.version != model.version:
            series.version, series.follower, series.saved = model.version, None, None
        if series.follower is None:
            try:
                series.follower = model.follow(key, series.saved)
            except (KeyError, TypeError, ValueError) as error:
                self._events.add("lost memories", 1, f"what was saved of {series_name(key)} does not fit: {error}")
                series.follower = model.follow(key)
            series.saved = None
        return series.follower

    def _track(
        self, key: Key, tracker: Tracker, begin_ns: int, model: Model, verdict: Verdict, feedback: Feedback | None
    ) -> ScoredWindow:
        last_ns = tracker.last_ns
        mark = None if feedback is None else feedback.suppressor(key, begin_ns, verdict, model.learned)
        suppressed = None if mark is None else mark.id
        step = track(tracker, begin_ns, verdict, suppressed)
        if step.restarted:
            self._events.add(
                "restarts",
                1,
                f"time of {series_name(key)} went back from {last_ns} to {begin_ns} ns: its periods start anew",
            )
        periods = step.periods if feedback is None else feedback.countable(key, step.periods)
        return ScoredWindow(begin_ns, model, verdict, step.anomalous, periods, suppressed)

    def calm(self, key: Key) -> bool:
        """Whether no period of a series is running, nor about to: what came before no longer matters to its periods."""
        return self._series[key].tracker.calm

    def state(self) -> list[list[Any]]:
        """All series' periods and memories, for JSON; empty before the first window."""
        return [[list(key), *series.state()] for key, series in self._series.items()]

    def restore(self, state: list[list[Any]]) -> None:
        """The inverse of `state`. Raises KeyError, TypeError or ValueError when it does not fit the pipeline."""
        if any(len(key) != len(self._pipeline.group_by) for key, *_ in state):
            raise ValueError("the snapshot's series have other tags")
        self._series.replace(
            (
                tuple(key),
                _Series(Tracker.from_state(self._rules, self._pipeline.fields, tracker), version, saved=saved),
            )
            for key, tracker, version, saved in state
        )


def track(tracker: Tracker, begin_ns: int, verdict: Verdict, suppressed: str | None) -> Transition:
    """One window's verdict into a tracker; what a mark of feedback suppresses neither opens nor prolongs a period."""
    severity, surprise = (verdict.severity, verdict.surprise) if suppressed is None else (0.0, 0.0)
    return tracker.feed(begin_ns, verdict.score, severity, surprise, verdict.contribution)


def series_name(key: Key) -> str:
    """A series' name, for messages."""
    return ", ".join(key) if key else "the series"
