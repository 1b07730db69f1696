"""The functions of `_compiled` without a compiler: Python cuts frames, and no point is plain, so all become objects.

A decoder in Python would be slower than protobuf's own, which is in C, so nothing is gained by scanning bytes here.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ._varint import frame, varint

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._data import Point

POINT_TAG = b"\x8a\x01"
"""The bytes that a message of a point begins with: field 17, which has a length, in Request and Response alike."""
DOUBLE, INTEGER, STRING, BOOLEAN = 0x42, 0x4A, 0x52, 0x62
"""The maps of a point's fields by the type of their values: field number * 8 + wire type."""
_LONGEST_LENGTH = 5


def pass_points(data: bytes, position: int, limit: int, most: int) -> tuple[int, int]:
    """Find a run of whole messages of points. Anything else ends the run, for whatever reason.

    Args:
        data: frames.
        position: where the run begins.
        limit: the most bytes of a message.
        most: the most messages of the run.

    Returns:
        Where the run ends, and the number of its messages.
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
    """Cut a run's frames into messages.

    Args:
        frames: whole frames.

    Returns:
        The messages without their lengths.
    """
    return [frames[start:stop] for start, stop in positions(frames)]


def positions(frames: bytes) -> Iterator[tuple[int, int]]:
    """Give where each message of a run begins and ends.

    Args:
        frames: whole frames.
    """
    stop = 0
    while stop < len(frames):
        size, start = _length(frames, stop)
        stop = start + size
        yield start, stop


def _length(data: bytes, position: int) -> tuple[int, int]:
    """The length of a frame, and where its message begins, -1 if there is none."""
    size = 0
    for index, byte in enumerate(data[position : position + _LONGEST_LENGTH]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return size, position + index + 1
    return 0, -1


class Scanner:
    """Finds the wanted fields in plain points, which have none of the added ones. This one calls no point plain."""

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
        """Fill the arrays, which have a row for each of the n messages.

        Args:
            frames: whole frames of points.
            numbers: the number of each known group by its encoded ID.
            number: gives a number to a new group.
            times: gets the time of each plain point, shape (n,).
            values: gets the k wanted fields of each plain point, shape (n, k).
            groups: gets the number of each plain point's group, shape (n,).
            starts: gets where each message begins, shape (n,).
            stops: gets where each message ends, shape (n,).
            plain: gets whether each message is a plain point, shape (n,).
        """
        for row, (start, stop) in enumerate(positions(frames)):
            starts[row], stops[row], plain[row] = start, stop, False


class TagScanner:
    """Finds the wanted fields and tags in plain points. This one calls no point plain."""

    def __init__(self, wanted: Sequence[bytes], tags: Sequence[bytes], measurements: Sequence[bytes]) -> None:
        pass

    def scan(
        self,
        frames: bytes,
        numbers: dict[bytes, int],
        number: Callable[[bytes], int],
        times: "npt.NDArray[np.int64]",
        values: "npt.NDArray[np.float64]",
        groups: "npt.NDArray[np.int64]",
        identities: "npt.NDArray[np.uint64]",
        unusable: "npt.NDArray[np.int64]",
        starts: "npt.NDArray[np.int64]",
        stops: "npt.NDArray[np.int64]",
        plain: "npt.NDArray[np.uint8]",
    ) -> None:
        """Fill the arrays, which have a row for each of the n messages and are zero.

        Args:
            frames: whole frames of points.
            numbers: the number of each known group by its encoded key.
            number: gives a number to a new group.
            times: gets the time of each plain point, shape (n,).
            values: gets the k wanted fields of each plain point, shape (n, k).
            groups: gets the number of each plain point's group, shape (n,).
            identities: gets the identity of each plain point, shape (n,).
            unusable: gets how many wanted fields of each plain point are not finite numbers, shape (n,).
            starts: gets where each message begins, shape (n,).
            stops: gets where each message ends, shape (n,).
            plain: gets whether each message is a plain point, shape (n,); 2 for one whose measurement is not wanted, of
                which the other arrays get nothing.
        """
        for row, (start, stop) in enumerate(positions(frames)):
            starts[row], stops[row] = start, stop


class Appender:
    """Appends fields to plain points. This one gets none, since its scanner calls no point plain."""

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
        """Append a row of cells to each of n messages. Values that are not finite are left out, as are missing texts.

        Args:
            frames: the frames that the messages are in.
            starts: where each message begins, shape (n,).
            stops: where each message ends, shape (n,).
            cells: the 64 bits of each value, or its index among the texts, shape (n, fields).
            texts: the encoded texts.

        Returns:
            The frames of the messages with their new fields, and the number of values that are not finite.
        """
        return b"", 0


class PointWriter:
    """Writes points of columns. Each column has a type and a name, and a point has the fields that are present."""

    def __init__(self, columns: Sequence[tuple[int, bytes]]) -> None:
        """Prepare to write fields.

        Args:
            columns: the number of the map that each field belongs into, with its wire type, and its encoded name.
        """
        self._columns = [(tag, b"\x0a" + frame(name)) for tag, name in columns]

    def write(
        self,
        heads: list[bytes],
        tail: bytes,
        times: "npt.NDArray[np.int64]",
        cells: "npt.NDArray[np.uint64]",
        present: "npt.NDArray[np.uint8]",
        texts: list[bytes],
    ) -> tuple[bytes, int]:
        """Write n points.

        Args:
            heads: what is encoded of each point beside its time and fields; one for each row, or one for all.
            tail: encoded fields that all points have.
            times: the time of each point, shape (n,).
            cells: the 64 bits of each value, or its index among the texts, shape (n, fields).
            present: whether each value is there, shape (n, fields).
            texts: the encoded texts.

        Returns:
            The frames of the points that have a field, and how many these are.
        """
        frames = []
        for row, time in enumerate(times.tolist()):
            fields = [
                self._entry(column, int(cells[row, column]), texts)
                for column in range(len(self._columns))
                if present[row, column]
            ]
            if fields or tail:
                head = heads[0] if len(heads) == 1 else heads[row]
                time_part = b"\x08" + varint(time & 2**64 - 1)
                frames.append(frame(POINT_TAG + frame(b"".join([head, time_part, tail, *fields]))))
        return b"".join(frames), len(frames)

    def _entry(self, column: int, cell: int, texts: list[bytes]) -> bytes:
        tag, name = self._columns[column]
        if tag == DOUBLE:
            value = b"\x11" + cell.to_bytes(8, "little")
        elif tag == STRING:
            value = b"\x12" + frame(texts[cell])
        else:
            value = b"\x10" + varint(cell)
        return bytes([tag]) + frame(name + value)


class PointDecoder:
    """Makes objects of plain points. This one calls no point plain."""

    def __init__(self, make: "type[Point]") -> None:
        pass

    def decode(self, frames: bytes) -> "list[Point | bytes]":
        """Decode points.

        Args:
            frames: whole frames of points.

        Returns:
            For each message its point, or the message if it is not a plain point.
        """
        return [*split(frames)]


class PointEncoder:
    """Encodes points that consist of Python's own objects in the expected types. This one leaves all to protobuf."""

    def encode(self, point: "Point") -> bytes | None:
        """Encode a point.

        Args:
            point: any point.

        Returns:
            The frame, None if a part of the point is not plain, or it has no fields.
        """
        return None
