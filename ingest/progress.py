"""Shows how far a write is: with a bar on a terminal, and with a plain line every few seconds in a log."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ingest.times import format_duration

_EVERY_S = 5.0


class Reporter(Protocol):
    """Shows how far a long write is."""

    def advance(self, points: int, where: str) -> None:
        """Show progress.

        Args:
            points: how many more points are written.
            where: the time in the data that is reached.
        """

    def note(self, text: str) -> None:
        """Print a line of its own."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ProgressBar:
    """A progress bar.

    Args:
        title: the text before the bar.
        total: how many points there are; None if that is not known beforehand.
        console: where to draw.
    """

    def __init__(self, title: str, total: int | None, console: Console) -> None:
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        more = [TaskProgressColumn(show_speed=True), TimeElapsedColumn(), TimeRemainingColumn()]
        self._progress = Progress(*columns, *more, TextColumn("{task.fields[where]}"), console=console)
        self._task = self._progress.add_task(title, total=total, where="")

    def advance(self, points: int, where: str) -> None:
        """Move the bar."""
        self._progress.update(self._task, advance=points, where=where)

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class PlainLines:
    """Prints a line every few seconds, for logs.

    Args:
        title: the begin of each line.
        total: how many points there are; None if that is not known beforehand.
        file: where to print.
        unit: the noun for the points.
        clock: returns seconds.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        file: TextIO,
        unit: str = "points",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title = title
        self._total = total
        self._file = file
        self._unit = unit
        self._clock = clock
        self._began = self._said = clock()
        self._points = 0

    def advance(self, points: int, where: str) -> None:
        """Count the points, and print the count now and then."""
        self._points += points
        now = self._clock()
        if now - self._said >= _EVERY_S:
            self._said = now
            of = f" of {self._total:,} ({100 * self._points // self._total} %)" if self._total else ""
            elapsed = format_duration(int(now - self._began) * 1_000)
            self.note(f"{self._title}: {self._points:,}{of} {self._unit}, at {where}, {elapsed} so far")

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=self._file, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


def reporter(title: str, total: int | None, file: TextIO | None = None, unit: str = "points") -> Reporter:
    """Return a bar if the file is a terminal, and plain lines otherwise.

    Args:
        title: the name of the write.
        total: how many points there are; None if that is not known beforehand.
        file: where to print; None: standard error.
        unit: the noun for the points.
    """
    file = sys.stderr if file is None else file
    if file.isatty():
        return ProgressBar(title, total, Console(file=file))
    return PlainLines(title, total, file, unit)
