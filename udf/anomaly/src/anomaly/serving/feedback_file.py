"""Marks on disk: `<models>/<pipeline>/feedback.json`.

The UDF has no network and cannot ask InfluxDB, where people's marks are kept. So whoever has (`anomaly feedback`,
`anomaly train`) writes them beside the models, and running UDFs notice within a second.
"""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from anomaly.models.store import StoreError, replace_file, store_error
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback, Mark
from anomaly.serving.pace import Pace

_NAME = "feedback.json"
_LOOK_EVERY = 1.0


def feedback_path(models: Path | str, pipeline: str) -> Path:
    """Where a pipeline's marks are."""
    return Path(models) / pipeline / _NAME


def read_marks(path: Path) -> list[Mark]:
    """All marks; none without a file. Raises StoreError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Mark.from_dict(mark) for mark in content["marks"]]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise store_error("read", path, error) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{path} is damaged ({error}): write it anew with `anomaly feedback sync`") from error


def write_marks(path: Path, marks: Iterable[Mark]) -> None:
    """Replaces them, atomically. Raises StoreError."""
    text = json.dumps({"marks": [mark.as_dict() for mark in marks]}, indent=2, ensure_ascii=False) + "\n"
    replace_file(path, text.encode())


class FeedbackWatcher:
    """Gives the marks as of now. Looks at the file at most once a second; one that cannot be read is said once, and the
    marks before it stay. `clock` gives seconds, and may be replaced in tests."""

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
        """The marks."""
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
