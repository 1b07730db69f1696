"""Says how far it is: a bar on a terminal, a plain line every few seconds elsewhere. Always on standard error."""

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
    """Reports on a long write."""

    def advance(self, points: int, where: str) -> None:
        """Report that `points` more points are done; ``where`` tells the place in the data."""

    def note(self, text: str) -> None:
        """Print a line of its own."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ProgressBar:
    """A progress bar; ``total`` None when the number of points is not known beforehand."""

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
    """A line every few seconds, for logs."""

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
        """Count, and say so now and then."""
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
    """A bar if ``file`` (standard error) is a terminal, plain lines otherwise."""
    file = sys.stderr if file is None else file
    if file.isatty():
        return ProgressBar(title, total, Console(file=file))
    return PlainLines(title, total, file, unit)
