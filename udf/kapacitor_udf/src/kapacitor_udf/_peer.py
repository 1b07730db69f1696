"""Kapacitor's end of the conversation, for the test harness and this library's own tests."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import wire_pb2 as wire
from ._data import Batch, Point
from ._declaration import UDF, Call, Option, ValueType
from ._errors import InitError
from ._framing import LARGEST_MESSAGE, FrameReader, apart, frame
from ._wire import VALUE_FIELDS, to_message, to_point


def _request(**member: Any) -> bytes:
    return frame(wire.Request(**member).SerializeToString())


def encode_info() -> bytes:
    """What are you?"""
    return _request(info=wire.InfoRequest())


def encode_init(calls: Sequence[Call], task: str, node: str) -> bytes:
    """Be this."""
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
    """Are you there?"""
    return _request(keepalive=wire.KeepaliveRequest(time=time))


def encode_snapshot() -> bytes:
    """What is your state?"""
    return _request(snapshot=wire.SnapshotRequest())


def encode_restore(snapshot: bytes) -> bytes:
    """Be in this state."""
    return _request(restore=wire.RestoreRequest(snapshot=snapshot))


def encode_point(point: Point) -> bytes:
    """A point of a stream, fields that are not finite included."""
    return _request(point=to_message(point, None, finite=False) or wire.Point(time=point.time))


def encode_batch(batch: Batch) -> bytes:
    """A batch, as Kapacitor sends it: its points have time, group, tags and fields only."""
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


def calls(udf: UDF, options: Mapping[str, Any]) -> list[Call]:
    """The TICKscript's calls that give these values. Raises InitError for a name that is not declared."""
    made: list[Call] = []
    for name, value in options.items():
        option = udf.options.get(name)
        if option is None:
            raise InitError(f"option {name!r} is unknown, this UDF has: {', '.join(udf.options) or 'none'}")
        made += [_call(option, each) for each in (value if option.repeat else [value])]
    return made


def _call(option: Option, value: Any) -> Call:
    """What Kapacitor would make of a call with `value`: its types are the declared ones, where the values allow it."""
    values = value if len(option.types) > 1 else (value,)
    types = [*option.types, *[None] * (len(values) - len(option.types))]
    return Call(option.name, tuple((_type(each, kind), each) for kind, each in zip(types, values, strict=False)))


_NATURAL = {bool: ValueType.BOOL, int: ValueType.INT, float: ValueType.DOUBLE, str: ValueType.STRING}


def _type(value: Any, declared: ValueType | None) -> ValueType:
    natural = _NATURAL.get(type(value))
    if natural is None:
        raise InitError(f"{value!r} is no option's value; use a bool, int, float or str (a duration: nanoseconds)")
    return ValueType.DURATION if declared is ValueType.DURATION and natural is ValueType.INT else natural


def responses(data: bytes) -> list[Any]:
    """The Responses in what a UDF has written, in order. Raises ValueError if they would take kapacitord down."""
    found = []
    reader = FrameReader(LARGEST_MESSAGE)
    for message in apart(reader.feed(data)):
        response = wire.Response.FromString(message)  # type: ignore[arg-type]
        if response.WhichOneof("message") is None:
            raise ValueError("an empty Response: kapacitord panics")
        found.append(response)
    if reader.unfinished:
        raise ValueError(f"{reader.unfinished} bytes of an unfinished frame")
    return found


def data(found: Iterable[Any]) -> list[Point | Batch]:
    """The points and batches in Responses, as Kapacitor reads them. Raises ValueError where kapacitord would panic."""
    out: list[Point | Batch] = []
    begin: Any = None
    points: list[Point] = []
    for response in found:
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
