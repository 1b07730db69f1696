"""Kapacitor's frames, by protobuf's own functions for messages with their length before them.

Apart from `kapacitor_udf`, which is under test.
"""

import io
from typing import Any, TypeVar, cast

from google.protobuf import proto
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


def read(kind: type[M], stream: "io.BufferedReader[Any]") -> M | None:
    """The next message; None at the end."""
    # Any buffered stream will do; only its type says otherwise.
    return cast(M | None, proto.parse_length_prefixed(kind, cast(io.BytesIO, stream)))


def frame(message: Message) -> bytes:
    """The message with its length before it."""
    output = io.BytesIO()
    proto.serialize_length_prefixed(message, output)
    return output.getvalue()
