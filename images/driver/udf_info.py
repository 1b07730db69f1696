"""Kapacitor's first exchange with a UDF, in bytes, so that the check needs none of the libraries that it checks.

A message is its length as a varint, then protobuf: Request{info = 1: InfoRequest{}} is answered by
Response{info = 1: InfoResponse{wants = 1, provides = 2, options = 3}} (udf.proto in Kapacitor's module udf/agent).
"""

from __future__ import annotations

from collections.abc import Iterator

INFO_FIELD = 1
VARINT, BYTES = 0, 2
INFO_REQUEST = bytes((2, INFO_FIELD << 3 | BYTES, 0))


class InfoError(ValueError):
    """What came is not the answer to an InfoRequest."""


def read_info_response(stream: bytes) -> dict[int, list[int | bytes]]:
    """The fields of the InfoResponse at the start of a stream: number to values.

    Raises:
        InfoError: there is something else, or nothing.
    """
    if not stream:
        raise InfoError("it said nothing")
    length, start = _varint(stream, 0)
    message = stream[start : start + length]
    if len(message) < length:
        raise InfoError(f"the message should have {length} bytes and has {len(message)}")
    for number, value in _fields(message):
        if number == INFO_FIELD and isinstance(value, bytes):
            info: dict[int, list[int | bytes]] = {}
            for inner, content in _fields(value):
                info.setdefault(inner, []).append(content)
            return info
    raise InfoError(f"the message is no InfoResponse: {message[:60]!r}")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        value, position = _varint(message, position)
        if kind == VARINT:
            yield number, value
        elif kind == BYTES:
            if position + value > len(message):
                raise InfoError(f"field {number} is cut off")
            yield number, message[position : position + value]
            position += value
        else:
            raise InfoError(f"field {number} has wire type {kind}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
    raise InfoError("a number is cut off")
