"""Counts of what happened to windows and points, said in the log now and then."""

import time
from collections.abc import Callable

_SAY_EVERY = 600.0


class EventCounter:
    """Counts by name. The first of each kind that comes with an explanation is explained at once; all counts are said
    at most every ten minutes, and by `report`. `clock` gives seconds, and may be replaced in tests."""

    def __init__(self, prefix: str, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._prefix = prefix
        self._log = log
        self._clock = clock
        self._next = clock() + _SAY_EVERY
        self._said: dict[str, int] = {}
        self.counts: dict[str, int] = {}

    def add(self, name: str, count: int, explanation: str = "") -> None:
        """Counts `count` more of `name`."""
        if count:
            first = name not in self.counts
            self.counts[name] = self.counts.get(name, 0) + count
            if first and explanation:
                self._log(f"{self._prefix}: {explanation} (counted as {name}; the next ones are not said one by one)")
        if self._clock() >= self._next:
            self.report()

    def report(self) -> None:
        """Says all counts, if anything has changed since."""
        self._next = self._clock() + _SAY_EVERY
        if self.counts != self._said:
            self._said = dict(self.counts)
            counts = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
            self._log(f"{self._prefix}: {counts}")
