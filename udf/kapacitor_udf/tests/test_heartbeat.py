"""The heartbeat by itself: when it writes, and what. How Kapacitor meets it is in test_process."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kapacitor_udf import STREAM, UDF, Counters, Limits, Point, PointSink, StreamHandler
from kapacitor_udf import _peer as peer
from kapacitor_udf._countdown import Countdown
from kapacitor_udf._early_answers import EarlyAnswers
from kapacitor_udf._framing import FrameReader, apart
from kapacitor_udf._handling import HandlingLoop
from kapacitor_udf._heartbeat import Heartbeat
from kapacitor_udf._inbox import Inbox
from kapacitor_udf._log import Log
from kapacitor_udf._output import Output
from kapacitor_udf._watch import Watch
from kapacitor_udf._worker import Worker


class Silent(StreamHandler[PointSink]):
    def point(self, point: Point, out: PointSink) -> None:
        pass


@contextmanager
def beating(every: float) -> Iterator[tuple[Heartbeat, HandlingLoop, int]]:
    """A heartbeat that beats, its loop, which does nothing, and the descriptor that its frames come out of."""
    source, sink = os.pipe()
    counters, log, output = Counters(), Log(lambda line: None), Output(sink)
    worker = Worker(UDF(wants=STREAM, provides=STREAM, handler=Silent), counters, log)
    inbox = Inbox(counters, points=1, octets=1, on_half_empty=lambda: None)
    early = EarlyAnswers(output, after=3600.0)
    loop = HandlingLoop(worker, inbox, output, Countdown(1.0), counters, log, early)
    heartbeat = Heartbeat(
        loop,
        worker,
        output,
        counters,
        every=every,
        watch=Watch(worker.calls, Limits()),
        early=early,
        on_long=lambda call: None,
    )
    thread = threading.Thread(target=heartbeat.run)
    thread.start()
    yield heartbeat, loop, source
    heartbeat.stop()
    heartbeat.ask(0)  # so that it need not wait for its next beat to notice
    thread.join()
    os.close(source)
    os.close(sink)


def answers(data: bytes) -> list[Any]:
    """The times of the keepalives in some frames."""
    assert list(apart(FrameReader(2**20).feed(data)))
    return [response.keepalive.time for response in peer.responses(data)]


def test_a_keepalive_is_answered_with_its_time() -> None:
    with beating(every=3600.0) as (heartbeat, _, source):
        heartbeat.ask(42)
        assert answers(os.read(source, 4096)) == [42]


def test_a_busy_handler_is_vouched_for() -> None:
    with beating(every=0.01) as (_, loop, source):
        loop.busy_since = time.monotonic()
        (vouched_ns,) = answers(os.read(source, 4096))
        assert abs(vouched_ns - time.time_ns()) < 60e9


def test_an_idle_handler_is_not_vouched_for() -> None:
    with beating(every=0.001) as (_, _, source):
        os.set_blocking(source, False)
        time.sleep(0.05)
        try:
            said = os.read(source, 4096)
        except BlockingIOError:
            said = b""
        assert said == b""
