"""Socket mode as Kapacitor meets it: real sockets, real processes. Waits have wide limits and assert no times."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kapacitor_udf
from kapacitor_udf import Point
from kapacitor_udf import _peer as peer
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._errors import ListenError
from kapacitor_udf._framing import FrameReader, apart
from kapacitor_udf._listener import Listener

WAIT = 240
HERE = Path(__file__).parent
SOURCE = Path(kapacitor_udf.__file__).parents[1]


class Connection:
    """Kapacitor's end of a connection."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(WAIT)
        self._socket.connect(str(path))
        self._frames = FrameReader(2**26)
        self._responses: list[Any] = []

    def send(self, *frames: bytes) -> None:
        self._socket.sendall(b"".join(frames))

    def next(self) -> Any:
        """The next Response other than a keepalive, None at the end. Fails after a minute of life signs only."""
        keepalives = 0
        while True:
            while self._responses:
                response = self._responses.pop(0)
                if response.WhichOneof("message") != "keepalive":
                    return response
                keepalives += 1
                assert keepalives < WAIT
            data = self._socket.recv(2**20)
            if not data:
                return None
            messages = apart(self._frames.feed(data))
            self._responses += [wire.Response.FromString(message) for message in messages]  # type: ignore[arg-type]

    def start(self) -> None:
        self.send(peer.encode_init([], "task", "node"))
        assert self.next().init.success

    def end_input(self) -> None:
        """Half-close, as Kapacitor does."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()


class Server:
    def __init__(self, path: Path, handler: str, *more: str) -> None:
        self.path = path
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE / "programs")])}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "programs" / "server.py"), handler, str(path), *more],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self._connections: list[Connection] = []

    def line(self) -> str:
        """The next line that it logs."""
        assert self.process.stderr
        return self.process.stderr.readline().rstrip("\n")

    def connect(self) -> Connection:
        self._connections.append(Connection(self.path))
        return self._connections[-1]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        if self.process.poll() is None:
            self.stop()
        assert self.process.stderr
        self.process.stderr.close()


Start = Callable[..., Server]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Start]:
    started: list[Server] = []

    def start(handler: str, *more: str, listens: bool = True) -> Server:
        started.append(Server(tmp_path / "udf.sock", handler, *more))
        if listens:
            assert started[-1].line() == f"server: program listens on {tmp_path / 'udf.sock'}"
        return started[-1]

    yield start
    for each in started:
        each.close()


def point(time: int) -> bytes:
    return peer.encode_point(Point(time, {"a": 1.0}))


def test_info_is_answered_and_the_connection_closed_without_importing_the_handler(server: Start) -> None:
    udf = server("Echo")
    connection = udf.connect()
    connection.send(peer.encode_info())
    assert connection.next().WhichOneof("message") == "info"
    connection.end_input()
    assert connection.next() is None
    assert udf.stop() == 0
    # The handler's module would have printed a line.
    assert udf.line() == "server: program ends after 1 connections"


def test_connections_are_apart_and_their_lines_say_whose_they_are(server: Start) -> None:
    udf = server("Echo")
    first, second = udf.connect(), udf.connect()
    first.start()
    assert udf.line() == "connection 1: importing handlers"
    second.start()
    assert udf.line() == "connection 2: importing handlers"
    for connection, time in ((first, 1), (second, 2)):
        connection.send(point(time))
    assert (second.next().point.time, first.next().point.time) == (2, 1)
    first.end_input()
    assert first.next() is None
    second.send(point(3))
    assert second.next().point.time == 3


def test_a_preloaded_handler_is_imported_once(server: Start) -> None:
    udf = server("Echo", "preload", listens=False)
    assert udf.line() == "importing handlers"
    assert udf.line() == f"server: program listens on {udf.path}"
    for connection in (udf.connect(), udf.connect()):
        connection.start()
        connection.end_input()
        assert connection.next() is None
    assert udf.stop() == 0
    assert udf.line() == "server: program ends after 2 connections"


def test_nothing_that_prints_gets_into_the_stream(server: Start) -> None:
    connection = server("Noisy").connect()
    connection.start()
    connection.send(point(1))
    assert connection.next().point.time == 1


def test_a_signal_lets_connections_drain(server: Start) -> None:
    udf = server("Echo")
    connection = udf.connect()
    connection.start()
    connection.send(*[point(time) for time in range(1000)])
    assert udf.stop() == 0
    times = []
    while (response := connection.next()) is not None:
        times.append(response.point.time)
    # What was in the socket's buffer was read before the end was seen.
    assert times == list(range(1000))
    assert not udf.path.exists()


def test_a_signal_ends_a_connection_whose_handler_is_stuck(server: Start) -> None:
    udf = server("Stuck")
    connection = udf.connect()
    connection.start()
    connection.send(point(5))
    assert connection.next().point.time == 5
    connection.send(point(-1))
    assert udf.stop() == 0
    assert connection.next() is None


def test_the_code_of_a_process_that_ends_by_itself_is_told(server: Start) -> None:
    udf = server("Exiting")
    connection = udf.connect()
    connection.start()
    connection.send(point(-1))
    assert connection.next() is None
    lines = [udf.line(), udf.line()]
    assert lines[0] == "connection 1: importing handlers"
    assert re.fullmatch(
        r"server: the process \d+ of a connection ended with code 5: by its handler's own doing", lines[1]
    )


def test_a_handler_that_hangs_ends_its_connection_only(server: Start) -> None:
    udf = server("Stuck", "longest_data=0.3")
    stuck, healthy = udf.connect(), udf.connect()
    for connection in (stuck, healthy):
        connection.start()
    stuck.send(point(-1))
    assert "point() has not returned for 0.3 s" in stuck.next().error.error
    assert stuck.next() is None
    while "ended with code" not in (line := udf.line()):
        pass
    assert line.endswith("ended with code 3: a call of its handler hung")
    healthy.send(point(1))
    assert healthy.next().point.time == 1


def test_a_broken_stream_ends_its_connection_only(server: Start) -> None:
    udf = server("Echo")
    broken, healthy = udf.connect(), udf.connect()
    broken.send(b"\xff" * 20)
    assert broken.next() is None
    healthy.start()
    healthy.send(point(1))
    assert healthy.next().point.time == 1


def test_a_path_where_nobody_can_listen_ends_it_with_the_reason(server: Start, tmp_path: Path) -> None:
    (tmp_path / "udf.sock").write_text("precious")
    udf = server("Echo", listens=False)
    assert udf.process.wait(WAIT) == 2
    assert "is not a socket: remove it, or choose another path" in udf.line()
    assert (tmp_path / "udf.sock").read_text() == "precious"


def test_a_socket_has_its_permissions(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "a.sock", 0o660)
    assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == 0o660
    listener.close()
    assert list(tmp_path.iterdir()) == []


def test_a_socket_that_a_dead_server_left_behind_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "a.sock"))
    listener = Listener(tmp_path / "a.sock", 0o600)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "a.sock"))
    listener.close()


def test_a_socket_that_is_listened_on_is_left_alone(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "a.sock", 0o600)
    with pytest.raises(ListenError, match="another server listens on"):
        Listener(tmp_path / "a.sock", 0o600)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "a.sock"))
    listener.close()


def test_a_socket_that_somebody_else_has_put_there_since_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    first = Listener(path, 0o600)
    path.unlink()
    second = Listener(path, 0o600)
    first.close()
    assert path.exists()
    second.close()


@pytest.mark.parametrize(
    ("name", "message"), [("x" * 200, "at most 107 work"), ("absent/a.sock", "No such file or directory")]
)
def test_a_path_that_cannot_be_is_told(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ListenError, match=message):
        Listener(tmp_path / name, 0o600)
