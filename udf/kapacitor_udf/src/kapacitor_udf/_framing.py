"""Frames: cut a stream of bytes into messages, and put a length before a message.

A frame is `uvarint(length) + message`. Bytes go in as they were read, whole messages come out; nothing is parsed beyond
the length and the first two bytes of a message, which tell what it is. Bytes of an unfinished frame wait in one growing
buffer, and the buffer is looked at again only when the frame can be complete, so a large message that arrives in many
reads costs linear time.

Nearly all messages are points, so those that follow each other are not cut apart: they come out as one PointRun, which
costs one step of whoever handles it, however many points there are in it.

A message over the limit is passed over without keeping it: it costs itself and not the task. So is one that does not
fit into memory, whether that shows while it arrives or when it is copied out. A length that Kapacitor
cannot have meant (it writes at most 2**32 - 1, protobuf ends at 2**31 - 1) means that the two sides are out of step;
there is no way back into step, so the reader is broken from there on. What came before is still given out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ._errors import FramingError
from ._loops import pass_points, split
from ._uncompiled import POINT_TAG, positions

LARGEST_MESSAGE = 2**31 - 1
LONGEST_RUN = 1024
"""The most points in one run, which is queued, shed and handled as a whole."""
_LONGEST_VARINT = 5


@dataclass(frozen=True, slots=True)
class PointRun:
    """Messages of points in a row, as they came.

    Attributes:
        frames: the messages, each with its length before it.
        count: the number of messages.
    """

    frames: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Oversized:
    """A message that was passed over, or several points that follow each other.

    Attributes:
        size: its bytes.
        head: the first 2 of them at most, which tell its kind.
        has_no_room: whether it was passed over since it does not fit into memory.
    """

    size: int
    head: bytes
    has_no_room: bool = False


class FrameReader:
    """Cuts what was read into messages.

    Attributes:
        broken: why no more messages can be found, None while the stream is in step.
    """

    def __init__(self, limit: int) -> None:
        """Begin to cut.

        Args:
            limit: bytes of the largest message that is kept.
        """
        self._limit = limit
        self._waiting = bytearray()
        self._wanted = 0  # no frame can be complete before this many bytes are here
        self._skipping = 0  # bytes of an oversized message that are still to come
        self.broken: FramingError | None = None

    @property
    def unfinished(self) -> int:
        """The number of bytes of a frame that has not arrived whole."""
        return len(self._waiting) + self._skipping

    def feed(self, data: bytes) -> list[PointRun | bytes | Oversized]:
        """Take what was read.

        Args:
            data: bytes, wherever the read ended.

        Returns:
            The messages that are complete now, in order: those of points as runs, others as bytes; none once the stream
            is `broken`.
        """
        if self.broken is not None:
            return []
        if self._skipping:
            passed = min(self._skipping, len(data))
            self._skipping -= passed
            data = data[passed:]
        if self._waiting:
            before = len(self._waiting)
            try:
                self._waiting += data
                if len(self._waiting) < self._wanted:
                    return []
                data = bytes(self._waiting)
            except MemoryError:
                return self._give_up(data, before)
            self._waiting.clear()
        self._wanted = 0
        return self._cut(data)

    def _give_up(self, data: bytes, before: int) -> list[PointRun | bytes | Oversized]:
        """Pass over the message that waits, as it does not fit into memory.

        Args:
            data: what was read last.
            before: bytes that had waited before it was read.

        Returns:
            The message, and those that are complete after it.
        """
        missing = max(0, self._wanted - before)
        start = 1
        while self._waiting[start - 1] > 0x7F:
            start += 1
        given_up = Oversized(self._wanted - start, bytes(self._waiting[start : start + 2]), has_no_room=True)
        self._waiting = bytearray()
        self._skipping = max(0, missing - len(data))
        self._wanted = 0
        return [given_up, *self._cut(data[missing:])]

    def _cut(self, data: bytes) -> list[PointRun | bytes | Oversized]:
        frames: list[PointRun | bytes | Oversized] = []
        position, end = 0, len(data)
        while position < end:
            stop, count = pass_points(data, position, self._limit, LONGEST_RUN)
            if count:
                try:
                    frames.append(PointRun(data[position:stop], count))
                except MemoryError:
                    frames.append(Oversized(stop - position, POINT_TAG, has_no_room=True))
                position = stop
                continue
            size = data[position]
            start = position + 1
            if size > 0x7F:
                size &= 0x7F
                shift = 7
                while True:
                    if start - position >= _LONGEST_VARINT:
                        self.broken = FramingError(
                            f"a frame's length takes more than {_LONGEST_VARINT} bytes "
                            f"({data[position : position + 10].hex(' ')}): the stream is out of step"
                        )
                        return frames
                    if start == end:
                        self._waiting += data[position:]
                        return frames
                    byte = data[start]
                    start += 1
                    size |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                if size > LARGEST_MESSAGE:
                    self.broken = FramingError(
                        f"a frame of {size} bytes was announced, the protocol ends at {LARGEST_MESSAGE}: "
                        "the stream is out of step"
                    )
                    return frames
            stop = start + size
            if size > self._limit:
                if end - start < 2:  # wait for the two bytes that tell what it is
                    self._waiting += data[position:]
                    self._wanted = (start - position) + 2
                    return frames
                frames.append(Oversized(size, data[start : start + 2]))
                self._skipping = max(0, stop - end)
            elif stop > end:
                self._waiting += data[position:]
                self._wanted = stop - position
                return frames
            else:
                try:
                    frames.append(data[start:stop])
                except MemoryError:
                    frames.append(Oversized(size, data[start : start + 2], has_no_room=True))
            position = stop
        return frames


def one_by_one(frames: bytes) -> Iterator[bytes | Oversized]:
    """Give the messages of a run, where there is no room for all of them at once.

    Args:
        frames: whole frames, as in a `PointRun`.
    """
    for start, stop in positions(frames):
        try:
            yield frames[start:stop]
        except MemoryError:
            yield Oversized(stop - start, POINT_TAG, has_no_room=True)


def apart(parts: Iterable[PointRun | bytes | Oversized]) -> Iterator[bytes | Oversized]:
    """Give messages one by one, also those of runs.

    Args:
        parts: what `FrameReader.feed` returned.
    """
    for part in parts:
        if isinstance(part, PointRun):
            yield from split(part.frames)
        else:
            yield part
