"""Handlers that do what handlers should not. Importing this module prints to stdout, and says so."""

import os
import subprocess
import sys
import threading

from kapacitor_udf import Batch, BatchHandler, Context, Point, PointSink, StreamHandler

print("importing handlers")


class Echo(StreamHandler[PointSink]):
    def point(self, point: Point, out: PointSink) -> None:
        out.point(point)


class Noisy(Echo):
    """Prints in every way there is, and reads stdin."""

    def point(self, point: Point, out: PointSink) -> None:
        print("from print")
        sys.stdout.buffer.write(b"from buffer\n")
        os.write(1, b"from descriptor\n")
        subprocess.run([sys.executable, "-c", "print('from child')"], check=True)
        point.fields["stdin"] = sys.stdin.read() + str(len(os.read(0, 100)))
        out.point(point)


class LongLines(Echo):
    def point(self, point: Point, out: PointSink) -> None:
        print("x" * 10**6, file=sys.stderr)
        print("y" * 10**6, end="")
        out.point(point)
        raise ValueError("z" * 10**6)


class Chatty(Echo):
    """Fills any pipe that nobody reads."""

    def point(self, point: Point, out: PointSink) -> None:
        for number in range(2000):
            print("chat " * 20, number)
        out.point(point)


class Stuck(Echo):
    """Never comes back from a point whose time is negative."""

    def point(self, point: Point, out: PointSink) -> None:
        if point.time < 0:
            threading.Event().wait()
        out.point(point)


class Lingering(Echo):
    """Has a thread that never ends, and never comes back from close."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        threading.Thread(target=threading.Event().wait).start()

    def close(self) -> None:
        threading.Event().wait()


class Unwilling(Echo):
    def __init__(self, context: Context) -> None:
        raise ValueError("there is no model, train one")


class Ticking(Echo):
    tick_seconds = 0.01

    def tick(self, out: PointSink) -> None:
        out.point(Point(0, {"tick": True}))


class Batches(BatchHandler[PointSink]):
    def batch(self, batch: Batch, out: PointSink) -> None:
        out.point(Point(batch.tmax, {"points": len(batch.points)}, batch.tags, batch.name, batch.dimensions))
