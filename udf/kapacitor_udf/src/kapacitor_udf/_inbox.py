"""The bounded queue between reading and handling, and the policy when it is full.

Kapacitor must never wait for a slow handler for long: its edges fill, and then every task and every write stands still.
Nor may a burst be lost that the handler would have got through in a moment. So:

- When the queue is full, reading pauses until it is half empty, but for no longer than `patience`.
- If it is still not half empty by then, what arrives is shed, and counted, until it is. Whole points and whole batches
  are shed, never parts; questions are never shed. What is already queued is kept: the loss is one gap in time.

"Full" is looked at between reads, so the queue may be over its limit by what one read brought.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from ._counters import Counters
from ._framing import PointRun
from ._receiver import RawBatch, Unit, items, size, weight


class Inbox:
    """A queue of units for one reader and one handler thread. `points`, `octets`: how much makes it full."""

    def __init__(self, counters: Counters, *, points: int, octets: int, on_half_empty: Callable[[], None]) -> None:
        self._counters = counters
        self._most_points = points
        self._most_octets = octets
        self._on_half_empty = on_half_empty
        self._units: deque[Unit] = deque()
        self._arrivals: deque[tuple[float, int]] = deque()  # when units came, and how many together
        self.arrived: list[tuple[float, int]] = []
        """What was taken last: when points and batches had come (monotonic), and how many of them."""
        self._octets = 0
        self._points = 0
        self._shedding = False
        self._closed = False
        self._reader_waits = False
        self._changed = threading.Condition(threading.Lock())

    # The reader's side

    def put(self, units: Iterable[Unit]) -> bool:
        """Queue units, or shed them. Whether the reader should pause (`pause`) before it reads on."""
        with self._changed:
            if self._shedding and self._half_empty():
                self._shedding = False
            before = len(self._units)
            for unit in units:
                if self._shedding and isinstance(unit, PointRun):
                    self._counters.shed_points += unit.count
                    continue
                if self._shedding and isinstance(unit, RawBatch):
                    self._counters.shed_batches += 1
                    continue
                self._units.append(unit)
                self._points += weight(unit)
                self._octets += size(unit)
            if len(self._units) > before:
                self._arrivals.append((time.monotonic(), len(self._units) - before))
            self._counters.queued = self._points
            self._changed.notify()
            return not self._shedding and (self._points >= self._most_points or self._octets >= self._most_octets)

    def pause(self) -> bool:
        """Ask for `on_half_empty`. Whether there is anything to wait for: False if the queue is half empty already."""
        with self._changed:
            self._reader_waits = not self._half_empty()
            if self._reader_waits:
                self._counters.waits += 1
            return self._reader_waits

    def resume(self) -> bool:
        """The reader goes on. Whether what comes now is shed, since the queue is still not half empty."""
        with self._changed:
            self._reader_waits = False
            self._shedding = not self._half_empty()
            return self._shedding

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    # The handler's side

    def take(self, most: int, timeout: float | None) -> list[Unit]:
        """Wait for units and take all there are, up to about `most` points. Nothing: time is out, or it is closed."""
        with self._changed:
            if not self._units and not self._closed:
                self._changed.wait_for(lambda: bool(self._units) or self._closed, timeout)
            units: list[Unit] = []
            while self._units and most > 0:
                unit = self._units.popleft()
                points = weight(unit)
                most -= points
                self._points -= points
                self._octets -= size(unit)
                units.append(unit)
            self.arrived = self._arrivals_of(units)
            self._counters.queued = self._points
            wake = self._reader_waits and self._half_empty()
            if wake:
                self._reader_waits = False
        if wake:
            self._on_half_empty()
        return units

    def _arrivals_of(self, units: Iterable[Unit]) -> list[tuple[float, int]]:
        """The arrivals of units that are taken, in order; questions have none."""
        arrived: list[tuple[float, int]] = []
        for unit in units:
            when, together = self._arrivals.popleft()
            if together > 1:
                self._arrivals.appendleft((when, together - 1))
            if isinstance(unit, PointRun | RawBatch):
                arrived.append((when, items(unit)))
        return arrived

    @property
    def empty(self) -> bool:
        """Whether a take would have to wait."""
        return not self._units

    @property
    def exhausted(self) -> bool:
        """Closed, and everything taken."""
        return self._closed and not self._units

    @property
    def left(self) -> int:
        """Points and batches that wait."""
        with self._changed:
            return sum(map(items, self._units))

    def _half_empty(self) -> bool:
        return self._points <= self._most_points // 2 and self._octets <= self._most_octets // 2
