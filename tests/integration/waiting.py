"""Waits for conditions, so that no test sleeps and hopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from daemons.waiting import attempts

T = TypeVar("T")

PATIENCE_S = 300.0
"""Far longer than what tests wait for takes on a machine that is slow and busy: only a failure takes that long."""


def wait_for(
    condition: Callable[[], T], what: str, seconds: float = PATIENCE_S, explain: Callable[[], str] = lambda: ""
) -> T:
    """The first truthy value of `condition`.

    Args:
        condition: asked again and again. An OSError (nothing listens yet) counts as "not yet".
        what: completes "waited for".
        seconds: only a failure takes that long.
        explain: what else to say when it never came.
    """
    last: object = None
    for _ in attempts(seconds):
        try:
            value = condition()
        except OSError as error:
            last = error
        else:
            if value:
                return value
            last = value
    message = f"waited {seconds:.0f} s in vain for {what}; last seen: {last!r}"
    raise AssertionError("\n".join(filter(None, [message, explain()])))
