"""How far a value is from all that was seen before: a set of past values, thinned, that forgets.

A value that lies within a small share of the range of one that is kept only renews it, so some hundreds of values stand
for a history of any length. What was not seen for long is dropped, and the stalest first where there is no room.
"""

from array import array
from bisect import bisect_left
from typing import Any

# Distances are right to this share of the range.
_RESOLUTION = 0.002
_MOST_KEPT = 1_000
# What was not seen for this long, and for so many windows, is forgotten; what comes each week or fortnight is not.
_KEPT_NS = 17 * 86_400_000_000_000
_KEPT_WINDOWS = 5_000
# Dropping what is stale costs a walk over all that is kept.
_SWEEP = 100


class Novelty:
    """The values of one feature of one series, in windows of `window_ns`."""

    __slots__ = ("_added", "_kept_ns", "_seen_ns", "_values")

    def __init__(self, window_ns: int) -> None:
        self._kept_ns = max(_KEPT_NS, _KEPT_WINDOWS * window_ns)
        self._values = array("d")
        self._seen_ns = array("q")
        self._added = 0

    def gap(self, value: float) -> float:
        """The distance to the nearest value seen, in units of the range of those seen. 0 while nothing was seen; 1 for
        whatever differs from the only value seen."""
        values = self._values
        if not values:
            return 0.0
        place = bisect_left(values, value)
        distance = values[place] - value if place < len(values) else value - values[-1]
        if place:
            distance = min(distance, value - values[place - 1])
        span = values[-1] - values[0]
        return distance / span if span > 0.0 else float(distance > 0.0)

    def add(self, time_ns: int, value: float) -> None:
        """Remembers a value that was seen at `time_ns`."""
        values, seen = self._values, self._seen_ns
        self._added += 1
        if self._added % _SWEEP == 0:
            self._forget(time_ns - self._kept_ns)
        place = bisect_left(values, value)
        if values:
            nearest = place
            if place == len(values) or (place and value - values[place - 1] < values[place] - value):
                nearest = place - 1
            if abs(values[nearest] - value) <= _RESOLUTION * (values[-1] - values[0]):
                seen[nearest] = time_ns
                return
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
        """For JSON."""
        return [self._values.tolist(), self._seen_ns.tolist(), self._added]

    @classmethod
    def from_state(cls, window_ns: int, state: Any) -> "Novelty":
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        novelty = cls(window_ns)
        values, seen, added = state
        if len(values) != len(seen):
            raise ValueError(f"{len(values)} values, {len(seen)} times")
        novelty._values, novelty._seen_ns = array("d", values), array("q", seen)
        novelty._added = int(added)
        return novelty
