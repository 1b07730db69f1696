"""A candidate that scores beside the current model, in the same process and on the same windows.

Its results go to measurements of their own, `score_shadow` and `period_shadow`, so that no dashboard, alert or report
takes them for the current model's; `anomaly models compare` lays the two side by side. Each candidate starts without an
open period, and so does each restart.
"""

from collections.abc import Callable, Iterator

from anomaly.models.store import SHADOW, Store
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.results import Result, ResultColumns, period_result, score_columns
from anomaly.scoring.scorer import Scorer
from anomaly.serving.watcher import ModelWatcher
from anomaly.windows.arrays import Key
from anomaly.windows.windows import Windows

# The ending of the measurements' names.
SUFFIX = "_shadow"


class Shadow:
    """Scores with the model that the link `shadow` points to, while there is one."""

    def __init__(
        self, store: Store, pipeline: Pipeline, log: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._pipeline = pipeline
        self._watcher = ModelWatcher(store, pipeline, log, clock, link=SHADOW)
        self._events = EventCounter(f"pipeline {pipeline.name}, shadow", log, clock)
        self._scorer: tuple[str, Scorer] | None = None

    def refresh(self) -> None:
        """Notice a candidate that has come or gone."""
        self._watcher.model()

    def feed(self, windows: Windows, feedback: Feedback) -> Iterator[Result | ResultColumns]:
        """Score the next windows with the candidate; without a candidate nothing comes out."""
        model = self._watcher.model()
        if model is None:
            self._scorer = None
            return
        if self._scorer is None or self._scorer[0] != model.version:
            self._scorer = model.version, Scorer(self._pipeline, self._events)
        for scored in self._scorer[1].feed_together(model, windows, feedback):
            yield score_columns(self._pipeline, scored, SUFFIX)
            for at, periods in scored.periods.items():
                for period in periods:
                    yield period_result(self._pipeline, scored.key(at), period, model, SUFFIX, joint=None)

    def forget(self, key: Key) -> None:
        """Forget a series."""
        if self._scorer is not None:
            self._scorer[1].forget(key)

    def close(self) -> None:
        """Log the last counts."""
        self._events.report()
