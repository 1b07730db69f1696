"""What a `FieldsHandler` sees of the points that have arrived. It does not import numpy, which has to wait for Init."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._errors import Rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._row_codec import Source


class Rows:
    """Some points as arrays, a row for each, in the order in which they came. The arrays cannot be written to.

    times: (n,) integers, nanoseconds since the epoch.
    values: (n, k) floats, the k fields that the handler asked for. All are finite; where the handler accepts incomplete
        points, what is missing, no number or not finite is NaN.
    groups: (n,) integers, a number for each group, from 0; see `FieldsHandler.groups`.
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
        """(n,) booleans: the points that are emitted, all at first."""
        self.source = source
        """The library's own."""
        self.rejected: list[Rejected] = []
        """What `reject` gave up, one for each row."""

    def __len__(self) -> int:
        return len(self.times)

    def drop(self, where: "npt.NDArray[np.bool_ | np.integer[Any]] | Sequence[int]") -> None:
        """Do not emit the points of these rows. `where`: (n,) booleans, or numbers of rows."""
        self.emitted[where] = False

    def reject(
        self, where: "npt.NDArray[np.bool_ | np.integer[Any]] | Sequence[int]", reason: str, detail: str = ""
    ) -> None:
        """Give up the points of these rows, counted under `reason` (a short constant). `where`: as `drop` takes it."""
        before = int(self.emitted.sum())
        self.drop(where)
        self.rejected += [Rejected(reason, detail)] * (before - int(self.emitted.sum()))
