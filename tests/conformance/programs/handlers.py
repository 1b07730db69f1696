"""Handlers that do to Kapacitor what UDFs have done to it."""

import math
import os
import subprocess
import sys
import threading
from pathlib import Path

from kapacitor_udf import Batch, BatchHandler, BatchSink, Context, Point, PointSink, StreamHandler

print("handlers are imported")


class Noisy(StreamHandler[PointSink]):
    """Prints in every way."""

    def point(self, point: Point, out: PointSink) -> None:
        print("from print")
        sys.stdout.buffer.write(b"from buffer\n")
        os.write(1, b"from descriptor\n")
        subprocess.run([sys.executable, "-c", "print('from child')"], check=True)
        out.point(point)


class LongLines(StreamHandler[PointSink]):
    def point(self, point: Point, out: PointSink) -> None:
        print("x" * 10**6)
        out.point(point)


class Raising(StreamHandler[PointSink]):
    """Raises for a point with the field `bad`, after it has emitted it."""

    def point(self, point: Point, out: PointSink) -> None:
        out.point(point)
        if point.fields.get("bad") == "raise":
            raise KeyError("bad point " + "é\n" * 100_000)
        if point.fields.get("bad") == "exit":
            sys.exit(1)


class Measured(Raising):
    """With metrics."""


class MeasuredStuck(StreamHandler[PointSink]):
    """With metrics; never comes back."""

    def point(self, point: Point, out: PointSink) -> None:
        threading.Event().wait()


class Slow(StreamHandler[PointSink]):
    """Needs a second for each point."""

    def point(self, point: Point, out: PointSink) -> None:
        self.context.log("slow from here on")
        threading.Event().wait(1)
        out.point(point)


class Regrouping(StreamHandler[PointSink]):
    """Emits points of another group than the one that came: by the tag `parity`, under a name of its own."""

    def point(self, point: Point, out: PointSink) -> None:
        tags = {"parity": "odd" if point.time % 2 else "even"}
        out.point(Point(point.time, {"n": point.number("n")}, tags, "regrouped", ["parity"], group="ignored"))


class NotFinite(StreamHandler[PointSink]):
    def point(self, point: Point, out: PointSink) -> None:
        point.fields["nan"] = math.nan
        point.fields["inf"] = math.inf
        out.point(point)
        out.point(Point(point.time, {"nan": math.nan}, name=point.name))


class Spawning(StreamHandler[PointSink]):
    """Has a child that inherits what it can and lives on for ten minutes, or until the file `child` is gone."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        file = Path(os.environ["SCRATCH"], "child")
        file.touch()
        wait = f"for n in $(seq 6000); do [ -e {file} ] || exit; sleep 0.1; done"
        subprocess.Popen(["/bin/sh", "-c", f"echo the child lives >&2; {wait}"])

    def point(self, point: Point, out: PointSink) -> None:
        out.point(point)


class Unwilling(StreamHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        raise ValueError("there is no model, train one")


class Stuck(StreamHandler[PointSink]):
    """Never comes back from a point with the field `stuck`."""

    def point(self, point: Point, out: PointSink) -> None:
        if "stuck" in point.fields:
            self.context.log("stuck from here on")
            threading.Event().wait()
        out.point(point)


class HangsInInit(StreamHandler[PointSink]):
    """Is never made."""

    def __init__(self, context: Context) -> None:
        context.log("stuck from here on")
        threading.Event().wait()


class HangsInRestore(StreamHandler[PointSink]):
    """Is never restored, once there is a file `restore-hangs`."""

    def point(self, point: Point, out: PointSink) -> None:
        out.point(point)

    def snapshot(self) -> bytes:
        self.context.log("a snapshot")
        return b"state"

    def restore(self, data: bytes) -> None:
        if Path(os.environ["SCRATCH"], "restore-hangs").exists():
            self.context.log("stuck from here on")
            threading.Event().wait()


class MeasuredRestored(StreamHandler[PointSink]):
    """With metrics, and a point for each of its many ticks; takes as long as a restore may that is not overdue."""

    tick_seconds = 0.02

    def point(self, point: Point, out: PointSink) -> None:
        out.point(point)

    def tick(self, out: PointSink) -> None:
        out.point(Point(1, {"tick": True}, name="tick"))

    def snapshot(self) -> bytes:
        self.context.log("a snapshot")
        return b"state"

    def restore(self, data: bytes) -> None:
        threading.Event().wait(1.5)
        self.context.log("restored")


class Patient(StreamHandler[PointSink]):
    """Needs two milliseconds for each point."""

    def point(self, point: Point, out: PointSink) -> None:
        threading.Event().wait(0.002)
        out.point(point)


class Busy(StreamHandler[PointSink]):
    """Comes back when four keepalives were answered meanwhile: twice Kapacitor's patience."""

    def point(self, point: Point, out: PointSink) -> None:
        until = self.context.counters.keepalives + 4
        while self.context.counters.keepalives < until:
            threading.Event().wait(0.01)
        out.point(point)


class Flooding(StreamHandler[PointSink]):
    """Answers each point with many."""

    def point(self, point: Point, out: PointSink) -> None:
        for number in range(1000):
            out.point(Point(point.time + number, {"text": "x" * 1000}, point.tags, point.name))


class Counting(StreamHandler[PointSink]):
    """Counts points, over restarts. A snapshot is announced in the log."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.count = 0

    def point(self, point: Point, out: PointSink) -> None:
        self.count += 1
        point.fields["count"] = self.count
        out.point(point)

    def snapshot(self) -> bytes:
        self.context.log(f"snapshot of {self.count}")
        return b"%d" % self.count if self.count else b""

    def restore(self, data: bytes) -> None:
        if Path(os.environ["SCRATCH"], "restore-raises").exists():
            raise RuntimeError("no way")
        self.count = int(data)


class BatchLast(BatchHandler[PointSink]):
    def batch(self, batch: Batch, out: PointSink) -> None:
        last = batch.points[-1]
        fields = {**last.fields, "size": len(batch.points), "begin": batch.points[0].time}
        out.point(Point(batch.tmax, fields, batch.tags, batch.name, batch.dimensions))


class BatchTypes(BatchHandler[PointSink]):
    """Says of each point's fields, and of its batch, what they came as."""

    def batch(self, batch: Batch, out: PointSink) -> None:
        for point in batch.points:
            types: dict[str, float | int | str | bool] = {
                name: f"{type(value).__name__} {value}" for name, value in point.fields.items()
            }
            out.point(Point(point.time, {**types, "tmax": batch.tmax}, batch.tags, batch.name, batch.dimensions))


class BatchToBatch(BatchHandler[BatchSink]):
    """Two batches for each; one whose points say `bad` costs itself, though its first half was emitted."""

    def batch(self, batch: Batch, out: BatchSink) -> None:
        out.batch(Batch(batch.name, batch.tags, batch.points[:1], batch.tmax, by_name=batch.by_name))
        if any("bad" in point.fields for point in batch.points):
            raise ValueError("a bad batch")
        out.batch(Batch(batch.name, batch.tags, [], batch.tmax, by_name=batch.by_name))
        out.batch(Batch(batch.name, batch.tags, batch.points[1:], batch.tmax, by_name=batch.by_name))


class StreamToBatch(StreamHandler[BatchSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.points_: list[Point] = []

    def point(self, point: Point, out: BatchSink) -> None:
        self.points_.append(point)
        if len(self.points_) == 3:
            out.batch(Batch("triple", {"host": point.tags["host"]}, self.points_, point.time))
            self.points_ = []
