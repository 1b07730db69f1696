"""The scoring core: one way from a series' windows to the results that are written of them.

Serving, and a shadow beside it, hand windows in and write what comes out. A backtest and a catch-up need verdicts
rather than results, so they call the `Scorer` below it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.drift import DriftMonitor
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.notices import Notice
from anomaly.scoring.packing import Arrays, document, numbered, part_of, parts_of, prefixed, text
from anomaly.scoring.periods import NO_DATA, Period, Rules
from anomaly.scoring.results import Result, ResultColumns, late_result, notice_result, period_result, score_columns
from anomaly.scoring.scorer import ScoredWindows, Scorer, Superseded, scored_until, series_name
from anomaly.scoring.silence import JointSilence
from anomaly.windows.arrays import AnyArray, Bools, Key, Times
from anomaly.windows.cut import cut_of
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

# The parts of a state.
_SCORER, _DRIFT, _JOINT = "scorer_", "drift_", "joint"


class ScoringCore:
    """Scores a pipeline's windows and follows their drift.

    Args:
        pipeline: the pipeline.
        events: counts the windows, those that are not scored by reason.
        most: for how many series the detector has room; None: for as many as the pipeline's `memory` allows.
    """

    def __init__(self, pipeline: Pipeline, events: EventCounter, most: int | None = None) -> None:
        self._pipeline = pipeline
        self._events = events
        self._cut = cut_of(pipeline)
        self._noticed: list[tuple[Key, Notice]] = []
        self._scorer = Scorer(pipeline, events, lambda key, notice: self._noticed.append((key, notice)), most)
        self._drift = DriftMonitor(pipeline)
        self._joint = JointSilence(self._scorer.rules.silence_ns)

    @property
    def rules(self) -> Rules:
        """The rules by which periods open and close."""
        return self._scorer.rules

    @property
    def scorer(self) -> Scorer:
        """Scores windows, for those who need verdicts rather than results."""
        return self._scorer

    def follow_drift(self, scored: ScoredWindows) -> None:
        """Take windows into account that the scorer was fed with alone, without any result."""
        for _ in self._drift.feed(scored):
            """What a result would say was told, or will be."""

    def feed(
        self, model: Model | None, windows: SeriesWindows, feedback: Feedback, now_ns: int | None = None
    ) -> Iterator[Result | ResultColumns]:
        """Score the next windows of a series.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, by time.
            feedback: the marks that keep windows out of periods.
            now_ns: the clock; results older than the pipeline's `alerts.age` are history, which alerts nobody. None:
                no result is history.

        Yields:
            The scorable windows' `score`s as columns, the `period`s that they made known, `drift` when it is time for
            one, and the `notice`s of the windows.
        """
        scored = self._scorer.feed_series(model, windows, feedback)
        yield from self._results(iter(() if scored is None else (scored,)), feedback, now_ns)

    def feed_together(
        self, model: Model | None, windows: Windows, feedback: Feedback, now_ns: int | None = None
    ) -> Iterator[Result | ResultColumns]:
        """Score the next windows of many series at once; a series that cannot be scored costs its own windows only.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, each series in the order of time.
            feedback: as for `feed`.
            now_ns: likewise.

        Yields:
            What `feed` yields, of all series.
        """
        yield from self._results(self._scorer.feed_together(model, windows, feedback), feedback, now_ns)

    def _results(
        self, scored: Iterator[ScoredWindows], feedback: Feedback, now_ns: int | None
    ) -> Iterator[Result | ResultColumns]:
        """Yield the results of scored windows, and of what was noticed on the way."""
        old_ns = None if now_ns is None else now_ns - self._pipeline.alerts.age_ns
        for known_ns, result in self._known(scored):
            if isinstance(result, Result):
                is_told = result.measurement != "late"
                if is_told and old_ns is not None and known_ns < old_ns:
                    result.fields["history"] = True
                if is_told:
                    _keep_quiet(result, int(known_ns), feedback)
            elif old_ns is not None and (are_old := np.asarray(known_ns) < old_ns).any():
                result.fields["history"] = np.where(are_old, np.array(True, dtype=np.object_), np.array(None))
            yield result

    def _known(self, scored: Iterator[ScoredWindows]) -> Iterator[tuple[int | Times, Result | ResultColumns]]:
        """Yield results, each with the end of the window that made it known; columns with that of each point."""
        cut = self._cut
        for windows in scored:
            columns, known_ns, first = score_columns(self._pipeline, windows), cut.after(windows.begin_ns), 0
            # Alerts go by the order of a series' results: a period comes before the scores of later windows.
            are_several = len(np.unique(windows.series)) < len(windows)
            for at in sorted(windows.periods):
                end = at + 1 if are_several else len(windows)
                if first < end:
                    yield known_ns[first:end], columns.part(first, end)
                    first = end
                for result in self._of_window(windows, at):
                    yield int(known_ns[at]), result
            if first < len(windows):
                yield known_ns[first:], columns.part(first, len(windows))
            for begin_ns, drift in self._drift.feed(windows):
                self._say_drift(drift)
                yield cut.after(begin_ns), drift
        for notice, result in self._notices():
            yield cut.end(notice.end_ns), result

    def _of_window(self, windows: ScoredWindows, at: int) -> Iterator[Result]:
        """Yield the periods that a window made known, and the end of the pipeline's silence."""
        key, ended_silence = windows.key(at), at in windows.ended_silences
        joint = self._joint.covers(key) if ended_silence else None
        for period in windows.periods[at]:
            yield period_result(self._pipeline, key, period, windows.model, joint=joint)
            if (
                ended_silence
                and period.reason == NO_DATA
                and self._cut.span(period.begin_ns, period.end_ns) <= self.rules.silence_ns
            ):
                yield from self._withdrawn(key, period)
        if ended_silence:
            woken = self._joint.woke(key, int(windows.begin_ns[at]))
            if woken is not None:
                yield notice_result(self._pipeline, None, woken)

    def _withdrawn(self, key: Key, silence: Period) -> Iterator[Result]:
        """Name the windows on both sides of a told silence that is none, as the points that ended it were late.

        A catch-up then scores them again, and removes the period.
        """
        cut = self._cut
        self._events.add("silences that were none", 1, f"the points of {series_name(key)} were under way for long")
        for begin_ns in (cut.step(silence.begin_ns, -1), silence.end_ns):
            yield late_result(self._pipeline, key, begin_ns, 0, cut.after(silence.end_ns))

    def silent(
        self,
        model: Model | None,
        keys: Sequence[Key],
        watermark_ns: Times,
        feedback: Feedback,
        *,
        listening_ns: int,
        quiet_ns: Times | None = None,
    ) -> Iterator[Result]:
        """Take into account which live series have had no window.

        Args:
            model: the model; without one nobody knows what is missing.
            keys: the n series whose data are, or were, live, those included that have not had a window yet.
            watermark_ns: the times up to which all of their windows are known, shape (n,): their watermarks less the
                pipeline's lateness.
            feedback: the marks; silence that begins during maintenance is not told.
            listening_ns: since when somebody listens.
            quiet_ns: the times up to which no window of theirs has had a point since the last one, by which silence is
                told, shape (n,); None: `watermark_ns`.

        Yields:
            The `period`s that this made known, and the `notice` of a pipeline all of whose series are silent.
        """
        if model is None or not len(keys):
            return
        now_ns = int(watermark_ns.max())
        silences = self._scorer.silent(keys, watermark_ns, listening_ns, feedback, quiet_ns)
        opened: list[tuple[Key, Period]] = []
        for key, period in silences.periods:
            if period.reason == NO_DATA:
                opened.append((key, period))
            else:
                yield _keep_quiet(period_result(self._pipeline, key, period, model), now_ns, feedback)
        told = self._joint.look(
            opened,
            silences.lasting,
            [key for key in keys if key not in silences.untold] if silences.untold else keys,
            are_others_late=silences.are_others_late,
            now_ns=self._cut.begin(now_ns),
        )
        for joint, periods in ((False, told.alone), (True, told.joint)):
            for key, period in periods:
                result = period_result(self._pipeline, key, period, model, joint=joint)
                yield _keep_quiet(result, now_ns, feedback)
        if told.notice is not None:
            yield _keep_quiet(notice_result(self._pipeline, None, told.notice), now_ns, feedback)

    def _say_drift(self, drift: ResultColumns) -> None:
        drifted = np.flatnonzero(drift.fields["drifted"])
        if len(drifted):
            first = drifted[0]
            key = drift.keys[drift.series[first]]
            series = ", ".join(f"{name}={value}" for name, value in zip(self._pipeline.group_by, key, strict=True))
            self._events.add(
                "results that say drift",
                len(drifted),
                f"{series or 'the series'} is no longer as in training: stability index "
                f"{drift.fields['psi'][first]:.2f}, "
                f"{drift.fields['above'][first]:.1%} of the windows anomalous: train again if it is as it should be",
            )

    def have_scored(self, keys: Sequence[Key]) -> Bools:
        """Return of which series, shape (n,), a window was scored."""
        return self._scorer.have_scored(keys)

    def forget(self, key: Key, model: Model | None) -> Iterator[Result]:
        """Forget a series.

        Args:
            key: the series.
            model: the model that scores.

        Yields:
            The ends of the periods and notices that were told and are open.
        """
        joint, ended = self._joint.covers(key), self._scorer.forget(key)
        for period in ended:
            if model is not None:
                yield period_result(self._pipeline, key, period, model, joint=joint)
        for _, result in self._notices():
            yield result
        over = self._joint.forget(key, max((period.end_ns for period in ended), default=0))
        if over is not None:
            yield notice_result(self._pipeline, None, over)
        self._drift.forget(key)

    def _notices(self) -> Iterator[tuple[Notice, Result]]:
        """Yield what was noticed since the last call, with the results that tell it."""
        noticed, self._noticed = self._noticed, []
        for key, notice in noticed:
            yield notice, notice_result(self._pipeline, key, notice)

    def state(self) -> dict[str, AnyArray]:
        """Return the state of all series as arrays by name; none before the first window."""
        return {name: array for part in numbered(self.state_parts()) for name, array in part.items()}

    def state_parts(self, at_once: int | None = None) -> Iterator[dict[str, AnyArray]]:
        """Yield the state as parts, each of some series.

        Series may be fed between two parts: each series is as it was when its part was made.

        Args:
            at_once: how many series a part has at most; None: all.
        """
        keys = self._scorer.keys
        for followers in self._scorer.kept_followers:
            yield prefixed(_SCORER, followers)
        for begin in range(0, len(keys), at_once or len(keys) or 1):
            yield self.state_of(keys[begin : begin + (at_once or len(keys))])
        if keys:
            yield {_JOINT: text(self._joint.state())}

    def state_of(self, keys: Sequence[Key]) -> dict[str, AnyArray]:
        """Return the state of some series as a part."""
        return {**prefixed(_SCORER, self._scorer.state(keys)), **prefixed(_DRIFT, self._drift.state(keys))}

    def are_silent(self, keys: Sequence[Key]) -> Bools:
        """Return of which series, shape (n,), a silence lasts that was told."""
        return self._scorer.are_silent(keys)

    @property
    def drifting(self) -> list[Key]:
        """The series of which the drift is followed."""
        return self._drift.keys

    def adopt(
        self,
        other: "ScoringCore",
        keys: Sequence[Key],
        drifting: Sequence[Key],
        model: Model,
        *,
        resumed: bool = False,
    ) -> list[Superseded]:
        """Take over what another core remembers of series, as if this one had been fed with their windows.

        Args:
            other: the other core.
            keys: the series.
            drifting: those whose drift is taken over, too.
            model: the model that has scored there, and scores here.
            resumed: whether nobody knows if there were windows since then.

        Returns:
            The periods that were open here, and are not any more.

        Raises:
            ValueError: the other core is of another pipeline.
        """
        superseded = self._scorer.adopt(other._scorer, keys, model, resumed=resumed)
        if drifting:
            self._drift.restore(other._drift.state(drifting))
        return superseded

    def restore(self, arrays: Arrays) -> None:
        """Go on where `state` was taken.

        Args:
            arrays: what `state` returned, and perhaps others.

        Raises:
            KeyError: the state is of another pipeline.
            TypeError: likewise.
            ValueError: likewise.
        """
        for part in parts_of(arrays):
            self.restore_part(part)

    def restore_part(self, part: Arrays, *, resumed: bool = True) -> None:
        """Go on where one of `state_parts` was taken, with its series.

        Args:
            part: the part.
            resumed: whether nobody knows if there were windows since then.

        Raises:
            KeyError: the state is of another pipeline.
            TypeError: likewise.
            ValueError: likewise.
        """
        self._scorer.restore(part_of(part, _SCORER), resumed=resumed)
        drift = part_of(part, _DRIFT)
        if drift:
            self._drift.restore(drift)
        if _JOINT in part:
            self._joint.restore(document(part[_JOINT]))


def last_windows(part: Arrays) -> tuple[list[Key], Times]:
    """Return the series of a part of a state, and the begins of the last windows that they scored; 0 before the first.

    Args:
        part: one of `ScoringCore.state_parts`.
    """
    return scored_until(part_of(part, _SCORER))


def _keep_quiet(result: Result, known_ns: int, feedback: Feedback) -> Result:
    """Mark what becomes known at a quiet time, so that it alerts nobody; what is over is told, as it ends an alert."""
    if result.fields.get("state") != "closed" and feedback.is_quiet(known_ns):
        result.fields["quiet"] = True
    return result
