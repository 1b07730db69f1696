"""Waits for conditions, so that no test sleeps and hopes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.25


def wait_for(condition: Callable[[], T], what: str, seconds: float = 60, explain: Callable[[], str] = lambda: "") -> T:
    """The first truthy value of `condition`.

    Args:
        condition: asked again and again. An OSError (nothing listens yet) counts as "not yet".
        what: completes "waited for".
        seconds: generous; only a failure takes that long.
        explain: what else to say when it never came.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            value = condition()
        except OSError as error:
            last = error
        else:
            if value:
                return value
            last = value
        if time.monotonic() > deadline:
            message = f"waited {seconds:.0f} s in vain for {what}; last seen: {last!r}"
            raise AssertionError("\n".join(filter(None, [message, explain()])))
        time.sleep(_POLL_SECONDS)
