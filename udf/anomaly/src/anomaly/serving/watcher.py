"""The current model of a pipeline, or its shadow, in a process that goes on running.

The model of thousands of series takes seconds to load. Where another model scores meanwhile, a thread loads it, and
windows go on to be scored. The process that scores takes the loaded model when it asks for the next one, which is
between two windows. The first model is loaded at once, because windows without a model are never scored; so is a small
one.
"""

import time
from collections.abc import Callable
from threading import Thread

from anomaly.models.model import Model
from anomaly.models.store import CURRENT, SHADOW, Store, StoreError
from anomaly.pipeline import Pipeline
from anomaly.serving.pace import Pace

_LOOK_EVERY = 1.0
# A model whose file is larger is loaded in a thread; this many bytes take some hundredths of a second.
_MOST_AT_ONCE = 2 * 2**20
_ARRAYS_SUFFIX = ".npz"

# Name, time of the last change, number and size of each file.
Signature = tuple[tuple[str, int, int, int], ...]


class _Loading:
    """A version that a thread loads.

    Args:
        store: the pipeline's versions.
        version: the version.
        pipeline: the pipeline.

    Attributes:
        version: as above.
        outcome: the model, or why there is none; None while it is being loaded.
    """

    def __init__(self, store: Store, version: str, pipeline: Pipeline) -> None:
        self.version = version
        self.outcome: Model | Exception | None = None
        self._thread = Thread(target=self._run, args=(store, pipeline), name="model", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the version is loaded."""
        self._thread.join()

    def _run(self, store: Store, pipeline: Pipeline) -> None:
        try:
            self.outcome = store.load(self.version, pipeline)
        except Exception as error:
            # A thread has nobody to raise to.
            self.outcome = error


class ModelWatcher:
    """Gives the model to score the next window with.

    The watcher reads the link at most once a second, and loads a version only when the link points elsewhere. A version
    that cannot be used is logged once, and the model before it stays. It is tried again when its files have changed, as
    somebody may have brought them back.

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
        # The files of the version that could not be used; None if it can.
        self._refused: Signature | None = None
        self._said_missing = False
        self._model: Model | None = None
        # The version that is being loaded beside the scoring; None if there is none.
        self._loading: _Loading | None = None

    @property
    def current(self) -> Model | None:
        """The model that `model` returned last."""
        return self._model

    def model(self) -> Model | None:
        """Look for the current model, and return it; None while there is none that fits."""
        if self._pace.due():
            self._look()
        if self._loading is not None and self._loading.outcome is not None:
            self._take(self._loading.version, self._loading.outcome)
        return self._model

    def wait(self) -> None:
        """Wait for the version that is being loaded, which `model` then returns."""
        if self._loading is not None:
            self._loading.wait()

    def _take(self, version: str, outcome: Model | Exception) -> None:
        """Use a version that was loaded beside the scoring, if it is still wanted.

        Args:
            version: the version.
            outcome: the model, or why there is none.

        Raises:
            Exception: loading failed for another reason than the version's files.
        """
        self._loading = None
        if version != self._seen:
            return
        if isinstance(outcome, Model):
            self._use(outcome)
        elif isinstance(outcome, StoreError):
            self._keep(outcome)
        else:
            raise outcome

    def _use(self, model: Model) -> None:
        self._model, self._refused = model, None
        beside = "" if self._link == CURRENT else ", beside the current one"
        self._log(f"pipeline {self._pipeline.name}: scoring with model {model.version}{beside}")

    def _keep(self, error: StoreError) -> None:
        """Say why the model before stays in use."""
        kept = "no model is used" if self._model is None else f"model {self._model.version} stays in use"
        self._log(f"{error} ({kept})")

    def _look(self) -> None:
        try:
            version = self._store.linked(self._link)
            if version is None:
                self._missing()
            elif self._loading is not None:
                # One version at a time: a later one is noticed once this one is there.
                return
            elif version != self._seen or (self._refused is not None and self._sign(version) != self._refused):
                self._seen = version
                # Signed before it is read: what changes meanwhile is read again.
                self._refused = self._sign(version)
                if self._is_slow(self._refused):
                    self._loading = _Loading(self._store, version, self._pipeline)
                else:
                    self._use(self._store.load(version, self._pipeline))
        except StoreError as error:
            self._keep(error)

    def _is_slow(self, signature: Signature) -> bool:
        """Return whether scoring would have to wait for a version, whose files are given, longer than it may."""
        scores_already = self._model is not None or self._link == SHADOW
        size = sum(size for name, _, _, size in signature if name.endswith(_ARRAYS_SUFFIX))
        return scores_already and size > _MOST_AT_ONCE

    def _sign(self, version: str) -> Signature:
        """Return what tells the files of a version from changed ones; nothing while they cannot be read."""
        try:
            paths = sorted((self._store.path / version).iterdir())
            statuses = [(path.name, path.stat()) for path in paths]
        except OSError:
            return ()
        return tuple((name, status.st_mtime_ns, status.st_ino, status.st_size) for name, status in statuses)

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
