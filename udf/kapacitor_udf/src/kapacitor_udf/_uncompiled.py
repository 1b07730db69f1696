"""What `_compiled` does, without it: frames are cut by Python, and no point is plain, so all go by way of objects.

A decoder in Python would be slower than protobuf's own, which is in C: there is nothing to gain by scanning bytes here.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

POINT_TAG = b"\x8a\x01"
"""What a message of a point begins with: field 17, which has a length, in Request and Response alike."""
_LONGEST_LENGTH = 5


def pass_points(data: bytes, position: int, limit: int, most: int) -> tuple[int, int]:
    """Where a run of whole messages of points ends that begins at `position`, and how many they are.

    At most `most`, of at most `limit` bytes each. What is no such message, for whatever reason, ends the run.
    """
    count, end = 0, len(data)
    while count < most:
        size, start = _length(data, position)
        if start < 0 or not 2 <= size <= limit or start + size > end or data[start : start + 2] != POINT_TAG:
            break
        position = start + size
        count += 1
    return position, count


def split(frames: bytes) -> list[bytes]:
    """The messages of a run's frames."""
    return [frames[start:stop] for start, stop in _positions(frames)]


def _positions(frames: bytes) -> Iterator[tuple[int, int]]:
    stop = 0
    while stop < len(frames):
        size, start = _length(frames, stop)
        stop = start + size
        yield start, stop


def _length(data: bytes, position: int) -> tuple[int, int]:
    """The length of a frame, and where its message begins: at -1 if there is none."""
    size = 0
    for index, byte in enumerate(data[position : position + _LONGEST_LENGTH]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return size, position + index + 1
    return 0, -1


class Scanner:
    """Finds the `wanted` fields in plain points, those without the `added` ones. This one calls no point plain."""

    def __init__(self, wanted: Sequence[bytes], added: Sequence[bytes], incomplete: bool) -> None:
        pass

    def scan(
        self,
        frames: bytes,
        numbers: dict[bytes, int],
        number: Callable[[bytes], int],
        times: "npt.NDArray[np.int64]",
        values: "npt.NDArray[np.float64]",
        groups: "npt.NDArray[np.int64]",
        starts: "npt.NDArray[np.int64]",
        stops: "npt.NDArray[np.int64]",
        plain: "npt.NDArray[np.uint8]",
    ) -> None:
        """Fill the arrays, which have a row for each message.

        Of each, where it is and whether it is plain; of plain ones, time, wanted values and the group's number: that of
        `numbers`, or what `number` gives for a new one.
        """
        for row, (start, stop) in enumerate(_positions(frames)):
            starts[row], stops[row], plain[row] = start, stop, False


class Appender:
    """Appends fields to plain points: there are none. `columns`: number of its map in a point, and name, of each."""

    def __init__(self, columns: Sequence[tuple[int, bytes]]) -> None:
        pass

    def append(
        self,
        frames: bytes,
        starts: "npt.NDArray[np.int64]",
        stops: "npt.NDArray[np.int64]",
        cells: "npt.NDArray[np.uint64]",
        texts: list[bytes],
    ) -> tuple[bytes, int]:
        """The frames of these messages, a row of `cells` appended to each, and how many values were not finite.

        Those are left out, as is a text that is none."""
        return b"", 0
