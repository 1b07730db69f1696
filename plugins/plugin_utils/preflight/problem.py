"""One thing that is wrong, told so that the reader can put it right."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

LONGEST_VALUE = 120


def show(value: Any) -> str:
    """A value on one line, short enough for a message."""
    try:
        text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = repr(value)
    text = " ".join(text.split()) if text.strip() else json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def one_of(value: Any, known: Sequence[str], nothing: str = "") -> str:
    """What to write instead of a value that is none of the known ones: the nearest, else any; `nothing` if there are
    none."""
    near = difflib.get_close_matches(str(value), known, n=1)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(known) or nothing}"


@dataclass(frozen=True)
class Problem:
    """`thing = value: wrong. Fix: fix`.

    Args:
        thing: the variable, group or resource.
        value: as `show` writes it; None where there is none to show.
        wrong: what is wrong with it.
        fix: what to do.
        where: file and line that set it, where known.
        host: the inventory host it was found on; None for the inventory as a whole.
    """

    thing: str
    value: str | None
    wrong: str
    fix: str
    where: str | None = None
    host: str | None = None

    def text(self) -> str:
        """The problem without its host."""
        subject = self.thing if self.value is None else f"{self.thing} = {self.value}"
        place = f" ({self.where})" if self.where else ""
        return f"{subject}{place}: {self.wrong}. Fix: {self.fix}"


def report(problems: Iterable[Problem], hosts: Iterable[str]) -> list[str]:
    """One line for each problem; the same problem of several hosts is told once, with the hosts unless it is all."""
    everyone = set(hosts)
    found: dict[Problem, set[str]] = {}
    for problem in problems:
        affected = found.setdefault(replace(problem, host=None), set())
        affected |= {problem.host} if problem.host is not None else everyone
    return [
        problem.text() if affected >= everyone else f"{', '.join(sorted(affected))}: {problem.text()}"
        for problem, affected in found.items()
    ]
