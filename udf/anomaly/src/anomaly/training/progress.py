"""How far a training is: a bar that moves on a terminal, a line now and then in a log.

No library: the image that trains is the one that serves, and a bar is not worth a dependency of it.
"""

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

_WIDTH = 30
# A terminal's eye, and a log's patience.
_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 10.0


class Progress(Protocol):
    """What long work tells."""

    def say(self, message: str) -> None:
        """Something worth a line of its own."""

    def at(self, share: float, what: str) -> None:
        """`share` (0 to 1) of the work that `what` names is done; 1 ends it."""


class SilentProgress:
    """Tells nobody."""

    def say(self, message: str) -> None:
        """Nothing."""

    def at(self, share: float, what: str) -> None:
        """Nothing."""


class TerminalBar:
    """For a terminal: one line, drawn anew."""

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._next = float("-inf")
        self._drawn = False

    def say(self, message: str) -> None:
        """Above the bar."""
        self._file.write(f"{self._clear()}{message}\n")
        self._file.flush()

    def at(self, share: float, what: str) -> None:
        """Moves the bar."""
        if share < 1.0 and self._clock() < self._next:
            return
        self._next = self._clock() + _REDRAW_SECONDS
        full = round(_WIDTH * share)
        bar = "#" * full + "." * (_WIDTH - full)
        self._file.write(f"{self._clear()}[{bar}] {share:4.0%} {what}")
        self._drawn = True
        if share >= 1.0:
            self._file.write("\n")
            self._drawn = False
        self._file.flush()

    def _clear(self) -> str:
        drawn, self._drawn = self._drawn, False
        return "\r\x1b[K" if drawn else ""


class LogLines:
    """For a log, such as Ansible's: a line when work ends, and every ten seconds before; each begins with `prefix`."""

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.monotonic, prefix: str = "") -> None:
        self._file = file
        self._clock = clock
        self._prefix = prefix
        self._next = clock() + _LINE_SECONDS

    def say(self, message: str) -> None:
        """A line, in one piece: other threads may write to the same file."""
        self._file.write(f"{self._prefix}{message}\n")
        self._file.flush()

    def at(self, share: float, what: str) -> None:
        """A line, if it is time."""
        if share >= 1.0 or self._clock() >= self._next:
            self._next = self._clock() + _LINE_SECONDS
            self.say(f"{share:.0%} {what}")


def progress(file: TextIO | None = None, one_of_several: str = "") -> Progress:
    """A bar if `file` (standard error) is a terminal, lines otherwise.

    one_of_several: the name of work that is done at the same time as other work. It has lines, which begin with its
    name: a bar can show one thing.
    """
    file = sys.stderr if file is None else file
    if one_of_several:
        return LogLines(file, prefix=f"{one_of_several}: ")
    return TerminalBar(file) if file.isatty() else LogLines(file)
