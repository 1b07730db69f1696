"""Where measured points arrive: the last node of the task is a UDF that this process serves on a Unix socket.

Kapacitor hands a point to such a node as soon as it has it, so a point has arrived with the last byte of its frame. A
thread does nothing but read, because decoding the points of a burst takes longer than they take to come. The
alternatives say less: httpOut has to be asked again and again, influxDBOut waits for a batch to fill, and httpPost
costs more for each point than the UDF under test. A point's own time says when it was offered; nothing is matched.
"""

import io
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from bench.udf import frames
from kapacitor_udf import wire_pb2 as wire

_PIECE = 2**20


def since_its_time(point: wire.Point, now_ns: int) -> int:
    """Return the nanoseconds from a point's own time to its arrival."""
    return now_ns - point.time


class Sink:
    """Serves the UDF on a socket, and keeps each point's latency.

    Args:
        path: the socket.
        clock: the time in nanoseconds.
        latency: returns the latency of a point that arrives at a time, in nanoseconds; None: the point does not count.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], int],
        latency: Callable[[wire.Point, int], int | None] = since_its_time,
    ) -> None:
        self.path = path
        self._clock = clock
        self._latency = latency
        self._arrived = threading.Condition()
        self._latencies: list[int] = []
        self._fields: frozenset[str] = frozenset()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """End the server."""
        # Closing alone does not wake a thread out of accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def count(self) -> int:
        """Points that have arrived since the last `take`."""
        return len(self._latencies)

    @property
    def fields(self) -> frozenset[str]:
        """Names of the last point's float fields."""
        return self._fields

    def wait_for(self, count: int, patience_s: float) -> None:
        """Wait for the n-th point since the last `take`. Raises TimeoutError when none has come for so long."""
        with self._arrived:
            while self.count < count:
                if not self._arrived.wait(patience_s):
                    raise TimeoutError(f"{self.count:,} of {count:,} points arrived")

    def take(self) -> list[int]:
        """Return the latencies since the last call, in nanoseconds, and begin anew."""
        with self._arrived:
            latencies, self._latencies = self._latencies, []
        return latencies

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: the benchmark is over
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        arriving = _Arriving(connection, self._clock)
        with connection, io.BufferedReader(arriving) as stream:
            while (request := frames.read(wire.Request, stream)) is not None:
                if request.HasField("point"):
                    latency = self._latency(request.point, arriving.now)
                    if latency is None:
                        continue
                    with self._arrived:
                        self._latencies.append(latency)
                        self._fields = frozenset(request.point.fieldsDouble)
                        self._arrived.notify_all()
                else:
                    connection.sendall(frames.frame(_answer(request)))


class _Arriving(io.RawIOBase):
    """What a connection brings, read by a thread that does nothing else.

    Args:
        connection: the connection.
        clock: the time in nanoseconds.

    Attributes:
        now: when the piece came that was taken last.
    """

    def __init__(self, connection: socket.socket, clock: Callable[[], int]) -> None:
        super().__init__()
        self.now = 0
        self._pieces: SimpleQueue[tuple[int, bytes]] = SimpleQueue()
        self._rest = memoryview(b"")
        threading.Thread(target=self._read, args=(connection, clock), daemon=True).start()

    def _read(self, connection: socket.socket, clock: Callable[[], int]) -> None:
        while True:
            try:
                piece = connection.recv(_PIECE)
            except OSError:  # closed: the benchmark is over
                piece = b""
            self._pieces.put((clock(), piece))
            if not piece:
                return

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self.now, piece = self._pieces.get()
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _answer(request: wire.Request) -> wire.Response:
    kind = request.WhichOneof("message")
    if kind == "info":
        return wire.Response(info=wire.InfoResponse(wants=wire.STREAM, provides=wire.STREAM))
    if kind == "init":
        return wire.Response(init=wire.InitResponse(success=True))
    if kind == "keepalive":
        return wire.Response(keepalive=wire.KeepaliveResponse(time=request.keepalive.time))
    if kind == "snapshot":
        return wire.Response(snapshot=wire.SnapshotResponse())
    return wire.Response(restore=wire.RestoreResponse(success=True))
