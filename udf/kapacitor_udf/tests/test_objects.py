"""Points as objects: the compiled part decodes and encodes as protobuf does."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from both_paths import LOOPS, comparable
from kapacitor_udf import BATCH, UDF, Batch, BatchHandler, BatchSink, Counters, Point, PointSink, _compiled, _peer
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._emitted import Emitted
from kapacitor_udf._varint import frame
from kapacitor_udf._wire import decode_point, encode_point
from kapacitor_udf.testing import Harness

text = st.text(max_size=5)
names = st.sampled_from(["a", "b", "é", ""])
int64 = st.integers(-(2**63), 2**63 - 1)
messages = st.builds(
    wire.Point,
    time=int64,
    name=text,
    database=text,
    retentionPolicy=text,
    group=text,
    dimensions=st.lists(text, max_size=2),
    tags=st.dictionaries(text, text, max_size=2),
    fieldsDouble=st.dictionaries(names, st.floats(), max_size=3),
    fieldsInt=st.dictionaries(names, int64, max_size=3),
    fieldsString=st.dictionaries(names, st.text(max_size=200), max_size=2),
    fieldsBool=st.dictionaries(names, st.booleans(), max_size=2),
    byName=st.booleans(),
)


class Text(str):
    """A string of another type."""


# Values that can be sent, values that are left out, and values that cannot be sent.
values = st.one_of(
    st.floats(), int64, text, st.booleans(),
    st.sampled_from([np.float64(1.5), np.int32(3), np.bool_(True), Text("x"), 2**63, None, "\udc80", b"x", 1j]),
)  # fmt: skip
odd_text = st.one_of(text, st.sampled_from([Text("x"), None, 5, "\udc80", b"x"]))
objects = st.builds(
    Point,
    time=st.one_of(int64, st.sampled_from([True, 2**63, None, 1.5, np.int64(7)])),
    fields=st.one_of(
        st.dictionaries(text, values, max_size=3), st.dictionaries(text, values, max_size=2).map(OrderedDict)
    ),
    tags=st.dictionaries(odd_text, odd_text, max_size=2),
    name=odd_text,
    dimensions=st.one_of(st.lists(odd_text, max_size=2), text, st.tuples(text)),
    by_name=st.booleans(),
    group=odd_text,
    database=odd_text,
    retention_policy=odd_text,
)


@given(st.lists(messages, max_size=4))
def test_plain_points_are_decoded_as_protobuf_decodes_them(points: list[wire.Point]) -> None:
    requests = [wire.Request(point=point).SerializeToString() for point in points]
    decoded = _compiled.PointDecoder(Point).decode(b"".join(map(frame, requests)))
    assert [comparable(point) for point in decoded] == [comparable(decode_point(request)) for request in requests]
    assert all(isinstance(point, Point) for point in decoded)


def emitted(point: Point, loops: Any) -> Any:
    """What a sink makes of a point: the point that Kapacitor gets, or an error, and what is counted."""
    counters = Counters()
    sink = PointSink(Emitted(counters))
    sink._encoder = loops.PointEncoder()
    try:
        sink.point(point)
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    sent = [comparable(each) for each in _peer.data(_peer.responses(sink._emitted.take()))]
    return sent, counters.points_out, counters.dropped_points, counters.dropped_fields


@given(objects)
def test_any_point_is_encoded_or_refused_alike(point: Point) -> None:
    compiled, uncompiled = (emitted(point, loops) for loops in LOOPS)
    assert compiled == uncompiled


@given(messages.filter(lambda point: point.fieldsInt or point.fieldsBool))
def test_what_was_decoded_is_encoded_without_protobuf(message: wire.Point) -> None:
    message.ClearField("fieldsDouble")
    (point,) = _compiled.PointDecoder(Point).decode(frame(wire.Request(point=message).SerializeToString()))
    assert isinstance(point, Point)
    encoded = _compiled.PointEncoder().encode(point)
    assert encoded is not None
    assert _peer.responses(encoded) == _peer.responses(encode_point(point) or b"")


@pytest.mark.parametrize("size", [0, 1, 127, 128, 1000, 10**6])
def test_texts_of_any_size_are_encoded(size: int) -> None:
    point = Point(1, {"a" * size: "é" * size}, {"t" * size: "v" * size}, "n" * size, [])
    encoder = _compiled.PointEncoder()
    for _ in range(2):
        encoded = encoder.encode(point)
        assert encoded is not None
        (out,) = _peer.data(_peer.responses(encoded))
        assert comparable(out) == comparable(point)


def test_a_batch_of_plain_and_other_points_is_encoded() -> None:
    class Echo(BatchHandler[BatchSink]):
        def batch(self, batch: Batch, out: BatchSink) -> None:
            out.batch(batch)

    points = [Point(1, {"a": 1.5}), Point(2, {"a": np.float64(2), "b": float("nan")}), Point(3, {}), Point(4, {"a": 4})]
    with Harness(UDF(wants=BATCH, provides=BATCH, handler=Echo)) as harness:
        (out,) = harness.batch(Batch("cpu", {}, points, 9))
        assert [(point.time, point.fields) for point in out.points] == [(1, {"a": 1.5}), (2, {"a": 2.0}), (4, {"a": 4})]
        assert (harness.counters.points_out, harness.counters.dropped_points) == (3, 1)
