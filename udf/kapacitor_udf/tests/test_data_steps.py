"""Data through the harness that users have: what one bad point or batch costs."""

import tracemalloc
from collections.abc import Sequence

import pytest

from edge_handlers import Halves, Last, Pairs, batch, picky, point
from kapacitor_udf import (
    BATCH,
    STREAM,
    UDF,
    Context,
    Counters,
    InitError,
    Metrics,
    Point,
    PointSink,
    Rejected,
    StreamHandler,
)
from kapacitor_udf import _peer as peer
from kapacitor_udf._data import memory
from kapacitor_udf._log import Log
from kapacitor_udf._loops import PointDecoder
from kapacitor_udf._receiver import RawBatch, Receiver
from kapacitor_udf._varint import frame
from kapacitor_udf._worker import Worker
from kapacitor_udf.testing import Harness


@pytest.mark.parametrize("do, reason", [
    ("raise", "KeyError in point"), ("exit", "SystemExit in point"), ("reject", "not today"),
    ("emit nonsense", "TypeError in point"),
])  # fmt: skip
def test_a_bad_point_costs_itself_only(do: str, reason: str) -> None:
    with Harness(picky(), strict=False) as harness:
        out = harness.feed([point(1), point(2, do=do), point(3)])
        assert [each.time for each in out] == [1, 3]
        assert harness.counters.rejected == {reason: 1}
        assert harness.counters.points_in == 3
        assert harness.counters.points_out == 2
        assert len(harness.log) == 1


def test_what_failed_is_explained_with_its_place_once() -> None:
    with Harness(picky(), strict=False) as harness:
        harness.feed([point(n, do="raise") for n in range(1000)])
        assert harness.counters.rejected == {"KeyError in point": 1000}
        (line,) = harness.log
        assert "point() raised KeyError: 'some key' (at edge_handlers.py:" in line
        assert harness.counters.last_error == "KeyError in point(): 'some key'"


def test_a_strict_harness_raises_but_not_for_what_the_handler_rejects() -> None:
    with Harness(picky()) as harness:
        assert harness.point(point(do="reject")) == []
        with pytest.raises(KeyError):
            harness.point(point(do="raise"))
        assert len(harness.point(point())) == 1


def test_an_undecodable_point_costs_itself_only() -> None:
    bad = frame(b"\x8a\x01\x02\x12\x05")
    with Harness(picky()) as harness:
        out = peer.data(harness._talk(peer.encode_point(point(1)) + bad + peer.encode_point(point(2))))
        assert [each.time for each in out if isinstance(each, Point)] == [1, 2]
        assert harness.counters.undecodable == 1


def test_points_that_are_not_utf8_cost_themselves_only() -> None:
    good = peer.encode_point(Point(1, {"a": "ZZZZ"}))
    bad = good.replace(b"ZZZZ", b"\xff\xfe\xfd\xfc")
    with Harness(picky()) as harness:
        assert len(peer.data(harness._talk(good + bad + good))) == 2
        assert harness.counters.undecodable == 1


def test_not_finite_fields_are_counted_and_left_out() -> None:
    with Harness(picky()) as harness:
        out = harness.feed([point(1, a=float("nan"), b=1), point(2, a=float("inf"))])
        assert [each.fields for each in out] == [{"b": 1}]
        assert harness.counters.dropped_fields == 2
        assert harness.counters.dropped_points == 1


def test_odd_points_pass() -> None:
    odd = [
        Point(-1, {"a b,=\"'": "x" * 10**6}, {"тег ,=": "値\n" * 1000}, "имя", ["тег ,="], True),
        Point(2**63 - 1, {"a": -(2**63), "b": True, "": ""}, {"": ""}, "", [""]),
        Point(-(2**63), {"a": 5e-324}, {}, "m"),
        Point(1, {"a": 1}, {"t" * 10**6: "é" * 10**6}, "m" * 10**6, ["t" * 10**6]),
    ]
    with Harness(picky()) as harness:
        out = harness.feed([*odd, *odd])
    expected = [(each.time, each.fields, each.tags, each.name, list(each.dimensions), each.by_name) for each in odd]
    assert [(e.time, e.fields, e.tags, e.name, e.dimensions, e.by_name) for e in out] == expected * 2


# Micro-batches


class Many(StreamHandler[PointSink]):
    """Handles what has arrived at once; a point without `a` fails the lot."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.sizes: list[int] = []

    def points(self, points: Sequence[Point], out: PointSink) -> None:
        self.sizes.append(len(points))
        for each in points:
            each.fields["b"] = each.number("a") * 2
            out.point(each)

    def point(self, point: Point, out: PointSink) -> None:
        assert "b" not in point.fields
        self.points([point], out)


def test_what_has_arrived_is_handled_at_once() -> None:
    with Harness(UDF(wants=STREAM, provides=STREAM, handler=Many)) as harness:
        assert [each.fields["b"] for each in harness.feed([point(a=n) for n in range(5)])] == [0, 2, 4, 6, 8]
        harness.feed([point(a=n) for n in range(5000)])
        assert harness.handler.sizes == [5, 4096, 904]


def test_a_bad_point_among_many_costs_itself_only() -> None:
    with Harness(UDF(wants=STREAM, provides=STREAM, handler=Many)) as harness:
        out = harness.feed([point(1, a=1), point(2, x=1), point(3, a=3)])
        assert [each.time for each in out] == [1, 3]
        assert harness.counters.rejected == {"missing field": 1}
        assert harness.counters.points_in == 3


def test_a_bad_point_alone_is_not_tried_twice() -> None:
    with Harness(UDF(wants=STREAM, provides=STREAM, handler=Many)) as harness:
        assert harness.feed([point(2, x=1)]) == []
        assert harness.handler.sizes == [1]
        assert harness.counters.rejected == {"missing field": 1}


def test_a_batch_becomes_two_and_a_bad_batch_costs_itself_only() -> None:
    with Harness(UDF(wants=BATCH, provides=BATCH, handler=Halves), strict=False) as harness:
        out = harness.feed([batch(point(1), point(2), name="bad"), batch(point(3), point(4), point(5))])
        assert [(each.name, each.by_name, [p.time for p in each.points], each.tmax) for each in out] == [
            ("first", False, [3], 99),
            ("second", True, [4, 5], 99),
        ]
        assert harness.counters.rejected == {"ValueError in batch": 1}
        assert (harness.counters.batches_in, harness.counters.batches_out) == (2, 2)
        assert (harness.counters.points_in, harness.counters.points_out) == (5, 3)


def test_a_batch_becomes_a_point() -> None:
    with Harness(UDF(wants=BATCH, provides=STREAM, handler=Last)) as harness:
        (out,) = harness.batch(batch(point(1, a=1), point(2, a=2)))
        assert (out.time, out.fields, out.name, out.dimensions) == (99, {"a": 2}, "cpu", ["host", "zone"])


def test_points_become_a_batch() -> None:
    with Harness(UDF(wants=STREAM, provides=BATCH, handler=Pairs)) as harness:
        assert harness.point(point(1)) == []
        (out,) = harness.point(point(2))
        assert [each.time for each in out.points] == [1, 2]


def test_an_undecodable_point_in_a_batch_costs_itself_only() -> None:
    frames = peer.encode_batch(batch(point(1, a="ZZZZ"), point(2, a="ok"))).replace(b"ZZZZ", b"\xff\xff\xff\xff")
    with Harness(UDF(wants=BATCH, provides=STREAM, handler=Last)) as harness:
        (out,) = peer.data(harness._talk(frames))
        assert isinstance(out, Point)
        assert out.fields == {"a": "ok"}
        assert harness.counters.undecodable == 1


def test_data_of_the_other_kind_is_dropped_and_counted() -> None:
    with Harness(UDF(wants=BATCH, provides=STREAM, handler=Last)) as harness:
        assert harness.feed([point(), point(), batch(point())])
        assert harness.counters.unexpected == 2
        assert "got points, but this UDF wants batches" in harness.log[0]
    with Harness(picky()) as harness:
        assert harness.batch(batch(point())) == []
        assert harness.counters.unexpected == 1


# Exceptions that are odd themselves


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Mute(), "Mute in point"),
        (ValueError("\udcff"), "ValueError in point"),
        (Rejected(["unhashable"]), "['unhashable']"),  # type: ignore[arg-type]
        (Rejected(None), "None"),  # type: ignore[arg-type]
        (Rejected("x" * 10_000), "x" * 100),
        (Rejected("\udcff"), "\\udcff"),
    ],
)
def test_an_exception_of_any_kind_costs_its_point_only(error: BaseException, reason: str) -> None:
    class Odd(StreamHandler[PointSink]):
        def point(self, point: Point, out: PointSink) -> None:
            if point.time == 2:
                raise error
            if point.time == 3:
                raise Rejected("another reason")
            out.point(point)

    udf = UDF(wants=STREAM, provides=STREAM, handler=Odd, metrics=Metrics())
    with Harness(udf, strict=False) as harness:
        assert [each.time for each in harness.feed([point(n) for n in (1, 2, 3, 4)])] == [1, 4]
        assert harness.counters.rejected == {reason: 1, "another reason": 1}
        assert "rejected[another reason]=1" in harness.counters.summary()
        assert len(harness.metrics()) == 1


@pytest.mark.parametrize("error", [Mute(), ValueError("\udcff"), ValueError("x" * 10**6)])
def test_an_init_that_fails_in_any_way_is_answered(error: BaseException) -> None:
    class Odd(StreamHandler[PointSink]):
        def __init__(self, context: Context) -> None:
            raise error

    with pytest.raises(InitError, match="udf: ") as caught:
        Harness(UDF(wants=STREAM, provides=STREAM, handler=Odd))
    assert len(str(caught.value)) < 4000


def test_an_exception_that_costs_no_data_is_no_rejection() -> None:
    class Odd(StreamHandler[PointSink]):
        def tick(self, out: PointSink) -> None:
            raise Rejected("not today")

        def snapshot(self) -> bytes:
            raise KeyError("some key")

    with Harness(UDF(wants=STREAM, provides=STREAM, handler=Odd), strict=False) as harness:
        harness.tick()
        assert harness.snapshot() == b""
        assert harness.counters.rejected == {}
        assert harness.counters.errors == 2


# Memory of a batch


def worker_of_batches(largest_batch: int, log: list[str]) -> Worker:
    """A worker after Init, whose batches become two."""
    udf = UDF(wants=BATCH, provides=BATCH, handler=Halves)
    worker = Worker(udf, Counters(), Log(log.append), largest_batch=largest_batch)
    talk(worker, peer.encode_init([], "task", "node"))
    return worker


def talk(worker: Worker, frames: bytes) -> None:
    receiver = Receiver(largest_message=2**26, largest_batch=2**28)
    for _ in worker.steps(receiver.receive(frames)):
        pass


def test_a_batch_that_takes_too_much_memory_is_shed_and_the_next_one_is_whole() -> None:
    log: list[str] = []
    worker = worker_of_batches(1_000_000, log)
    large, small = batch(*[point(n) for n in range(3000)]), batch(point(1), point(2))
    talk(worker, peer.encode_batch(large) + peer.encode_batch(small))
    counters = worker._guard.counters
    assert (counters.shed_batches, counters.batches_in, counters.points_in) == (1, 1, 2)
    (line,) = log
    assert "a batch of 3000 points takes more than 1000000 bytes in memory after" in line
    assert "use a shorter window, or raise the limit largest_batch" in line


def test_the_bytes_of_a_batch_are_given_back_while_it_is_decoded() -> None:
    worker = worker_of_batches(10_000_000, [])
    (unit,) = Receiver(largest_message=2**26, largest_batch=2**28).receive(
        peer.encode_batch(batch(*[point(n) for n in range(3000)]))
    )
    assert isinstance(unit, RawBatch)
    assert len(unit.points) == 3
    for _ in worker.steps([unit]):
        pass
    assert unit.points == []


@pytest.mark.parametrize("fields", [1, 3, 20])
def test_the_memory_of_points_is_known_well_enough(fields: int) -> None:
    points = [Point(n, {f"f{k}": n * 1.1 + k for k in range(fields)}, {"host": f"h{n % 7}"}) for n in range(2000)]
    frames = b"".join(map(peer.encode_point, points))
    decoder = PointDecoder(Point)
    tracemalloc.start()
    try:
        decoded = decoder.decode(frames)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(memory(each) for each in decoded if isinstance(each, Point)) == pytest.approx(taken, rel=0.25)
