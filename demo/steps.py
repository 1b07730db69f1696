"""Prints the headings of the steps, and measures how long each step takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Announces each step, and says how long it took.

    Attributes:
        current: the number and title of the step that runs; empty before the first.
        elapsed_s: how long each finished step took, in seconds, by key.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._number = 0
        self.current = ""
        self.elapsed_s: dict[str, float] = {}

    @contextmanager
    def step(self, key: str, title: str, takes: str) -> Iterator[None]:
        """Run the body of a ``with`` statement as a step.

        Args:
            key: the step's name in the report.
            title: its heading.
            takes: how long it will take, for people.
        """
        self._number += 1
        self.current = f"step {self._number} of {self._total}: {title}"
        self._console.print()
        self._console.print(f"[bold]{self._number}/{self._total} {title}[/bold] [dim]({takes})[/dim]", highlight=False)
        began = time.monotonic()
        yield
        self.elapsed_s[key] = time.monotonic() - began
        self._console.print(f"[dim]    done in {human(self.elapsed_s[key])}[/dim]", highlight=False)


def human(seconds: float) -> str:
    """Return a duration for people, such as ``8.0 s`` or ``3 min 05 s``."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{seconds:.1f} s"
