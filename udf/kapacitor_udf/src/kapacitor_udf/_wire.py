"""Messages to objects and back, by protobuf's own runtime (upb, in C), for both ends of the pipe.

`kind` tells from the first bytes what a message is, so that nothing is parsed before it is needed: the reading side
sorts messages by kind and keeps messages of data as bytes.

Every encoder makes a whole frame with exactly one member set. An empty Response, at which kapacitord panics, cannot be
made.
"""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from . import wire_pb2 as wire
from ._data import Batch, FieldValue, Point
from ._declaration import UDF, Call, ValueType
from ._errors import MalformedError
from ._loops import PointEncoder
from ._uncompiled import POINT_TAG
from ._varint import frame

# The members of Request and Response, by field number.
INFO, INIT, KEEPALIVE, SNAPSHOT, RESTORE, ERROR = 1, 2, 3, 4, 5, 6
BEGIN, POINT, END = 16, 17, 18

NAMES = {
    INFO: "info", INIT: "init", KEEPALIVE: "keepalive", SNAPSHOT: "snapshot", RESTORE: "restore", ERROR: "error",
    BEGIN: "begin", POINT: "point", END: "end",
}  # fmt: skip

VALUE_FIELDS = {
    ValueType.BOOL: "boolValue",
    ValueType.INT: "intValue",
    ValueType.DOUBLE: "doubleValue",
    ValueType.STRING: "stringValue",
    ValueType.DURATION: "durationValue",
}


def kind(message: bytes) -> int:
    """Tell what a message is.

    Args:
        message: an encoded Request or Response, or its first 2 bytes.

    Returns:
        The field number of the member that it begins with, 0 if there is none.
    """
    if not message:
        return 0
    first = message[0]
    if first < 0x80:
        return first >> 3
    if len(message) < 2 or message[1] > 0x7F:
        return 0
    return (first & 0x7F | message[1] << 7) >> 3


# From Kapacitor


def _request(message: bytes, member: str) -> Any:
    try:
        request = wire.Request.FromString(message)
    except (DecodeError, MemoryError) as error:
        why = str(error) or "it does not fit into memory"
        raise MalformedError(f"a {member} message of {len(message)} bytes cannot be decoded: {why}") from error
    if request.WhichOneof("message") != member:
        name = request.WhichOneof("message")
        raise MalformedError(f"a message of {len(message)} bytes began as {member} and is {name}")
    return getattr(request, member)


def decode_init(message: bytes) -> tuple[list[Call], str, str]:
    """Decode an Init request.

    Args:
        message: the request.

    Returns:
        The calls of options, the task's ID, and the node's ID.

    Raises:
        MalformedError: The message cannot be understood.
    """
    init = _request(message, "init")
    return [_call(option) for option in init.options], init.taskID, init.nodeID


def _call(option: Any) -> Call:
    values = []
    for each in option.values:
        try:
            declared = ValueType(each.type)
        except ValueError:
            raise MalformedError(f"option {option.name!r} has a value of the unknown type {each.type}") from None
        if each.WhichOneof("value") != VALUE_FIELDS[declared]:
            raise MalformedError(f"option {option.name!r} says {declared.name} and holds {each.WhichOneof('value')}")
        values.append((declared, getattr(each, VALUE_FIELDS[declared])))
    return Call(option.name, tuple(values))


def decode_keepalive(message: bytes) -> int:
    """Decode a keepalive request.

    Args:
        message: the request.

    Returns:
        Its time, nanoseconds.

    Raises:
        MalformedError: The message cannot be understood.
    """
    return int(_request(message, "keepalive").time)


def decode_restore(message: bytes) -> bytes:
    """Decode a Restore request.

    Args:
        message: the request.

    Returns:
        The snapshot.

    Raises:
        MalformedError: The message cannot be understood.
    """
    return bytes(_request(message, "restore").snapshot)


def decode_point(message: bytes) -> Point:
    """Decode a point.

    Args:
        message: a request with a point.

    Returns:
        The point.

    Raises:
        MalformedError: The message cannot be understood.
    """
    try:
        return to_point(_request(message, "point"))
    except MemoryError as error:
        raise MalformedError(f"a point message of {len(message)} bytes does not fit into memory") from error


def to_point(point: Any) -> Point:
    """Make a point of protobuf's object.

    A field that is in several of the maps is what Kapacitor takes it for: bool over double over integer over string.

    Args:
        point: a `wire.Point`.
    """
    fields: dict[str, FieldValue] = {}
    if point.fieldsString:
        fields.update(point.fieldsString)
    if point.fieldsInt:
        fields.update(point.fieldsInt)
    if point.fieldsDouble:
        fields.update(point.fieldsDouble)
    if point.fieldsBool:
        fields.update(point.fieldsBool)
    return Point(
        point.time,
        fields,
        dict(point.tags),
        point.name,
        list(point.dimensions),
        point.byName,
        point.group,
        point.database,
        point.retentionPolicy,
    )


def decode_batch(begin: bytes, points: Iterable[Point], end: bytes) -> Batch:
    """Decode a batch.

    Args:
        begin: the message that begins it.
        points: its points.
        end: the message that ends it.

    Returns:
        The batch.

    Raises:
        MalformedError: One of the messages cannot be understood.
    """
    head, tail = _request(begin, "begin"), _request(end, "end")
    return Batch(head.name, dict(head.tags), list(points), tail.tmax, head.group, head.byName)


# To Kapacitor


def _response(**member: Any) -> bytes:
    return frame(wire.Response(**member).SerializeToString())


# The field number and the type of a member, which stand before its length in a Response, as POINT_TAG does.
_BEGIN_TAG, _END_TAG = b"\x82\x01", b"\x92\x01"


def _data(tag: bytes, message: wire.BeginBatch | wire.Point | wire.EndBatch) -> bytes:
    """The frame of a Response with this member, written around the message, which protobuf would copy."""
    return frame(tag + frame(message.SerializeToString()))


def encode_info(udf: UDF[Any]) -> bytes:
    """Encode the answer to Info.

    Args:
        udf: the declaration.
    """
    options = {
        name: wire.OptionInfo(valueTypes=[each.name for each in option.types]) for name, option in udf.options.items()
    }
    return _response(info=wire.InfoResponse(wants=udf.wants.name, provides=udf.provides.name, options=options))


def encode_init(error: str | None) -> bytes:
    """Encode the answer to Init.

    Args:
        error: what went wrong, None if nothing did.
    """
    return _response(init=wire.InitResponse(success=error is None, error=error or ""))


def encode_error(error: str) -> bytes:
    """Encode why this UDF ends: Kapacitor fails the task with it.

    Args:
        error: the reason.
    """
    return _response(error=wire.ErrorResponse(error=error))


def encode_keepalive(time: int) -> bytes:
    """Encode a life sign.

    Args:
        time: nanoseconds since the epoch.
    """
    return _response(keepalive=wire.KeepaliveResponse(time=time))


def encode_snapshot(snapshot: bytes) -> bytes:
    """Encode the answer to Snapshot.

    Args:
        snapshot: what Kapacitor is to keep; it does not keep an empty one.
    """
    return _response(snapshot=wire.SnapshotResponse(snapshot=snapshot))


def encode_restored() -> bytes:
    """Encode the answer to Restore: success, as a failed restore would fail the task at every start."""
    return _response(restore=wire.RestoreResponse(success=True))


def encode_point(point: Point, dropped: list[str] | None = None) -> bytes | None:
    """Encode a point. Fields that are not finite are left out.

    Args:
        point: the point.
        dropped: the names of fields that were left out are appended to it.

    Returns:
        The frame, None if no field is left.

    Raises:
        TypeError: A value is of a type that cannot be sent; the message names it.
        ValueError: A value is outside of what can be sent; the message names it.
    """
    inner = to_message(point, dropped)
    return None if inner is None else _data(POINT_TAG, inner)


def encode_head(name: str, tags: Mapping[str, str], dimensions: Sequence[str]) -> bytes:
    """Encode what the points of one series have in common.

    Args:
        name: the measurement.
        tags: values by name.
        dimensions: the tags that Kapacitor groups by.

    Returns:
        A part of a point, without its time and its fields.

    Raises:
        TypeError: A value is of a type that cannot be sent; the message names it.
        ValueError: A value cannot be encoded; the message names it.
    """
    _checked("point", name, 0)
    if isinstance(dimensions, str):
        raise TypeError(f"the point's dimensions are {dimensions!r:.100}, expected a list of tag names")
    try:
        return wire.Point(name=name, tags=tags, dimensions=dimensions).SerializeToString()
    except (TypeError, ValueError) as error:
        raise _explained(error, "point", name, tags, 0) from error


def encode_fields(fields: Mapping[str, FieldValue], dropped: list[str]) -> bytes:
    """Encode fields that points have in common. Those that are not finite are left out.

    Args:
        fields: values by name.
        dropped: the names of fields that were left out are appended to it.

    Returns:
        A part of a point; empty if no field is left.

    Raises:
        TypeError: A value is of a type that cannot be sent; the message names it.
        ValueError: A value is outside of what can be sent; the message names it.
    """
    inner = to_message(Point(0, dict(fields)), dropped)
    return b"" if inner is None else inner.SerializeToString()


def encode_batch(
    batch: Batch, dropped: list[str] | None = None, encoder: PointEncoder | None = None
) -> tuple[bytes, int]:
    """Encode a batch. Fields that are not finite are left out, as are points without fields.

    Args:
        batch: the batch.
        dropped: the names of fields that were left out are appended to it.
        encoder: encodes plain points; others are encoded by protobuf.

    Returns:
        The frames of the batch from its begin to its end, and the number of points in it.

    Raises:
        TypeError: A value is of a type that cannot be sent; the message names it.
        ValueError: A value is outside of what can be sent; the message names it.
    """
    _checked("batch", batch.name, batch.tmax)
    points = [each for point in batch.points if (each := _point_frame(point, dropped, encoder)) is not None]
    try:
        begin = wire.BeginBatch(
            name=batch.name, group=batch.group, tags=batch.tags, size=len(points), byName=batch.by_name
        )
        end = wire.EndBatch(name=batch.name, group=batch.group, tags=batch.tags, tmax=batch.tmax, byName=batch.by_name)
    except (TypeError, ValueError) as error:
        raise _explained(error, "batch", batch.name, batch.tags, batch.tmax) from error
    return b"".join([_data(_BEGIN_TAG, begin), *points, _data(_END_TAG, end)]), len(points)


def _point_frame(point: Point, dropped: list[str] | None, encoder: PointEncoder | None) -> bytes | None:
    plain = None if encoder is None else encoder.encode(point)
    return encode_point(point, dropped) if plain is None else plain


def to_message(point: Point, dropped: list[str] | None, finite: bool = True) -> wire.Point | None:
    """Make protobuf's object of a point.

    Args:
        point: the point.
        dropped: the names of fields that were left out are appended to it.
        finite: whether fields that are not finite are left out.

    Returns:
        The object, None if no field is left.

    Raises:
        TypeError: A value is of a type that cannot be sent; the message names it.
        ValueError: A value is outside of what can be sent; the message names it.
    """
    doubles: dict[str, float] = {}
    integers: dict[str, int] = {}
    strings: dict[str, str] = {}
    booleans: dict[str, bool] = {}
    for name, value in point.fields.items():
        plain = value if type(value) in _PLAIN else _plain(name, value)
        if type(plain) is float:
            if not finite or math.isfinite(plain):
                doubles[name] = plain
            elif dropped is not None:
                dropped.append(name)
        elif type(plain) is bool:
            booleans[name] = plain
        elif type(plain) is int:
            integers[name] = plain
        else:
            strings[name] = plain  # type: ignore[assignment]
    if not (doubles or integers or strings or booleans):
        return None
    _checked("point", point.name, point.time)
    if isinstance(point.dimensions, str):
        raise TypeError(f"the point's dimensions are {point.dimensions!r:.100}, expected a list of tag names")
    try:
        encoded = wire.Point(
            time=point.time,
            name=point.name,
            database=point.database,
            retentionPolicy=point.retention_policy,
            group=point.group,
            dimensions=point.dimensions,
            tags=point.tags,
            fieldsDouble=doubles,
            byName=point.by_name,
        )
        # Most points have floats only, and setting a map to nothing takes time.
        if integers:
            encoded.fieldsInt.update(integers)
        if strings:
            encoded.fieldsString.update(strings)
        if booleans:
            encoded.fieldsBool.update(booleans)
    except (TypeError, ValueError) as error:
        for name, integer in integers.items():
            if not -(2**63) <= integer < 2**63:
                raise ValueError(f"field {name!r} is {integer}, expected an integer of 64 bits") from error
        raise _explained(error, "point", point.name, point.tags, point.time) from error
    return encoded


def _checked(what: str, name: object, time: object) -> None:
    """Refuse None, which protobuf takes for "not set": a forgotten time must not become the year 1970."""
    if type(time) is not int and not hasattr(time, "__index__"):
        raise TypeError(f"the {what}'s time is {time!r:.100}, expected integer nanoseconds since the epoch")
    if not isinstance(name, str):
        raise TypeError(f"the {what}'s name is {name!r:.100}, expected a string")


_PLAIN = (float, int, str, bool)


def _plain(name: str, value: Any) -> FieldValue:
    """Convert a subclass or a numpy scalar to one of the four types."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    for base in (bool, float, int, str):
        if isinstance(value, base):
            return base(value)
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"field {name!r} is {value!r:.100} ({type(value).__name__}), expected a float, int, str or bool"
        ) from None


def _explained(error: Exception, what: str, name: object, tags: object, time: object) -> Exception:
    """An error that says which part of a point or batch it is about, where protobuf's own does not."""
    if isinstance(tags, Mapping):
        for key, value in tags.items():
            if not isinstance(key, str) or not isinstance(value, str):
                return TypeError(f"tag {key!r:.100} is {value!r:.100}, expected strings")
    if isinstance(time, int) and not -(2**63) <= time < 2**63:
        return ValueError(f"the {what}'s time is {time}, expected nanoseconds since the epoch, in 64 bits")
    # The error's own type does not serve: a UnicodeError cannot be made from a message.
    return ValueError(f"the {what} {name!r:.100} cannot be encoded: {error}")
