"""The encoding, against protobuf's own runtime and against Kapacitor's end of the conversation (`_peer`)."""

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapacitor_udf import (
    BATCH,
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    STREAM,
    STRING,
    UDF,
    Batch,
    Option,
    Point,
    Rejected,
    StreamHandler,
)
from kapacitor_udf import _peer as peer
from kapacitor_udf import _wire as wire_module
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._declaration import Call
from kapacitor_udf._errors import MalformedError
from kapacitor_udf._framing import FrameReader, apart

text = st.text(max_size=20)
int64 = st.integers(-(2**63), 2**63 - 1)
field_values = st.one_of(st.booleans(), int64, st.floats(allow_nan=False, allow_infinity=False), text)
points = st.builds(
    Point,
    time=int64,
    fields=st.dictionaries(text, field_values, min_size=1, max_size=5),
    tags=st.dictionaries(text, text, max_size=4),
    name=text,
    dimensions=st.lists(text, max_size=3),
    by_name=st.booleans(),
    group=text,
    database=text,
    retention_policy=text,
)
batches = st.builds(
    Batch,
    name=text,
    tags=st.dictionaries(text, text, max_size=3),
    points=st.lists(points, max_size=4),
    tmax=int64,
    group=text,
    by_name=st.booleans(),
)


def messages(frames: bytes) -> list[bytes]:
    reader = FrameReader(2**26)
    found = reader.feed(frames)
    assert reader.unfinished == 0
    return [message for message in apart(found) if isinstance(message, bytes)]


def typed(point: Point) -> list[tuple[str, type, Any]]:
    return sorted((name, type(value), value) for name, value in point.fields.items())


@given(points)
def test_a_point_comes_back_as_it_was(point: Point) -> None:
    (message,) = messages(peer.encode_point(point))
    assert wire_module.kind(message) == wire_module.POINT
    decoded = wire_module.decode_point(message)
    assert decoded == point
    assert typed(decoded) == typed(point)
    encoded = wire_module.encode_point(decoded)
    assert encoded is not None
    (back,) = peer.data(peer.responses(encoded))
    assert back == point
    assert typed(back) == typed(point)


@given(points)
def test_requests_and_responses_hold_a_point_in_the_same_way(point: Point) -> None:
    encoded = wire_module.encode_point(point)
    assert encoded is not None
    request = wire.Request.FromString(messages(peer.encode_point(point))[0])
    assert wire.Response.FromString(messages(encoded)[0]).point == request.point


@given(batches)
def test_a_batch_comes_back_with_what_kapacitor_keeps_of_it(batch: Batch) -> None:
    begin, *inner, end = messages(peer.encode_batch(batch))
    decoded = wire_module.decode_batch(begin, map(wire_module.decode_point, inner), end)
    bare = [Point(point.time, point.fields, point.tags, group=batch.group) for point in batch.points]
    for point in bare:
        point.dimensions = []
    assert decoded == Batch(batch.name, batch.tags, bare, batch.tmax, batch.group, batch.by_name)
    encoded, count = wire_module.encode_batch(decoded)
    assert count == len(batch.points)
    assert peer.data(peer.responses(encoded)) == [decoded]


@given(batches)
def test_a_batch_is_begun_ended_and_of_its_size(batch: Batch) -> None:
    found = peer.responses(wire_module.encode_batch(batch)[0])
    kinds = [response.WhichOneof("message") for response in found]
    assert kinds == ["begin", *["point"] * len(batch.points), "end"]
    assert found[0].begin.size == len(batch.points)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(message: bytes) -> None:
    wire_module.kind(message)
    for decode in (
        wire_module.decode_point,
        wire_module.decode_init,
        wire_module.decode_keepalive,
        wire_module.decode_restore,
    ):
        with contextlib.suppress(MalformedError):
            decode(message)


@pytest.mark.parametrize(
    "member, number",
    [
        ("info", 1),
        ("init", 2),
        ("keepalive", 3),
        ("snapshot", 4),
        ("restore", 5),
        ("begin", 16),
        ("point", 17),
        ("end", 18),
    ],
)
def test_the_kind_is_read_from_the_first_bytes(member: str, number: int) -> None:
    request = wire.Request()
    getattr(request, member).SetInParent()
    message = request.SerializeToString()
    assert wire_module.kind(message) == number
    assert wire_module.NAMES[number] == member


def test_no_kind() -> None:
    assert wire_module.kind(b"") == 0
    assert wire_module.kind(b"\x8a") == 0
    assert wire_module.kind(b"\xff\xff\xff") == 0


@given(st.sampled_from([None, "", "no"]), st.binary(max_size=5), int64)
def test_no_response_is_empty(error: str | None, snapshot: bytes, time: int) -> None:
    udf = UDF(wants=STREAM, provides=BATCH, handler=StreamHandler)
    for encoded in (
        wire_module.encode_info(udf),
        wire_module.encode_init(error),
        wire_module.encode_snapshot(snapshot),
        wire_module.encode_restored(),
        wire_module.encode_keepalive(time),
    ):
        (response,) = peer.responses(encoded)
        assert response.WhichOneof("message")


def test_info_tells_edges_and_option_types() -> None:
    options = [Option("a", STRING), Option("b", DOUBLE, INT, BOOL, default=None), Option("c", DURATION, repeat=True)]
    (response,) = peer.responses(
        wire_module.encode_info(UDF(wants=STREAM, provides=BATCH, handler=StreamHandler, options=options))
    )
    info = response.info
    assert (info.wants, info.provides) == (wire.STREAM, wire.BATCH)
    assert {name: list(each.valueTypes) for name, each in info.options.items()} == {
        "a": [wire.STRING], "b": [wire.DOUBLE, wire.INT, wire.BOOL], "c": [wire.DURATION],
    }  # fmt: skip


def test_init_is_decoded_with_its_calls_in_order() -> None:
    calls = [
        Call("field", ((STRING, "a"),)),
        Call("range", ((DOUBLE, 0.5), (INT, -3))),
        Call("field", ((STRING, "b"),)),
        Call("on", ((BOOL, False), (DURATION, 10**10))),
    ]
    (message,) = messages(peer.encode_init(calls, "task", "node"))
    assert wire_module.decode_init(message) == (calls, "task", "node")


@pytest.mark.parametrize(
    "value, says",
    [
        (wire.OptionValue(type=wire.STRING, intValue=1), "says STRING and holds intValue"),
        (wire.OptionValue(type=wire.INT), "says INT and holds None"),
        (wire.OptionValue(type=9, intValue=1), "unknown type 9"),  # type: ignore[arg-type]
    ],
)
def test_an_option_that_contradicts_itself_is_refused(value: wire.OptionValue, says: str) -> None:
    request = wire.Request(init=wire.InitRequest(options=[wire.Option(name="x", values=[value])]))
    with pytest.raises(MalformedError, match=says):
        wire_module.decode_init(request.SerializeToString())


def test_a_field_in_several_maps_is_what_kapacitor_takes_it_for() -> None:
    point = wire.Point(
        fieldsString={"a": "s", "b": "s", "c": "s", "d": "s"},
        fieldsInt={"a": 1, "b": 1, "c": 1},
        fieldsDouble={"a": 2.0, "b": 2.0},
        fieldsBool={"a": True},
    )
    decoded = wire_module.decode_point(wire.Request(point=point).SerializeToString())
    assert decoded.fields == {"a": True, "b": 2.0, "c": 1, "d": "s"}


def test_a_missing_field_is_missing() -> None:
    decoded = wire_module.decode_point(wire.Request(point=wire.Point(fieldsDouble={"a": 0.0})).SerializeToString())
    assert decoded.fields == {"a": 0.0}
    with pytest.raises(Rejected, match="missing field: no field 'b' among \\['a'\\]"):
        decoded.number("b")


def test_number_takes_finite_integers_and_floats_only() -> None:
    point = Point(0, {"i": 3, "f": 2.5, "b": True, "s": "1.0", "nan": math.nan, "inf": -math.inf})
    assert point.number("i") == 3.0
    assert type(point.number("i")) is float
    assert point.number("f") == 2.5
    for name in "bs":
        with pytest.raises(Rejected, match="not a number"):
            point.number(name)
    for name in ("nan", "inf"):
        with pytest.raises(Rejected, match="not finite: field"):
            point.number(name)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_fields_that_are_not_finite_are_left_out(bad: float) -> None:
    dropped: list[str] = []
    encoded = wire_module.encode_point(Point(1, {"a": bad, "b": 1.0}), dropped)
    assert encoded is not None
    (point,) = peer.data(peer.responses(encoded))
    assert point.fields == {"b": 1.0}  # type: ignore[union-attr]
    assert dropped == ["a"]
    assert wire_module.encode_point(Point(1, {"a": bad}), dropped) is None


def test_fields_that_are_not_finite_arrive() -> None:
    decoded = wire_module.decode_point(messages(peer.encode_point(Point(1, {"a": math.inf})))[0])
    assert decoded.fields == {"a": math.inf}


class Scalar:
    """What a numpy scalar looks like."""

    shape = ()

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        return self.value


class Index:
    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize("given, becomes", [(Scalar(1.5), 1.5), (Scalar(True), True), (Scalar(3), 3), (Index(), 7)])
def test_scalars_become_plain(given: Any, becomes: Any) -> None:
    encoded = wire_module.encode_point(Point(1, {"a": given}))
    assert encoded is not None
    (point,) = peer.data(peer.responses(encoded))
    assert typed(point) == [("a", type(becomes), becomes)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "point, error, says",
    [
        (Point(1, {"a": None}), TypeError, "field 'a' is None"),  # type: ignore[dict-item]
        (Point(1, {"a": [1]}), TypeError, "field 'a' is \\[1\\] \\(list\\)"),  # type: ignore[dict-item]
        (Point(1, {"a": 2**63}), ValueError, "field 'a' is 9223372036854775808, expected an integer of 64 bits"),
        (Point(1, {"a": 1}, {"t": 5}), TypeError, "tag 't' is 5"),  # type: ignore[dict-item]
        (Point(1, {"a": 1}, {"t": None}), TypeError, "tag 't' is None"),  # type: ignore[dict-item]
        (Point(1.5, {"a": 1}), TypeError, "time is 1.5, expected integer nanoseconds"),  # type: ignore[arg-type]
        (Point(2**70, {"a": 1}), ValueError, "time is"),
        (Point(1, {"a": 1}, name=5), TypeError, "name is 5"),  # type: ignore[arg-type]
        (Point(1, {"a": 1}, dimensions="host"), TypeError, "dimensions are 'host', expected a list"),
        (Point(1, {"a": 1}, {"t": "\udc80"}), ValueError, "cannot be encoded"),
        (Point(None, {"a": 1}), TypeError, "time is None"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_named(point: Point, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        wire_module.encode_point(point)
    with pytest.raises(error, match=says):
        wire_module.encode_batch(Batch("m", {}, [point], 1))


@pytest.mark.parametrize(
    "batch, error, says",
    [
        (Batch("m", {}, [], None), TypeError, "batch's time is None"),  # type: ignore[arg-type]
        (Batch("m", {"t": 1}, [], 1), TypeError, "tag 't' is 1"),  # type: ignore[dict-item]
        (Batch(None, {}, [], 1), TypeError, "batch's name is None"),  # type: ignore[arg-type]
    ],
)
def test_a_batch_that_cannot_be_sent_is_named(batch: Batch, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        wire_module.encode_batch(batch)
