"""Says how far a training is: with a bar that moves on a terminal, and with a line now and then in a log.

The image that trains also serves, and a bar does not justify another dependency in it. So this module draws its own.
"""

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

_WIDTH = 30
# How often a bar is drawn, and how often a log gets a line.
_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 10.0


class Progress(Protocol):
    """Shows how far long work is."""

    def say(self, message: str) -> None:
        """Say something that is worth a line of its own."""

    def note(self, message: str) -> None:
        """Say something about the data or the pipeline that people should know when the work is done."""

    def at(self, share: float, what: str) -> None:
        """Say that `share` (0 to 1) of the work that `what` names is done; 1 ends the work."""


class SilentProgress:
    """Says nothing."""

    def say(self, message: str) -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def at(self, share: float, what: str) -> None:
        """Say nothing."""


class TerminalBar:
    """Progress on a terminal: one line that is drawn again and again."""

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._next = float("-inf")
        self._drawn = False

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        self._file.write(f"{self._clear()}{message}\n")
        self._file.flush()

    def note(self, message: str) -> None:
        """Print a warning above the bar."""
        self.say(warning(message))

    def at(self, share: float, what: str) -> None:
        """Draw the bar, if it is time."""
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
    """Progress in a log, such as Ansible's: a line every ten seconds and one at the end, each led by `prefix`."""

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.monotonic, prefix: str = "") -> None:
        self._file = file
        self._clock = clock
        self._prefix = prefix
        self._next = clock() + _LINE_SECONDS

    def say(self, message: str) -> None:
        """Print a line in one piece, as other threads may write to the same file."""
        self._file.write(f"{self._prefix}{message}\n")
        self._file.flush()

    def note(self, message: str) -> None:
        """Print a warning."""
        self.say(warning(message))

    def at(self, share: float, what: str) -> None:
        """Print a line, if it is time."""
        if share >= 1.0 or self._clock() >= self._next:
            self._next = self._clock() + _LINE_SECONDS
            self.say(f"{share:.0%} {what}")


class KeptNotes:
    """Hands everything on to another progress, and keeps the notes for the end of the work.

    Args:
        progress: shows what is said meanwhile.

    Attributes:
        notes: what was noted, in its order.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.notes: list[str] = []
        self.say = progress.say
        self.at = progress.at

    def note(self, message: str) -> None:
        """Keep a note, and hand it on."""
        self.notes.append(message)
        self._progress.note(message)


def warning(message: str) -> str:
    """Return the line of a note."""
    return f"warning: {message}"


def progress(file: TextIO | None = None, one_of_several: str = "") -> Progress:
    """Return a bar if the file is a terminal, and lines otherwise.

    Args:
        file: where to write; None: standard error.
        one_of_several: the name of work that runs at the same time as other work. It gets lines that begin with its
            name, as a bar can show one work only.
    """
    file = sys.stderr if file is None else file
    if one_of_several:
        return LogLines(file, prefix=f"{one_of_several}: ")
    return TerminalBar(file) if file.isatty() else LogLines(file)
