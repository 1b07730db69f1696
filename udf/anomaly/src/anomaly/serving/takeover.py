"""Takes over what a catch-up hands over, so that later scores are those of a UDF that missed nothing.

A UDF that was away goes on with a memory that has a gap. The next catch-up scores what is missing, and hands over the
state that each such series has at its horizon (`anomaly.scoring.hand_over`). Here the windows that this process has
closed since the horizon are added to that state, and the result takes the place of what the UDF remembers. Nothing is
scored twice: the windows have their scores, so what comes out of adding them is not written. Only the last period of a
series is, because people should read how it stands. A period that was open here, and that is not open in what is taken
over, is closed, so that a series has one open period at most; the next catch-up corrects or removes it.

Not every series can be taken over:

- A series whose windows around the horizon this process has not closed itself. It does not know what came between, and
  neither does the catch-up. A process names such windows after its start, so another catch-up follows.
- A series whose windows closed after the catch-up had read them: the catch-up has seen a part of their points.
- A series that is silent keeps what people were told of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.hand_over import HandedSeries, HandOverFolder
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.results import Result, late_result, period_result
from anomaly.scoring.scorer import Superseded
from anomaly.scoring.state_file import StateError, StateHeader
from anomaly.serving.window_log import WindowLog
from anomaly.windows.arrays import DAMAGE, Bools, Ints, Key, Times
from anomaly.windows.cut import cut_of
from anomaly.windows.windows import Windows


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The series of a part that can be taken over, and their windows since the horizons.

    Attributes:
        keys: the series.
        windows: the windows.
    """

    keys: Sequence[Key]
    windows: Windows


class Takeover:
    """Takes the hand-overs of one pipeline, one part after the other.

    Args:
        pipeline: the pipeline.
        folder: its hand-overs; None: there are none.
        events: counts what is taken over, and what is not.
        began_ns: when the process began; what was handed over before was for another one.
    """

    def __init__(self, pipeline: Pipeline, folder: HandOverFolder | None, events: EventCounter, began_ns: int) -> None:
        self._pipeline = pipeline
        self._folder = folder
        self._events = events
        self._taken_ns = began_ns
        self._parts: Iterator[HandedSeries] = iter(())

    def next_part(self, expected: StateHeader) -> HandedSeries | None:
        """Return the next part of a hand-over; None if there is none.

        Args:
            expected: what a hand-over must have been made for, and the model that scores.
        """
        try:
            part = next(self._parts, None)
            if part is None and self._folder is not None and (newer := self._folder.newer(self._taken_ns)):
                self._taken_ns = newer[0]
                self._parts = self._folder.read(self._taken_ns, expected)
                part = next(self._parts, None)
        except StateError as error:
            self._parts = iter(())
            self._events.add("refused takeovers", 1, str(error))
            return None
        return part

    def take(
        self,
        core: ScoringCore,
        model: Model,
        feedback: Feedback,
        handed: HandedSeries,
        numbers: Ints,
        log: WindowLog,
        now_ns: int,
    ) -> list[Result]:
        """Take over the series of a part.

        Args:
            core: what scores in this process.
            model: the model that scores.
            feedback: the marks of the pipeline.
            handed: a part of a hand-over.
            numbers: the numbers of its series in the log, shape (n,); negative where this process has no such series.
            log: the windows that this process has closed.
            now_ns: the clock.

        Returns:
            The periods that were open here and are not any more, and the last period of each series that any of the
            added windows made known; a silence is none.
        """
        chosen = self._chosen(core, handed, numbers, log)
        if not chosen.keys:
            return []
        events = EventCounter(f"pipeline {self._pipeline.name}", lambda message: None)
        there = ScoringCore(self._pipeline, events, most=len(handed.keys))
        try:
            there.scorer.prepare(model)
            there.restore_part(handed.state, resumed=handed.is_moved)
            if "lost memories" in events.counts:
                raise ValueError("what the detector remembers is not of this model, or needs more than `memory`")
            chosen_keys = set(chosen.keys)
            drifting = [key for key in there.drifting if key in chosen_keys]
            periods = [
                result
                for result in there.feed_together(model, chosen.windows, feedback, now_ns)
                if isinstance(result, Result) and result.measurement == "period" and result.fields["reason"] != NO_DATA
            ]
            superseded = core.adopt(there, chosen.keys, drifting, model, resumed=handed.is_moved)
        except DAMAGE as error:
            self._events.add(
                "series not taken over",
                len(chosen.keys),
                f"what a catch-up has handed over does not fit ({error!r}): the UDF keeps its own memory",
            )
            return []
        self._events.add("series taken over", len(chosen.keys))
        last = {tuple(sorted(period.tags.items())): period for period in periods}
        ended = [result for one in superseded for result in self._ended(one, model, now_ns)]
        return [*ended, *last.values()]

    def _ended(self, superseded: Superseded, model: Model, now_ns: int) -> Iterator[Result]:
        """Close a period that was open here, and name its first window, so that the next catch-up looks at the period.

        Where another period goes on, people are not told that this one is over.
        """
        self._events.add("superseded periods", 1)
        period = superseded.period
        result = period_result(self._pipeline, superseded.key, period, model)
        if superseded.is_replaced:
            result.fields["history"] = True
        yield result
        yield late_result(self._pipeline, superseded.key, period.begin_ns, 0, now_ns)

    def _chosen(self, core: ScoringCore, handed: HandedSeries, numbers: Ints, log: WindowLog) -> _Chosen:
        """Return the series that can be taken over; the others are counted."""
        # What another process left is better than nothing, also for series that have not come here.
        known = np.flatnonzero((numbers >= 0) | handed.is_moved)
        if not len(known):
            return _Chosen((), Windows((), known, known, np.empty((0, 0)), np.empty((0, 0))))
        keys = [handed.keys[at] for at in known.tolist()]
        windows, closed_ns = log.of(numbers[known], keys)
        end_ns, asked_ns = handed.end_ns[known], handed.asked_ns[known]
        can_take = ~core.are_silent(keys)
        if not handed.is_moved:
            can_take &= self._can_take(windows, closed_ns, end_ns, asked_ns)
        if not can_take.all():
            self._events.add(
                "series not taken over",
                int((~can_take).sum()),
                f"{', '.join(keys[int(can_take.argmin())])}: this process has not closed the windows before and after "
                "those of the catch-up, or the series is silent; the next catch-up hands over again",
            )
        since = windows.begin_ns >= end_ns[windows.series]
        return _Chosen(
            [key for key, can in zip(keys, can_take.tolist(), strict=True) if can],
            windows.where(since & can_take[windows.series]),
        )

    def _can_take(self, windows: Windows, closed_ns: Times, end_ns: Times, asked_ns: Times) -> Bools:
        """Return which of n series can be taken over, shape (n,).

        Args:
            windows: the windows that this process has closed of these series.
            closed_ns: the clock when each of them was closed.
            end_ns: the series' horizons, shape (n,).
            asked_ns: the clock when the catch-up began to read the last windows before them, shape (n,).
        """
        n, horizon = len(end_ns), end_ns[windows.series]
        is_before = windows.begin_ns < horizon
        has_before, has_last, was_read_early = (np.zeros(n, dtype=np.bool_) for _ in range(3))
        has_before[windows.series[is_before]] = True
        has_last[windows.series[cut_of(self._pipeline).after(windows.begin_ns) >= horizon]] = True
        was_read_early[windows.series[is_before & (closed_ns > asked_ns[windows.series])]] = True
        return np.asarray(has_before & has_last & ~was_read_early)
