"""Kapacitor's end of the conversation, for the test harness and this library's own tests.

It encodes requests as Kapacitor does, down to what Kapacitor leaves out, and decodes responses as Kapacitor does. Where
kapacitord would panic, it raises, so that every test that reads responses holds the library to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import wire_pb2 as wire
from ._data import Batch, Point
from ._declaration import UDF, Call, Option, ValueType
from ._errors import InitError
from ._framing import LARGEST_MESSAGE, FrameReader, apart
from ._varint import frame
from ._wire import VALUE_FIELDS, to_message, to_point


def _request(**member: Any) -> bytes:
    return frame(wire.Request(**member).SerializeToString())


def encode_info() -> bytes:
    """Encode an Info request."""
    return _request(info=wire.InfoRequest())


def encode_init(calls: Sequence[Call], task: str, node: str) -> bytes:
    """Encode an Init request.

    Args:
        calls: the calls of options.
        task: the task's ID.
        node: the node's ID.
    """
    options = [
        wire.Option(
            name=call.name,
            values=[_value(kind, value) for kind, value in call.values],
        )
        for call in calls
    ]
    return _request(init=wire.InitRequest(options=options, taskID=task, nodeID=node))


def _value(kind: ValueType, value: Any) -> wire.OptionValue:
    members: dict[str, Any] = {"type": kind.value, VALUE_FIELDS[kind]: value}
    return wire.OptionValue(**members)


def encode_keepalive(time: int) -> bytes:
    """Encode a keepalive request.

    Args:
        time: nanoseconds since the epoch.
    """
    return _request(keepalive=wire.KeepaliveRequest(time=time))


def encode_snapshot() -> bytes:
    """Encode a Snapshot request."""
    return _request(snapshot=wire.SnapshotRequest())


def encode_restore(snapshot: bytes) -> bytes:
    """Encode a Restore request.

    Args:
        snapshot: what Kapacitor kept.
    """
    return _request(restore=wire.RestoreRequest(snapshot=snapshot))


def encode_point(point: Point) -> bytes:
    """Encode a point of a stream, fields that are not finite included.

    Args:
        point: the point.
    """
    return _request(point=to_message(point, None, finite=False) or wire.Point(time=point.time))


def encode_batch(batch: Batch) -> bytes:
    """Encode a batch as Kapacitor sends it: its points have time, group, tags and fields only.

    Args:
        batch: the batch.
    """
    frames = [
        _request(
            begin=wire.BeginBatch(
                name=batch.name, group=batch.group, tags=batch.tags, size=len(batch.points), byName=batch.by_name
            )
        )
    ]
    frames += [encode_point(Point(point.time, point.fields, point.tags, group=batch.group)) for point in batch.points]
    # Kapacitor leaves byName out here.
    frames.append(_request(end=wire.EndBatch(name=batch.name, group=batch.group, tags=batch.tags, tmax=batch.tmax)))
    return b"".join(frames)


def calls(udf: UDF[Any], options: Mapping[str, Any]) -> list[Call]:
    """Make the calls of a TICKscript that give these values.

    Args:
        udf: the declaration.
        options: values by name as the handler sees them.

    Returns:
        The calls.

    Raises:
        InitError: A name is not declared, or a value is not one of an option.
    """
    made: list[Call] = []
    for name, value in options.items():
        option = udf.options.get(name)
        if option is None:
            raise InitError(f"option {name!r} is unknown, this UDF has: {', '.join(udf.options) or 'none'}")
        made += [_call(option, each) for each in (value if option.repeat else [value])]
    return made


def _call(option: Option, value: Any) -> Call:
    """What Kapacitor makes of a call with this value; types are the declared ones where the value allows it."""
    values = value if len(option.types) > 1 else (value,)
    types = [*option.types, *[None] * (len(values) - len(option.types))]
    return Call(option.name, tuple((_type(each, kind), each) for kind, each in zip(types, values, strict=False)))


_NATURAL = {bool: ValueType.BOOL, int: ValueType.INT, float: ValueType.DOUBLE, str: ValueType.STRING}


def _type(value: Any, declared: ValueType | None) -> ValueType:
    natural = _NATURAL.get(type(value))
    if natural is None:
        raise InitError(f"{value!r} is not an option's value; use a bool, int, float or str (a duration: nanoseconds)")
    return ValueType.DURATION if declared is ValueType.DURATION and natural is ValueType.INT else natural


def responses(data: bytes) -> list[Any]:
    """Decode what a UDF has written.

    Args:
        data: whole frames.

    Returns:
        The Responses in order.

    Raises:
        ValueError: They would take kapacitord down, or the last frame is not whole.
    """
    decoded = []
    reader = FrameReader(LARGEST_MESSAGE)
    for message in apart(reader.feed(data)):
        response = wire.Response.FromString(message)  # type: ignore[arg-type]
        if response.WhichOneof("message") is None:
            raise ValueError("an empty Response: kapacitord panics")
        decoded.append(response)
    if reader.unfinished:
        raise ValueError(f"{reader.unfinished} bytes of an unfinished frame")
    return decoded


def data(decoded: Iterable[Any]) -> list[Point | Batch]:
    """Collect points and batches as Kapacitor does.

    Args:
        decoded: Responses.

    Returns:
        The points and batches in them, in order.

    Raises:
        ValueError: The Responses would take kapacitord down.
    """
    out: list[Point | Batch] = []
    begin: Any = None
    points: list[Point] = []
    for response in decoded:
        match response.WhichOneof("message"):
            case "begin":
                begin, points = response.begin, []
                if begin.size < 0:
                    raise ValueError(f"a batch of size {begin.size}: kapacitord panics")
            case "point":
                (out if begin is None else points).append(to_point(response.point))
            case "end":
                if begin is None:
                    raise ValueError("an EndBatch without a BeginBatch: kapacitord panics")
                end = response.end
                out.append(Batch(end.name, dict(end.tags), points, end.tmax, end.group, begin.byName))
                begin = None
    if begin is not None:
        raise ValueError("a BeginBatch without an EndBatch")
    return out
