"""Value gap: how far a value lies from all values before, summed over the last minutes.

It finds what never was: values beyond the range, and values between the modes. It misses what was there once, such as
the usual value at an unusual time, or a fault that comes again.

Reference: novelty is the distance to the nearest neighbour, as in Ramaswamy, Rastogi and Shim, "Efficient Algorithms
for Mining Outliers from Large Data Sets", SIGMOD 2000; here of one feature, in units of its range so far.

Example:
    A value that was never seen scores high once; when it comes again, it is usual.

    >>> from anomaly.detectors.gap import Gap
    >>> from anomaly.detectors.parts.channel import Setting
    >>> minute = 60_000_000_000
    >>> channel = Gap(Setting(minute))
    >>> [round(channel.feed(at * minute, value), 2) for at, value in enumerate([0.0, 1.0, 0.0, 1.0, 4.0])]
    [0.0, 1.0, 0.1, 0.09, 3.08]
    >>> channel.pause()
    >>> round(channel.feed(90 * minute, 4.0), 2)
    0.0
"""

from typing import Any

from anomaly.detectors.parts import featurewise
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.novelty import Novelty
from anomaly.pipeline.detectors import Description

# One window later, this share of a window's part in the sum is left, and all earlier windows together add at most
# _MOST_KEPT: a far outlier must not be heard of long after it is over.
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
        """Score the next window, as `Channel.feed` says."""
        self._sum = min(_KEPT * self._sum, _MOST_KEPT) + self._novelty.gap(value, self._side)
        self._novelty.add(begin_ns, value)
        return self._sum

    def pause(self) -> None:
        """Forget the sum: windows before and after the missing ones do not belong together."""
        self._sum = 0.0

    def state(self) -> Any:
        """Return what is remembered, for JSON."""
        return [self._sum, self._novelty.state()]

    @classmethod
    def from_state(cls, setting: Setting, state: Any) -> "Gap":
        """Make a channel from a former `state`, as `Channel.from_state` says."""
        gap = cls(setting)
        total, novelty = state
        gap._sum, gap._novelty = float(total), Novelty.from_state(novelty)
        return gap


DECLARATION = featurewise.declare(
    Description(
        name="gap",
        summary="how far a value lies from all values before",
        sees="values that never were, beyond the range and between the modes",
        misses="a fault that comes again",
        remembers="all values, thinned",
    ),
    Gap,
)
