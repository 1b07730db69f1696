"""What the command lines of benchmarks share: their console, a count among their arguments, and where results go."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console


def make_console(width: int) -> Console:
    """Return the console of standard output, which is this wide if it is not a terminal."""
    console = Console()
    if not console.is_terminal:
        console.width = width
    return console


def count_of(what: str) -> Callable[[str], int]:
    """Return an argument's type: a number of such things, 1 or more."""

    def count(text: str) -> int:
        if not text.isdecimal() or int(text) == 0:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {what}. Fix: 1 or more")
        return int(text)

    return count


def print_error(error: Exception) -> None:
    """Print to standard error why nothing was measured."""
    Console(stderr=True).print(f"bench: {error}", style="red", markup=False, highlight=False)


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result, into a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def print_json(console: Console, rows: Any) -> None:
    """Print figures as one line of JSON."""
    console.print(f"\n{json.dumps(rows)}", soft_wrap=True, markup=False, highlight=False)
