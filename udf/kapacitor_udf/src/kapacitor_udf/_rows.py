"""Rows: what a `RowsHandler` and a `FieldsHandler` see of the points that have arrived.

This module does not import numpy, since it is imported with the package, and Info has to be answered before numpy is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._errors import Rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._row_codec import Source

    Where = npt.NDArray[np.bool_ | np.integer[Any]] | Sequence[int]


class _Points:
    """What all rows have: arrays that are read-only, and points that were given up."""

    def __init__(
        self,
        times: "npt.NDArray[np.int64]",
        values: "npt.NDArray[np.float64]",
        groups: "npt.NDArray[np.int64]",
        kept: "npt.NDArray[np.bool_]",
    ) -> None:
        for array in (times, values, groups):
            array.flags.writeable = False
        self.times = times
        self.values = values
        self.groups = groups
        self.rejected: list[Rejected] = []
        self._kept = kept

    def __len__(self) -> int:
        return len(self.times)

    def reject(self, where: "Where", reason: str, detail: str = "") -> None:
        """Give up the points of some rows, and count them.

        Args:
            where: booleans, shape (n,), or numbers of rows.
            reason: what they are counted under, a short constant.
            detail: an explanation for people.
        """
        before = int(self._kept.sum())
        self._kept[where] = False
        self.rejected += [Rejected(reason, detail)] * (before - int(self._kept.sum()))


class Rows(_Points):
    """Points as read-only arrays, a row for each point, in the order in which they came.

    Attributes:
        times: nanoseconds since the epoch, int64, shape (n,).
        values: the k wanted fields, float64, shape (n, k), a boolean as 0 or 1, NaN where a field is missing, not a
            number, or not finite.
        groups: the number of each point's group, int64, shape (n,); `RowsHandler.groups` tells which group it is.
        identities: a hash of all tags of each point, uint64, shape (n,); it depends on no order and is equal in all
            processes. To InfluxDB, points of one identity and time are the same point.
        unusable: how many wanted fields were there and were neither finite numbers nor booleans, int64, shape (n,). An
            empty text counts as a missing field.
        rejected: what `reject` gave up, one for each point.
    """

    def __init__(
        self,
        times: "npt.NDArray[np.int64]",
        values: "npt.NDArray[np.float64]",
        groups: "npt.NDArray[np.int64]",
        identities: "npt.NDArray[np.uint64]",
        unusable: "npt.NDArray[np.int64]",
        kept: "npt.NDArray[np.bool_]",
    ) -> None:
        super().__init__(times, values, groups, kept)
        for array in (identities, unusable):
            array.flags.writeable = False
        self.identities = identities
        self.unusable = unusable


class FieldRows(_Points):
    """Points that are emitted again as read-only arrays, a row for each point, in the order in which they came.

    Attributes:
        times: nanoseconds since the epoch, shape (n,).
        values: the k fields that the handler asked for, shape (n, k); all are finite, except that a handler that
            accepts incomplete points finds NaN where a field is missing, not a number, or not finite.
        groups: the number of each point's group, shape (n,); `FieldsHandler.groups` tells which group it is.
        emitted: whether each point is emitted, booleans, shape (n,); all are at first.
        rejected: what `reject` gave up, one for each point.
        source: the library's own.
    """

    def __init__(
        self,
        times: "npt.NDArray[np.int64]",
        values: "npt.NDArray[np.float64]",
        groups: "npt.NDArray[np.int64]",
        emitted: "npt.NDArray[np.bool_]",
        source: "Source",
    ) -> None:
        super().__init__(times, values, groups, emitted)
        self.emitted = emitted
        self.source = source

    def drop(self, where: "Where") -> None:
        """Do not emit the points of some rows.

        Args:
            where: booleans, shape (n,), or numbers of rows.
        """
        self.emitted[where] = False
