"""What people and calendars say of a pipeline's windows, in a process that goes on running."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from anomaly.counted import counted
from anomaly.locations import CALENDARS_VARIABLE
from anomaly.models.store import StoreError
from anomaly.pipeline import Pipeline
from anomaly.pipeline.calendars_file import CalendarsError, calendars_name, read_calendars
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.feedback_file import read_marks
from anomaly.serving.pace import Pace

_LOOK_EVERY = 1.0
# Time of the last change, of the content or of the rights, and number of a file; None without the file.
_Signature = tuple[int, int] | None
# What no file has.
_UNSEEN = -1, -1


def calendars_path(pipeline: str) -> Path | None:
    """Return the path of a pipeline's calendars; None where the deployment has no such files."""
    folder = os.environ.get(CALENDARS_VARIABLE)
    return Path(folder) / calendars_name(pipeline) if folder else None


class FeedbackWatcher:
    """Gives the current marks and calendars, and looks at their files at most once a second.

    A file that cannot be read is logged once, and what was known before stays. No file of marks means no marks. A file
    of calendars is always there, so without it the calendars before stay: at first those of the specification, in
    which an earlier release had all of them.

    Args:
        path: the file of marks.
        pipeline: the pipeline.
        log: writes a message.
        clock: the time in seconds; tests replace it.
        calendars: the file of calendars; None: those of the specification hold.
    """

    def __init__(
        self,
        path: Path,
        pipeline: Pipeline,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        calendars: Path | None = None,
    ) -> None:
        self._path = path
        self._calendars = calendars
        self._pipeline = pipeline
        self._log = log
        self._pace = Pace(_LOOK_EVERY, clock)
        self._marks_seen: _Signature = None
        self._calendars_seen: _Signature = _UNSEEN
        self._feedback = Feedback(pipeline)

    def feedback(self) -> Feedback:
        """Return the marks and the calendars."""
        if self._pace.due():
            self._look_at_calendars()
            self._look_at_marks()
        return self._feedback

    def _look_at_marks(self) -> None:
        seen = _sign(self._path)
        if seen == self._marks_seen:
            return
        self._marks_seen = seen
        try:
            marks = read_marks(self._path)
        except StoreError as error:
            self._log(f"{error} (the marks before it stay)")
            return
        self._feedback = Feedback(self._pipeline, marks)
        self._log(f"pipeline {self._pipeline.name}: {counted(len(marks), 'mark')} of feedback")

    def _look_at_calendars(self) -> None:
        if self._calendars is None:
            return
        seen = _sign(self._calendars)
        if seen == self._calendars_seen:
            return
        self._calendars_seen = seen
        before = self._pipeline.live_calendars
        try:
            pipeline = read_calendars(self._calendars, self._pipeline)
        except CalendarsError as error:
            stay = "the calendars before it stay" if before else "no maintenance or quiet time holds"
            self._log(f"{error} ({stay})")
            return
        if pipeline.live_calendars == before:
            return
        self._pipeline = pipeline
        self._feedback = Feedback(pipeline, self._feedback.marks)
        self._log(f"pipeline {pipeline.name}: calendars of maintenance and quiet times: {len(pipeline.live_calendars)}")


def _sign(path: Path) -> _Signature:
    """Return what tells a file from one that replaces it, and from itself with rights that have changed."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ctime_ns, status.st_ino
