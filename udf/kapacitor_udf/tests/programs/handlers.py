"""Handlers that do what handlers should not. Importing this module prints to stdout, and says so."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

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


class Spawning(Echo):
    """Starts a process that outlives it and has inherited what it can, and tells which."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        code = "import time, sys; print('the child is here', file=sys.stderr, flush=True); time.sleep(600)"
        context.log(f"its pid {subprocess.Popen([sys.executable, '-c', code]).pid}.")


class Forking(Echo):
    """Likewise, without another program."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        child = os.fork()
        if child == 0:
            print("the child is here")
            threading.Event().wait(600)
            os._exit(0)
        context.log(f"its pid {child}.")


class Crashing(Echo):
    def point(self, point: Point, out: PointSink) -> None:
        def crash() -> None:
            os.kill(os.getpid(), signal.SIGSEGV)

        crash()


class Exiting(Echo):
    """Ends its process for a point whose time is negative."""

    def point(self, point: Point, out: PointSink) -> None:
        if point.time < 0:
            os._exit(5)
        out.point(point)


class LastWords(Echo):
    def close(self) -> None:
        os.write(2, b"last words")


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


class HangingInit(Echo):
    def __init__(self, context: Context) -> None:
        threading.Event().wait()


class SlowInit(Echo):
    """Is made when the file GO is there."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        _wait_for_go()

    def restore(self, data: bytes) -> None:
        threading.Event().wait(0.3)


class LateUnwilling(Echo):
    """Cannot be made, which turns out when the file GO is there."""

    def __init__(self, context: Context) -> None:
        _wait_for_go()
        raise ValueError("there is no model, train one")


class HangingElsewhere(Echo):
    """Never comes back from the method that the environment names."""

    tick_seconds = 0.01 if os.environ.get("HANGS") == "tick" else None

    def tick(self, out: PointSink) -> None:
        self._hang("tick")

    def snapshot(self) -> bytes:
        self._hang("snapshot")
        return b"state"

    def restore(self, data: bytes) -> None:
        self._hang("restore")

    def _hang(self, method: str) -> None:
        if os.environ.get("HANGS") == method:
            threading.Event().wait()


class SlowTicking(Echo):
    """Takes 10 ms for each point, and ticks ten times as rarely; says how many points came before each tick."""

    tick_seconds = 0.1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.points_ = 0

    def point(self, point: Point, out: PointSink) -> None:
        threading.Event().wait(0.01)
        self.points_ += 1

    def tick(self, out: PointSink) -> None:
        out.point(Point(0, {"points": self.points_}))


class Leaving(Echo):
    """Forks for each point; the child leaves by the way that the environment names."""

    def point(self, point: Point, out: PointSink) -> None:
        child = os.fork()
        if child == 0:
            match os.environ["LEAVES"]:
                case "exit":
                    sys.exit(7)
                case "raise":
                    raise ValueError("the child fails")
            return
        _, status = os.waitpid(child, 0)
        point.fields["code"] = os.waitstatus_to_exitcode(status)
        out.point(point)


class Threaded(Echo):
    """Emits each point, and a second one in a thread; tells what became of that."""

    def point(self, point: Point, out: PointSink) -> None:
        def emit() -> None:
            try:
                out.point(point)
            except RuntimeError as error:
                point.fields["error"] = str(error)

        thread = threading.Thread(target=emit)
        thread.start()
        thread.join()
        out.point(point)


class Closing(Echo):
    """Says that it is closed."""

    def close(self) -> None:
        self.context.log("it is closed")


def _wait_for_go() -> None:
    while not Path(os.environ["GO"]).exists():
        threading.Event().wait(0.01)
