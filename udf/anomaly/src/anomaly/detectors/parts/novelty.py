"""How far a value is from all values before: a set of past values, thinned.

A value close to a kept one (within a small share of the range) only renews it, so some hundreds of values stand for a
history of any length. The stalest value is dropped where there is no room, or where values are to be forgotten.
"""

from array import array
from bisect import bisect_left
from typing import Any

# Distances are right to this share of the range.
_RESOLUTION = 0.002
_MOST_KEPT = 1_000
# Dropping what is stale costs a walk over all that is kept.
_SWEEP = 100


class Novelty:
    """The past values of one feature of one series.

    Args:
        kept_ns: how long a value is kept that is not seen again, nanoseconds; None keeps it for ever.
    """

    __slots__ = ("_added", "_kept_ns", "_seen_ns", "_values")

    def __init__(self, kept_ns: int | None = None) -> None:
        self._kept_ns = kept_ns
        self._values = array("d")
        self._seen_ns = array("q")
        self._added = 0

    def gap(self, value: float, side: int = 0) -> float:
        """Measure the distance of a value to the nearest one before.

        Args:
            value: the value.
            side: 1 makes the distance 0 below all values before, -1 above all of them, 0 nowhere.

        Returns:
            The distance in units of the range so far; 0 while nothing was seen; 1 for any value that differs from the
            only one before.
        """
        nearest = self.nearest(value)
        if nearest is None or side * value < min(side * self._values[0], side * self._values[-1]):
            return 0.0
        span = self._values[-1] - self._values[0]
        return abs(nearest - value) / span if span > 0.0 else float(nearest != value)

    def nearest(self, value: float) -> float | None:
        """Return the nearest value before, or None while nothing was seen."""
        values = self._values
        if not values:
            return None
        return values[self._place(value)]

    def _place(self, value: float) -> int:
        """Return the index of the nearest value; there must be one."""
        values = self._values
        place = bisect_left(values, value)
        if place == len(values) or (place and value - values[place - 1] < values[place] - value):
            return place - 1
        return place

    def add(self, time_ns: int, value: float) -> None:
        """Remember a value.

        Args:
            time_ns: when it was seen, nanoseconds since 1970.
            value: the value.
        """
        values, seen = self._values, self._seen_ns
        self._added += 1
        if self._kept_ns is not None and self._added % _SWEEP == 0:
            self._forget(time_ns - self._kept_ns)
        if values:
            nearest = self._place(value)
            if abs(values[nearest] - value) <= _RESOLUTION * (values[-1] - values[0]):
                seen[nearest] = time_ns
                return
        place = bisect_left(values, value)
        values.insert(place, value)
        seen.insert(place, time_ns)
        if len(values) > _MOST_KEPT:
            stalest = seen.index(min(seen))
            del values[stalest], seen[stalest]

    def _forget(self, before_ns: int) -> None:
        kept = [index for index, seen in enumerate(self._seen_ns) if seen >= before_ns]
        if len(kept) < len(self._values):
            self._values = array("d", (self._values[index] for index in kept))
            self._seen_ns = array("q", (self._seen_ns[index] for index in kept))

    def state(self) -> Any:
        """Return what is remembered, for JSON."""
        return [self._values.tolist(), self._seen_ns.tolist(), self._added]

    @classmethod
    def from_state(cls, state: Any, kept_ns: int | None = None) -> "Novelty":
        """Make past values from a former `state`.

        Args:
            state: what `state` returned.
            kept_ns: how long a value is kept, nanoseconds.

        Returns:
            The past values.

        Raises:
            TypeError: the state is of another form.
            ValueError: the state is of another form.
        """
        novelty = cls(kept_ns)
        values, seen, added = state
        if len(values) != len(seen):
            raise ValueError(f"{len(values)} values, {len(seen)} times")
        novelty._values, novelty._seen_ns = array("d", values), array("q", seen)
        novelty._added = int(added)
        return novelty
