"""What is looked at often, but need not be looked at each time."""

from collections.abc import Callable


class Pace:
    """Lets one through every so many seconds, the first at once. `clock` gives seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = float("-inf")

    def due(self) -> bool:
        """Whether it is time; if so, the seconds count from now."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
