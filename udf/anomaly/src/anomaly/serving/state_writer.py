"""Writes the file of a state beside the scoring, part by part.

A state of many series takes seconds to write. So a thread asks for one part of it at a time, under a lock that the
handler holds while it scores, and writes the part without the lock: scoring waits for a part to be copied, some
milliseconds, and nobody needs memory for a copy of the whole. While windows are due, the thread lets scoring go first.
A small state is written at once.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event, Thread

from anomaly.scoring.state_file import StateError, StateFile, StateHeader
from anomaly.windows.arrays import AnyArray

Parts = Iterator[Mapping[str, AnyArray]]
# How long the end of a process waits for the part that is being written.
_PATIENCE_S = 0.5
# How long a part waits for scoring that is behind. So the state is written even where scoring always is.
_GIVE_WAY_S = 1.0


@dataclass(frozen=True, slots=True)
class Written:
    """A state that was written.

    Attributes:
        size: the file's size in bytes.
        seconds: how long it took to make and to write.
    """

    size: int
    seconds: float


class _Stopped(Exception):
    """The process ends."""


class StateWriter:
    """Writes the states of one pipeline.

    Args:
        file: the file.
        lock: what is held by whoever changes the state.

    Attributes:
        may_go_on: cleared while scoring is behind, so that the parts of a state wait.
    """

    def __init__(self, file: StateFile, lock: AbstractContextManager[object]) -> None:
        self._file = file
        self._lock = lock
        self._thread: Thread | None = None
        self._end = Event()
        self.may_go_on = Event()
        self.may_go_on.set()
        self._outcomes: list[Written | StateError] = []

    def write(self, header: StateHeader, parts: Parts) -> Written:
        """Write a state in this thread.

        Args:
            header: what the state was made for.
            parts: the state.

        Raises:
            StateError: the file cannot be written.
        """
        started = time.monotonic()
        return Written(self._file.write(header, parts), time.monotonic() - started)

    def begin(self, header: StateHeader, parts: Parts) -> None:
        """Write a state in a thread, unless the one before is still being written; `outcomes` tells what became of it.

        Args:
            header: what the state was made for.
            parts: the state; each part is made under the lock.
        """
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._run, args=(header, parts), name="state", daemon=True)
            self._thread.start()

    def outcomes(self) -> list[Written | StateError]:
        """Return what became of the states that a thread has written since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    @property
    def is_stopping(self) -> bool:
        """Whether no further part will be written."""
        return self._end.is_set()

    def stop(self) -> None:
        """Give up a state that is being written; the file before it stays."""
        self._end.set()
        self.may_go_on.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)

    def wait(self) -> None:
        """Wait for the state that is being written."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, header: StateHeader, parts: Parts) -> None:
        try:
            # Others may take the outcomes meanwhile, so the list is looked up afterwards.
            written = self.write(header, self._locked(parts))
            self._outcomes.append(written)
        except StateError as error:
            self._outcomes.append(error)
        except _Stopped:
            return
        except Exception as error:
            # A thread has nobody to raise to.
            self._outcomes.append(
                StateError(f"the state cannot be made ({error!r}): a restart goes on from the state before")
            )

    def _locked(self, parts: Parts) -> Parts:
        while True:
            self.may_go_on.wait(_GIVE_WAY_S)
            if self._end.is_set():
                raise _Stopped
            with self._lock:
                part = next(parts, None)
            if part is None:
                return
            yield part
