"""The scoring core: one way from a series' windows to the results that are written of them.

Serving, and a shadow beside it, hand windows in and write what comes out. A backtest and a catch-up need verdicts
rather than results, so they call the `Scorer` below it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.drift import DriftMonitor
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.periods import Rules
from anomaly.scoring.results import Result, results
from anomaly.scoring.scorer import Scorer
from anomaly.windows.series import SeriesWindows
from kapacitor_udf import Counters


class ScoringCore:
    """Scores a pipeline's windows and follows their drift.

    Args:
        pipeline: the pipeline.
        events: counts the windows, those that are not scored by reason.
        counters: holds the number of series; None: nobody asks.
    """

    def __init__(self, pipeline: Pipeline, events: EventCounter, counters: Counters | None = None) -> None:
        self._pipeline = pipeline
        self._events = events
        self._scorer = Scorer(pipeline, events, counters)
        self._drift = DriftMonitor(pipeline)

    @property
    def rules(self) -> Rules:
        """The rules by which periods open and close."""
        return self._scorer.rules

    def feed(self, model: Model | None, windows: SeriesWindows, feedback: Feedback) -> Iterator[Result]:
        """Score the next windows of a series.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, by time.
            feedback: the marks that keep windows out of periods.

        Yields:
            Each scorable window's `score`, the `period`s that it made known, and `drift` when it is time for one.
        """
        for scored in self._scorer.feed(model, windows, feedback):
            yield from results(self._pipeline, windows.key, scored)
            for drift in self._drift.feed(windows.key, scored):
                self._say_drift(drift)
                yield drift

    def _say_drift(self, drift: Result) -> None:
        if drift.fields["drifted"]:
            series = ", ".join(f"{name}={value}" for name, value in drift.tags.items() if name != "pipeline")
            self._events.add(
                "results that say drift",
                1,
                f"{series or 'the series'} is no longer as in training: stability index {drift.fields['psi']:.2f}, "
                f"{drift.fields['above']:.1%} of the windows anomalous: train again if it is as it should be",
            )

    def state(self, model: Model | None) -> dict[str, Any] | None:
        """Return the state of all series for JSON; None before the first window. `model` is the one that scores."""
        series = self._scorer.state()
        return {"series": series, "drift": self._drift.state(model)} if series else None

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken. Raises KeyError, TypeError or ValueError for a state of another pipeline."""
        self._scorer.restore(state["series"])
        self._drift.restore(state["drift"])
