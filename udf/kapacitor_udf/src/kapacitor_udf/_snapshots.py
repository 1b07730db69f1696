"""Snapshots carry what is needed to refuse them: the handler's layout version, what they were made with, a checksum.

Kapacitor keeps snapshots by task and node name, so one may come back after the options, the code or the UDF itself have
changed. Layout: 6 bytes of magic and format, 16 bytes of SHA-256 of the key, version and CRC-32 as big-endian 32-bit
numbers, then the handler's bytes.
"""

import hashlib
import struct
import zlib

from ._errors import SnapshotError

_HEADER = struct.Struct(">6s16sII")
_MAGIC = b"kudf\x00\x01"
# Kapacitor keeps one for each task in its database, and reads it into memory at once.
LARGEST = 32 * 2**20


def wrap(data: bytes, *, version: int, key: str) -> bytes:
    """`data` as it is given to Kapacitor. Nothing stays nothing: Kapacitor keeps only what is longer than 0 bytes."""
    if not data:
        return b""
    if len(data) > LARGEST:
        raise SnapshotError(f"the snapshot has {len(data)} bytes, at most {LARGEST} are kept: store less state")
    return _HEADER.pack(_MAGIC, _digest(key), version, zlib.crc32(data)) + data


def unwrap(snapshot: bytes, *, version: int, key: str) -> bytes:
    """The data that was wrapped. Raises SnapshotError that says why it does not fit."""
    if len(snapshot) < _HEADER.size or snapshot[: len(_MAGIC)] != _MAGIC:
        raise SnapshotError(f"its {len(snapshot)} bytes were not written by this library")
    _, digest, found, crc = _HEADER.unpack_from(snapshot)
    data = snapshot[_HEADER.size :]
    if zlib.crc32(data) != crc:
        raise SnapshotError("its checksum does not match: it was damaged")
    if found != version:
        raise SnapshotError(f"it has layout version {found}, this handler reads version {version}")
    if digest != _digest(key):
        raise SnapshotError("it was made with other options")
    return data


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()[:16]
