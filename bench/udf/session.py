"""One row on a kapacitord of its own: its tasks, and what can be measured of them.

Two kinds of task, each with a UDF process of its own, never both at once:

- For latency `…@udf()@sink()`: the sink is a UDF on a socket of this process (bench.udf.sink).
- For throughput `…@udf()|httpOut()`: the cheapest end there is, so that the UDF is what is measured; the end is reached
  when Kapacitor has counted the last point there.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.udf import data
from bench.udf.errors import BenchError
from bench.udf.processes import processor_seconds, resident_bytes
from bench.udf.rows import Row
from bench.udf.sink import Sink
from bench.udf.writer import HttpWriter
from daemons.kapacitord import Kapacitord

_PATIENCE_S = 20.0
_POLL_S = 0.004
_FEW_POINTS = 100
_LATENCY_GROUPS = 100
# A row that has this many points under way does not keep up; further ones would only wait longer.
_BEHIND = 500

_TASK = "bench"
_FROM = f"stream|from().database('db').measurement('{data.MEASUREMENT}').groupBy('{data.TAG}')"

_EPOCH_NS = time.time_ns() - time.monotonic_ns()


def clock() -> int:
    """Return nanoseconds since the epoch, by a clock that nobody sets."""
    return time.monotonic_ns() + _EPOCH_NS


class Session:
    """One row's UDF behind a real kapacitord.

    `directory` holds kapacitord's files and the socket, and `environment` is the UDF's. Methods raise BenchError when
    points get lost; the error ends with Kapacitor's log.
    """

    def __init__(self, row: Row, kapacitord: Path, environment: Mapping[str, str], directory: Path) -> None:
        self.row = row
        self._udf = "@udf()" if row.command else ""
        self._written = 0  # points, since the task was defined
        self._arrived = 0  # results, likewise
        self._sink = Sink(directory / "sink", clock)
        functions: dict[str, list[str] | Path] = {"sink": self._sink.path}
        if row.command:
            functions["udf"] = list(row.command)
        self._server = Kapacitord(
            kapacitord, directory / "kapacitor", functions, environment=environment, timeout="60s", log_level="INFO"
        )
        self._writer = HttpWriter(self._server.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._server.__exit__(kind, error, trace)
        self._sink.close()

    def first_score(self) -> float:
        """Define the task for latency, and write a point right after it: seconds until that point has arrived."""
        begin = clock()
        self._server.define(_TASK, f"{_FROM}{self._udf}@sink()")
        self._written = 1
        self._writer.write(data.line(0, begin, data.values(0)).encode())
        self._wait_for_sink(1)
        (latency,) = self._sink.take()
        if self.row.adds and self.row.adds not in self._sink.fields:
            raise BenchError(f"{self.row.name} adds no field '{self.row.adds}': {sorted(self._sink.fields)}")
        return latency / 1e9

    def latency(self, rate: int, seconds: float) -> tuple[list[float], bool]:
        """Offer `rate` points a second, one for each write.

        A point's latency counts from the moment when it was due, not from when it could be sent. Otherwise a stall
        would hide the latency of the points that it delays ("coordinated omission").

        Returns:
            The points' latencies in milliseconds, and whether the row fell behind; then fewer points were offered.
        """
        values = data.values(1)
        behind, sent = False, 0
        before = self._written
        begin, step = clock(), 1_000_000_000 // rate
        while sent < rate * seconds and not behind:
            due = begin + sent * step
            rest = due - clock()
            if rest > 0:
                time.sleep(rest / 1e9)
            self._writer.write(data.line(sent % _LATENCY_GROUPS, due, values).encode())
            sent += 1
            behind = sent - self._sink.count * self.row.points_per_result >= _BEHIND
        self._written += sent
        self._wait_for_sink(self.row.results(self._written) - self.row.results(before))
        return [latency / 1e6 for latency in self._sink.take()], behind

    def define_throughput(self) -> None:
        """Define the task for throughput."""
        self._server.define(_TASK, f"{_FROM}{self._udf}|httpOut('out')")
        self._written = self._arrived = 0

    def warm_up(self, groups: int, seconds: float) -> int:
        """Send more and more points of `groups` groups, and return how many of them take `seconds` seconds."""
        count = _FEW_POINTS
        while True:
            taken = self.flood(groups, count)
            if taken >= seconds / 2:
                return max(1, int(count * seconds / taken))
            count = min(8 * count, int(count * seconds / taken))

    def flood(self, groups: int, count: int) -> float:
        """Write points as fast as Kapacitor takes them: seconds from the first write to the last arrival."""
        load = data.load(groups)
        begin = changed = clock()
        for body in load.bodies(count):
            self._writer.write(body)
        self._written += count
        due = self.row.results(self._written)
        while self._arrived < due:
            time.sleep(_POLL_S)
            now = self._at_the_end()
            if now > self._arrived:
                self._arrived, changed = now, clock()
            elif clock() - changed > _PATIENCE_S * 1e9:
                raise BenchError(self._stuck(f"{due - now:,} results of {count:,} points did not arrive"))
        return (clock() - begin) / 1e9

    def processor_seconds(self) -> tuple[float, float]:
        """What kapacitord and the UDF's process, if there is one, have had of the processors so far."""
        return processor_seconds(self._server.process.pid), sum(map(processor_seconds, self._server.children()))

    def resident_mb(self) -> float:
        """Resident memory of the UDF's process, in 10**6 bytes."""
        (pid,) = self._server.children()
        return resident_bytes(pid) / 1e6

    def remove(self) -> None:
        """Remove the task."""
        answer = self._server.call("DELETE", f"/tasks/{_TASK}")
        if answer.status != 204:
            raise BenchError(
                self._stuck(f"removing the task: {answer.status} {answer.body.decode('utf-8', 'replace')}")
            )

    def _at_the_end(self) -> int:
        stats = self._server.call("GET", f"/tasks/{_TASK}?fields=stats").json["stats"]["node-stats"]
        (last,) = (value for name, value in stats.items() if name.startswith("http_out"))
        return int(last["collected"])

    def _wait_for_sink(self, count: int) -> None:
        try:
            self._sink.wait_for(count, _PATIENCE_S)
        except TimeoutError as error:
            raise BenchError(self._stuck(str(error))) from error

    def _stuck(self, what: str) -> str:
        return "\n".join([f"{self.row.name}: {what}. Kapacitor's log ends with:", *self._server.log[-20:]])
