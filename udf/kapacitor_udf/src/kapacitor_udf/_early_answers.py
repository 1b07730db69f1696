"""Early answers: what Kapacitor is told while a handler is still being made or restored, and from when it takes data.

From Init to the answer, and likewise for Restore, Kapacitor takes points for the task but hands none over. A thousand
points later, every write of every database stands still, and so do all questions about tasks. A model may well take
longer to load than a busy server takes to get there. So an answer that is overdue is given before the handler is ready:
success, as it is in nearly all cases. Points are then queued here, where the queue is bounded and nobody else waits.

Ending a task waits for the answer to Snapshot, too, and for nothing before it, not even the end of the process. So a
Snapshot that waits for long behind a slow or stuck call is answered empty: Kapacitor keeps the last one that was not.

If it turns out later that the handler cannot be made, the process says so in an error message, and ends. That fails the
task with the same text as a failed Init. A restore never fails, so nothing about it can turn out later.

Kapacitor reads answers and data from one descriptor, and forwards no data before Init and Restore are answered. Data
that come before the answer to Restore are stuck in front of it, so that both sides wait until Kapacitor gives the
process up. Results follow points, which come later. What nobody has asked for, metrics and the results of ticks, waits
until it is certain that no Restore follows. Source: udf.go (runUDF) and udf/server.go (readData) of Kapacitor 1.8.6.
"""

import math
import threading
import time
from collections import deque
from dataclasses import dataclass

from . import _wire
from ._output import Output

_ANSWERS = {
    _wire.INIT: _wire.encode_init(None),
    _wire.RESTORE: _wire.encode_restored(),
    _wire.SNAPSHOT: _wire.encode_snapshot(b""),
}
# Data that wait before a snapshot are an ordinary thing, so it may take this many times as long.
_PATIENCE = {_wire.SNAPSHOT: 5}
# Kapacitor asks for a restore as soon as it has read the answer to Init, or never: this many seconds are for a machine
# that is very busy.
_RESTORE_FOLLOWS_S = 3.0


@dataclass(slots=True)
class _Question:
    """A question that has arrived, and whether it was answered."""

    kind: int
    asked_at: float
    is_answered: bool = False


class EarlyAnswers:
    """Keeps the open questions that Kapacitor stalls for, and answers those that are overdue.

    Attributes:
        after: seconds after which Init and Restore are overdue.
    """

    def __init__(self, output: Output, after: float) -> None:
        """Have no open question.

        Args:
            output: what is written to.
            after: seconds after which Init and Restore are overdue; a snapshot is after five times as many.
        """
        self._output = output
        self.after = after
        self._open: deque[_Question] = deque()
        # What is closed, but whose answer has not been written yet.
        self._unwritten: list[int] = []
        # From when on Kapacitor takes data (monotonic seconds), if no question is open.
        self._takes_data_at = math.inf
        self._lock = threading.Lock()

    def ask(self, kind: int) -> None:
        """Note that a question has arrived; the reader's thread calls this.

        Args:
            kind: `_wire.INIT`, `_wire.RESTORE` or `_wire.SNAPSHOT`; Info is left to the handling loop.
        """
        if kind in _ANSWERS:
            with self._lock:
                self._open.append(_Question(kind, time.monotonic()))

    def answer_overdue(self) -> float | None:
        """Answer what is overdue; the heartbeat's thread calls this.

        Returns:
            Seconds until the next question will be overdue, None if none is open.

        Raises:
            OSError: Kapacitor has closed its end.
        """
        waits: list[float] = []
        with self._lock:
            for question in self._open:
                if question.is_answered:
                    continue
                left = question.asked_at + self.after * _PATIENCE.get(question.kind, 1) - time.monotonic()
                if left > 0:
                    waits.append(left)
                    continue
                question.is_answered = True
                self._output.write(_ANSWERS[question.kind])
                self._answered(question.kind)
        return min(waits, default=None)

    def close(self, kind: int) -> bool:
        """Take the oldest question, as its outcome is known; the handling loop's thread calls this.

        Args:
            kind: what it is.

        Returns:
            Whether it was answered already. If not, the answer has to be written, and `written` to be called.
        """
        with self._lock:
            is_answered = bool(self._open) and self._open[0].kind == kind and self._open.popleft().is_answered
            if not is_answered:
                self._unwritten.append(kind)
            return is_answered

    def written(self) -> None:
        """Note that the answers to all closed questions are written; the handling loop's thread calls this."""
        with self._lock:
            for kind in self._unwritten:
                self._answered(kind)
            self._unwritten.clear()

    def data_came(self) -> None:
        """Note that Kapacitor has sent data, so that it asks for no restore any more."""
        with self._lock:
            self._takes_data_at = 0.0

    def takes_data(self) -> bool:
        """Whether Kapacitor takes data that it has not asked for; any thread may ask."""
        with self._lock:
            waited_for = [question.kind for question in self._open if not question.is_answered]
            return (
                not {_wire.INIT, _wire.RESTORE}.intersection(waited_for + self._unwritten)
                and time.monotonic() >= self._takes_data_at
            )

    def _answered(self, kind: int) -> None:
        """Take into account what Kapacitor does after an answer."""
        if kind == _wire.INIT:
            self._takes_data_at = min(self._takes_data_at, time.monotonic() + _RESTORE_FOLLOWS_S)
        elif kind == _wire.RESTORE:
            self._takes_data_at = 0.0
