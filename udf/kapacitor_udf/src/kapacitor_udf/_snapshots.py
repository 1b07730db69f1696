"""Snapshots carry what is needed to refuse them: the version of their layout, a fingerprint of the options, a checksum.

Kapacitor keeps snapshots by task and node, so one may come back after the options, the code or the UDF itself have
changed. Layout: 6 bytes of magic and format, 16 bytes of SHA-256 of the key, version and CRC-32 as big-endian 32-bit
numbers, then the handler's bytes.
"""

import hashlib
import struct
import zlib

from ._errors import SnapshotError

_HEADER = struct.Struct(">6s16sII")
_MAGIC = b"kudf\x00\x01"
# Bytes. Kapacitor keeps one snapshot for each task in its database, and reads it into memory at once.
LARGEST = 32 * 2**20


def wrap(data: bytes, *, version: int, key: str) -> bytes:
    """Wrap a handler's state for Kapacitor.

    Args:
        data: the state; an empty one stays empty, and Kapacitor does not keep it.
        version: the version of its layout.
        key: what it was made with.

    Returns:
        The snapshot.

    Raises:
        SnapshotError: The state is too large.
    """
    if not data:
        return b""
    if len(data) > LARGEST:
        raise SnapshotError(f"the snapshot has {len(data)} bytes, at most {LARGEST} are kept: store less state")
    return _HEADER.pack(_MAGIC, _digest(key), version, zlib.crc32(data)) + data


def unwrap(snapshot: bytes, *, version: int, key: str) -> bytes:
    """Unwrap a handler's state.

    Args:
        snapshot: what Kapacitor kept.
        version: the layout version that the handler reads.
        key: what the snapshot must have been made with.

    Returns:
        The state.

    Raises:
        SnapshotError: The snapshot does not fit, and why.
    """
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
