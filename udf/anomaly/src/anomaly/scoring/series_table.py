"""Rows of series: what scoring keeps of each series as arrays, without an object for it.

A series has a row in every column of its table. Objects are for what is rare: a table's `objects` hold one for some
rows. Columns have their whole size from the start, because pages that nobody touches take no memory. When the table is
full, the series that has been quiet longest makes room.
"""

import math
from collections.abc import Sequence
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from anomaly.windows.arrays import AnyArray, Ints, Key

# Stands for a series without a row.
NOWHERE = -1


class SeriesTable:
    """The rows of up to `most` series.

    Args:
        most: how many series there may be.

    Attributes:
        most: as above.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._rows: dict[Key, int] = {}
        self._keys: list[Key] = []
        self._free: list[int] = []
        self._columns: list[AnyArray] = []
        self._objects: list[dict[int, Any]] = []
        # At which call of `rows` each series was there last.
        self._used: Ints = np.zeros(most, dtype=np.intp)
        self._calls = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: Key) -> bool:
        """Return whether a series has a row."""
        return key in self._rows

    @property
    def keys(self) -> list[Key]:
        """The series, in the order in which they came."""
        return list(self._rows)

    def column(self, dtype: DTypeLike, *shape: int) -> Any:
        """Return a new column of zeros, shape (most, *shape)."""
        # Memory of the kernel's, because an allocator writes zeros into all of what it has given away before.
        column = np.frombuffer(mmap(-1, self.most * math.prod(shape) * np.dtype(dtype).itemsize), dtype=dtype)
        column = column.reshape(self.most, *shape)
        self._columns.append(column)
        return column

    def objects(self) -> dict[int, Any]:
        """Return a new, empty mapping from rows to objects. An entry ends with its row's series."""
        objects: dict[int, Any] = {}
        self._objects.append(objects)
        return objects

    def rows(self, keys: Sequence[Key]) -> Ints:
        """Return the rows of series; new ones get a row.

        Args:
            keys: s different series, at most as many as there may be.

        Returns:
            Their rows, shape (s,).
        """
        rows = self.find(keys)
        known = rows != NOWHERE
        self._calls += 1
        self._used[rows[known]] = self._calls
        for at in np.flatnonzero(~known).tolist():
            rows[at] = self._add(keys[at])
        return rows

    def row(self, key: Key) -> int:
        """Return the row of a series; a new one gets a row."""
        return int(self.rows((key,))[0])

    def find(self, keys: Sequence[Key]) -> Ints:
        """Return the rows of s series, shape (s,); NOWHERE for those without one."""
        get = self._rows.get
        return np.fromiter((get(key, NOWHERE) for key in keys), np.intp, len(keys))

    def forget(self, key: Key) -> None:
        """Take its row from a series, if it has one."""
        row = self._rows.pop(key, None)
        if row is not None:
            self._clear(row)
            self._free.append(row)

    def clear(self) -> None:
        """Forget all series."""
        for key in self.keys:
            self.forget(key)

    def _add(self, key: Key) -> int:
        if len(self._rows) == self.most:
            # The series that has been quiet longest.
            self.forget(self._keys[int(self._used.argmin())])
        if self._free:
            row = self._free.pop()
            self._keys[row] = key
        else:
            row = len(self._keys)
            self._keys.append(key)
        self._rows[key] = row
        self._used[row] = self._calls
        return row

    def _clear(self, row: int) -> None:
        for column in self._columns:
            column[row] = 0
        for objects in self._objects:
            objects.pop(row, None)
