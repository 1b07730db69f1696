"""The bounded queue between reading and handling, and the policy when it is full.

Kapacitor must never wait for a slow handler for long: its edges fill, and then every task and every write stands still.
Neither may a burst be lost that the handler would have got through in a moment. This is why:

- When the queue is full, reading pauses until it is half empty, but for no longer than `Limits.patience`.
- If the queue is still not half empty by then, arriving data are shed, and counted, until it is. Whole points and whole
  batches are shed, never parts; questions are never shed. What is already queued is kept, so the loss is one gap in
  time.

The limit is checked between reads, so the queue may be over it by what one read brought.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from ._counters import Counters
from ._framing import PointRun
from ._receiver import RawBatch, Unit, Unusable, items, size, weight


class Inbox:
    """A queue of units of work for one reader and one handling loop.

    Attributes:
        arrived: when the points and batches that were taken last had come (monotonic seconds), and how many of them.
    """

    def __init__(self, counters: Counters, *, points: int, octets: int, on_half_empty: Callable[[], None]) -> None:
        """Make an empty queue.

        Args:
            counters: where queued and shed data are counted.
            points: points that make it full.
            octets: bytes that make it full.
            on_half_empty: called by the handling loop's thread if the reader pauses.
        """
        self._counters = counters
        self._most_points = points
        self._most_octets = octets
        self._on_half_empty = on_half_empty
        self._units: deque[Unit] = deque()
        self._arrivals: deque[tuple[float, int]] = deque()  # when units came, and how many together
        self.arrived: list[tuple[float, int]] = []
        self._octets = 0
        self._points = 0
        self._shedding = False
        self._closed = False
        self._reader_waits = False
        self._changed = threading.Condition(threading.Lock())

    # The reader's side

    def put(self, units: Iterable[Unit]) -> bool:
        """Queue units, or shed them.

        Args:
            units: what has arrived.

        Returns:
            Whether the queue is full, so that the reader should `pause` before it reads on.
        """
        with self._changed:
            if self._shedding and self._half_empty():
                self._shedding = False
            before = len(self._units)
            for unit in units:
                if isinstance(unit, PointRun):
                    self._counters.points_received += unit.count
                    if self._shedding:
                        self._counters.shed_points += unit.count
                        continue
                elif isinstance(unit, RawBatch) or (isinstance(unit, Unusable) and unit.counter == "shed_batches"):
                    self._counters.batches_received += 1
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
        """Ask for a call of `on_half_empty`.

        Returns:
            Whether there is anything to wait for; False if the queue is half empty already.
        """
        with self._changed:
            self._reader_waits = not self._half_empty()
            if self._reader_waits:
                self._counters.waits += 1
            return self._reader_waits

    def resume(self, *, may_shed: bool = True) -> bool:
        """Note that the reader goes on.

        Args:
            may_shed: whether to shed what arrives if the queue is too full for it; not so if little is still to come.

        Returns:
            Whether arriving data are shed now, since the queue is still not half empty.
        """
        with self._changed:
            self._reader_waits = False
            self._shedding = may_shed and not self._half_empty()
            return self._shedding

    def close(self) -> None:
        """Note that nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    # The handling loop's side

    def take(self, most: int, timeout: float | None) -> list[Unit]:
        """Wait for units and take all there are.

        Args:
            most: about the most points to take.
            timeout: seconds to wait, None without end.

        Returns:
            The units in order; none if the time is over, or nothing more will come.
        """
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
        """When the taken units came, in order; questions do not count."""
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
        """Whether `take` would have to wait."""
        return not self._units

    @property
    def exhausted(self) -> bool:
        """Whether nothing more will come and everything was taken."""
        return self._closed and not self._units

    def _half_empty(self) -> bool:
        return self._points <= self._most_points // 2 and self._octets <= self._most_octets // 2
