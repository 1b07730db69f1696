"""How often something that is asked for all the time is looked at."""

from collections.abc import Callable


class Pace:
    """Lets one call through in each period of seconds, the first at once.

    Args:
        seconds: the period.
        clock: the time in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = float("-inf")

    def due(self) -> bool:
        """Return whether the period is over; if so, the next one begins now."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
