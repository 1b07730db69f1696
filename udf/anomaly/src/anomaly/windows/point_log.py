"""The raw points of all open windows, as columns in the order of their arrival.

Points of all series lie in one log. Columns grow by doubling, so a point is copied a small number of times; untouched
pages of a column cost nothing. Points that left their window are marked, and the log is compacted once they are the
majority. A point takes `bytes_per_point(fields)`, and resident memory is about twice that at the worst moment: while
the column of values is copied, or just before marked points are the majority.
"""

from collections.abc import Mapping

import numpy as np

from anomaly.windows.arrays import AnyArray, Bools, Floats, Int32s, Ints, Times
from anomaly.windows.derivation import Identities

# The time of a point that has left: later than any point may be.
GONE = np.iinfo(np.int64).max
_LEAST_CAPACITY = 1024


def bytes_per_point(fields: int) -> int:
    """Return how many bytes a point of this many fields takes: number, time, identity and values."""
    return 4 + 8 + 8 + 8 * fields


class PointLog:
    """The points of all open windows.

    Args:
        fields: the number f of fields.
    """

    def __init__(self, fields: int) -> None:
        self._fields = fields
        self._size = 0
        self._gone = 0
        self._numbers: Int32s = np.empty(_LEAST_CAPACITY, dtype=np.int32)
        self._times: Times = np.empty(_LEAST_CAPACITY, dtype=np.int64)
        self._identities: Identities = np.empty(_LEAST_CAPACITY, dtype=np.uint64)
        self._values: Floats = np.empty((fields, _LEAST_CAPACITY))

    def __len__(self) -> int:
        return self._size - self._gone

    @property
    def numbers(self) -> Int32s:
        """The series of each row, shape (rows,); of rows that are gone, too."""
        return self._numbers[: self._size]

    @property
    def times(self) -> Times:
        """The time of each row in nanoseconds, shape (rows,); GONE for rows that are gone."""
        return self._times[: self._size]

    @property
    def allocated_bytes(self) -> int:
        """How many bytes the columns have."""
        return self._numbers.nbytes + self._times.nbytes + self._identities.nbytes + self._values.nbytes

    def append(self, numbers: AnyArray, times: Times, identities: Identities, values: Floats) -> None:
        """Append points.

        Args:
            numbers: the points' series, shape (n,).
            times: their times in nanoseconds, shape (n,).
            identities: hashes of their tags, shape (n,).
            values: their values, shape (n, f).
        """
        end = self._size + len(times)
        if end > len(self._times):
            self._compact(max(2 * (len(self) + len(times)), _LEAST_CAPACITY))
            end = self._size + len(times)
        self._numbers[self._size : end] = numbers
        self._times[self._size : end] = times
        self._identities[self._size : end] = identities
        self._values[:, self._size : end] = values.T
        self._size = end

    def take(self, rows: Ints) -> tuple[Times, Identities, Floats]:
        """Remove rows and return their columns.

        Args:
            rows: positions of rows that are not gone, shape (n,).

        Returns:
            Times (n,), identities (n,) and values (f, n).
        """
        taken = self._times[rows], self._identities[rows], self._values[:, rows]
        self._times[rows] = GONE
        self._gone += len(rows)
        return taken

    def compact(self) -> None:
        """Give the place of rows that are gone back, once they are the majority. Positions change."""
        if 2 * self._gone > self._size and self._size > _LEAST_CAPACITY:
            self._compact(max(2 * len(self), _LEAST_CAPACITY))
        elif self._gone == self._size:
            self._size = self._gone = 0

    def _compact(self, capacity: int) -> None:
        kept = np.flatnonzero(self.times != GONE)
        size = len(kept)
        # One column after the other, so that at most one of them exists twice.
        numbers = np.empty(capacity, dtype=np.int32)
        numbers[:size] = self._numbers[kept]
        self._numbers = numbers
        identities = np.empty(capacity, dtype=np.uint64)
        identities[:size] = self._identities[kept]
        self._identities = identities
        values = np.empty((self._fields, capacity))
        for new, old in zip(values, self._values, strict=True):
            new[:size] = old[kept]
        self._values = values
        times = np.empty(capacity, dtype=np.int64)
        times[:size] = self._times[kept]
        self._times = times
        self._size, self._gone = size, 0

    def state(self) -> dict[str, AnyArray]:
        """Return copies of the rows as arrays by name."""
        kept: Bools = self.times != GONE
        return {
            "point_number": self.numbers[kept],
            "point_time_ns": self.times[kept],
            "point_identity": self._identities[: self._size][kept],
            "point_values": np.ascontiguousarray(self._values[:, : self._size][:, kept].T),
        }


def restored(fields: int, arrays: Mapping[str, AnyArray]) -> PointLog:
    """Return a log of the rows that `PointLog.state` returned."""
    log = PointLog(fields)
    log.append(
        arrays["point_number"],
        arrays["point_time_ns"].astype(np.int64),
        arrays["point_identity"].astype(np.uint64),
        arrays["point_values"].astype(np.float64),
    )
    return log
