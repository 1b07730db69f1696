"""Repairs one series: replays it over what is missing, and writes what makes it look as if nothing had happened.

A detector that remembers has learnt from every window since its model became current. Its replay therefore begins with
the first window that the model scored, unless that is further back than the order's `reach`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np

from anomaly.catchup.database import PipelineDatabase, WrittenScore
from anomaly.influxdb.source import split_range
from anomaly.influxdb.times import TimeRange, rfc3339
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.results import Fields, Result, period_result, results, series_tags
from anomaly.scoring.scorer import Scorer, series_name
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows

# The replay begins this many windows before what is missing, with no period running. By then the evidence of a tracker
# that begins anew has been at 0 as often as that of one that never stopped.
PERIOD_LEAD_IN_WINDOWS = 1_000
_PIECE_WINDOWS = 1_000

# Gives the model of a version, and the current one for None or a version that is gone.
ModelOfVersion = Callable[[str | None], Model]


@dataclass(frozen=True, slots=True)
class RepairOrder:
    """What one series needs.

    Attributes:
        key: the series.
        missing: begins of the windows that could be scored and have no score.
        late: the windows that got points after they had been closed, by their begins: when the last point was seen.
        doubtful: periods that were left open, and silences in which there are windows. Open silences have no end.
        end_ns: where the windows end that the repair may touch; all windows before are known.
        reach: how many windows before the repair may be read for what the detector remembers.
    """

    key: Key
    missing: Set[int]
    late: Mapping[int, int]
    doubtful: tuple[TimeRange, ...]
    end_ns: int
    reach: int

    @property
    def begin_ns(self) -> int:
        """The begin of the first window or period to repair."""
        return min([*self.missing, *self.late, *(span.begin_ns for span in self.doubtful)])


@dataclass(slots=True)
class RepairCounts:
    """How much was written and removed.

    Attributes:
        scores: missing scores that were written.
        corrected: scores of windows that got late points and came out otherwise.
        labels: labels of existing scores that came out otherwise.
        periods: periods that were new or came out otherwise.
        removed: periods that the replay does not have.
    """

    scores: int = 0
    corrected: int = 0
    labels: int = 0
    periods: int = 0
    removed: int = 0


class SeriesRepair:
    """The repair of one series."""

    def __init__(
        self,
        pipeline: Pipeline,
        database: PipelineDatabase,
        models: ModelOfVersion,
        feedback: Feedback,
        order: RepairOrder,
        say: Callable[[str], None],
        *,
        dry_run: bool = False,
    ) -> None:
        """Prepare the repair; nothing is read yet.

        Args:
            pipeline: the pipeline of the series.
            database: its source and results.
            models: gives the model of a version.
            feedback: the pipeline's marks.
            order: what the series needs.
            say: is told what cannot be exact.
            dry_run: whether to count only, and to write nothing.
        """
        self._pipeline = pipeline
        self._database = database
        self._models = models
        self._feedback = feedback
        self._order = order
        self._say = say
        self._dry_run = dry_run
        self._scorer = Scorer(pipeline, EventCounter(f"pipeline {pipeline.name}", lambda message: None))
        self._merge_ns = pipeline.periods.merge_ns + pipeline.window_ns
        self._begin_ns = order.begin_ns
        # The begin of the newest window that was replayed; before 1970 while there is none.
        self._newest_ns = -1
        self._newest_model: Model | None = None
        # The last answer of `last_period`, and the time that it was asked for.
        self._last_answer: tuple[int, TimeRange | None] | None = None
        # The silence that lasts where the replay ends.
        self._lasting: Result | None = None
        self._done = RepairCounts()

    def run(self) -> RepairCounts:
        """Repair the series piece by piece, in bounded memory.

        Raises:
            InfluxClientError: InfluxDB cannot be asked, or refused.
        """
        order, key, end_ns = self._order, self._order.key, self._order.end_ns
        running = self._running()
        self._begin_ns = begin_ns = min([order.begin_ns, *(period.begin_ns for period in running)])
        # The repair is over when everything to repair has passed and no period runs that it may have changed.
        changing = [*order.doubtful, *running]
        over_ns = max([*order.missing, *order.late, *(period.end_ns + self._merge_ns for period in changing)])
        periods: dict[int, Result] = {}
        until_ns = begin_ns
        window_ns = self._pipeline.window_ns
        lead_in = split_range(self._lead_in_ns(), begin_ns, window_ns)
        for piece in chain(lead_in, split_range(begin_ns, end_ns, window_ns, least_windows=_PIECE_WINDOWS)):
            span = TimeRange(*piece)
            existing = self._database.scores(key, span)
            self._write(list(self._replayed(span, existing, periods)))
            until_ns = span.end_ns
            if over_ns < until_ns < end_ns and self._scorer.calm(key):
                break
        else:
            self._end_by_clock(periods)
        self._write_periods(periods, TimeRange(begin_ns, max(until_ns, begin_ns)))
        self._mark_late()
        return self._done

    def _end_by_clock(self, periods: dict[int, Result]) -> None:
        """Take into account that no more windows have come.

        Periods that the clock ends are put into `periods`; a silence that lasts is kept.
        """
        if self._newest_model is None:
            return
        key = self._order.key
        for period in self._scorer.silent(key, self._order.end_ns, 0, self._feedback):
            result = period_result(self._pipeline, key, period, self._newest_model)
            if period.reason == NO_DATA:
                self._lasting = result
            else:
                periods[period.begin_ns] = result

    def _running(self) -> list[TimeRange]:
        """Return the period that the begin of the order falls into, if there is one."""
        begin_ns = self._order.begin_ns
        period = self._last_period(begin_ns)
        return [period] if period is not None and period.end_ns > begin_ns else []

    def _last_period(self, end_ns: int) -> TimeRange | None:
        """Return the last stored period that begins before `end_ns`; ask only if the last answer does not tell it."""
        if self._last_answer is not None:
            asked_ns, period = self._last_answer
            if end_ns <= asked_ns and (period is None or period.begin_ns < end_ns):
                return period
        period = self._database.last_period(self._order.key, end_ns)
        self._last_answer = (end_ns, period)
        return period

    def _lead_in_ns(self) -> int:
        """Return where to begin: before the repair, before every period that was running, and where memory begins."""
        length_ns = PERIOD_LEAD_IN_WINDOWS * self._pipeline.window_ns
        begin_ns = self._begin_ns - length_ns
        while (period := self._last_period(begin_ns)) is not None:
            if period.end_ns + self._merge_ns <= begin_ns:
                break
            begin_ns = period.begin_ns - length_ns
        return max(min(begin_ns, self._memory_ns()), 0)

    def _memory_ns(self) -> int:
        """Return since when the current model's detector has learnt; at most `reach` windows before the repair."""
        model, begin_ns = self._models(None), self._begin_ns
        if not model.remembers:
            return begin_ns
        first_ns = self._database.first_score_of_ns(self._order.key, model.version, begin_ns)
        if first_ns is None:
            return begin_ns
        earliest_ns = begin_ns - self._order.reach * self._pipeline.window_ns
        if first_ns < earliest_ns:
            self._say(
                f"series {series_name(self._order.key)}: {self._pipeline.detector} has learnt since "
                f"{rfc3339(first_ns)}, which is further back than {self._order.reach} windows: it is led in by those, "
                "and its scores may differ a little from what they would have been"
            )
        return max(first_ns, earliest_ns)

    def _replayed(
        self, span: TimeRange, existing: Mapping[int, WrittenScore], periods: dict[int, Result]
    ) -> Iterator[Result]:
        """Yield the scores to write, and put the periods that become known into `periods`, by their begins."""
        stored = self._stored_late(span)
        for series in self._database.windows(self._order.key, span):
            for part, model, feedback in self._alike(series, existing):
                for scored in self._scorer.feed(model, part, feedback):
                    self._newest_ns, self._newest_model = scored.begin_ns, model
                    if scored.begin_ns < self._begin_ns:
                        continue
                    score, *known = results(self._pipeline, self._order.key, scored)
                    periods.update((period.time_ns, period) for period in known if self._counts(period))
                    yield from self._score(score, existing, stored)

    def _counts(self, period: Result) -> bool:
        """Check whether a period counts: silence during maintenance does not, whichever marks the next window heeds."""
        return period.fields["reason"] != NO_DATA or not self._feedback.in_maintenance(
            self._order.key, period.time_ns, int(period.fields["end_ms"]) * 1_000_000
        )

    def _stored_late(self, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        """Return what is stored of the windows of a stretch that got late points, by their begins."""
        late = [begin_ns for begin_ns in self._order.late if span.begin_ns <= begin_ns < span.end_ns]
        if not late:
            return {}
        stored = self._database.whole_scores(self._order.key, TimeRange(min(late), max(late) + 1))
        return {begin_ns: stored[begin_ns] for begin_ns in late if begin_ns in stored}

    def _score(
        self, score: Result, existing: Mapping[int, WrittenScore], stored: Mapping[int, Mapping[str, Any]]
    ) -> Iterator[Result]:
        """Yield what is to be written of a window's score, and count it."""
        begin_ns = score.time_ns
        if begin_ns in stored:
            if not _same(stored[begin_ns], score.fields):
                self._done.corrected += 1
                if existing[begin_ns].suppressed and "feedback" not in score.fields and not self._dry_run:
                    # A field cannot be taken out of a point that is there.
                    self._database.remove_score(self._order.key, begin_ns)
                yield score
        elif begin_ns in existing:
            if existing[begin_ns].label != score.fields["label"]:
                self._done.labels += 1
                yield self._result("score", begin_ns, {"label": score.fields["label"]})
        elif begin_ns in self._order.missing or begin_ns in self._order.late:
            self._done.scores += 1
            yield score

    def _alike(
        self, series: SeriesWindows, existing: Mapping[int, WrittenScore]
    ) -> Iterator[tuple[SeriesWindows, Model, Feedback | None]]:
        """Yield the windows in parts that one model judges, each with the feedback that it heeds."""
        # Feedback that is newer than a score does not change what became of the window.
        judged_by = [
            (None, self._feedback)
            if (score := existing.get(begin_ns)) is None
            else (score.model, self._feedback if score.suppressed else None)
            for begin_ns in series.begin_ns.tolist()
        ]
        edges = [0, *(at for at in range(1, len(judged_by)) if judged_by[at] != judged_by[at - 1]), len(judged_by)]
        places = np.arange(len(series))
        for first, last in pairwise(edges):
            version, feedback = judged_by[first]
            yield series.where((places >= first) & (places < last)), self._models(version), feedback

    def _write_periods(self, periods: Mapping[int, Result], span: TimeRange) -> None:
        key = self._order.key
        before = self._database.periods(key, TimeRange(min([*periods, span.begin_ns]), span.end_ns))
        gone = {
            begin_ns: fields
            for begin_ns, fields in before.items()
            if begin_ns >= span.begin_ns and begin_ns not in periods and self._is_over(begin_ns, fields)
        }
        if self._lasting is not None and any(fields["state"] == "open" for fields in gone.values()):
            # The UDF tells silences; a catch-up only moves the begin of one that lasts.
            periods = {**periods, self._lasting.time_ns: self._lasting}
        changed = [result for begin, result in periods.items() if not _same(before.get(begin), result.fields)]
        self._done.periods += len(changed)
        self._write(changed)
        self._done.removed += len(gone)
        for begin_ns in gone:
            if not self._dry_run:
                self._database.remove_period(key, begin_ns)

    def _is_over(self, begin_ns: int, fields: Mapping[str, Any]) -> bool:
        """Check whether the UDF will not touch a period any more."""
        if fields["state"] == "closed":
            return True
        if fields.get("reason") == NO_DATA:
            # A silence lasts until the next window, however long ago it was told.
            return self._newest_ns >= begin_ns
        return bool(fields["end_ms"] * 1_000_000 + self._merge_ns <= self._order.end_ns)

    def _mark_late(self) -> None:
        """Record up to which points the late windows are scored now."""
        late = self._order.late.items()
        self._write([self._result("late", begin_ns, {"done_ms": seen_ms}) for begin_ns, seen_ms in late])

    def _result(self, measurement: str, time_ns: int, fields: Fields) -> Result:
        return Result(measurement, series_tags(self._pipeline, self._order.key), time_ns, fields)

    def _write(self, results: list[Result]) -> None:
        if results and not self._dry_run:
            self._database.write(results)


def _same(before: Mapping[str, Any] | None, fields: Fields) -> bool:
    return before is not None and all(
        math.isclose(before[name], value, rel_tol=1e-9)
        if isinstance(value, float) and isinstance(before[name], int | float)
        else before[name] == value
        for name, value in fields.items()
    )
