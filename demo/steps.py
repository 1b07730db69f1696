"""Headings and elapsed times of the steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Announces each step, and says how long it took. ``current`` names the one under way."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._number = 0
        self.current = ""
        self.elapsed_s: dict[str, float] = {}

    @contextmanager
    def step(self, key: str, title: str, takes: str) -> Iterator[None]:
        """Surround a step. ``key`` names it in the report, ``takes`` says how long it will be."""
        self._number += 1
        self.current = f"step {self._number} of {self._total}: {title}"
        self._console.print()
        self._console.print(f"[bold]{self._number}/{self._total} {title}[/bold] [dim]({takes})[/dim]", highlight=False)
        began = time.monotonic()
        yield
        self.elapsed_s[key] = time.monotonic() - began
        self._console.print(f"[dim]    done in {human(self.elapsed_s[key])}[/dim]", highlight=False)


def human(seconds: float) -> str:
    """``8 s`` or ``3 min 05 s``."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{seconds:.1f} s"
