"""A history in blocks of time, for hold-outs.

Blocks are short against a day, so that each fold has all hours in it, and long against a fault. Training also leaves
out a fifth of a block on either side of a hold-out: neighbours in time resemble each other, and a fault may lie across
the edge.

Where a detector knows the time of day or week, a fold must not hold out the same hours of all days or weeks. Fifty
blocks of a history of two days would do that, so there are then some more blocks.
"""

from collections.abc import Iterable

import numpy as np

from anomaly.windows.arrays import Bools, Ints, Times

FOLDS = 5
BLOCKS = 50
_MARGIN = 0.2


class Blocks:
    """The blocks of n windows, and the FOLDS folds of the blocks; alike for all series.

    Args:
        begin_ns: the windows' begins, shape (n,).
        periods_ns: windows that are one of these apart fall into different folds, as far as that is possible.

    Attributes:
        number: each window's block, shape (n,).
    """

    def __init__(self, begin_ns: Times, periods_ns: Iterable[int] = ()) -> None:
        begin, span = int(begin_ns.min()), int(np.ptp(begin_ns)) + 1
        count = _count([period_ns / span for period_ns in periods_ns])
        position = (begin_ns - begin) / span * count
        if len(np.unique(position.astype(np.intp))) < count // 2:
            # A history with big holes is cut into blocks of equally many windows.
            position = np.empty(len(begin_ns))
            position[np.argsort(begin_ns, kind="stable")] = np.arange(len(begin_ns)) / len(begin_ns) * count
        self._position = position
        self.number: Ints = np.minimum(position.astype(np.intp), count - 1)

    def held_back(self, fold: int) -> Bools:
        """Return the windows of a fold, shape (n,)."""
        return np.asarray(self.number % FOLDS == fold)

    def trained_on(self, fold: int) -> Bools:
        """Return the windows that the detector of a fold may see, shape (n,)."""
        offset = (self._position - fold) % FOLDS
        return np.asarray((offset >= 1 + _MARGIN) & (offset < FOLDS - _MARGIN))

    def begins(self, share: float) -> Bools:
        """Return the windows in the first `share` of each block, shape (n,); all of them from a share of 1 on."""
        return np.asarray(self._position - self.number < share)


def _count(periods: list[float]) -> int:
    """Return the number of blocks, at least BLOCKS, that keeps windows one period apart clear of each other's hold-out.

    Args:
        periods: the periods, in shares of the history.

    Returns:
        The smallest such number; BLOCKS where none does.
    """
    for count in range(BLOCKS, 2 * BLOCKS):
        strides = np.array([count * period % FOLDS for period in periods])
        if ((strides >= 1 + _MARGIN) & (strides <= FOLDS - 1 - _MARGIN)).all():
            return count
    return BLOCKS
