"""Scores history once with the core that serves, and keeps the periods of several opening severities."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from anomaly.backtest.evaluate import Evaluation, FoundPeriod, evaluate
from anomaly.backtest.labels import Truth
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.periods import Period, Tracker, rules
from anomaly.scoring.scorer import ScoredWindow, Scorer, track
from anomaly.windows.arrays import Key
from anomaly.windows.cut import cut_of
from anomaly.windows.series import SeriesWindows
from anomaly.windows.unscored import UnscoredSeries, ranked, reason_of

# The opening severities of a sweep; severities that are not above the pipeline's `close` are left out.
SWEEP = (55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0, 95.0)


class BacktestReplay:
    """Scores the windows of all series, and keeps their periods; it does not keep single windows.

    Attributes:
        series: the keys of the series that have windows.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        model: Model,
        events: EventCounter,
        sweep: Iterable[float] = SWEEP,
        feedback: Feedback | None = None,
    ) -> None:
        """Begin without any window.

        Args:
            pipeline: the pipeline.
            model: the model that scores.
            events: counts scored and other windows.
            sweep: opening severities besides the pipeline's own.
            feedback: marks that keep windows out of periods; such windows are left out of the days, too.
        """
        self._pipeline = pipeline
        self._model = model
        self._events = events
        self._feedback = feedback
        self._left_out = 0
        self._scorer = Scorer(pipeline, events)
        self._others = {
            severity: rules(replace(pipeline, periods=replace(pipeline.periods, open=severity)))
            for severity in sweep
            if severity > pipeline.periods.close and severity != pipeline.periods.open
        }
        self._trackers: dict[tuple[Key, float], Tracker] = {}
        self._found: dict[float, dict[tuple[Key, int], FoundPeriod]] = {
            severity: {} for severity in sorted((*self._others, pipeline.periods.open))
        }
        self.series: set[Key] = set()
        self._scored: set[Key] = set()
        # The series of which no window was scored yet.
        self._unscored: dict[Key, UnscoredSeries] = {}

    def feed(self, windows: SeriesWindows) -> None:
        """Score the next windows of a series.

        Args:
            windows: windows in the order of time, later than all before of their series.
        """
        key = windows.key
        self.series.add(key)
        for scored in self._scorer.feed(self._model, windows, self._feedback):
            self._scored.add(key)
            self._left_out += scored.suppressed is not None
            end_ns = cut_of(self._pipeline).after(scored.begin_ns)
            self._keep(self._pipeline.periods.open, windows.key, end_ns, scored.periods)
            for severity in self._others:
                self._keep(severity, windows.key, end_ns, self._periods(severity, windows.key, scored))
        if key in self._scored:
            self._unscored.pop(key, None)
        elif len(windows):
            before = self._unscored[key].windows if key in self._unscored else 0
            reason = reason_of(self._pipeline, windows.values, windows.counts)
            self._unscored[key] = UnscoredSeries(key, before + len(windows), reason)

    @property
    def unscored(self) -> list[UnscoredSeries]:
        """The series of which no window was scored, those with most windows first."""
        return ranked(self._unscored.values())

    @property
    def counts(self) -> Mapping[str, int]:
        """How many windows were scored, and how many were not, by reason."""
        return self._events.counts

    @property
    def scored_windows(self) -> int:
        """The number of scored windows of all series."""
        return self._events.counts.get("scored windows", 0)

    def evaluations(self, truth: Truth) -> dict[float, Evaluation]:
        """Return the evaluation of each opening severity, ascending.

        Args:
            truth: the labels and the known false alarms.
        """
        return {
            severity: evaluate(
                truth,
                periods.values(),
                self.scored_windows - self._left_out,
                group_by=self._pipeline.group_by,
                window_ns=self._pipeline.window_ns,
            )
            for severity, periods in self._found.items()
        }

    def _periods(self, severity: float, key: Key, scored: ScoredWindow) -> list[Period]:
        """Return the periods that a window opens, changes or ends at an opening severity of the sweep."""
        tracker = self._trackers.get((key, severity))
        if tracker is None:
            tracker = self._trackers[key, severity] = Tracker(self._others[severity], self._pipeline.fields)
        periods = track(tracker, scored.begin_ns, scored.verdict, scored.suppressed).periods
        return periods if self._feedback is None else self._feedback.countable(key, periods)

    def _keep(self, severity: float, key: Key, known_ns: int, periods: Iterable[Period]) -> None:
        """Keep the newest state of each period, and the end of the window that made it known first."""
        kept = self._found[severity]
        for period in periods:
            before = kept.get((key, period.begin_ns))
            kept[key, period.begin_ns] = FoundPeriod(key, period, known_ns if before is None else before.known_ns)
