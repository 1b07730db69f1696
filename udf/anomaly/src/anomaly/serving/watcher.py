"""The current model of a pipeline, or its shadow, in a process that goes on running."""

import time
from collections.abc import Callable

from anomaly.models.model import Model
from anomaly.models.store import CURRENT, SHADOW, Store, StoreError
from anomaly.pipeline import Pipeline
from anomaly.serving.pace import Pace

_LOOK_EVERY = 1.0


class Watcher:
    """Gives the model to score the next window with.

    The watcher reads the link at most once a second, and loads a version only when the link points elsewhere. A version
    that cannot be used is logged once, and the model before it stays.

    Args:
        store: the pipeline's versions.
        pipeline: the pipeline.
        log: writes a message.
        clock: the time in seconds; tests replace it.
        link: CURRENT or SHADOW.
    """

    def __init__(
        self,
        store: Store,
        pipeline: Pipeline,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        link: str = CURRENT,
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._log = log
        self._link = link
        self._pace = Pace(_LOOK_EVERY, clock)
        self._seen: str | None = None
        self._said_missing = False
        self._model: Model | None = None

    def model(self) -> Model | None:
        """Return the current model; None while there is none that fits."""
        if self._pace.due():
            self._look()
        return self._model

    def _look(self) -> None:
        try:
            version = self._store.linked(self._link)
            if version is None:
                self._missing()
            elif version != self._seen:
                self._seen = version
                self._model = self._store.load(version, self._pipeline)
                beside = "" if self._link == CURRENT else ", beside the current one"
                self._log(f"pipeline {self._pipeline.name}: scoring with model {version}{beside}")
        except StoreError as error:
            kept = "no model is used" if self._model is None else f"model {self._model.version} stays in use"
            self._log(f"{error} ({kept})")

    def _missing(self) -> None:
        if self._link == SHADOW:
            self._model, self._seen = None, None
            return
        # A link that went away while a model is in use leaves it in use: someone is tidying up.
        if self._model is None and not self._said_missing:
            self._said_missing = True
            self._log(
                f"pipeline {self._pipeline.name}: no model yet ({self._store.path / CURRENT} is not there): "
                "windows are counted as unscored "
                "until playbooks/train.yml (or `anomaly train`) has made one"
            )
