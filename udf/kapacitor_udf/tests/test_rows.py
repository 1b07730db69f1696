"""The fast path: that it is the general one in another way, and what its handlers are promised."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from both_paths import LOOPS, assert_same, using
from fuzzing import cases
from kapacitor_udf import (
    BATCH,
    STREAM,
    UDF,
    Context,
    Counters,
    FieldRows,
    FieldsHandler,
    InitError,
    Point,
    PointSink,
    Rejected,
    _questions,
    _row_codec,
    compiled,
)
from kapacitor_udf import _peer as peer
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._group_numbers import GroupIDs
from kapacitor_udf._varint import frame
from kapacitor_udf.testing import Harness

# Both paths

text = st.text(max_size=5)
names = st.sampled_from(["a", "b", "é", "sum", "ä", "odd", "other", "", "aa"])
int64 = st.integers(-(2**63), 2**63 - 1)
points = st.builds(
    wire.Point,
    time=int64,
    name=text,
    database=text,
    retentionPolicy=text,
    group=text,
    dimensions=st.lists(text, max_size=2),
    tags=st.dictionaries(text, text, max_size=2),
    fieldsDouble=st.dictionaries(names, st.floats(), max_size=5),
    fieldsInt=st.dictionaries(names, int64, max_size=3),
    fieldsString=st.dictionaries(names, st.text(max_size=200), max_size=2),
    fieldsBool=st.dictionaries(names, st.booleans(), max_size=2),
    byName=st.booleans(),
)
finite = st.floats(allow_infinity=False, allow_nan=False)
complete = st.builds(
    lambda point, a, b, c: wire.Point(
        fieldsDouble={"a": a, "b": b}, fieldsInt={"é": c}, time=point.time, name=point.name, tags=point.tags
    ),
    points,
    finite,
    finite,
    int64,
)


@given(st.lists(st.one_of(points, complete), max_size=6))
def test_any_points_get_the_same_answer_on_both_paths(points: list[wire.Point]) -> None:
    assert_same(b"".join(frame(wire.Request(point=point).SerializeToString()) for point in points))


def test_any_bytes_get_the_same_answer_on_both_paths() -> None:
    for _, frames in islice(cases(seed=0), 1000):
        assert_same(frames)


def test_the_tests_test_the_compiled_part() -> None:
    assert compiled


# What a handler sees and gives


class Scores(FieldsHandler):
    """Adds the sum of two fields; does to a row what its `a` says."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=["a", "b"], adds={"score": float, "rank": int, "high": bool, "word": str})
        self.sizes: list[int] = []

    def add_fields(self, rows: FieldRows) -> dict[str, Any]:
        self.sizes.append(len(rows))
        a, b = rows.values.T
        if (a == 13).any():
            raise KeyError("unlucky")
        rows.drop(a == 100)
        rows.reject(a == 200, "too much", "it is 200")
        return {"score": a + b, "rank": rows.groups, "high": a > b, "word": [f"w{each:.0f}" for each in a]}


@pytest.fixture(params=LOOPS, ids=lambda loops: loops.__name__.rpartition("_")[2])
def loops(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    with using(request.param):
        yield request.param


def udf(handler: Any, wants: Any = STREAM, provides: Any = STREAM) -> UDF[Any]:
    return UDF(wants=wants, provides=provides, handler=handler, name="fast")


@pytest.fixture
def harness(loops: ModuleType) -> Iterator[Harness[Any]]:
    with Harness(udf(Scores), strict=False) as harness:
        yield harness


def point(time: int, host: str = "x", **fields: Any) -> Point:
    return Point(time, fields, {"host": host}, "cpu", ["host"], group=f"host={host}")


def test_fields_are_added_to_the_point_that_came(harness: Harness[Any]) -> None:
    (out,) = harness.point(point(5, a=1.5, b=2, text="ü", flag=False))
    added: dict[str, Any] = {"score": 3.5, "rank": 0, "high": False, "word": "w2"}
    assert out == point(5, a=1.5, b=2, text="ü", flag=False, **added)
    assert [type(out.fields[name]) for name in added] == [float, int, bool, str]


def test_what_has_arrived_is_handled_at_once_with_a_number_for_each_group(harness: Harness[Any]) -> None:
    out = harness.feed([point(n, host, a=n, b=0) for n, host in enumerate("xyxzy")])
    assert harness.handler.sizes == [5]
    assert [each.fields["rank"] for each in out] == [0, 1, 0, 2, 1]
    assert list(harness.handler.groups) == [("host=x", 0), ("host=y", 1), ("host=z", 2)]
    assert harness.handler.groups.key(1) == "host=y"


def test_a_tag_may_be_of_any_length(harness: Harness[Any]) -> None:
    hosts = ["é" * 10**6, "é" * 10**6 + "e", "é" * 10**6]
    out = harness.feed([point(n, host, a=n, b=0) for n, host in enumerate(hosts)])
    assert [(each.tags["host"], each.fields["rank"]) for each in out] == list(zip(hosts, [0, 1, 0], strict=True))


def test_a_field_that_the_point_has_is_replaced(harness: Harness[Any]) -> None:
    out = harness.feed([point(1, a=1, b=1), point(2, a=1, b=2, score=True), point(3, a=1, b=3)])
    assert [each.fields["score"] for each in out] == [2, 3, 4]


@pytest.mark.parametrize(
    "bad, reason",
    [
        ({"b": 1.0}, "missing field"),
        ({"a": "text", "b": 1.0}, "not a number"),
        ({"a": True, "b": 1.0}, "not a number"),
        ({"a": 1.0, "b": float("nan")}, "not finite"),
        ({"a": float("-inf"), "b": 1}, "not finite"),
        ({"a": 13.0, "b": 1}, "KeyError in add_fields"),
        ({"a": 200.0, "b": 1}, "too much"),
    ],
)
def test_a_bad_point_costs_itself_only_and_is_explained(
    harness: Harness[Any], bad: dict[str, Any], reason: str
) -> None:
    out = harness.feed([point(1, a=1, b=1), point(2, **bad), point(3, a=3, b=3), point(4, a=5, b="x" * 10**6, c=1)])
    assert [(each.time, each.fields["score"]) for each in out] == [(1, 2), (3, 6)]
    assert harness.counters.rejected == Counter([reason, "not a number"])
    assert (harness.counters.points_in, harness.counters.points_out) == (4, 2)
    assert len(harness.log) == len(harness.counters.rejected)


def test_an_undecodable_point_costs_itself_only(harness: Harness[Any]) -> None:
    good = peer.encode_point(point(1, a=1, b=1, text="ZZZZ"))
    out = peer.data(harness._talk(good + good.replace(b"ZZZZ", b"\xff\xfe\xfd\xfc") + good))
    assert len(out) == 2
    assert harness.counters.undecodable == 1


def test_rows_may_be_dropped(harness: Harness[Any]) -> None:
    assert [each.time for each in harness.feed([point(1, a=100, b=1), point(2, a=1, b=1)])] == [2]
    assert harness.feed([point(1, a=100, b=1)]) == []
    assert harness.counters.rejected == {}
    assert harness.counters.points_out == 1


def test_an_own_field_that_is_not_finite_is_left_out(harness: Harness[Any]) -> None:
    (out,) = harness.point(point(1, a=1, b=1, c=float("nan")))
    assert "c" not in out.fields
    assert harness.counters.dropped_fields == 1


def test_unknown_fields_pass_through_the_compiled_part() -> None:
    inner = wire.Point(time=1, fieldsDouble={"a": 1.0, "b": 2.0}).SerializeToString()
    unknown = b"\xfa\x01\x03new" + b"\xf0\x01\x05" + b"\xf1\x01" + bytes(8) + b"\xf5\x01" + bytes(4)
    with Harness(udf(Scores)) as harness:
        (response,) = harness._talk(frame(b"\x8a\x01" + frame(unknown + inner)))
        assert unknown in response.SerializeToString()
        assert response.point.fieldsDouble["score"] == 3


def test_the_arrays_are_not_for_writing(harness: Harness[Any]) -> None:
    def add_fields(rows: FieldRows) -> dict[str, Any]:
        rows.values[0] = 5
        return {}

    harness.handler.add_fields = add_fields
    assert harness.point(point(1, a=1, b=1)) == []
    assert harness.counters.rejected == {"ValueError in add_fields": 1}


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"score": [1.0, 2.0]}, r"field 'score' has the shape \(2,\), expected \(1,\)"),
        ({"score": ["x"]}, "field 'score' is of the type <U1, expected float"),
        ({"rank": [1.5]}, "field 'rank' is of the type float64, expected int"),
        ({"rank": np.array([2**63], np.uint64)}, "field 'rank' holds 9223372036854775808"),
        ({"high": [1]}, "field 'high' is of the type int64, expected bool"),
        ({"word": [5]}, "field 'word' holds 5, expected strings"),
        ({"word": ["\udc80"]}, "field 'word' is '.udc80', which cannot be encoded"),
        ({"other": 1}, r"the fields \['high', 'other', 'rank', 'score', 'word'\] were given, expected those declared"),
    ],
)
def test_what_cannot_be_added_is_named(loops: ModuleType, wrong: dict[str, Any], says: str) -> None:
    class Wrong(Scores):
        def add_fields(self, rows: FieldRows) -> dict[str, Any]:
            return {"score": 1.0, "rank": 1, "high": True, "word": "x", **wrong}

    with Harness(udf(Wrong)) as harness, pytest.raises((TypeError, ValueError), match=says):
        harness.point(point(1, a=1, b=1))


def test_what_is_no_mapping_of_fields_is_named() -> None:
    class Nothing(Scores):
        def add_fields(self, rows: FieldRows) -> Any:
            return None

    with Harness(udf(Nothing)) as harness, pytest.raises(TypeError, match="None was given, expected the fields"):
        harness.point(point(1, a=1, b=1))


def test_one_value_for_all_rows_and_values_that_add_nothing(loops: ModuleType) -> None:
    class Same(Scores):
        def add_fields(self, rows: FieldRows) -> dict[str, Any]:
            return {"score": np.nan, "rank": 7, "high": True, "word": [None, "ü"]}

    with Harness(udf(Same)) as harness:
        one, two = harness.feed([point(1, a=1, b=1), point(2, a=1, b=1)])
        assert one.fields == {"a": 1, "b": 1, "rank": 7, "high": True}
        assert two.fields == {"a": 1, "b": 1, "rank": 7, "high": True, "word": "ü"}
        assert harness.counters.dropped_fields == 2


@pytest.mark.parametrize("extreme", [-(2**63), -1, 0, 127, 128, 2**63 - 1])
def test_integers_of_any_size_are_added(loops: ModuleType, extreme: int) -> None:
    class Extreme(Scores):
        def add_fields(self, rows: FieldRows) -> dict[str, Any]:
            return {"score": -0.0, "rank": [extreme], "high": False, "word": ["x" * 200]}

    with Harness(udf(Extreme)) as harness:
        (out,) = harness.point(point(1, a=1, b=1))
        assert (out.fields["rank"], str(out.fields["score"]), out.fields["word"]) == (extreme, "-0.0", "x" * 200)


def test_incomplete_points_are_taken_where_a_handler_says_so(loops: ModuleType) -> None:
    class Patient(Scores):
        accepts_incomplete = True

        def add_fields(self, rows: FieldRows) -> dict[str, Any]:
            return {"score": np.isnan(rows.values).sum(axis=1), "rank": 0, "high": False, "word": None}

    with Harness(udf(Patient)) as harness:
        out = harness.feed([point(1, a=1), point(2, c="x"), point(3, a="x", b=float("inf"), c=1), point(4, a=1, b=1)])
        assert [each.fields["score"] for each in out] == [1, 2, 2, 0]


def test_no_fields_and_nothing_added_is_an_echo(loops: ModuleType) -> None:
    class Echo(FieldsHandler):
        def __init__(self, context: Context) -> None:
            super().__init__(context, fields=[], adds={})

        def add_fields(self, rows: FieldRows) -> dict[str, Any]:
            return {}

    given = [point(1, a=1, b="x"), point(2, b=True)]
    with Harness(udf(Echo)) as harness:
        assert harness.feed(given) == given


def test_a_tick_may_emit(loops: ModuleType) -> None:
    class Ticking(Scores):
        tick_seconds = 1.0

        def tick(self, out: PointSink) -> None:
            out.point(Point(9, {"silence": 1}))

    with Harness(udf(Ticking)) as harness:
        assert [each.fields for each in harness.tick()] == [{"silence": 1}]


# Groups


class Counts(FieldsHandler):
    """Numbers the points of each group."""

    most_groups = 10

    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=[], adds={"count": int})
        self.counts = self.groups.state((), np.int64, 0)

    def add_fields(self, rows: FieldRows) -> dict[str, Any]:
        counted = []
        for group in rows.groups:
            self.counts.values[group] += 1
            counted.append(int(self.counts.values[group]))
        return {"count": counted}


def count(harness: Harness[Any], *hosts: str) -> list[Any]:
    return [each.fields["count"] for each in harness.feed([point(1, host, a=1) for host in hosts])]


def test_state_is_kept_by_group(loops: ModuleType) -> None:
    with Harness(udf(Counts)) as harness:
        assert count(harness, *"abab") == [1, 1, 2, 2]
        assert count(harness, *"bac") == [3, 3, 1]


def test_state_grows_with_the_groups(loops: ModuleType) -> None:
    class Many(Counts):
        most_groups = 1000

    hosts = [f"h{n}" for n in range(1000)]
    with Harness(udf(Many)) as harness:
        assert count(harness, *hosts) == [1] * 1000
        assert count(harness, *hosts) == [2] * 1000


def test_the_groups_that_were_silent_for_longest_make_room(loops: ModuleType) -> None:
    with Harness(udf(Counts)) as harness:
        for host in "abcdefghij":
            count(harness, host)
        count(harness, *"abc")
        count(harness, "k")
        assert [name for name, _ in harness.handler.groups] == [f"host={host}" for host in "abcfghijk"]
        assert (harness.counters.groups, harness.counters.groups_evicted) == (9, 2)
        assert count(harness, *"adk") == [3, 1, 2]


def test_groups_may_be_too_many_for_as_long_as_one_micro_batch(loops: ModuleType) -> None:
    hosts = [f"h{n}" for n in range(50)]
    with Harness(udf(Counts)) as harness:
        assert count(harness, *hosts, *hosts) == [1] * 50 + [2] * 50
        assert len(harness.handler.groups) == 9
        assert count(harness, "h49", "h0") == [3, 1]


def test_groups_of_long_names_make_room_for_each_other(loops: ModuleType) -> None:
    class Long(Counts):
        most_group_bytes = 100_000

    long = {letter: letter * 30_000 for letter in "abcd"}
    with Harness(udf(Long)) as harness:
        for letter in "abcabd":
            count(harness, long[letter])
        assert [name[-1] for name, _ in harness.handler.groups] == ["b", "d"]
        assert (harness.counters.groups, harness.counters.groups_evicted) == (2, 2)
        assert 60_000 < harness.counters.group_bytes < 90_000
        assert count(harness, long["b"], long["c"]) == [3, 1]


def test_silent_groups_are_forgotten() -> None:
    now = 0.0
    counters = Counters()
    groups = GroupIDs(most=100, ttl=60.0, counters=counters, clock=lambda: now)
    state = groups.state((2,), np.float64, -1)
    a, b = groups.number("a"), groups.number("b")
    state.values[a] = 5
    groups.used(np.array([a, b]))
    now = 50.0
    groups.used(np.array([b]))
    now = 61.0
    groups.used(np.array([b]))
    assert (counters.groups, counters.groups_expired) == (1, 1)
    assert list(groups) == [("b", b)]
    assert groups.number("c") == a
    assert state.values[a].tolist() == [-1, -1]


def test_bounds_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="most is 0, expected at least 1 group"):
        GroupIDs(most=0)


# Init


def broken(context: Context) -> Any:
    class Forgetful(FieldsHandler):
        def __init__(self, context: Context) -> None:
            pass

    return Forgetful(context)


def declared(*args: Any) -> Any:
    def factory(context: Context) -> FieldsHandler:
        return FieldsHandler(context, fields=args[0], adds=args[1])

    return factory


@pytest.mark.parametrize(
    "declaration, says",
    [
        (udf(Scores, wants=BATCH), "the handler is a Scores, a FieldsHandler, so its UDF must want and provide STREAM"),
        (udf(Scores, provides=BATCH), "so its UDF must want and provide STREAM"),
        (udf(broken), r"Forgetful.__init__ must call super\(\).__init__\(context, fields="),
        (udf(declared("ab", {})), "fields is 'ab', expected a list of different names"),
        (udf(declared(["a", "a"], {})), "expected a list of different names"),
        (udf(declared([], {"x": complex})), "adds: field 'x' is <class 'complex'>, expected float, int, str or bool"),
    ],
)
def test_what_cannot_work_is_told_at_init(declaration: UDF[Any], says: str) -> None:
    with pytest.raises(InitError, match=says):
        Harness(declaration)


def test_a_missing_compiled_part_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_questions, "compiled", False)
    with Harness(udf(Scores)) as harness:
        harness.point(point(1, a=1, b=1))
        assert harness.log == ["kapacitor_udf was installed without its compiled part: this works, but not as fast"]


def test_a_handler_must_say_what_it_adds() -> None:
    with Harness(udf(declared(["a"], {})), strict=False) as harness:
        harness.point(point(1, a=1))
        assert "must define add_fields()" in harness.log[0]


def test_rejections_of_a_row_are_those_of_a_point() -> None:
    places = np.zeros(3, np.int64)
    rows = FieldRows(
        np.zeros(3, np.int64), np.zeros((3, 0)), places, np.ones(3, bool), _row_codec.Source(b"", places, places, {})
    )
    rows.reject(np.array([True, False, True]), "late", "by an hour")
    rows.reject([0, 2], "late")
    assert [(error.reason, error.detail) for error in rows.rejected] == [("late", "by an hour")] * 2
    assert isinstance(rows.rejected[0], Rejected)
