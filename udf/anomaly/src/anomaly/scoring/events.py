"""Counts of what happened to windows and points, logged now and then."""

import time
from collections.abc import Callable

_SAY_EVERY = 600.0


class EventCounter:
    """Counts events by name, and logs them.

    The first event of a name is explained at once, if it comes with an explanation. All counts are logged at most every
    ten minutes, and by `report`.

    Args:
        prefix: the begin of each message.
        log: writes a message.
        clock: the time in seconds; tests replace it.

    Attributes:
        counts: the number of events by name.
    """

    def __init__(self, prefix: str, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._prefix = prefix
        self._log = log
        self._clock = clock
        self._next = clock() + _SAY_EVERY
        self._said: dict[str, int] = {}
        self.counts: dict[str, int] = {}

    def add(self, name: str, count: int, explanation: str = "") -> None:
        """Count events.

        Args:
            name: what happened.
            count: how often.
            explanation: what happened to the first of them, for the log.
        """
        if count:
            first = name not in self.counts
            self.counts[name] = self.counts.get(name, 0) + count
            if first and explanation:
                self._log(f"{self._prefix}: {explanation} (counted as {name}; the next ones are not said one by one)")
        if self._clock() >= self._next:
            self.report()

    def report(self) -> None:
        """Log all counts, if any has changed since the last report."""
        self._next = self._clock() + _SAY_EVERY
        if self.counts != self._said:
            self._said = dict(self.counts)
            # Names are plurals, so the number stands behind them: one of a thing reads right, too.
            counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
            self._log(f"{self._prefix}: counted so far: {counts}")
