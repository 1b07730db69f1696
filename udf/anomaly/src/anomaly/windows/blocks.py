"""History in blocks of time, for holding some of it back.

Blocks are short against a day, so that each fold has all hours in it, and long against a fault. Around a block that is
held back, a fifth of a block on either side is not trained on either: neighbours in time resemble each other, and a
fault may lie across the edge.

Where a detector knows the time of day or week, a fold must not hold back the same hours of all days or weeks: 50 blocks
of two days would do just that. There are then some more blocks.
"""

from collections.abc import Iterable

import numpy as np

from anomaly.windows.arrays import Bools, Ints, Times

FOLDS = 5
BLOCKS = 50
_MARGIN = 0.2


class Blocks:
    """Which of n windows belong to which of BLOCKS blocks, and these to which of FOLDS folds; alike for all series.

    periods_ns: what is one of these apart falls into different folds, as far as that can be.
    """

    def __init__(self, begin_ns: Times, periods_ns: Iterable[int] = ()) -> None:
        begin, span = int(begin_ns.min()), int(np.ptp(begin_ns)) + 1
        count = _count([period_ns / span for period_ns in periods_ns])
        position = (begin_ns - begin) / span * count
        if len(np.unique(position.astype(np.intp))) < count // 2:
            # A history with big holes: blocks of equally many windows, in the order of time.
            position = np.empty(len(begin_ns))
            position[np.argsort(begin_ns, kind="stable")] = np.arange(len(begin_ns)) / len(begin_ns) * count
        self._position = position
        self.number: Ints = np.minimum(position.astype(np.intp), count - 1)

    def held_back(self, fold: int) -> Bools:
        """(n,): the windows of a fold."""
        return np.asarray(self.number % FOLDS == fold)

    def trained_on(self, fold: int) -> Bools:
        """(n,): the windows that a fold's forest may see."""
        offset = (self._position - fold) % FOLDS
        return np.asarray((offset >= 1 + _MARGIN) & (offset < FOLDS - _MARGIN))

    def begins(self, share: float) -> Bools:
        """(n,): the windows in the first `share` of each block; all where it is 1 or more."""
        return np.asarray(self._position - self.number < share)


def _count(periods: list[float]) -> int:
    """How many blocks: no fewer than BLOCKS, and so that periods, in shares of the history, lead to other folds, clear
    of what is held back; BLOCKS where no number does."""
    for count in range(BLOCKS, 2 * BLOCKS):
        strides = np.array([count * period % FOLDS for period in periods])
        if ((strides >= 1 + _MARGIN) & (strides <= FOLDS - 1 - _MARGIN)).all():
            return count
    return BLOCKS
