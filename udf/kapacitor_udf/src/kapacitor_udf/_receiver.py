"""The reading side: bytes from Kapacitor become units of work. No I/O, no threads, no parsing of data.

A unit is handled as a whole, and shed as a whole if it must be:

- PointRun: the messages of points outside of a batch that follow each other, as they came;
- RawBatch: the messages of one batch, from begin to end, as they came;
- Request: a question that wants an answer in its place in the stream (info, init, snapshot, restore);
- Unusable: something that can only be counted, or answered without its content.

Keepalives are not units: they are about the process, not about the data, and are answered while units wait.

The only state is whether a batch is open. Kapacitor never nests or interleaves batches; if it did, the batch that was
cut short would be given up, and the next one would be whole.
"""

from dataclasses import dataclass

from . import _wire
from ._errors import FramingError, MalformedError
from ._framing import FrameReader, Oversized, PointRun
from ._varint import frame


@dataclass(slots=True)
class RawBatch:
    """The messages of a batch.

    Attributes:
        begin: the message that begins it.
        points: the messages of its points.
        end: the message that ends it.
        count: the number of its points.
        size: bytes of all messages, and of what Python keeps for them.
    """

    begin: bytes
    points: list[PointRun]
    end: bytes
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Request:
    """A question.

    Attributes:
        kind: its kind, `_wire.INFO` or another.
        message: the whole message.
    """

    kind: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Unusable:
    """Something that was not kept.

    Attributes:
        kind: its kind, `_wire.INFO` or another, known or not.
        counter: the name of the counter that counts it.
        why: an explanation for people.
    """

    kind: int
    counter: str
    why: str


Unit = PointRun | RawBatch | Request | Unusable


def weight(unit: Unit) -> int:
    """Return what a queue counts of a unit: its points, but at least 1.

    Args:
        unit: any unit.
    """
    return max(1, unit.count) if isinstance(unit, PointRun | RawBatch) else 1


def items(unit: Unit) -> int:
    """Return what a loss of a unit is counted in: points outside of batches, batches, or questions.

    Args:
        unit: any unit.
    """
    return unit.count if isinstance(unit, PointRun) else 1


def size(unit: Unit) -> int:
    """Return the bytes that a unit holds on to.

    Args:
        unit: any unit.
    """
    if isinstance(unit, PointRun):
        return len(unit.frames)
    if isinstance(unit, RawBatch):
        return unit.size
    return len(unit.message) if isinstance(unit, Request) else 0


class Receiver:
    """Sorts what arrives."""

    def __init__(self, *, largest_message: int, largest_batch: int) -> None:
        """Begin to sort.

        Args:
            largest_message: bytes of the largest message that is kept.
            largest_batch: bytes of the largest batch that is kept.
        """
        self._frames = FrameReader(largest_message)
        self._largest_message = largest_message
        self._largest_batch = largest_batch
        self._open: RawBatch | None = None
        self._given_up = False  # of the open batch, only its end is waited for
        self._keepalive: int | None = None

    def take_keepalive(self) -> int | None:
        """Return the time of the latest keepalive request since the last call, None if there was none."""
        time, self._keepalive = self._keepalive, None
        return time

    def cut_off(self) -> list[str]:
        """Tell what the end of input has cut off, for people: a message, a batch, both or none."""
        found = []
        unfinished = self._frames.unfinished
        if unfinished and self.broken is None:
            found.append(f"the input ended within a message: {unfinished} bytes of it have come")
        if self._open is not None and not self._given_up:
            found.append(f"the input ended within a batch: {self._open.count} points of it have come")
        return found

    @property
    def broken(self) -> FramingError | None:
        """Why nothing more can be understood, None while the stream is in step."""
        return self._frames.broken

    def receive(self, data: bytes) -> list[Unit]:
        """Take what was read.

        Args:
            data: bytes, wherever the read ended.

        Returns:
            The units that are complete now, in order; none once the stream is `broken`.
        """
        units: list[Unit] = []
        for message in self._frames.feed(data):
            if isinstance(message, PointRun):
                self._points(message, units)
                continue
            if isinstance(message, Oversized):
                units.append(self._unusable(message))
                continue
            kind = _wire.kind(message)
            if kind == _wire.POINT:  # one that cannot be read, or it would have come in a run
                self._points(PointRun(frame(message), 1), units)
            elif kind == _wire.BEGIN:
                if self._open is not None and not self._given_up:
                    units.append(Unusable(kind, "unexpected", "a batch began inside a batch, which is given up"))
                self._open = RawBatch(message, [], b"", 0, len(message))
                self._given_up = False
            elif kind == _wire.END:
                self._end(message, units)
            elif kind == _wire.KEEPALIVE:
                try:
                    self._keepalive = _wire.decode_keepalive(message)
                except MalformedError as error:
                    self._keepalive = 0
                    units.append(Unusable(kind, "undecodable", str(error)))
            elif kind in (_wire.INFO, _wire.INIT, _wire.SNAPSHOT, _wire.RESTORE):
                units.append(Request(kind, message))
            else:
                units.append(
                    Unusable(kind, "unexpected", f"a message of {len(message)} bytes is of kind {_named(kind)}")
                )
        return units

    def _unusable(self, message: Oversized) -> Unusable:
        """The unit for a message that was passed over."""
        kind = _wire.kind(message.head)
        what = f"a message of kind {_named(kind)} has {message.size} bytes"
        if message.has_no_room:
            return Unusable(kind, "undecodable", f"{what}, which do not fit into memory")
        return Unusable(kind, "oversized", f"{what}, at most {self._largest_message} are accepted")

    def _points(self, run: PointRun, units: list[Unit]) -> None:
        batch = self._open
        if batch is None:
            units.append(run)
            return
        if self._given_up:
            return
        batch.points.append(run)
        batch.count += run.count
        # The limit is about memory, so what Python keeps for a small object is counted, too.
        batch.size += len(run.frames) + 100
        if batch.size > self._largest_batch:
            self._given_up = True
            units.append(
                Unusable(
                    _wire.BEGIN,
                    "shed_batches",
                    f"a batch holds more than {self._largest_batch} bytes after {batch.count} points: "
                    "use a shorter window",
                )
            )
            batch.points.clear()

    def _end(self, message: bytes, units: list[Unit]) -> None:
        batch, self._open = self._open, None
        if batch is None:
            units.append(Unusable(_wire.END, "unexpected", "a batch ended that had not begun"))
        elif not self._given_up:
            batch.end = message
            batch.size += len(message)
            units.append(batch)
        self._given_up = False


def _named(kind: int) -> str:
    return _wire.NAMES.get(kind, f"{kind} (unknown)")
