"""The watch over the handler's calls: tells of one that takes long, and calls one that takes too long hung.

A life sign says that the handler is at work, and Kapacitor waits for as long as it gets them: a call that never returns
would hold it up for ever, and with it every write and every task. So life signs vouch for a call only up to the limit
of its kind. Then the process has to end, which Kapacitor shows as the task's error.

Calls are noted by whoever makes them (`Calls`), in two assignments, as there is one for each point. The watch looks at
the notes from time to time, from another thread. It takes a call for the same one if its number is the same, so it
knows how long a call has taken only to the time between two looks.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from ._limits import Limits
from ._log import one_line, told

_MOST_FRAMES = 40
# Seconds between two looks at most.
_RARELY = 1.0


class Calls:
    """Notes which method of the handler runs now.

    Attributes:
        what: the method's name, None while none runs.
        number: counts calls, so that one call is told from the next.
        thread: the thread that calls.
        is_child: whether this process was forked by the handler.
    """

    __slots__ = ("is_child", "number", "thread", "what")

    def __init__(self) -> None:
        self.is_child = False
        self.what: str | None = None
        self.number = 0
        self.thread = threading.get_ident()

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Note a call for as long as it takes.

        Args:
            what: the method's name.
        """
        self.number += 1
        self.what = what
        try:
            yield
        except BaseException as error:
            if self.is_child:
                self.end_child(what, error)
            raise
        finally:
            self.what = None
        if self.is_child:
            self.end_child(what, None)

    def end_child(self, what: str, error: BaseException | None) -> NoReturn:
        """End a process that the handler has forked and that comes back from the handler's method.

        Its copy of the conversation has no other thread, and what it would say is said by its parent already. Locks may
        be held for ever, so it writes straight to descriptor 2.

        Args:
            what: the method's name.
            error: what the method raised, None if it returned.
        """
        code: object = 0
        how = "has returned"
        if error is not None:
            how = f"was left by {type(error).__name__}: {told(error)}"
            code = error.code if isinstance(error, SystemExit) else 1
        status = code if isinstance(code, int) else int(code is not None)
        line = f"the process {os.getpid()}, which was forked in {what}(), ends as {what}() {how}: end it by os._exit()"
        os.write(2, one_line(line).encode() + b"\n")
        os._exit(status & 0xFF)

    def frame(self) -> FrameType | None:
        """Return where the calling thread is now, None if there is no such thread any more."""
        return sys._current_frames().get(self.thread)


@dataclass(frozen=True, slots=True)
class Long:
    """A call that takes long.

    Attributes:
        what: the method's name.
        seconds: for how long it has been running at least.
        limit: the name of its limit.
        most: the limit, in seconds.
        is_hung: whether it has reached the limit.
        stack: where it is, an entry of one or more lines for each frame, the innermost last.
    """

    what: str
    seconds: float
    limit: str
    most: float
    is_hung: bool
    stack: list[str]

    @property
    def began(self) -> str:
        """When it began, by the host's clock."""
        return time.strftime("%H:%M:%S UTC", time.gmtime(time.time() - self.seconds))

    @property
    def place(self) -> str:
        """The innermost frame in which it is."""
        return self.stack[-1].partition("\n")[0].strip() if self.stack else "an unknown place"

    @property
    def verdict(self) -> str:
        """One sentence on a call that has hung."""
        return (
            f"{self.what}() has not returned for {self.most:g} s, since {self.began}, which is its limit "
            f"({self.limit}): it hangs in {self.place}"
        )


class Watch:
    """Looks at the handler's calls from another thread than that of the calls."""

    def __init__(self, calls: Calls, limits: Limits) -> None:
        """Begin to watch.

        Args:
            calls: notes of what runs.
            limits: how long each kind of call may take, and from when on it is told.
        """
        self._calls = calls
        self._slow = limits.slow
        self._limits = {
            "init": ("longest_init", limits.longest_init),
            "restore": ("longest_restore", limits.longest_restore),
            "snapshot": ("longest_snapshot", limits.longest_snapshot),
            "tick": ("longest_tick", limits.longest_tick),
        }
        self._data = ("longest_data", limits.longest_data)
        self._number: int | None = None
        self._since = 0.0
        self._told = False
        shortest = min(limits.slow, self._data[1], *(most for _, most in self._limits.values()))
        self.every = min(_RARELY, shortest / 4)

    def look(self) -> Long | None:
        """Look at what runs now.

        Returns:
            A call that takes long, once for each call when it is slow, and when it has hung; else None.
        """
        calls, now = self._calls, time.monotonic()
        number, what = calls.number, calls.what
        if what is None or what == "close" or calls.number != number:  # the countdown bounds close()
            self._number = None
            return None
        if number != self._number:
            self._number, self._since, self._told = number, now, False
            return None
        limit, most = self._limits.get(what, self._data)
        took = now - self._since
        is_hung = took >= most
        if not is_hung and (self._told or took < self._slow):
            return None
        self._told = True
        return Long(what, took, limit, most, is_hung, self._stack())

    def _stack(self) -> list[str]:
        frame = self._calls.frame()
        return [] if frame is None else traceback.format_list(traceback.extract_stack(frame)[-_MOST_FRAMES:])
