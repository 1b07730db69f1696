"""A pipeline's marks of feedback in a process that goes on running."""

import time
from collections.abc import Callable
from pathlib import Path

from anomaly.models.store import StoreError
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.feedback_file import read_marks
from anomaly.serving.pace import Pace

_LOOK_EVERY = 1.0


class FeedbackWatcher:
    """Gives the current marks, and reads their file at most once a second.

    A file that cannot be read is logged once, and the marks before it stay.

    Args:
        path: the file of marks.
        pipeline: the pipeline.
        log: writes a message.
        clock: the time in seconds; tests replace it.
    """

    def __init__(
        self,
        path: Path,
        pipeline: Pipeline,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._pipeline = pipeline
        self._log = log
        self._pace = Pace(_LOOK_EVERY, clock)
        self._seen: tuple[int, int] | None = None
        self._feedback = Feedback(pipeline)

    def feedback(self) -> Feedback:
        """Return the marks."""
        if self._pace.due():
            self._look()
        return self._feedback

    def _look(self) -> None:
        try:
            status = self._path.stat()
            seen = status.st_mtime_ns, status.st_ino
        except OSError:
            seen = None
        if seen == self._seen:
            return
        self._seen = seen
        try:
            marks = read_marks(self._path)
        except StoreError as error:
            self._log(f"{error} (the marks before it stay)")
            return
        self._feedback = Feedback(self._pipeline, marks)
        self._log(f"pipeline {self._pipeline.name}: {len(marks)} marks of feedback")
