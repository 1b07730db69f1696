"""A handler of rows: what it sees of points, and that the compiled part sees what protobuf does."""

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice, permutations
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from both_paths import LOOPS, assert_same_rows, rows_of, using
from fuzzing import cases
from kapacitor_udf import (
    BATCH,
    STREAM,
    UDF,
    Context,
    Counters,
    InitError,
    Point,
    PointSink,
    Rows,
    RowsHandler,
)
from kapacitor_udf import _peer as peer
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._group_numbers import TagNumbers
from kapacitor_udf._identity import identity
from kapacitor_udf._varint import frame
from kapacitor_udf.testing import Harness

# The compiled part and protobuf

text = st.text(max_size=20)
names = st.sampled_from(["a", "b", "é", "other", ""])
tag_names = st.sampled_from(["host", "", "é", "a=b,c d", "zone"])
tag_values = st.one_of(text, st.sampled_from(["", "x", "x,host=y", "a=b", "new\nline", "値" * 100]))
int64 = st.integers(-(2**63), 2**63 - 1)
points = st.builds(
    wire.Point,
    time=int64,
    name=text,
    group=text,
    dimensions=st.lists(text, max_size=2),
    tags=st.dictionaries(tag_names, tag_values, max_size=5),
    fieldsDouble=st.dictionaries(names, st.floats(), max_size=4),
    fieldsInt=st.dictionaries(names, int64, max_size=3),
    fieldsString=st.dictionaries(names, text, max_size=2),
    fieldsBool=st.dictionaries(names, st.booleans(), max_size=2),
    byName=st.booleans(),
)


def frames_of(points: list[wire.Point]) -> bytes:
    return b"".join(frame(wire.Request(point=point).SerializeToString()) for point in points)


@given(st.lists(points, max_size=6))
@example([wire.Point(time=1, tags={str(n): "x" for n in range(100)}, fieldsDouble={"a": 1})])
def test_any_points_make_the_same_rows_with_and_without_the_compiled_part(points: list[wire.Point]) -> None:
    assert_same_rows(frames_of(points))


def test_any_bytes_make_the_same_rows_with_and_without_the_compiled_part() -> None:
    for _, frames in islice(cases(seed=1), 1000):
        assert_same_rows(frames)


def test_a_tag_that_is_there_twice_is_what_protobuf_takes_it_for() -> None:
    tags = b"".join(b"\x3a" + frame(b"\x0a\x04host\x12" + frame(value)) for value in (b"first", b"last"))
    frames = frame(b"\x8a\x01" + frame(tags))
    assert_same_rows(frames)
    ((_, groups, _),) = rows_of(frames, LOOPS[0])
    assert groups == [(("last", "", ""), 0)]


# Identities


@given(st.dictionaries(tag_values, tag_values, max_size=4))
def test_an_identity_does_not_depend_on_the_order_of_tags(tags: dict[str, str]) -> None:
    assert len({identity(dict(order)) for order in permutations(tags.items())}) == 1


def test_an_identity_tells_tags_apart() -> None:
    sets: list[dict[str, str]] = [
        {}, {"a": "b"}, {"b": "a"}, {"ab": "c"}, {"a": "bc"}, {"a": "b", "c": "d"}, {"a": "d", "c": "b"},
        {"a": "b\0"}, {"a\0": "b"}, {"a": "\0"}, {"a": "\0\0"}, {"": "a"}, {"": "\0"}, {"a": "x" * 8}, {"a": "x" * 9},
        *({"host": f"h{n}"} for n in range(10_000)),
    ]  # fmt: skip
    assert len({identity(tags) for tags in sets}) == len(sets)


def test_an_empty_tag_is_a_missing_one() -> None:
    assert identity({"a": "", "b": "c"}) == identity({"b": "c"})


def test_an_identity_is_the_same_in_another_process() -> None:
    program = "from kapacitor_udf._identity import identity; print(identity({'host': 'a', 'zone': 'é'}))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(answer.stdout) == identity({"zone": "é", "host": "a"}) == 17424744951109599506


# What a handler sees


class Sums(RowsHandler):
    """Emits the sum of all `a` of what has arrived; does to a row what its `b` says."""

    most_groups = 10

    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=["a", "b"], tags=["host", "zone"])
        self.seen: list[Rows] = []
        self.gone: list[tuple[str, ...]] = []

    def rows(self, rows: Rows, out: PointSink) -> None:
        self.seen.append(rows)
        b = rows.values[:, 1]
        if (b == 13).any():
            raise KeyError("unlucky")
        rows.reject(b == 200, "too much", "it is 200")
        out.point(Point(int(rows.times[-1]), {"sum": float(np.nansum(rows.values[:, 0]))}))

    def forgotten(self, numbers: Any, out: PointSink) -> None:
        self.gone += [self.groups.key(number) for number in numbers]
        out.point(Point(0, {"forgotten": len(numbers)}))


@pytest.fixture(params=LOOPS, ids=lambda loops: loops.__name__.rpartition("_")[2])
def loops(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    with using(request.param):
        yield request.param


def udf(handler: Any, wants: Any = STREAM, provides: Any = STREAM) -> UDF[Any]:
    return UDF(wants=wants, provides=provides, handler=handler, name="rows")


@pytest.fixture
def harness(loops: ModuleType) -> Iterator[Harness[Any]]:
    with Harness(udf(Sums), strict=False) as harness:
        yield harness


def point(time: int, host: str = "x", **fields: Any) -> Point:
    return Point(time, fields, {"host": host, "unit": "u"}, "cpu", [], group="")


def test_what_has_arrived_is_handled_at_once_and_not_emitted_again(harness: Harness[Any]) -> None:
    (out,) = harness.feed([point(1, a=1.5, b=2), point(2, a=2), point(3, "y", a=4, text="ü")])
    assert out == Point(3, {"sum": 7.5}, dimensions=[])
    assert (harness.counters.points_in, harness.counters.points_out) == (3, 1)


def test_a_row_holds_time_fields_group_and_identity(harness: Harness[Any]) -> None:
    harness.feed([point(-5, a=1.5, b=2), point(2**62, "y", b=2**60, a=-1)])
    (rows,) = harness.handler.seen
    assert rows.times.tolist() == [-5, 2**62]
    assert rows.values.tolist() == [[1.5, 2], [-1, 2.0**60]]
    assert [harness.handler.groups.key(number) for number in rows.groups] == [("x", ""), ("y", "")]
    assert rows.identities.tolist() == [identity({"host": host, "unit": "u"}) for host in "xy"]
    assert len(rows) == 2


def test_points_are_grouped_by_the_wanted_tags_alone(harness: Harness[Any]) -> None:
    tags = [{"host": "x"}, {"zone": "x"}, {"host": "x", "other": "y"}, {}, {"host": "x", "zone": "x"}, {"host": ""}]
    harness.feed([Point(1, {"a": 1}, each, "cpu", ["other"], group=f"g{n}") for n, each in enumerate(tags)])
    (rows,) = harness.handler.seen
    assert rows.groups.tolist() == [0, 1, 0, 2, 3, 2]
    assert list(harness.handler.groups) == [(("x", ""), 0), (("", "x"), 1), (("", ""), 2), (("x", "x"), 3)]


def test_tags_of_one_value_together_are_not_confused(harness: Harness[Any]) -> None:
    tags = [{"host": "ab", "zone": "c"}, {"host": "a", "zone": "bc"}, {"host": "é" * 10**5, "zone": "c"}]
    harness.feed([Point(1, {"a": 1}, each) for each in tags])
    assert [key for key, _ in harness.handler.groups] == [("ab", "c"), ("a", "bc"), ("é" * 10**5, "c")]


@pytest.mark.parametrize(
    "fields, unusable",
    [
        ({}, 0),
        ({"other": "x"}, 0),
        ({"a": "text"}, 1),
        ({"a": "", "b": ""}, 0),
        ({"a": "True", "b": "x"}, 2),
        ({"a": math.nan, "b": -math.inf}, 2),
    ],
)
def test_a_field_that_is_no_number_is_nan_and_counted(harness: Harness[Any], fields: Any, unusable: int) -> None:
    harness.feed([Point(1, {"c": 1, **fields})])
    (rows,) = harness.handler.seen
    assert np.isnan(rows.values).all()
    assert rows.unusable.tolist() == [unusable]
    assert harness.counters.rejected == {}


def test_a_boolean_is_zero_or_one(harness: Harness[Any]) -> None:
    harness.feed([point(1, a=True, b=False), point(2, a=0.5)])
    (rows,) = harness.handler.seen
    np.testing.assert_array_equal(rows.values, [[1, 0], [0.5, np.nan]])
    assert rows.unusable.tolist() == [0, 0]


def test_a_string_beside_floats_does_not_cost_the_point(harness: Harness[Any]) -> None:
    harness.feed([point(1, a=1, b="off")])
    np.testing.assert_array_equal(harness.handler.seen[0].values, [[1, np.nan]])


def test_a_bad_point_costs_itself_only(harness: Harness[Any]) -> None:
    out = harness.feed([point(1, a=1), point(2, a=2, b=13), point(3, a=4, b=200), point(4, a=8)])
    assert [(each.time, each.fields["sum"]) for each in out] == [(1, 1), (3, 4), (4, 8)]
    assert harness.counters.rejected == Counter({"KeyError in rows": 1, "too much": 1})
    assert (harness.counters.points_in, harness.counters.points_out) == (4, 3)


def test_an_undecodable_point_costs_itself_only(harness: Harness[Any]) -> None:
    good = peer.encode_point(point(1, a=1, text="ZZZZ"))
    harness._talk(good + good.replace(b"ZZZZ", b"\xff\xfe\xfd\xfc") + good)
    assert [len(rows) for rows in harness.handler.seen] == [2]
    assert (harness.counters.undecodable, harness.counters.points_in) == (1, 2)


def test_the_arrays_are_not_for_writing(harness: Harness[Any]) -> None:
    harness.feed([point(1, a=1)])
    (rows,) = harness.handler.seen
    for array in (rows.times, rows.values, rows.groups, rows.identities, rows.unusable):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_no_fields_and_no_tags_make_rows_of_one_group(loops: ModuleType) -> None:
    class Bare(RowsHandler):
        def __init__(self, context: Context) -> None:
            super().__init__(context, fields=[], tags=[])

        def rows(self, rows: Rows, out: PointSink) -> None:
            out.point(Point(1, {"n": len(rows), "k": rows.values.shape[1], "groups": len(self.groups)}))
            assert self.groups.key(0) == ()

    with Harness(udf(Bare)) as harness:
        (out,) = harness.feed([point(1, a=1), point(2, "y", a=1)])
        assert out.fields == {"n": 2, "k": 0, "groups": 1}


class Rooms(Sums):
    """As `Sums`, of two measurements."""

    def __init__(self, context: Context) -> None:
        RowsHandler.__init__(self, context, fields=["a", "b"], tags=["host"], measurements=["°C", "%"])
        self.seen = []
        self.gone = []


def test_measurements_are_told_apart_and_others_make_no_row(loops: ModuleType) -> None:
    names = ["°C", "lx", "%", "", "°C", "C", "°"]
    with Harness(udf(Rooms)) as harness:
        out = harness.feed([Point(n, {"a": 1}, {"host": "x"}, name) for n, name in enumerate(names)])
        harness.feed([Point(9, {"a": 1}, {"host": "x"}, "lx")])
        rows, *more = harness.handler.seen
        assert more == []
        assert rows.times.tolist() == [0, 2, 4]
        assert [harness.handler.groups.key(number) for number in rows.groups] == [("°C", "x"), ("%", "x"), ("°C", "x")]
        assert out[0].fields == {"sum": 3}
        assert len(harness.handler.groups) == 2
        assert harness.counters.points_in == 3


# Groups


def test_the_handler_is_told_which_groups_make_room(harness: Harness[Any]) -> None:
    for n in range(10):
        harness.feed([point(1, f"h{n}", a=1)])
    out = harness.feed([point(1, "h0", a=1), point(2, "h10", a=1)])
    assert harness.handler.gone == [("h1", ""), ("h2", "")]
    assert out[-1].fields == {"forgotten": 2}
    assert (harness.counters.groups, harness.counters.groups_evicted) == (9, 2)


def test_a_handler_that_raises_when_it_is_told_loses_the_groups_nevertheless(loops: ModuleType) -> None:
    class Clumsy(Sums):
        most_groups = 2

        def forgotten(self, numbers: Any, out: PointSink) -> None:
            out.point(Point(1, {"half": 1}))
            raise KeyError("lost")

    with Harness(udf(Clumsy), strict=False) as harness:
        assert len(harness.feed([point(1, f"h{n}", a=1) for n in range(5)])) == 1
        assert (harness.counters.errors, harness.counters.rejected) == (1, {})
        assert len(harness.handler.groups) == 1


def test_a_number_that_was_forgotten_is_given_to_a_new_group(harness: Harness[Any]) -> None:
    harness.feed([point(1, "a", a=1), point(1, "b", a=1)])
    groups = harness.handler.groups
    state = groups.state((), float, -1)
    state.values[0] = 5
    groups.forget(0)
    assert list(groups) == [(("b", ""), 1)]
    with pytest.raises(KeyError, match="no group has the number 0"):
        groups.key(0)
    with pytest.raises(KeyError, match="no group has the number 0"):
        groups.forget(0)
    harness.feed([point(1, "c", a=1)])
    assert groups.key(0) == ("c", "")
    assert state.values[0] == -1
    assert harness.counters.groups == 2


def test_rows_that_are_handled_again_have_the_numbers_of_now(loops: ModuleType) -> None:
    class Forgetful(Sums):
        def rows(self, rows: Rows, out: PointSink) -> None:
            if len(rows) > 1:
                self.groups.forget(0)
                self.groups.number(("new", ""))
                raise KeyError("after a change")
            self.gone.append(self.groups.key(rows.groups[0]))

    with Harness(udf(Forgetful), strict=False) as harness:
        harness.feed([point(1, "a", a=1), point(2, "b", a=1)])
        assert harness.handler.gone == [("a", ""), ("b", "")]


def test_a_handler_may_forget_what_it_is_told_of() -> None:
    now = 0.0
    counters = Counters()
    groups = TagNumbers(most=100, ttl=60.0, counters=counters, clock=lambda: now)
    numbers = np.array([groups.number((name,)) for name in "ab"])
    groups.used(numbers)
    now = 61.0
    told: list[int] = []

    def tell(numbers: Any) -> None:
        told.extend(numbers.tolist())
        groups.forget(told[0])

    groups.used(np.array([groups.number(("c",))]), tell)
    assert told == [0, 1]
    assert list(groups) == [(("c",), 2)]
    assert counters.groups == 1


# Init


def declared(fields: Any, tags: Any) -> Any:
    def factory(context: Context) -> RowsHandler:
        return RowsHandler(context, fields=fields, tags=tags)

    return factory


def careless(context: Context) -> RowsHandler:
    class Forgetful(RowsHandler):
        def __init__(self, context: Context) -> None:
            pass

    return Forgetful(context)


@pytest.mark.parametrize(
    "declaration, says",
    [
        (udf(Sums, wants=BATCH), "the handler is a Sums, a RowsHandler, so its UDF must want and provide STREAM"),
        (udf(Sums, provides=BATCH), "so its UDF must want and provide STREAM"),
        (udf(careless), r"Forgetful.__init__ must call super\(\).__init__\(context, fields=\[...\], tags=\[...\]\)"),
        (udf(declared("ab", [])), "fields is 'ab', expected a list of different names"),
        (udf(declared([], ["a", "a"])), r"tags is \['a', 'a'\], expected a list of different names"),
    ],
)
def test_what_cannot_work_is_told_at_init(declaration: UDF[Any], says: str) -> None:
    with pytest.raises(InitError, match=says):
        Harness(declaration)


def test_a_handler_must_define_rows() -> None:
    with Harness(udf(declared(["a"], [])), strict=False) as harness:
        harness.point(point(1, a=1))
        assert "must define rows()" in harness.log[0]
