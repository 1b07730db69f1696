"""Repairs one series: replays it over what is missing, and writes what makes it look as if nothing had happened.

A detector that remembers has learnt from every window since its model became current. Its replay therefore begins with
the first window that the model scored, unless that is further back than the order's `reach`. Windows before it that
have no score are history: nobody has learnt from them. Where the detector remembers nothing, the replay goes back for
the sake of the drift, if enough of the drift's horizon was missed.

A replay that is handed over (`anomaly.scoring.hand_over`) goes on until nothing of the series is missing. It hands over
the state after the newest window that had its score before the replay read it: whoever scored this window had closed
it, so all of its points were there.
"""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain, pairwise, starmap
from operator import itemgetter
from typing import Any

import numpy as np

from anomaly.catchup.database import NEVER_NS, PipelineDatabase, WrittenScore
from anomaly.catchup.period_signs import NO_PERIOD, prolonged_until_ns, sign_of
from anomaly.catchup.queries import COMPARED_FIELDS, PERIOD_SIGN_FIELD
from anomaly.influxdb.source import split_range
from anomaly.influxdb.times import TimeRange
from anomaly.models.model import Model
from anomaly.nanoseconds import MS_NS, rfc3339
from anomaly.pipeline import Pipeline
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.drift import RESULTS
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.hand_over import HandOver
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.results import (
    LIMIT_FIELD,
    Fields,
    Result,
    ResultColumns,
    late_result,
    period_result,
    score_columns,
    series_tags,
)
from anomaly.scoring.scorer import ScoredWindows, series_name
from anomaly.windows.arrays import Key
from anomaly.windows.cut import Cut, cut_of
from anomaly.windows.series import SeriesWindows

# The replay begins this many windows before what is missing, with no period running. By then the evidence of a tracker
# that begins anew has been at 0 as often as that of one that never stopped.
PERIOD_LEAD_IN_WINDOWS = 1_000
# The first piece is short, as most repairs are; InfluxDB takes longest for the many pieces of a long one.
_PIECE_WINDOWS = 1_000
_MOST_PIECE_WINDOWS = 10_000
# A drift is replayed where this share of its horizon was missed: there is a result for each.
_DRIFT_SHARE = 1 / RESULTS
# What is further back than this many horizons counts less than a hundredth.
_DRIFT_HORIZONS = 5

# Gives the model of a version, and the current one for None or a version that is gone.
ModelOfVersion = Callable[[str | None], Model]


@dataclass(frozen=True, slots=True)
class RepairOrder:
    """What one series needs.

    Attributes:
        key: the series.
        missing: begins of the windows that could be scored and have no score.
        late: the windows that got points after they had been closed, by their begins: when the last point was seen.
        doubtful: periods that were left open or begin within another one, and silences in which there are windows.
            Open silences have no end.
        end_ns: where the windows end that the repair may touch; all windows before are known.
        reach: how many windows before the repair may be read for what the detector remembers.
        refilled: begins of the windows after late ones, which may be filled with other values than they were scored by.
        noted: the windows that a catch-up has scored again before, by their begins: the signs of their periods then.
    """

    key: Key
    missing: Set[int]
    late: Mapping[int, int]
    doubtful: tuple[TimeRange, ...]
    end_ns: int
    reach: int
    refilled: Set[int] = frozenset()
    noted: Mapping[int, str | None] = field(default_factory=dict)

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
        hand_over: HandOver | None = None,
        progress: Callable[[float], None] = lambda share: None,
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
            hand_over: takes the state that the series has where the UDF goes on; None: nobody wants it.
            progress: is told which share of the repair is done, 0 to 1.
        """
        self._progress = progress
        self._pipeline = pipeline
        self._hand_over = hand_over
        self._database = database
        self._models = models
        self._feedback = feedback
        self._order = order
        self._say = say
        self._dry_run = dry_run
        # Room for all series of the pipeline would be taken anew for each one that is repaired.
        self._core = ScoringCore(pipeline, EventCounter(f"pipeline {pipeline.name}", lambda message: None), most=1)
        self._scorer = self._core.scorer
        self._cut = cut_of(pipeline)
        self._merge_ns = pipeline.periods.merge_ns + pipeline.window_ns
        self._begin_ns = order.begin_ns
        self._missing_ns = np.array([*sorted(order.missing), NEVER_NS], dtype=np.int64)
        # Only a state that is newer than all of these lacks nothing.
        self._newest_needed_ns = max([*order.missing, *order.late], default=0)
        # The begin of the newest window that was replayed; before 1970 while there is none.
        self._newest_ns = -1
        self._newest_model: Model | None = None
        # Since when what has no score was missed; before, it is history.
        self._since_ns = 0
        # Whether the replay begins where the detector began to learn, and has read every window that was scored.
        self._is_whole = self._knows_begin = True
        # Whether it goes back for the sake of the drift alone.
        self._replays_drift = False
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
        begun = self._mark_begun()
        running = self._running()
        self._begin_ns = begin_ns = min([order.begin_ns, *(period.begin_ns for period in running)])
        # The repair is over when everything to repair has passed and no period runs that it may have changed.
        changing = [*order.doubtful, *running]
        over_ns = max(
            [*order.missing, *order.late, *order.refilled, *(self._over_ns(period.end_ns) for period in changing)]
        )
        periods: dict[int, Result] = {}
        until_ns = begin_ns
        first_ns = self._lead_in_ns()
        # What a detector has forgotten since then does not matter to the UDF either.
        must_go_on = self._hand_over is not None and (self._has_memory or self._replays_drift)
        last_ns = end_ns if must_go_on else min(over_ns, end_ns)
        lead_in = starmap(TimeRange, split_range(first_ns, begin_ns, self._cut))
        for span in chain(lead_in, _growing_pieces(begin_ns, end_ns, self._cut)):
            asked_ns = time.time_ns()
            existing = self._database.scores(key, span)
            self._write(list(self._replayed(span, existing, periods, asked_ns)))
            until_ns = span.end_ns
            self._progress(min((until_ns - first_ns) / max(last_ns - first_ns, 1), 1.0))
            if over_ns < until_ns < end_ns and self._scorer.calm(key) and not must_go_on:
                self._keep_own()
                break
        else:
            self._end_by_clock(periods)
        left = self._write_periods(periods, TimeRange(begin_ns, max(until_ns, begin_ns)))
        self._mark_done(self._settled({**begun, **order.late}), left)
        self._note_periods({each: sign for each, sign in order.noted.items() if begin_ns <= each < until_ns}, left)
        return self._done

    @property
    def _has_memory(self) -> bool:
        """Whether scores of the series depend on windows before them."""
        model = self._models(None)
        return model.remembers or model.is_newcomer(self._order.key)

    def _settled(self, late: Mapping[int, int]) -> Mapping[int, int]:
        """Leave out the window that the next catch-up is to replay for the sake of its hand-over.

        Where the last window of the span is among those to repair, no later one shows where the UDF goes on.

        Args:
            late: the windows that are named in `late`, by their begins.
        """
        last_ns = self._cut.step(self._order.end_ns, -1)
        if self._hand_over is None or not self._is_whole or self._newest_needed_ns < last_ns:
            return late
        return {begin_ns: seen_ms for begin_ns, seen_ms in late.items() if begin_ns < last_ns}

    def _hand_state_over(self, last_ns: int, asked_ns: int) -> None:
        """Hand the series' state over, if nothing of it is missing.

        Args:
            last_ns: the begin of the newest window in it that had a score.
            asked_ns: the clock when this was asked for.
        """
        if self._hand_over is None or self._newest_model is None:
            return
        is_complete = last_ns >= self._newest_needed_ns
        is_current = self._newest_model.version == self._hand_over.model.version
        if is_complete and is_current and self._is_whole:
            end_ns = self._cut.after(last_ns)
            is_drift_whole = self._knows_begin and (self._has_memory or self._replays_drift)
            self._hand_over.take(self._order.key, end_ns, asked_ns, self._core, is_drift_whole=is_drift_whole)
        else:
            self._keep_own()

    def _keep_own(self) -> None:
        """Leave the UDF what it remembers of the series."""
        if self._hand_over is not None:
            self._hand_over.discard(self._order.key)

    def _end_by_clock(self, periods: dict[int, Result]) -> None:
        """Take into account that no more windows have come.

        Periods that the clock ends are put into `periods`; a silence that lasts is kept.
        """
        if self._newest_model is None:
            return
        key = self._order.key
        for _, period in self._scorer.silent((key,), np.array([self._order.end_ns]), 0, self._feedback).periods:
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
        """Return where to begin: before the repair, before every change of level that went on, where memory begins."""
        begin_ns = self._cut.step(self._begin_ns, -PERIOD_LEAD_IN_WINDOWS)
        # Periods with less than this between them may be one change, which is a new level once it has lasted.
        apart_ns = max(self._merge_ns, self._scorer.rules.apart_ns) if self._hand_over is not None else self._merge_ns
        while (period := self._last_period(begin_ns)) is not None:
            if self._cut.span(period.end_ns, begin_ns) >= apart_ns:
                break
            begin_ns = self._cut.step(period.begin_ns, -PERIOD_LEAD_IN_WINDOWS)
        return max(min(begin_ns, self._memory_ns()), self._cut.first(0))

    def _over_ns(self, end_ns: int) -> int:
        """Return when a period that ends at a time is over, unless it goes on."""
        return self._cut.step(end_ns, 1 + self._pipeline.periods.merge_ns // self._pipeline.window_ns)

    def _memory_ns(self) -> int:
        """Return since when the current model's detector has learnt; at most `reach` windows before the repair.

        A detector that remembers nothing has nothing to learn, but a new level of the series counts from its period on.
        A series that training has not seen has warmed up since its first score, whichever model that was of.
        """
        model, begin_ns = self._models(None), self._begin_ns
        is_newcomer = model.is_newcomer(self._order.key)
        goes_on = model.remembers or is_newcomer
        if not goes_on and not self._database.has_new_level(self._order.key, model.version, begin_ns):
            return self._drift_ns(model)
        version = None if is_newcomer else model.version
        first_ns = self._database.first_score_of_ns(self._order.key, version, begin_ns)
        self._since_ns = begin_ns if first_ns is None else first_ns
        if first_ns is None:
            return begin_ns
        earliest_ns = self._cut.step(begin_ns, -self._order.reach)
        if first_ns < earliest_ns:
            self._is_whole = self._knows_begin = False
            self._say(
                f"series {series_name(self._order.key)}: {self._pipeline.detector} has learnt since "
                f"{rfc3339(first_ns)}, which is further back than {self._order.reach} windows: it is led in by those, "
                "and its scores may differ a little from what they would have been"
            )
        return max(first_ns, earliest_ns)

    def _drift_ns(self, model: Model) -> int:
        """Return since when windows count for the drift of a series of which nothing else is remembered.

        They are replayed where enough were missed for the drift to show it: a few windows of a long horizon are not
        worth reading all of it. Where they are not replayed, or are out of reach, it is the begin of the repair.
        """
        begin_ns, window_ns, horizon_ns = self._begin_ns, self._pipeline.window_ns, self._pipeline.drift.horizon_ns
        self._knows_begin = False
        if self._hand_over is None or len(self._order.missing) * window_ns < _DRIFT_SHARE * horizon_ns:
            return begin_ns
        first_ns = self._database.first_score_of_ns(self._order.key, model.version, begin_ns)
        since_ns = max(
            begin_ns if first_ns is None else first_ns, self._cut.begin(begin_ns - _DRIFT_HORIZONS * horizon_ns)
        )
        if since_ns < self._cut.step(begin_ns, -self._order.reach):
            return begin_ns
        self._since_ns = begin_ns if first_ns is None else first_ns
        self._knows_begin = self._replays_drift = True
        return since_ns

    def _replayed(
        self, span: TimeRange, existing: Mapping[int, WrittenScore], periods: dict[int, Result], asked_ns: int
    ) -> Iterator[Result | ResultColumns]:
        """Yield the scores to write, and put the periods that become known into `periods`, by their begins.

        Args:
            span: the stretch to replay.
            existing: its scores, by the begins of their windows.
            periods: takes the periods.
            asked_ns: the clock when the scores were asked for.
        """
        stored = self._stored_late(span)
        last_ns = max(existing, default=span.end_ns)
        read: set[int] = set()
        for series in self._database.windows(self._order.key, span):
            read.update(series.begin_ns.tolist())
            is_known = series.begin_ns >= self._since_ns
            is_known |= np.isin(series.begin_ns, list(existing))
            is_before = series.begin_ns <= last_ns
            if last_ns in read and not is_before.all():
                before, after = series.where(is_known & is_before), series.where(is_known & ~is_before)
                yield from self._fed(before, existing, stored, periods)
                self._is_whole &= existing.keys() <= read
                self._hand_state_over(last_ns, asked_ns)
                last_ns = span.end_ns
                yield from self._fed(after, existing, stored, periods)
            else:
                yield from self._fed(series.where(is_known), existing, stored, periods)
        self._is_whole &= existing.keys() <= read
        if existing and last_ns < span.end_ns:
            self._hand_state_over(last_ns, asked_ns)

    def _fed(
        self,
        series: SeriesWindows,
        existing: Mapping[int, WrittenScore],
        stored: Mapping[int, Mapping[str, Any]],
        periods: dict[int, Result],
    ) -> Iterator[Result | ResultColumns]:
        """Yield the scores to write of the next windows, as `_replayed` does."""
        for part, model, feedback in self._alike(series, existing) if len(series) else ():
            scored = self._scorer.feed_series(model, part, feedback)
            if scored is None:
                continue
            self._newest_ns, self._newest_model = int(scored.begin_ns[-1]), model
            for at in sorted(scored.periods):
                if scored.begin_ns[at] >= self._begin_ns:
                    updates = (
                        period_result(self._pipeline, self._order.key, period, model, joint=None)
                        for period in scored.periods[at]
                    )
                    periods.update((period.time_ns, period) for period in updates if self._counts(period))
            yield from self._scores(scored, existing, stored)
            if self._hand_over is not None:
                self._core.follow_drift(scored)

    def _counts(self, period: Result) -> bool:
        """Check whether a period counts: silence during maintenance does not, whichever marks the next window heeds."""
        return period.fields["reason"] != NO_DATA or not self._feedback.in_maintenance(
            self._order.key, period.time_ns, int(period.fields["end_ms"]) * MS_NS
        )

    def _stored_late(self, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        """Return what is stored of a stretch's windows that got late points, or may be filled anew, by their begins."""
        changed = chain(self._order.late, self._order.refilled)
        late = [begin_ns for begin_ns in changed if span.begin_ns <= begin_ns < span.end_ns]
        if not late:
            return {}
        stored = self._database.whole_scores(self._order.key, TimeRange(min(late), max(late) + 1))
        return {begin_ns: stored[begin_ns] for begin_ns in late if begin_ns in stored}

    def _scores(
        self,
        scored: ScoredWindows,
        existing: Mapping[int, WrittenScore],
        stored: Mapping[int, Mapping[str, Any]],
    ) -> Iterator[Result | ResultColumns]:
        """Yield what is to be written of windows' scores, and count it: missing ones together, others one by one."""
        begin_ns, scores = scored.begin_ns, score_columns(self._pipeline, scored)
        is_missing = self._missing_ns[np.searchsorted(self._missing_ns, begin_ns)] == begin_ns
        is_missing &= ~np.isin(begin_ns, [*existing, *stored])
        if is_missing.any():
            self._done.scores += int(np.count_nonzero(is_missing))
            yield scores.where(is_missing)
        for score in scores.where((begin_ns >= self._begin_ns) & ~is_missing):
            yield from self._score(score, existing, stored)

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
        elif begin_ns in self._order.missing or begin_ns in self._order.late or begin_ns in self._order.refilled:
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

    def _write_periods(self, periods: Mapping[int, Result], span: TimeRange) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Write the periods that are new or came out otherwise, and remove those that the replay does not have.

        Args:
            periods: the periods of the replay, by their begins.
            span: what was replayed and may be changed.

        Returns:
            The begin and the fields of each period that is stored now, as they are compared, by time.
        """
        key = self._order.key
        before = self._database.periods(key, TimeRange(min([*periods, span.begin_ns]), span.end_ns))
        # A series has one open period at most, so the one in which the replay ends replaces another that is stored.
        goes_on = any(period.fields["state"] == "open" for period in periods.values())
        gone = {
            begin_ns: fields
            for begin_ns, fields in before.items()
            if begin_ns >= span.begin_ns
            and begin_ns not in periods
            and (self._is_over(begin_ns, fields) or (goes_on and fields.get("reason") != NO_DATA))
        }
        if self._lasting is not None and any(fields["state"] == "open" for fields in gone.values()):
            # The UDF tells silences; a catch-up only moves the begin of one that lasts.
            periods = {**periods, self._lasting.time_ns: self._lasting}
        changed = [result for begin, result in periods.items() if not _same(before.get(begin), _compared(result))]
        self._done.periods += len(changed)
        self._done.removed += len(gone)
        # A field cannot be taken out of a point that is there.
        renewed = [result.time_ns for result in changed if _lacks(result, LIMIT_FIELD, before)]
        for begin_ns in renewed if not self._dry_run else ():
            self._database.remove_period(key, begin_ns)
        self._write(changed)
        for begin_ns in gone if not self._dry_run else ():
            self._database.remove_period(key, begin_ns)
        kept = {begin_ns: fields for begin_ns, fields in before.items() if begin_ns not in {*gone, *renewed}}
        written = {each.time_ns: {**kept.get(each.time_ns, {}), **_compared(each)} for each in changed}
        return sorted({**kept, **written}.items(), key=itemgetter(0))

    def _is_over(self, begin_ns: int, fields: Mapping[str, Any]) -> bool:
        """Check whether the UDF will not touch a period any more."""
        if fields["state"] == "closed":
            return True
        if fields.get("reason") == NO_DATA:
            # A silence lasts until the next window, however long ago it was told.
            return self._newest_ns >= begin_ns
        return self._over_ns(int(fields["end_ms"]) * MS_NS) <= self._order.end_ns

    def _mark_begun(self) -> Mapping[int, int]:
        """Name the first and the last missing window as late, as a repair that is killed may leave periods undone.

        Returns:
            The windows that were named, by their begins: the clock.
        """
        order, now_ns = self._order, time.time_ns()
        if not order.missing:
            return {}
        begun = sorted({min(order.missing), max(order.missing)} - order.late.keys())
        self._write([late_result(self._pipeline, order.key, begin_ns, 0, now_ns) for begin_ns in begun])
        return dict.fromkeys(begun, now_ns // MS_NS)

    def _mark_done(self, late: Mapping[int, int], left: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Record up to which points late windows, by their begins, are scored now, and how their periods were left."""
        self._write(
            [
                self._result("late", begin_ns, {"done_ms": seen_ms, PERIOD_SIGN_FIELD: self._sign(begin_ns, left)})
                for begin_ns, seen_ms in late.items()
            ]
        )

    def _note_periods(self, noted: Mapping[int, str | None], left: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Record how the periods of windows that were scored again before were left, where that has changed."""
        signs = {begin_ns: self._sign(begin_ns, left) for begin_ns in noted}
        self._write(
            [
                self._result("late", begin_ns, {PERIOD_SIGN_FIELD: sign})
                for begin_ns, sign in signs.items()
                if noted[begin_ns] != sign
            ]
        )

    def _sign(self, begin_ns: int, left: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
        """Return the sign of the period that a window belongs to, or could have prolonged."""
        at = bisect_right(left, begin_ns, key=itemgetter(0)) - 1
        if at < 0:
            return NO_PERIOD
        period_ns, fields = left[at]
        until_ns = prolonged_until_ns(self._pipeline, int(fields["end_ms"]) * MS_NS, fields.get("reason"))
        return sign_of(period_ns, fields) if begin_ns < until_ns else NO_PERIOD

    def _result(self, measurement: str, time_ns: int, fields: Fields) -> Result:
        return Result(measurement, series_tags(self._pipeline, self._order.key), time_ns, fields)

    def _write(self, results: Sequence[Result | ResultColumns]) -> None:
        if results and not self._dry_run:
            self._database.write(results)


def _growing_pieces(begin_ns: int, end_ns: int, cut: Cut) -> Iterator[TimeRange]:
    """Yield the pieces of a replay, each twice as long as the one before, up to a limit."""
    windows = _PIECE_WINDOWS
    while begin_ns < end_ns:
        until_ns = min(cut.step(begin_ns, windows), end_ns)
        yield TimeRange(begin_ns, until_ns)
        begin_ns, windows = until_ns, min(2 * windows, _MOST_PIECE_WINDOWS)


def _lacks(period: Result, name: str, before: Mapping[int, Mapping[str, Any]]) -> bool:
    """Check whether a period lacks a field that is stored of it."""
    return name not in period.fields and before.get(period.time_ns, {}).get(name) is not None


def _compared(period: Result) -> Fields:
    """Return the fields that a stored period is compared by; the sentence of a silence depends on who told it."""
    untold = {"text"} if period.fields["reason"] == NO_DATA else set()
    return {name: value for name, value in period.fields.items() if name in COMPARED_FIELDS and name not in untold}


def _same(before: Mapping[str, Any] | None, fields: Fields) -> bool:
    return before is not None and all(_equal(before.get(name), value) for name, value in fields.items())


def _equal(stored: Any, value: Any) -> bool:
    if isinstance(value, float) and isinstance(stored, int | float):
        return math.isclose(stored, value, rel_tol=1e-9)
    return bool(stored == value)
