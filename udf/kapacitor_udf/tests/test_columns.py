"""Points out of columns: each row is the point that the general path would have made of it."""

import math
import tracemalloc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from both_paths import LOOPS, comparable
from kapacitor_udf import (
    STREAM,
    UDF,
    Context,
    Counters,
    Point,
    PointHead,
    PointSink,
    StreamHandler,
    _columns,
    _peer,
)
from kapacitor_udf._emitted import Emitted
from kapacitor_udf.testing import Harness

text = st.text(max_size=5)
int64 = st.integers(-(2**63), 2**63 - 1)
heads = st.builds(PointHead, text, st.dictionaries(text, text, max_size=2), st.lists(text, max_size=2))


def values_of(kind: st.SearchStrategy[Any], rows: int) -> st.SearchStrategy[Any]:
    """One value, a value for each row, or a list with gaps."""
    listed = st.lists(kind, min_size=rows, max_size=rows)
    gaps = st.lists(st.one_of(st.none(), kind), min_size=rows, max_size=rows)
    return st.one_of(kind, listed, gaps, st.none())


@st.composite
def calls(draw: st.DrawFn) -> tuple[int, Any, Any, dict[str, Any]]:
    """The number of rows, and arguments of `PointSink.rows`."""
    rows = draw(st.integers(0, 4))
    kinds = st.sampled_from([st.floats(), int64, st.text(max_size=200), st.booleans()])
    columns = draw(st.dictionaries(text, kinds.flatmap(lambda kind: values_of(kind, rows)), max_size=4))
    given_heads = draw(st.one_of(heads, st.lists(heads, min_size=rows, max_size=rows)))
    times = draw(st.lists(int64, min_size=rows, max_size=rows))
    return rows, given_heads, np.array(times, np.int64), columns


def by_objects(rows: int, heads: Any, times: Any, columns: Mapping[str, Any]) -> tuple[list[Any], int]:
    """What the general path makes of a call: the points, and how many were dropped."""
    counters = Counters()
    sink = PointSink(Emitted(counters))
    for row in range(rows):
        head = heads if isinstance(heads, PointHead) else heads[row]
        fields = {name: each[row] if isinstance(each, list) else each for name, each in columns.items()}
        is_float = {name for name, each in columns.items() if isinstance(each, list) and float in map(type, each)}
        present = {name: float(each) if name in is_float else each for name, each in fields.items() if is_value(each)}
        sink.point(Point(int(times[row]), present, dict(head.tags), head.name, head.dimensions))
    return decoded(sink), counters.dropped_points


def is_value(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def decoded(sink: PointSink) -> list[Any]:
    return [comparable(point) for point in _peer.data(_peer.responses(sink._emitted.take()))]


@given(calls())
def test_any_rows_are_the_points_of_the_general_path(call: tuple[int, Any, Any, dict[str, Any]]) -> None:
    expected, dropped = by_objects(*call)
    for loops in LOOPS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_columns, "PointWriter", loops.PointWriter)
            _columns._writer.cache_clear()
            counters = Counters()
            sink = PointSink(Emitted(counters))
            sink.rows(*call[1:])
            assert decoded(sink) == expected, loops.__name__
            assert (counters.points_out, counters.dropped_points) == (len(expected), dropped)
    _columns._writer.cache_clear()


@pytest.fixture(params=LOOPS, ids=lambda loops: loops.__name__.rpartition("_")[2])
def sink(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> PointSink:
    monkeypatch.setattr(_columns, "PointWriter", request.param.PointWriter)
    _columns._writer.cache_clear()
    request.addfinalizer(_columns._writer.cache_clear)
    return PointSink(Emitted(Counters()))


def points(sink: PointSink) -> list[Any]:
    return _peer.data(_peer.responses(sink._emitted.take()))


HEAD = PointHead("score", {"host": "x", "zone": "é"}, ["host"])


def test_a_row_has_the_head_the_time_and_the_values(sink: PointSink) -> None:
    columns = {
        "a": np.array([1.5, 2]),
        "n": np.arange(2),
        "on": np.array([True, False]),
        "s": ["x", "ü"],
        "model": "v7",
    }
    sink.rows(HEAD, [5, -6], columns)
    tags = {"host": "x", "zone": "é"}
    assert points(sink) == [
        Point(5, {"a": 1.5, "n": 0, "on": True, "s": "x", "model": "v7"}, tags, "score", ["host"]),
        Point(-6, {"a": 2.0, "n": 1, "on": False, "s": "ü", "model": "v7"}, tags, "score", ["host"]),
    ]


def test_each_row_may_have_a_head_of_its_own(sink: PointSink) -> None:
    sink.rows([HEAD, PointHead("other")], 1, {"a": 1})
    assert [(each.name, each.tags, each.time) for each in points(sink)] == [
        ("score", dict(HEAD.tags), 1),
        ("other", {}, 1),
    ]


def test_values_that_are_missing_add_nothing(sink: PointSink) -> None:
    columns = {"a": [1.0, np.nan, np.nan], "b": [None, 2, None], "c": [None, "x", None], "d": np.nan, "e": None}
    sink.rows(HEAD, [1, 2, 3], columns)
    assert [(each.time, each.fields) for each in points(sink)] == [(1, {"a": 1.0}), (2, {"b": 2, "c": "x"})]
    assert (sink._counters.dropped_points, sink._counters.dropped_fields) == (1, 0)


def test_a_long_text_takes_no_room_in_rows_without_it(sink: PointSink) -> None:
    texts = ["x" * 100_000] + [None] * 999
    tracemalloc.start()
    sink.rows(HEAD, range(1000), {"s": texts, "a": 1})
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10_000_000
    assert sink._counters.points_out == 1000


def test_infinite_values_are_left_out_and_counted(sink: PointSink) -> None:
    sink.rows(HEAD, [1, 2], {"a": [math.inf, 1], "b": -math.inf, "c": 1})
    assert [each.fields for each in points(sink)] == [{"c": 1}, {"a": 1.0, "c": 1}]
    assert sink._counters.dropped_fields == 3


def test_no_rows_are_no_points(sink: PointSink) -> None:
    sink.rows([], np.zeros(0, np.int64), {"a": np.zeros(0), "b": []})
    assert points(sink) == []


def test_numbers_of_other_sizes_are_sent(sink: PointSink) -> None:
    sink.rows(HEAD, np.uint64(1), {"a": np.float32(0.5), "n": np.array([7], np.uint8), "m": [np.int16(3), None][:1]})
    assert points(sink)[0].fields == {"a": 0.5, "n": 7, "m": 3}


@pytest.mark.parametrize("extreme", [-(2**63), -1, 0, 127, 128, 2**63 - 1])
def test_integers_of_any_size_are_sent(sink: PointSink, extreme: int) -> None:
    sink.rows(HEAD, [extreme, 0], {"a": [extreme, None], "b": extreme})
    assert [(each.time, each.fields) for each in points(sink)] == [
        (extreme, {"a": extreme, "b": extreme}),
        (0, {"b": extreme}),
    ]


@pytest.mark.parametrize(
    "heads, times, columns, says",
    [
        (HEAD, [1, 2], {"a": [1.0]}, r"field 'a': the shape is \(1,\), expected \(2,\), one for each row"),
        (HEAD, [1], {"a": [[1.0]]}, r"field 'a': the shape is \(1, 1\), expected \(1,\)"),
        ([HEAD], [1, 2], {"a": 1}, r"heads: the shape is \(1,\), expected \(2,\)"),
        (HEAD, [1.5], {"a": 1}, "times are of the type float64, expected integer nanoseconds"),
        ([HEAD, "x"], [1, 2], {"a": 1}, "heads hold 'x', expected PointHeads"),
        (HEAD, [1], {"a": [1j]}, "field 'a' is of the type complex128, expected floats"),
        (HEAD, [1, 2], {"a": ["x", 1.5]}, "field 'a' holds values of the types"),
        (HEAD, [1, 2], {"a": [None, object()]}, "field 'a' holds values of the types object, expected"),
        (HEAD, [1, 2], {"a": [None, 2**63]}, "field 'a' holds 9223372036854775808, expected integers of 64 bits"),
        (HEAD, [1], {"a": np.array([2**63], np.uint64)}, "field 'a' holds 9223372036854775808"),
        (HEAD, 1, {"a": 2**63}, "field 'a' is 9223372036854775808, expected an integer of 64 bits"),
        (HEAD, [1], {"a": ["\udc80"]}, "field 'a' is '.udc80', which cannot be encoded"),
        (HEAD, [1], {"\udc80": [1]}, "a field's name is '.udc80', which cannot be encoded"),
        (HEAD, [1], {5: [1]}, "columns name the field 5, expected a string"),
    ],
)
def test_what_cannot_be_sent_is_named(sink: PointSink, heads: Any, times: Any, columns: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        sink.rows(heads, times, columns)
    assert points(sink) == []


@pytest.mark.parametrize(
    "arguments, says",
    [
        ((None,), "the point's name is None, expected a string"),
        (("m", {"a": 5}), "tag 'a' is 5, expected strings"),
        (("m", {}, "host"), "the point's dimensions are 'host', expected a list of tag names"),
        (("\udc80",), "cannot be encoded"),
    ],
)
def test_a_head_that_cannot_be_sent_is_named(arguments: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        PointHead(*arguments)


def test_what_a_failed_step_emitted_is_taken_back() -> None:
    class Columns(StreamHandler[PointSink]):
        def __init__(self, context: Context) -> None:
            super().__init__(context)

        def points(self, points: Sequence[Point], out: PointSink) -> None:
            out.rows(HEAD, [point.time for point in points], {"a": 1.0})
            if len(points) > 1:
                raise KeyError("late")

        def point(self, point: Point, out: PointSink) -> None:
            self.points([point], out)

    with Harness(UDF(wants=STREAM, provides=STREAM, handler=Columns), strict=False) as harness:
        out = harness.feed([Point(1, {"a": 1}), Point(2, {"a": 1})])
        assert [each.time for each in out] == [1, 2]
        assert harness.counters.points_out == 2


def test_the_compiled_part_writes_what_the_other_one_does() -> None:
    compiled, uncompiled = (loops.PointWriter([(0x42, b"a"), (0x52, "é".encode())]) for loops in LOOPS)
    times = np.array([1, -1], np.int64)
    cells = np.array([[5, 0], [2**62, 1]], np.uint64)
    present = np.array([[1, 1], [1, 0]], np.uint8)
    call = ([HEAD.encoded], b"", times, cells, present, [b"x" * 200, b""])
    assert compiled.write(*call) == uncompiled.write(*call)
