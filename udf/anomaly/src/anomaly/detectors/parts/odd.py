"""Keeps the window in which the clock changes out of what a detector sums up over windows.

With windows by a clock, this window is longer or shorter than others and may hold another mix of hours
(`anomaly.windows.cut`). It opens no period, so the windows after it must not open one by what it has added to a sum.
"""

import numpy as np

from anomaly.detectors.parts.featurewise import Loop
from anomaly.detectors.parts.memory import Marks
from anomaly.windows.arrays import AnyArray, Floats, Ints, Times
from anomaly.windows.civil import CivilTime


class Forgetting:
    """A loop that sets what it sums up to 0 after an odd window.

    Args:
        loop: the loop.
        civil: the clock on the wall, which tells the odd windows.
        sums: what the channels sum up, a channel a row, shape (c,): zero after an odd window.
    """

    def __init__(self, loop: Loop, civil: CivilTime, sums: AnyArray) -> None:
        self._loop = loop
        self._civil = civil
        self._sums = sums

    def explain(self, place: Ints, begin_ns: Times, x: Floats, scores: Floats, unlearnt: Marks) -> None:
        """Write the channels' scores, as `Loop.explain` says."""
        first = 0
        for last in (np.flatnonzero(self._civil.are_odd(begin_ns)) + 1).tolist():
            part = slice(first, last)
            self._loop.explain(place[part], begin_ns[part], x[part], scores[part], unlearnt[part])
            channel = place[last - 1] * x.shape[1]
            self._sums[channel : channel + x.shape[1]] = 0.0
            first = last
        self._loop.explain(place[first:], begin_ns[first:], x[first:], scores[first:], unlearnt[first:])

    def restored(self, channels: Ints) -> None:
        """Compute what is not stored of channels."""
        self._loop.restored(channels)
