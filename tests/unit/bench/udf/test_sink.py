"""The sink answers as a UDF has to, and tells latencies by the points' own times."""

import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from bench.udf import frames
from bench.udf.sink import Sink
from kapacitor_udf import wire_pb2 as wire

NOW = 1_000_000


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    sink = Sink(tmp_path / "sink", lambda: NOW)
    yield sink
    sink.close()


@pytest.fixture
def connection(sink: Sink) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(sink.path))
        yield connection


def ask(connection: socket.socket, request: wire.Request) -> wire.Response:
    connection.sendall(frames.frame(request))
    with connection.makefile("rb") as stream:
        answer = frames.read(wire.Response, stream)
    assert answer is not None
    return answer


def test_it_answers_every_question_of_kapacitor(connection: socket.socket) -> None:
    info = ask(connection, wire.Request(info=wire.InfoRequest())).info
    assert (info.wants, info.provides) == (wire.STREAM, wire.STREAM)
    assert ask(connection, wire.Request(init=wire.InitRequest())).init.success
    assert ask(connection, wire.Request(keepalive=wire.KeepaliveRequest(time=7))).keepalive.time == 7
    assert ask(connection, wire.Request(snapshot=wire.SnapshotRequest())).HasField("snapshot")
    assert ask(connection, wire.Request(restore=wire.RestoreRequest())).restore.success


def test_latency_is_from_a_points_own_time(sink: Sink, connection: socket.socket) -> None:
    for time in (NOW - 5, NOW - 7):
        request = wire.Request(point=wire.Point(time=time, fieldsDouble={"score": 0.5, "bed": 60.0}))
        connection.sendall(frames.frame(request))
    sink.wait_for(2, patience_s=20)
    assert sink.take() == [5, 7]
    assert sink.count == 0
    assert sink.fields == {"score", "bed"}


def test_points_that_come_at_once_arrive_at_once_however_long_decoding_takes(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "counting", count(1_000).__next__)
    points = b"".join(frames.frame(wire.Request(point=wire.Point(time=time))) for time in (1, 2, 3))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(sink.path))
        connection.sendall(points)
        sink.wait_for(3, patience_s=20)
    sink.close()
    assert sink.take() == [999, 998, 997]


def test_it_does_not_wait_for_ever(sink: Sink) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 points arrived"):
        sink.wait_for(1, patience_s=0.01)
