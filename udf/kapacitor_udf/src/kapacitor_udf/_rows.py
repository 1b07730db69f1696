"""Rows: what a `FieldsHandler` sees of the points that have arrived.

This module does not import numpy, since it is imported with the package, and Info has to be answered before numpy is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._errors import Rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._row_codec import Source


class Rows:
    """Points as read-only arrays, a row for each point, in the order in which they came.

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
        for array in (times, values, groups):
            array.flags.writeable = False
        self.times = times
        self.values = values
        self.groups = groups
        self.emitted = emitted
        self.source = source
        self.rejected: list[Rejected] = []

    def __len__(self) -> int:
        return len(self.times)

    def drop(self, where: "npt.NDArray[np.bool_ | np.integer[Any]] | Sequence[int]") -> None:
        """Do not emit the points of some rows.

        Args:
            where: booleans, shape (n,), or numbers of rows.
        """
        self.emitted[where] = False

    def reject(
        self, where: "npt.NDArray[np.bool_ | np.integer[Any]] | Sequence[int]", reason: str, detail: str = ""
    ) -> None:
        """Give up the points of some rows, and count them.

        Args:
            where: booleans, shape (n,), or numbers of rows.
            reason: what they are counted under, a short constant.
            detail: an explanation for people.
        """
        before = int(self.emitted.sum())
        self.drop(where)
        self.rejected += [Rejected(reason, detail)] * (before - int(self.emitted.sum()))
