"""Counts of which few are beyond a byte, in little more than a byte each.

Counts up to 65,000 in all need two bytes each, although few of them can be beyond 255. So a byte of each count is kept.
The counts beyond it have a bit each in a mask, and their high bytes stand one after the other, in the order of the
counts. Nothing is lost. `anomaly.detectors.parts.loops.Surprises` counts in these arrays.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import AnyArray, Ints

# The greatest number that a byte holds.
MOST_BYTE = 255
_BITS = 32


class Bytewise:
    """The counts of `capacity` series of d features.

    Args:
        capacity: how many places for series there are.
        features: d.
        width: how many counts a channel has.
        beyond: how many of them may be beyond a byte.

    Attributes:
        low: the low bytes, shape (capacity, d, width).
    """

    def __init__(self, capacity: int, features: int, width: int, beyond: int) -> None:
        self.low: NDArray[np.uint8] = np.zeros((capacity, features, width), np.uint8)
        # A bit for each count that is beyond a byte, in words, the first count in the lowest bit.
        self._marks: NDArray[np.uint32] = np.zeros((capacity, features, -(-width // _BITS)), np.uint32)
        # The high bytes of these counts, and how many they are.
        self._high: NDArray[np.uint8] = np.zeros((capacity, features, beyond), np.uint8)
        self._marked: NDArray[np.uint8] = np.zeros((capacity, features), np.uint8)

    def arrays(self, name: str) -> dict[str, AnyArray]:
        """Return the arrays of counts by their names in a memory; each has one axis for places and one for features.

        Args:
            name: the name of the counts.
        """
        return {
            f"{name}_low": self.low,
            f"{name}_marks": self._marks,
            f"{name}_high": self._high,
            f"{name}_marked": self._marked,
        }

    def of(self, place: Ints | slice) -> NDArray[np.uint16]:
        """Return the counts at n places, shape (n, d, width)."""
        counts = self.low[place].astype(np.uint16)
        marked = self._marked[place]
        if marked.any():
            words = np.ascontiguousarray(self._marks[place], dtype="<u4")
            mask = np.unpackbits(words.view(np.uint8), axis=2, count=counts.shape[2], bitorder="little").view(np.bool_)
            # Both sides go through the counts in the same order.
            counts[mask] += self._high[place][self._leading(marked)].astype(np.uint16) << 8
        return counts

    def put(self, place: Ints, counts: NDArray[Any]) -> None:
        """Replace the counts at n places.

        Args:
            place: the places.
            counts: the counts, shape (n, d, width), of each channel no more beyond a byte than there may be.
        """
        self.low[place] = counts & MOST_BYTE
        mask = counts > MOST_BYTE
        if not mask.any() and not self._marked[place].any():
            # What nobody has written takes no memory.
            return
        bits = np.zeros((*mask.shape[:2], self._marks.shape[2] * _BITS), np.bool_)
        bits[:, :, : mask.shape[2]] = mask
        self._marks[place] = np.packbits(bits, axis=2, bitorder="little").view("<u4")
        marked = mask.sum(axis=2).astype(np.uint8)
        high = np.zeros((*mask.shape[:2], self._high.shape[2]), np.uint8)
        high[self._leading(marked)] = counts[mask] >> 8
        self._high[place] = high
        self._marked[place] = marked

    def clear(self, place: Ints) -> None:
        """Make the counts at places 0."""
        self.low[place] = 0
        if self._marked[place].any():
            for array in (self._marks, self._high, self._marked):
                array[place] = 0

    def put_high(self, place: int, feature: int, at: NDArray[Any], counts: NDArray[Any]) -> None:
        """Mark the counts of a channel that are beyond a byte, of which the low bytes are there and no other is marked.

        Args:
            place: the channel's place.
            feature: its feature.
            at: which counts they are, shape (k,).
            counts: these counts, shape (k,).
        """
        order = np.argsort(at)
        at = at[order].astype(np.uint32)
        np.bitwise_or.at(self._marks[place, feature], at // _BITS, np.uint32(1) << (at % np.uint32(_BITS)))
        self._high[place, feature, : len(at)] = counts[order] >> 8
        self._marked[place, feature] = len(at)

    def _leading(self, marked: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which of the high bytes are used, shape (n, d, beyond)."""
        return np.asarray(np.arange(self._high.shape[2]) < marked[:, :, None])
