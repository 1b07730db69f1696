"""Messages as text, one line each, for people: the lines of `show`, and the differences of `replay`.

Whatever cannot be decoded is shown as bytes, since a recording is opened mostly when something is wrong.
"""

import math
from typing import Any

from . import wire_pb2 as wire
from ._data import Point
from ._declaration import ValueType
from ._log import one_line
from ._wire import VALUE_FIELDS, to_point

_LONGEST = 2000


def request(message: bytes) -> str:
    """Show a Request.

    Args:
        message: the encoded Request.
    """
    return _told(wire.Request, message)


def response(message: bytes) -> str:
    """Show a Response.

    Args:
        message: the encoded Response.
    """
    return _told(wire.Response, message)


def _told(kind: Any, message: bytes) -> str:
    try:
        parsed = kind.FromString(message)
    except Exception as error:  # protobuf's own kinds differ between runtimes
        return one_line(f"undecodable ({error}): {message[:100].hex(' ')}", _LONGEST)
    member = parsed.WhichOneof("message")
    if member is None:
        return "empty"
    return one_line(f"{member} {_MEMBERS.get(member, str)(getattr(parsed, member))}".rstrip(), _LONGEST)


def _init(init: Any) -> str:
    if not isinstance(init, wire.InitRequest):
        return "ok" if init.success else f"failed: {init.error}"
    calls = []
    for option in init.options:
        values = [getattr(value, VALUE_FIELDS[ValueType(value.type)]) for value in option.values]
        calls.append(f".{option.name}({', '.join(map(repr, values))})")
    return f"task={init.taskID!r} node={init.nodeID!r} {''.join(calls)}"


def _info(info: Any) -> str:
    if isinstance(info, wire.InfoRequest):
        return ""
    edge = wire.EdgeType.Name
    return f"wants={edge(info.wants)} provides={edge(info.provides)} options={sorted(info.options)}"


def _snapshot(snapshot: Any) -> str:
    data = getattr(snapshot, "snapshot", None)
    return "" if data is None else f"{len(data)} bytes: {data[:60].hex(' ')}"


def _restore(restore: Any) -> str:
    if isinstance(restore, wire.RestoreRequest):
        return _snapshot(restore)
    return "ok" if restore.success else f"failed: {restore.error}"


def _batch(message: Any) -> str:
    tags = "".join(f",{key}={value}" for key, value in sorted(message.tags.items()))
    end = f" tmax={message.tmax}" if isinstance(message, wire.EndBatch) else f" size={message.size}"
    return f"{message.name}{tags}{end}"


def _told_point(message: Any) -> str:
    point = to_point(message)
    grouped = f" by={','.join(point.dimensions)}" if point.dimensions else ""
    return f"{_line(point)}{grouped}{' byName' if point.by_name else ''}"


def _line(point: Point) -> str:
    """A point in the manner of line protocol, without its escapes."""
    tags = "".join(f",{key}={value}" for key, value in sorted(point.tags.items()))
    fields = ",".join(f"{key}={_value(value)}" for key, value in sorted(point.fields.items()))
    return f"{point.name}{tags} {fields} {point.time}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    return f'"{value}"'


_MEMBERS = {
    "info": _info,
    "init": _init,
    "keepalive": lambda message: str(message.time),
    "snapshot": _snapshot,
    "restore": _restore,
    "error": lambda message: message.error,
    "begin": _batch,
    "point": _told_point,
    "end": _batch,
}
