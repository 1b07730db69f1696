"""Value gap: how far a value lies from all values that were seen before, those of the last minutes summed up.

Sees what never was: values beyond the range, and between the modes. Misses what was there once, such as a usual value
at an unusual time, and a fault that comes again.

Source of the idea: novelty as the distance to the nearest neighbour, e.g. Ramaswamy, Rastogi and Shim, "Efficient
Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000; here of one feature, over its running range.
"""

from typing import Any

from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.novelty import Novelty

# What a window adds to the sum is worth so much one window later, and all windows before together at most so much: a
# far outlier is not to be heard of long after it is over.
_KEPT = 0.9
_MOST_KEPT = 0.1


class Gap:
    """One feature of one series."""

    __slots__ = ("_novelty", "_side", "_sum")

    def __init__(self, setting: Setting) -> None:
        self._side = setting.side
        self._novelty = Novelty()
        self._sum = 0.0

    def feed(self, begin_ns: int, value: float) -> float:
        """The score of the next window."""
        self._sum = min(_KEPT * self._sum, _MOST_KEPT) + self._novelty.gap(value, self._side)
        self._novelty.add(begin_ns, value)
        return self._sum

    def pause(self) -> None:
        """Windows are missing: what was before does not add up with what follows."""
        self._sum = 0.0

    def state(self) -> Any:
        """For JSON."""
        return [self._sum, self._novelty.state()]

    @classmethod
    def from_state(cls, setting: Setting, state: Any) -> "Gap":
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        gap = cls(setting)
        total, novelty = state
        gap._sum, gap._novelty = float(total), Novelty.from_state(novelty)
        return gap
