"""What the handling side promises as a whole: order, ticks, the end, and frames that never hurt kapacitord."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge_handlers import Halves, Last, Pairs, Picky, batch, picky, point
from kapacitor_udf import (
    BATCH,
    STREAM,
    UDF,
    Batch,
    BatchHandler,
    Context,
    Counters,
    Point,
    PointSink,
)
from kapacitor_udf import _peer as peer
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._life import LifeState
from kapacitor_udf._log import Log
from kapacitor_udf._receiver import Receiver
from kapacitor_udf._varint import frame
from kapacitor_udf._worker import Worker
from kapacitor_udf.testing import Harness


def test_questions_are_answered_in_their_place() -> None:
    with Harness(picky()) as harness:
        found = harness._talk(
            peer.encode_point(point(1)) + peer.encode_snapshot() + peer.encode_info() + peer.encode_point(point(2))
        )
        assert [each.WhichOneof("message") for each in found] == ["point", "snapshot", "info", "point"]


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
    found = peer.responses(worker.emitted.take())
    data = peer.data(found)
    assert all(isinstance(each, Point if provides is STREAM else Batch) for each in data)
    if worker.life.state is LifeState.WAITING:
        assert not data


def test_a_tick_that_makes_no_sense_any_more_is_told_and_not_called() -> None:
    log: list[str] = []
    worker = Worker(UDF(wants=BATCH, provides=STREAM, handler=Ticking), Counters(), Log(log.append))
    list(worker.steps(Receiver(largest_message=1000, largest_batch=1000).receive(peer.encode_init([], "t", "n"))))
    assert worker.tick_seconds == 1.0
    for wrong in ("1", 0, float("nan")):
        worker.handler.tick_seconds = wrong
        assert worker.tick_seconds is None
    assert log == ["tick_seconds is '1', expected a number from 0.001 to 86400.0: tick is not called"]
    worker.handler.tick_seconds = 2
    assert worker.tick_seconds == 2
