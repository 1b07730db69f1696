"""Where measured points arrive: the last node of the task is a UDF that this process serves on a Unix socket.

Kapacitor hands a point to such a node as soon as it has it, so reading the frame is the point's arrival at the end. The
alternatives say less: httpOut has to be asked again and again, influxDBOut waits for a batch to fill, and httpPost
costs more for each point than the UDF under test. A point's own time says when it was offered; nothing is matched.
"""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from bench.udf import frames
from kapacitor_udf import wire_pb2 as wire


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
        with connection, connection.makefile("rb") as stream:
            while (request := frames.read(wire.Request, stream)) is not None:
                now = self._clock()
                if request.HasField("point"):
                    latency = self._latency(request.point, now)
                    if latency is None:
                        continue
                    with self._arrived:
                        self._latencies.append(latency)
                        self._fields = frozenset(request.point.fieldsDouble)
                        self._arrived.notify_all()
                else:
                    connection.sendall(frames.frame(_answer(request)))


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
