"""One series, replayed over what is missing: what has to be written so that it looks as if nothing had happened.

A detector that remembers has learnt from every window since its model became current, so its replay begins with the
first window that the model scored, if that is not further back than can be afforded.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np

from anomaly.catchup.database import PipelineDatabase, WrittenScore
from anomaly.catchup.gaps import TimeRange
from anomaly.influxdb.source import split_range
from anomaly.influxdb.times import rfc3339
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.results import Fields, Result, results, series_tags
from anomaly.scoring.scorer import ScoredWindow, Scorer, series_name
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows

# The replay begins so many windows before what is missing, with no period running. By then the evidence of a tracker
# that begins anew has been at 0 as often as that of one that never stopped.
PERIOD_LEAD_IN_WINDOWS = 1_000
_PIECE_WINDOWS = 1_000

ModelOfVersion = Callable[[str | None], Model]


@dataclass(frozen=True, slots=True)
class RepairOrder:
    """What one series needs. missing: begins of windows without a score. open: periods that were left open. end_ns:
    where the windows end that may be touched. reach: how many windows before may be read for what the detector
    remembers."""

    key: Key
    missing: Set[int]
    open: tuple[TimeRange, ...]
    end_ns: int
    reach: int

    @property
    def begin_ns(self) -> int:
        """Where the repair begins."""
        return min([*self.missing, *(span.begin_ns for span in self.open)])


@dataclass(slots=True)
class RepairCounts:
    """How much was written of one series, and how many periods were removed."""

    scores: int = 0
    labels: int = 0
    periods: int = 0
    removed: int = 0


class SeriesRepair:
    """Replays one series. models: the model of a version, or the current one for None or a version that is gone.
    feedback: what people said of periods. progress: is told what cannot be exact."""

    def __init__(
        self,
        pipeline: Pipeline,
        database: PipelineDatabase,
        models: ModelOfVersion,
        feedback: Feedback,
        repair: RepairOrder,
        progress: Callable[[str], None],
        *,
        dry_run: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._database = database
        self._models = models
        self._feedback = feedback
        self._repair = repair
        self._progress = progress
        self._dry_run = dry_run
        self._scorer = Scorer(pipeline, EventCounter(f"pipeline {pipeline.name}", lambda message: None))
        self._merge_ns = pipeline.periods.merge_ns + pipeline.window_ns
        self._done = RepairCounts()

    def run(self) -> RepairCounts:
        """Does it, in bounded memory: a piece of the series at a time, and its periods. Raises InfluxClientError."""
        key, begin_ns, end_ns = self._repair.key, self._repair.begin_ns, self._repair.end_ns
        # What was missing is known to be over, and so is what it may have done to periods, once the series is calm.
        over_ns = max([*self._repair.missing, *(span.end_ns + self._merge_ns for span in self._repair.open)])
        periods: dict[int, Result] = {}
        until_ns = begin_ns
        window_ns = self._pipeline.window_ns
        lead_in = split_range(self._lead_in_ns(), begin_ns, window_ns)
        for piece in chain(lead_in, split_range(begin_ns, end_ns, window_ns, least_windows=_PIECE_WINDOWS)):
            span = TimeRange(*piece)
            written = self._database.scores(key, span)
            self._write_scores(self._replayed(span, written, periods), written)
            until_ns = span.end_ns
            if until_ns > over_ns and self._scorer.calm(key):
                break
        self._write_periods(periods, TimeRange(begin_ns, max(until_ns, begin_ns)))
        return self._done

    def _lead_in_ns(self) -> int:
        """Where to begin: before the repair, before every period that was running, and where the memory begins."""
        length_ns = PERIOD_LEAD_IN_WINDOWS * self._pipeline.window_ns
        begin_ns = self._repair.begin_ns - length_ns
        while (period := self._database.last_period(self._repair.key, begin_ns)) is not None:
            if period.end_ns + self._merge_ns <= begin_ns:
                break
            begin_ns = period.begin_ns - length_ns
        return max(min(begin_ns, self._memory_ns()), 0)

    def _memory_ns(self) -> int:
        """From where on the current model's detector has learnt; at most `reach` windows before the repair."""
        model, begin_ns = self._models(None), self._repair.begin_ns
        if not model.remembers:
            return begin_ns
        first_ns = self._database.first_score_of_ns(self._repair.key, model.version, begin_ns)
        if first_ns is None:
            return begin_ns
        earliest_ns = begin_ns - self._repair.reach * self._pipeline.window_ns
        if first_ns < earliest_ns:
            self._progress(
                f"series {series_name(self._repair.key)}: {self._pipeline.detector} has learnt since "
                f"{rfc3339(first_ns)}, which is further back than {self._repair.reach} windows: it is led in by those, "
                "and its scores may differ a little from what they would have been"
            )
        return max(first_ns, earliest_ns)

    def _replayed(
        self, span: TimeRange, written: Mapping[int, WrittenScore], periods: dict[int, Result]
    ) -> Iterator[Result]:
        """The scores that are to be written; what becomes known of periods is put into `periods`, by begin."""
        for run in self._database.windows(self._repair.key, span):
            for part, model, feedback in self._alike(run, written):
                for scored in self._scorer.feed(model, part, feedback):
                    if scored.begin_ns < self._repair.begin_ns:
                        continue
                    score, *known = results(self._pipeline, self._repair.key, scored)
                    periods.update((period.time_ns, period) for period in known if self._counts(period))
                    yield from self._score(scored, score, written)

    def _counts(self, period: Result) -> bool:
        """Silence during maintenance is no period, whatever the window after it heeds."""
        return period.fields["reason"] != NO_DATA or not self._feedback.in_maintenance(
            self._repair.key, period.time_ns, int(period.fields["end_ms"]) * 1_000_000
        )

    def _score(self, scored: ScoredWindow, score: Result, written: Mapping[int, WrittenScore]) -> Iterator[Result]:
        if scored.begin_ns in written:
            if written[scored.begin_ns].label != score.fields["label"]:
                yield self._result("score", scored.begin_ns, {"label": score.fields["label"]})
        elif scored.begin_ns in self._repair.missing:
            yield score

    def _alike(
        self, run: SeriesWindows, written: Mapping[int, WrittenScore]
    ) -> Iterator[tuple[SeriesWindows, Model, Feedback | None]]:
        """The run in parts that were, or will be, judged by one model, and heed feedback or not."""
        # What people have said since of windows that have a score does not change what became of them.
        how = [
            (None, self._feedback)
            if (score := written.get(begin_ns)) is None
            else (score.model, self._feedback if score.suppressed else None)
            for begin_ns in run.begin_ns.tolist()
        ]
        edges = [0, *(at for at in range(1, len(how)) if how[at] != how[at - 1]), len(how)]
        places = np.arange(len(run))
        for first, last in pairwise(edges):
            version, feedback = how[first]
            yield run.where((places >= first) & (places < last)), self._models(version), feedback

    def _write_scores(self, scores: Iterator[Result], written: Mapping[int, WrittenScore]) -> None:
        found = list(scores)
        labels = sum(result.time_ns in written for result in found)
        self._done.labels += labels
        self._done.scores += len(found) - labels
        self._write(found)

    def _write_periods(self, periods: Mapping[int, Result], span: TimeRange) -> None:
        key = self._repair.key
        before = self._database.periods(key, TimeRange(min([*periods, span.begin_ns]), span.end_ns))
        changed = [result for begin, result in periods.items() if not _same(before.get(begin), result.fields)]
        self._done.periods += len(changed)
        self._write(changed)
        for begin_ns, fields in before.items():
            if begin_ns >= span.begin_ns and begin_ns not in periods and self._is_over(fields):
                self._done.removed += 1
                if not self._dry_run:
                    self._database.remove_period(key, begin_ns)

    def _is_over(self, fields: Mapping[str, Any]) -> bool:
        """Whether Kapacitor has done with a period."""
        return bool(fields["state"] == "closed" or fields["end_ms"] * 1_000_000 + self._merge_ns <= self._repair.end_ns)

    def _result(self, measurement: str, time_ns: int, fields: Fields) -> Result:
        return Result(measurement, series_tags(self._pipeline, self._repair.key), time_ns, fields)

    def _write(self, found: list[Result]) -> None:
        if found and not self._dry_run:
            self._database.write(found)


def _same(before: Mapping[str, Any] | None, fields: Fields) -> bool:
    return before is not None and all(
        math.isclose(before[name], value, rel_tol=1e-9)
        if isinstance(value, float) and isinstance(before[name], int | float)
        else before[name] == value
        for name, value in fields.items()
    )
