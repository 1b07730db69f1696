"""The windows that were closed lately, as far as a bound of memory allows.

Who takes over the memory of a series from a catch-up adds the windows that were closed since then. The log keeps the
arrays of each closing, which are there anyway, and drops the oldest closings.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from anomaly.windows.arrays import Ints, Key, Times
from anomaly.windows.assembler import Closed
from anomaly.windows.windows import Windows

# What the objects around the arrays of a closing take, in bytes.
_CLOSING_BYTES = 1_024


class WindowLog:
    """The windows of the last closings.

    Args:
        most_bytes: how much memory they may take.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        # The clock and the windows of each closing, and the number of closings that were dropped.
        self._closings: deque[tuple[int, Closed]] = deque()
        self._dropped = 0
        self._bytes = 0
        # Closings before this number say nothing of a series, whose number meant another one.
        self._first: dict[int, int] = {}

    def add(self, closed: Closed, now_ns: int) -> None:
        """Take the next closed windows.

        Args:
            closed: the windows.
            now_ns: the clock.
        """
        self._closings.append((now_ns, closed))
        self._bytes += _size(closed)
        while self._bytes > self._most_bytes:
            _, oldest = self._closings.popleft()
            self._bytes -= _size(oldest)
            self._dropped += 1

    def of(self, numbers: Ints, keys: Sequence[Key]) -> tuple[Windows, Times]:
        """Return the windows of some series, in the order in which they were closed.

        Args:
            numbers: the numbers of n different series, at least one, shape (n,).
            keys: their keys.

        Returns:
            The windows, and the clock when each of them was closed, shape (m,).
        """
        order = np.argsort(numbers, kind="stable")
        in_order = numbers[order]
        first = np.array([self._first.get(number, 0) for number in in_order.tolist()], dtype=np.intp)
        series, begins, values, counts, times = [], [], [], [], []
        for at, (now_ns, closed) in enumerate(self._closings, self._dropped):
            place = np.minimum(np.searchsorted(in_order, closed.number), len(in_order) - 1)
            chosen = np.flatnonzero((in_order[place] == closed.number) & (first[place] <= at))
            if len(chosen):
                series.append(order[place[chosen]])
                begins.append(closed.begin_ns[chosen])
                values.append(closed.values[chosen])
                counts.append(closed.counts[chosen])
                times.append(np.full(len(chosen), now_ns, dtype=np.int64))
        if not series:
            nothing = np.empty(0, dtype=np.int64)
            return Windows(tuple(keys), nothing.astype(np.intp), nothing, np.empty((0, 0)), np.empty((0, 0))), nothing
        windows = Windows(
            tuple(keys),
            np.concatenate(series),
            np.concatenate(begins),
            np.concatenate(values),
            np.concatenate(counts),
        )
        return windows, np.concatenate(times)

    def forget(self, numbers: Ints) -> None:
        """Forget the windows of series; their numbers may be used again."""
        self._first.update(dict.fromkeys(numbers.tolist(), self._dropped + len(self._closings)))


def _size(closed: Closed) -> int:
    arrays = (closed.number, closed.begin_ns, closed.values, closed.counts, closed.early, closed.torn)
    return _CLOSING_BYTES + sum(array.nbytes for array in arrays)
