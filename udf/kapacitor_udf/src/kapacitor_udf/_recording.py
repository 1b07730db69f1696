"""Recordings: a conversation with a UDF as a file, byte for byte, with the time of each read.

Layout, all numbers big-endian: 8 bytes of magic whose last one is the format's version, then chunks. A chunk is its
kind (1 byte), nanoseconds since the start (8), the length (4) and CRC-32 (4) of its bytes, and the bytes. The first
chunk is ABOUT, a JSON object with the keys `command` and `began`. TO_UDF and FROM_UDF follow, each with what one read
gave, in the order of the reads. Frames are cut out when a recording is read, not when it is made, so that even a stream
that is out of step is recorded as it was.

A chunk is written with one call before its bytes are passed on, so whatever brought a process down is in its recording.
A recording may end anywhere: a chunk that is cut off or damaged ends it, and all chunks before it are good.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic_ns
from typing import BinaryIO

from ._errors import RecordingError
from ._framing import LARGEST_MESSAGE, FrameReader, Oversized, apart

ABOUT, TO_UDF, FROM_UDF = 0, 1, 2
_MAGIC = b"KUDFREC\x01"
_CHUNK = struct.Struct(">BQII")
# Bytes. No read is longer, so a greater length is damage.
_LARGEST_CHUNK = 2**24


class Recorder:
    """Writes a new recording.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self, path: Path, command: Sequence[str]) -> None:
        """Make the file.

        Args:
            path: the file, which must not exist.
            command: the UDF's command.

        Raises:
            FileExistsError: The file exists.
            OSError: It cannot be written.
        """
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._start = monotonic_ns()
        about = {"command": list(command), "began": datetime.now(UTC).isoformat()}
        os.write(self._descriptor, _MAGIC)
        self.size = len(_MAGIC)
        self.add(ABOUT, json.dumps(about).encode())

    def add(self, kind: int, data: bytes) -> None:
        """Record what was just read.

        Args:
            kind: TO_UDF or FROM_UDF.
            data: the bytes.

        Raises:
            OSError: They cannot be written whole, so the recording ends before them.
        """
        head = _CHUNK.pack(kind, monotonic_ns() - self._start, len(data), zlib.crc32(data))
        length = len(head) + len(data)
        if os.writev(self._descriptor, [head, data]) != length:
            raise OSError("the chunk was not written whole")  # a full disk: what follows would not be found
        self.size += length


@dataclass(frozen=True, slots=True)
class Message:
    """A recorded message.

    Attributes:
        direction: TO_UDF or FROM_UDF.
        time: when its last byte was read, nanoseconds since the start.
        data: the encoded message.
    """

    direction: int
    time: int
    data: bytes


class Recording:
    """Reads a recording.

    Attributes:
        command: the UDF's command.
        began: when recording began, an RFC 3339 time.
        problem: once all messages were read, why some of what was said is missing; None if nothing is.
    """

    def __init__(self, path: Path) -> None:
        """Read how the recording was made.

        Args:
            path: the file.

        Raises:
            RecordingError: It cannot be read, or is not a recording.
        """
        self._path = path
        try:
            with path.open("rb") as file:
                about = next(self._chunks(file), None)
        except OSError as error:
            raise RecordingError(f"cannot read {path}: {error}") from error
        if about is None or about[0] != ABOUT:
            raise RecordingError(f"{path} ends before its first chunk is complete: nothing was recorded")
        said = json.loads(about[2])
        self.command: list[str] = said["command"]
        self.began: str = said["began"]
        self.problem: str | None = None

    def messages(self) -> Iterator[Message]:
        """Give every message that was recorded whole, in order."""
        readers = {TO_UDF: FrameReader(LARGEST_MESSAGE), FROM_UDF: FrameReader(LARGEST_MESSAGE)}
        with self._path.open("rb") as file:
            for kind, time, data in self._chunks(file):
                if kind not in readers:
                    continue
                for message in apart(readers[kind].feed(data)):
                    assert not isinstance(message, Oversized)  # noqa: S101 - the limit is the protocol's
                    yield Message(kind, time, message)
                broken = readers[kind].broken
                if broken is not None and self.problem is None:
                    self.problem = f"{'requests' if kind == TO_UDF else 'responses'}: {broken}"
        for kind, what in ((TO_UDF, "requests"), (FROM_UDF, "responses")):
            if readers[kind].unfinished and self.problem is None:
                self.problem = f"the {what} end within a frame"

    def _chunks(self, file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
        magic = file.read(len(_MAGIC))
        if magic[:-1] != _MAGIC[:-1]:
            raise RecordingError(f"{self._path} is not a recording")
        if magic != _MAGIC:
            raise RecordingError(
                f"{self._path} has format version {magic[-1]}, this library reads version {_MAGIC[-1]}"
            )
        while head := file.read(_CHUNK.size):
            if len(head) == _CHUNK.size:
                kind, time, length, crc = _CHUNK.unpack(head)
                data = file.read(length) if length <= _LARGEST_CHUNK else b""
                if len(data) == length and zlib.crc32(data) == crc:
                    yield kind, time, data
                    continue
            self.problem = "the recording was cut off"
            return
