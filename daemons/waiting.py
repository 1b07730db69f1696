"""How often a condition is asked for while it is waited for."""

import time
from collections.abc import Iterator

_SHORTEST_S = 0.02
_LONGEST_S = 0.5
# A condition is noticed late by at most this share of the time that it took.
_SHARE = 0.05


def attempts(seconds: float) -> Iterator[None]:
    """Yield whenever it is time to ask again, for this many seconds and once more.

    The pauses grow with the time that has passed: many conditions are queries, and to ask at a steady pace, soon
    enough for the quick ones, would cost more processor time than what is waited for.
    """
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        yield
        time.sleep(min(max(_SHORTEST_S, passed * _SHARE), _LONGEST_S))
    yield
