"""What the handler's side promises, seen through the harness that users have."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapacitor_udf import (
    BATCH,
    INT,
    STREAM,
    STRING,
    UDF,
    Batch,
    BatchHandler,
    BatchSink,
    Context,
    Counters,
    InitError,
    Option,
    Point,
    PointSink,
    Rejected,
    StreamHandler,
)  # fmt: skip
from kapacitor_udf import _peer as peer
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._framing import frame
from kapacitor_udf._life import LifeState
from kapacitor_udf._log import Log
from kapacitor_udf._receiver import Receiver
from kapacitor_udf._worker import Worker
from kapacitor_udf.testing import Harness


def point(time: int = 1, **fields: Any) -> Point:
    return Point(time, fields or {"a": 1.0}, {"host": "x"}, "cpu", ["host"])


class Picky(StreamHandler[PointSink]):
    """Echoes, and does to a point what its field `do` says, after it has emitted it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.seen = 0

    def point(self, point: Point, out: PointSink) -> None:
        self.seen += 1
        out.point(point)
        match point.fields.get("do"):
            case "raise":
                raise KeyError("some key")
            case "exit":
                sys.exit(3)
            case "reject":
                raise Rejected("not today", "it is late")
            case "emit nonsense":
                out.point(Point(1, {"a": object()}))  # type: ignore[dict-item]

    def snapshot(self) -> bytes:
        if self.seen == 13:
            raise RuntimeError("no luck")
        return b"%d" % self.seen

    def restore(self, data: bytes) -> None:
        self.seen = 10**9  # half way through
        self.seen = int(data)


def picky(**more: Any) -> UDF:
    return UDF(wants=STREAM, provides=STREAM, handler=Picky, name="picky", **more)


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
        assert "point() raised KeyError: 'some key' (at test_worker.py:" in line
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


# Batches and the other edges


class Halves(BatchHandler[BatchSink]):
    """Emits two batches for each; raises after the first one if it must."""

    def batch(self, batch: Batch, out: BatchSink) -> None:
        half = len(batch.points) // 2
        out.batch(Batch("first", batch.tags, batch.points[:half], batch.tmax))
        if batch.name == "bad":
            raise ValueError("bad batch")
        out.batch(Batch("second", batch.tags, batch.points[half:], batch.tmax, by_name=True))


class Last(BatchHandler[PointSink]):
    def batch(self, batch: Batch, out: PointSink) -> None:
        out.point(Point(batch.tmax, dict(batch.points[-1].fields), batch.tags, batch.name, batch.dimensions))


class Pairs(StreamHandler[BatchSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.waiting: list[Point] = []

    def point(self, point: Point, out: BatchSink) -> None:
        self.waiting.append(point)
        if len(self.waiting) == 2:
            out.batch(Batch(point.name, point.tags, self.waiting, point.time))
            self.waiting = []


def batch(*points: Point, name: str = "cpu") -> Batch:
    return Batch(name, {"zone": "1", "host": "x"}, list(points), 99, "host=x,zone=1")


def test_batch_to_batch_and_a_bad_batch_costs_itself_only() -> None:
    with Harness(UDF(wants=BATCH, provides=BATCH, handler=Halves), strict=False) as harness:
        out = harness.feed([batch(point(1), point(2), name="bad"), batch(point(3), point(4), point(5))])
        assert [(each.name, each.by_name, [p.time for p in each.points], each.tmax) for each in out] == [
            ("first", False, [3], 99),
            ("second", True, [4, 5], 99),
        ]
        assert harness.counters.rejected == {"ValueError in batch": 1}
        assert (harness.counters.batches_in, harness.counters.batches_out) == (2, 2)
        assert (harness.counters.points_in, harness.counters.points_out) == (5, 3)


def test_batch_to_stream() -> None:
    with Harness(UDF(wants=BATCH, provides=STREAM, handler=Last)) as harness:
        (out,) = harness.batch(batch(point(1, a=1), point(2, a=2)))
        assert (out.time, out.fields, out.name, out.dimensions) == (99, {"a": 2}, "cpu", ["host", "zone"])


def test_stream_to_batch() -> None:
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


# Init


def test_init_makes_the_handler_from_validated_options() -> None:
    made: list[Context] = []

    def factory(context: Context) -> Picky:
        made.append(context)
        return Picky(context)

    udf = UDF(
        wants=STREAM, provides=STREAM, handler=factory,
        options=[Option("field", STRING, repeat=True), Option("range", INT, INT), Option("size", INT, default=5)],
    )  # fmt: skip
    with Harness(udf, {"field": ["a", "b"], "range": (1, 2)}, task="t1", node="udf3"):
        (context,) = made
        assert context.options == {"field": ["a", "b"], "range": (1, 2), "size": 5}
        assert (context.task, context.node, context.udf) == ("t1", "udf3", udf)


def raising(error: BaseException) -> Callable[[Context], Any]:
    def factory(context: Context) -> Any:
        raise error

    return factory


@pytest.mark.parametrize(
    "handler, says",
    [
        (raising(ValueError("the model is not there, train it")), "picky: the model is not there, train it"),
        (raising(KeyError("x")), "picky: KeyError: 'x' (at test_worker.py:"),
        (raising(SystemExit("bye")), "picky: SystemExit: bye"),
        (lambda context: object(), "picky: the handler is a object, which is no StreamHandler"),
        (Halves, "picky: the handler is a Halves, which is no StreamHandler; this UDF wants points"),
        ("no_such_module_anywhere:X", "picky: cannot import the handler no_such_module_anywhere:X"),
    ],
)
def test_what_goes_wrong_in_init_is_told(handler: Any, says: str) -> None:
    with pytest.raises(InitError) as caught:
        Harness(UDF(wants=STREAM, provides=STREAM, handler=handler, name="picky"))
    assert str(caught.value).startswith(says)


def test_wrong_options_fail_init() -> None:
    with pytest.raises(InitError, match="option 'size': 'x' is a string"):
        Harness(picky(options=[Option("size", INT)]), {"size": "x"})
    with pytest.raises(InitError, match="option 'size' is missing"):
        Harness(picky(options=[Option("size", INT)]))


# Snapshots


def test_a_snapshot_carries_the_state_over() -> None:
    with Harness(picky()) as harness:
        harness.feed([point(), point()])
        saved = harness.snapshot()
    with Harness(picky(), restore=saved) as harness:
        assert harness.handler.seen == 2
        assert harness.counters.restores == 1


def test_a_snapshot_of_other_options_or_another_layout_is_refused() -> None:
    option = Option("field", STRING)
    with Harness(picky(options=[option]), {"field": "a"}) as harness:
        harness.feed([point(), point()])
        saved = harness.snapshot()
    with Harness(picky(options=[option]), {"field": "b"}, restore=saved) as harness:
        assert harness.handler.seen == 0
        assert harness.counters.restores_refused == 1
        assert harness.log == ["the snapshot is not restored, starting cold: it was made with other options"]

    class Newer(Picky):
        snapshot_version = 2

    newer = UDF(wants=STREAM, provides=STREAM, handler=Newer, name="picky", options=[option])
    with Harness(newer, {"field": "a"}, restore=saved) as harness:
        assert harness.handler.seen == 0
        assert "layout version 1, this handler reads version 2" in harness.log[0]


def test_a_handler_may_say_itself_what_a_snapshot_depends_on() -> None:
    class Keyed(Picky):
        def snapshot_key(self) -> str:
            return str(self.context.options["model"]).split("-")[0]

    udf = UDF(wants=STREAM, provides=STREAM, handler=Keyed, options=[Option("model", STRING)])
    with Harness(udf, {"model": "a-1"}) as harness:
        harness.point(point())
        saved = harness.snapshot()
    with Harness(udf, {"model": "a-2"}, restore=saved) as harness:
        assert harness.handler.seen == 1
    with Harness(udf, {"model": "b-1"}, restore=saved) as harness:
        assert harness.handler.seen == 0


def test_a_restore_that_raises_leaves_a_new_handler() -> None:
    class Letters(Picky):
        def snapshot(self) -> bytes:
            return b"letters"

    def udf(handler: Any) -> UDF:
        return UDF(wants=STREAM, provides=STREAM, handler=handler, name="same")

    with Harness(udf(Letters)) as harness:
        saved = harness.snapshot()
    with Harness(udf(Picky), restore=saved, strict=False) as harness:
        assert harness.handler.seen == 0
        assert harness.counters.restores_refused == 1
        assert len(harness.point(point())) == 1


@pytest.mark.parametrize("garbage", [b"x", b"kudf\x00\x01" + bytes(100)])
def test_garbage_is_answered_with_success(garbage: bytes) -> None:
    with Harness(picky(), restore=garbage) as harness:
        assert harness.counters.restores_refused == 1
        response = harness._ask(peer.encode_restore(garbage))
        assert response.restore.success
        assert response.restore.error == ""


def test_an_empty_restore_is_none() -> None:
    with Harness(picky(), restore=b"") as harness:
        assert (harness.counters.restores, harness.counters.restores_refused) == (0, 0)


def test_a_snapshot_that_fails_is_answered_empty() -> None:
    with Harness(picky(), strict=False) as harness:
        harness.feed([point() for _ in range(13)])
        assert harness.snapshot() == b""
        assert "snapshot() raised RuntimeError: no luck" in harness.log[0]


# The rest


def test_questions_are_answered_in_their_place() -> None:
    with Harness(picky()) as harness:
        found = harness._talk(
            peer.encode_point(point(1)) + peer.encode_snapshot() + peer.encode_info() + peer.encode_point(point(2))
        )
        assert [each.WhichOneof("message") for each in found] == ["point", "snapshot", "info", "point"]


def test_a_second_init_changes_nothing() -> None:
    with Harness(picky()) as harness:
        harness.point(point())
        assert harness._talk(peer.encode_init([], "t", "n")) == []
        assert harness.handler.seen == 1
        assert harness.counters.unexpected == 1


def test_an_empty_request_is_counted_and_never_answered() -> None:
    with Harness(picky()) as harness:
        assert harness._talk(frame(b"") + frame(wire.Request().SerializeToString())) == []
        assert harness.counters.unexpected == 2


class Ticking(BatchHandler[PointSink]):
    tick_seconds = 1.0

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.closed = False

    def batch(self, batch: Batch, out: PointSink) -> None:
        pass

    def tick(self, out: PointSink) -> None:
        out.point(Point(5, {"silence": 1}))

    def close(self) -> None:
        self.closed = True


def test_a_tick_may_emit_and_close_is_called_once() -> None:
    with Harness(UDF(wants=BATCH, provides=STREAM, handler=Ticking)) as harness:
        assert [each.fields for each in harness.tick()] == [{"silence": 1}]
        harness.close()
        assert harness.handler.closed


# Whatever arrives

FRAMES = [
    peer.encode_info(),
    peer.encode_init([], "t", "n"),
    peer.encode_point(point()),
    peer.encode_batch(batch(point(1), point(2))),
    peer.encode_snapshot(),
    peer.encode_restore(b"x"),
    peer.encode_keepalive(1),
    frame(wire.Request(begin=wire.BeginBatch(size=-5)).SerializeToString()),
    frame(wire.Request(end=wire.EndBatch()).SerializeToString()),
    frame(b""),
]

KINDS = [(STREAM, STREAM, Picky), (BATCH, BATCH, Halves), (STREAM, BATCH, Pairs), (BATCH, STREAM, Last)]


@given(
    st.lists(
        st.one_of(st.sampled_from(FRAMES), st.binary(max_size=30), st.binary(max_size=30).map(frame)), max_size=20
    ),
    st.sampled_from(KINDS),
    st.booleans(),
)
def test_whatever_arrives_nothing_goes_out_that_takes_kapacitord_down(
    frames: list[bytes], kind: tuple[Any, Any, Any], initialized: bool
) -> None:
    wants, provides, handler = kind
    receiver = Receiver(largest_message=1000, largest_batch=1000)
    worker = Worker(UDF(wants=wants, provides=provides, handler=handler), Counters(), Log(lambda line: None))
    if initialized:
        frames = [FRAMES[1], *frames]
    for each in frames:
        for _ in worker.steps(receiver.receive(each)):
            pass
    found = peer.responses(worker.sink.take())
    data = peer.data(found)
    assert all(isinstance(each, Point if provides is STREAM else Batch) for each in data)
    if worker.life.state is LifeState.WAITING:
        assert not data
