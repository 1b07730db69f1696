"""The scoring core: one way from a series' windows to the results that are written of them.

Serving, and a shadow beside it, hand windows in and write what comes out. A backtest and a catch-up need verdicts
rather than results, so they call the `Scorer` below it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.drift import DriftMonitor
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.notices import Notice
from anomaly.scoring.packing import Arrays, document, part_of, prefixed, text
from anomaly.scoring.periods import NO_DATA, Period, Rules
from anomaly.scoring.results import Result, notice_result, period_result, results
from anomaly.scoring.scorer import ScoredWindow, Scorer
from anomaly.scoring.silence import JointSilence
from anomaly.windows.arrays import AnyArray, Key
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

# The parts of a state.
_SCORER, _DRIFT, _JOINT = "scorer_", "drift_", "joint"


class ScoringCore:
    """Scores a pipeline's windows and follows their drift.

    Args:
        pipeline: the pipeline.
        events: counts the windows, those that are not scored by reason.
    """

    def __init__(self, pipeline: Pipeline, events: EventCounter) -> None:
        self._pipeline = pipeline
        self._events = events
        self._noticed: list[tuple[Key, Notice]] = []
        self._scorer = Scorer(pipeline, events, lambda key, notice: self._noticed.append((key, notice)))
        self._drift = DriftMonitor(pipeline)
        self._joint = JointSilence(self._scorer.rules.silence_ns)

    @property
    def rules(self) -> Rules:
        """The rules by which periods open and close."""
        return self._scorer.rules

    def feed(
        self, model: Model | None, windows: SeriesWindows, feedback: Feedback, now_ns: int | None = None
    ) -> Iterator[Result]:
        """Score the next windows of a series.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, by time.
            feedback: the marks that keep windows out of periods.
            now_ns: the clock; results older than the pipeline's `alerts.age` are history, which alerts nobody. None:
                no result is history.

        Yields:
            Each scorable window's `score`, the `period`s that it made known, `drift` when it is time for one, and the
            `notice`s of the windows.
        """
        scored = ((windows.key, each) for each in self._scorer.feed(model, windows, feedback))
        yield from self._results(scored, now_ns)

    def feed_together(
        self, model: Model | None, windows: Windows, feedback: Feedback, now_ns: int | None = None
    ) -> Iterator[Result]:
        """Score the next windows of many series at once; a series that cannot be scored costs its own windows only.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, each series in the order of time.
            feedback: as for `feed`.
            now_ns: likewise.

        Yields:
            What `feed` yields, of all series.
        """
        yield from self._results(self._scorer.feed_together(model, windows, feedback), now_ns)

    def _results(self, windows: Iterator[tuple[Key, ScoredWindow]], now_ns: int | None) -> Iterator[Result]:
        """Yield the results of scored windows, and of what was noticed on the way."""
        old_ns = None if now_ns is None else now_ns - self._pipeline.alerts.age_ns
        for known_ns, result in self._known(windows):
            if old_ns is not None and known_ns < old_ns:
                result.fields["history"] = True
            yield result

    def _known(self, windows: Iterator[tuple[Key, ScoredWindow]]) -> Iterator[tuple[int, Result]]:
        """Yield results, each with the end of the window that made it known."""
        window_ns = self._pipeline.window_ns
        for key, scored in windows:
            for result in self._of_window(key, scored):
                yield scored.begin_ns + window_ns, result
        for key, notice in self._noticed:
            yield notice.end_ns + window_ns, notice_result(self._pipeline, key, notice)
        self._noticed.clear()

    def _of_window(self, key: Key, scored: ScoredWindow) -> Iterator[Result]:
        """Yield the results of a scored window."""
        joint = self._joint.covers(key) if scored.ended_silence else None
        yield from results(self._pipeline, key, scored, joint=joint)
        if scored.ended_silence:
            woken = self._joint.woke(key, scored.begin_ns)
            if woken is not None:
                yield notice_result(self._pipeline, None, woken)
        for drift in self._drift.feed(key, scored):
            self._say_drift(drift)
            yield drift

    def silent(
        self, model: Model | None, watermarks: Mapping[Key, int], feedback: Feedback, *, listening_ns: int
    ) -> Iterator[Result]:
        """Take into account which live series have had no window.

        Args:
            model: the model; without one nobody knows what is missing.
            watermarks: the series whose data are, or were, live, those included that have not had a window yet; each
                with the time up to which all of its windows are known: its watermark less the pipeline's lateness.
            feedback: the marks; silence that begins during maintenance is not told.
            listening_ns: since when somebody listens.

        Yields:
            The `period`s that this made known, and the `notice` of a pipeline all of whose series are silent.
        """
        if model is None or not watermarks:
            return
        opened: list[tuple[Key, Period]] = []
        for key, watermark_ns in watermarks.items():
            for period in self._scorer.silent(key, watermark_ns, listening_ns, feedback):
                if period.reason == NO_DATA:
                    opened.append((key, period))
                else:
                    yield period_result(self._pipeline, key, period, model)
        window_ns, silence_ns = self.rules.window_ns, self.rules.silence_ns
        next_ns = {key: watermark_ns // window_ns * window_ns for key, watermark_ns in watermarks.items()}
        lasting = {key: silence for key in watermarks if (silence := self._scorer.silence(key)) is not None}
        others = [(self._scorer.last_ns(key), next_ns[key]) for key in watermarks if key not in lasting]
        told = self._joint.look(
            opened,
            lasting,
            watermarks,
            are_others_late=all(last_ns is None or at_ns - last_ns > silence_ns for last_ns, at_ns in others),
            now_ns=max(next_ns.values()),
        )
        for joint, periods in ((False, told.alone), (True, told.joint)):
            for key, period in periods:
                yield period_result(self._pipeline, key, period, model, joint=joint)
        if told.notice is not None:
            yield notice_result(self._pipeline, None, told.notice)

    def _say_drift(self, drift: Result) -> None:
        if drift.fields["drifted"]:
            series = ", ".join(f"{name}={value}" for name, value in drift.tags.items() if name != "pipeline")
            self._events.add(
                "results that say drift",
                1,
                f"{series or 'the series'} is no longer as in training: stability index {drift.fields['psi']:.2f}, "
                f"{drift.fields['above']:.1%} of the windows anomalous: train again if it is as it should be",
            )

    def has_scored(self, key: Key) -> bool:
        """Return whether a window of a series was scored."""
        return self._scorer.last_ns(key) is not None

    def forget(self, key: Key, model: Model | None) -> Iterator[Result]:
        """Forget a series.

        Args:
            key: the series.
            model: the model that scores.

        Yields:
            The end of a silence that was told.
        """
        silence, joint = self._scorer.silence(key), self._joint.covers(key)
        if silence is not None and model is not None and self._scorer.is_silence_told(key):
            yield period_result(self._pipeline, key, replace(silence, state="closed"), model, joint=joint)
        self._joint.forget(key)
        self._scorer.forget(key)
        self._drift.forget(key)

    def state(self, model: Model | None) -> dict[str, AnyArray]:
        """Return the state of all series as arrays by name; none before the first window.

        Args:
            model: the model that scores.
        """
        series = self._scorer.state()
        if not series:
            return {}
        joint = text(self._joint.state())
        return {**prefixed(_SCORER, series), **prefixed(_DRIFT, self._drift.state(model)), _JOINT: joint}

    def restore(self, arrays: Arrays) -> None:
        """Go on where `state` was taken.

        Args:
            arrays: what `state` returned, and perhaps others.

        Raises:
            KeyError: the state is of another pipeline.
            TypeError: likewise.
            ValueError: likewise.
        """
        series = part_of(arrays, _SCORER)
        if series:
            self._scorer.restore(series)
            self._drift.restore(part_of(arrays, _DRIFT))
            self._joint.restore(document(arrays[_JOINT]))
