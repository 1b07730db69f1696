"""One problem, and its message, which names the thing, its value and the fix."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

LONGEST_VALUE = 120
# What whoever opens a port to other hosts must know.
BEYOND_FIREWALLS = "published ports pass ufw and firewalld by: docs/operations.md#firewalls"


def show(value: Any) -> str:
    """Return a value on one line, short enough for a message."""
    try:
        text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = repr(value)
    text = " ".join(text.split()) if text.strip() else json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def one_of(value: Any, known: Sequence[str], nothing: str = "") -> str:
    """Return the fix for an unknown value: the nearest known value, or the list of them.

    Args:
        value: the unknown value.
        known: the known values.
        nothing: text that stands for an empty list.
    """
    near = difflib.get_close_matches(str(value), known, n=1)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(known) or nothing}"


@dataclass(frozen=True)
class Problem:
    """One problem, with the message `thing = value: wrong. Fix: fix`.

    Attributes:
        thing: the variable, group or resource.
        value: its value as `show` returns it; None if there is no value to show.
        wrong: what is wrong with it.
        fix: what the user should do.
        where: file and line that set it; None if unknown.
        host: inventory host with the problem; None for the inventory as a whole.
    """

    thing: str
    value: str | None
    wrong: str
    fix: str
    where: str | None = None
    host: str | None = None

    def text(self) -> str:
        """Return the message without the host."""
        subject = self.thing if self.value is None else f"{self.thing} = {self.value}"
        place = f" ({self.where})" if self.where else ""
        return f"{subject}{place}: {self.wrong}. Fix: {self.fix}"


def report(problems: Iterable[Problem], hosts: Iterable[str]) -> list[str]:
    """Return one line for each problem, which names the hosts with the problem unless all have it."""
    everyone = set(hosts)
    hosts_of: dict[Problem, set[str]] = {}
    for problem in problems:
        affected = hosts_of.setdefault(replace(problem, host=None), set())
        affected |= {problem.host} if problem.host is not None else everyone
    return [
        problem.text() if affected >= everyone else f"{', '.join(sorted(affected))}: {problem.text()}"
        for problem, affected in hosts_of.items()
    ]
