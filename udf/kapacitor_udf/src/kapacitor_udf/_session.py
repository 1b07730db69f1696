"""One conversation with Kapacitor over two descriptors: three threads, each with one job.

- The reader (its own thread) reads whatever has arrived, sorts it (`_receiver`) and queues it (`_inbox`). It never
  writes to Kapacitor and never calls the handler, so nothing that they do keeps it from reading, but for the queue's
  stated pause. While points come close together it reads once in a millisecond; a lone point is never held back.
- The handler's loop (the thread that calls `run`: the main one) takes all that is queued, works through it (`_worker`)
  and writes what came out: at once when the queue is empty, else in blocks, a few milliseconds after the step that
  made it, or when the next step ends if that takes longer.
- The heartbeat (its own thread) answers keepalives, gives a life sign while the handler is busy for long, and emits
  the metrics, if there are any.

The writing descriptor has a lock, and whole frames are written under it. It is the only lock held during I/O; the
queue's lock is held for moves in memory only.

The end. End of input is noticed by the reader, also during its pause (poll reports the hang-up). From then on there are
`drain` seconds: the handler's loop goes on for three quarters of them, then closes the handler; the reader waits until
that is done and calls `on_end` when the time is over, whatever the others are stuck in (Kapacitor stops reading when a
task is disabled, so a write may hang, and the handler's code may, too).
"""

import math
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from . import _wire
from ._counters import Counters
from ._declaration import UDF
from ._inbox import Inbox
from ._life import State
from ._log import Log
from ._receiver import Receiver, items
from ._worker import Worker

_READ = 2**20
# Seconds of reading nothing after a read that brought several points. Kapacitor writes each by itself and wakes a
# reader that waits, which costs both sides more than the point does; so what comes meanwhile is read at once.
_GATHERING = 0.001
_BLOCK = 2**16
_LATEST_FLUSH = 0.005
# Points that are taken from the queue at once; what was taken no longer counts as queued.
_TAKE = 2048
_HANG_UP = getattr(select, "POLLRDHUP", 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept, and for how long anyone is waited for. Bytes and seconds."""

    queue_points: int = 20_000
    queue_bytes: int = 64 * 2**20
    patience: float = 2.0
    """Seconds that reading pauses for a full queue before what arrives is shed."""
    drain: float = 1.0
    """Seconds from the end of input to the end of the process."""
    heartbeat: float = 1.0
    """Seconds after which a busy handler is vouched for."""
    largest_message: int = 64 * 2**20
    largest_batch: int = 256 * 2**20


class Session:
    """Talks until the end of input. `on_end(code)` is called, from another thread, if `run` does not end in time."""

    def __init__(
        self,
        udf: UDF,
        *,
        input: int,  # the descriptors' own words
        output: int,
        limits: Limits,
        counters: Counters,
        log: Log,
        on_end: Callable[[int], None],
    ) -> None:
        self._udf = udf
        self._input = input
        self._output = output
        self._limits = limits
        self._counters = counters
        self._log = log
        self._on_end = on_end
        self._receiver = Receiver(largest_message=limits.largest_message, largest_batch=limits.largest_batch)
        self._worker = Worker(udf, counters, log)
        self._wake_out, self._wake_in = os.pipe()
        self._inbox = Inbox(
            counters,
            points=limits.queue_points,
            octets=limits.queue_bytes,
            on_half_empty=self._wake,
        )
        self._write_lock = threading.Lock()
        self._written_at = 0.0
        self._busy_since: float | None = None
        self._beat = threading.Condition(threading.Lock())
        self._asked: int | None = None
        self._ends_at: float | None = None
        self._code = 0
        self._over = threading.Event()

    def run(self) -> int:
        """Hold the conversation. The exit code: 0 after an end of input, 1 after a failed Init or a broken stream."""
        for name, loop in (("reader", self._read), ("heartbeat", self._keep_alive)):
            threading.Thread(target=self._watched, args=(loop,), name=f"kapacitor-{name}", daemon=True).start()
        try:
            self._handle()
        except OSError as error:
            # Kapacitor has closed its end: it is gone, or has given this process up.
            self._log.say(f"cannot write to Kapacitor: {error}")
        finally:
            self._over.set()
        return self._code

    def _watched(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # half of a conversation must not go on
            self._log.say(f"{threading.current_thread().name} ended: {type(error).__name__}: {error}")
            self._on_end(1)

    # The reader

    def _read(self) -> None:
        self._poll = select.poll()
        self._poll.register(self._input, _HANG_UP)
        self._poll.register(self._wake_out, select.POLLIN)
        while data := self._more():
            units = self._receiver.receive(data)
            asked = self._receiver.take_keepalive()
            if asked is not None:
                with self._beat:
                    self._asked = asked
                    self._beat.notify()
            if self._inbox.put(units) and self._ends_at is None:
                self._pause()
            elif sum(map(items, units)) > 1:
                time.sleep(_GATHERING)
            if self._receiver.broken is not None:
                self._log.say(str(self._receiver.broken))
                self._code = 1
                break
        self._end()
        self._inbox.close()
        assert self._ends_at is not None  # noqa: S101 - _end has set it
        if not self._over.wait(max(0.0, self._ends_at - time.monotonic())):
            self._counters.unhandled += self._inbox.left
            self._log.say(f"the time to stop is over ({self._limits.drain} s): {self._counters.summary()}")
            self._on_end(self._code)

    def _more(self) -> bytes:
        try:
            return os.read(self._input, _READ)
        except OSError as error:
            self._log.say(f"cannot read from Kapacitor: {error}")
            return b""

    def _wake(self) -> None:
        os.write(self._wake_in, b".")

    def _pause(self) -> None:
        """Wait until the queue is half empty or patience is at an end. A hang-up starts the countdown to the end."""
        if not self._inbox.pause():
            return
        until = time.monotonic() + self._limits.patience
        while (left := until - time.monotonic()) > 0:
            events = dict(self._poll.poll(left * 1000))
            if self._wake_out in events:
                os.read(self._wake_out, 4096)
                break
            if self._input in events:
                self._end()
                break
        if self._inbox.resume():
            self._log.explain(
                "shedding",
                lambda: (
                    f"the handler is too slow: {self._counters.queued} points are queued; what arrives is shed "
                    "until half of them are handled"
                ),
            )

    def _end(self) -> None:
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self._limits.drain

    # The handler's loop

    def _handle(self) -> None:
        ticked = time.monotonic()
        unanswered: list[tuple[float, int]] = []
        while True:
            every = self._worker.tick_seconds
            now = time.monotonic()
            units = self._inbox.take(_TAKE, None if every is None else max(0.0, ticked + every - now))
            unanswered += self._inbox.arrived
            self._counters.takes += bool(self._inbox.arrived)
            self._busy_since = time.monotonic()
            steps = self._worker.steps(units)
            for _ in steps:
                if len(self._worker.sink) and self._due():
                    self._flush()
                if self._out_of_time():
                    self._counters.unhandled += sum(map(items, units))  # at most: some of these were handled
                    break
            every = self._worker.tick_seconds
            if every is not None and time.monotonic() >= ticked + every:
                ticked = time.monotonic()
                self._worker.tick()
            if self._inbox.empty:
                self._flush()
            if unanswered and not len(self._worker.sink):
                now = time.monotonic()
                for arrived, count in unanswered:
                    self._counters.latency.add(now - arrived, count)
                unanswered.clear()
            self._busy_since = None
            if self._worker.life.state is State.FAILED:
                self._flush()
                self._log.say(f"Init failed: {self._worker.init_error}")
                self._code = 1
                return
            if self._inbox.exhausted or self._out_of_time():
                break
        self._busy_since = time.monotonic()
        self._worker.close()
        self._counters.unhandled += self._inbox.left
        if self._counters.points_in or self._counters.batches_in or self._counters.unhandled:
            self._log.say(f"ends: {self._counters.summary()}")

    def _due(self) -> bool:
        return len(self._worker.sink) >= _BLOCK or time.monotonic() - self._written_at >= _LATEST_FLUSH

    def _out_of_time(self) -> bool:
        return self._ends_at is not None and time.monotonic() > self._ends_at - self._limits.drain / 4

    def _flush(self) -> None:
        frames = self._worker.sink.take()
        if frames:
            self._write(frames)

    def _write(self, data: bytes) -> None:
        with self._write_lock:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._output, rest) :]
            self._written_at = time.monotonic()

    # The heartbeat

    def _keep_alive(self) -> None:
        every = math.inf if self._udf.metrics is None else self._udf.metrics.every
        reported = time.monotonic()
        while not self._over.is_set():
            with self._beat:
                if self._asked is None:
                    self._beat.wait(min(self._limits.heartbeat, max(0.0, reported + every - time.monotonic())))
                asked, self._asked = self._asked, None
            frames = b""
            if asked is not None or self._vouches():
                self._counters.keepalives += 1
                frames = _wire.encode_keepalive(asked if asked is not None else time.time_ns())
            if time.monotonic() >= reported + every:
                reported = time.monotonic()
                frames += self._worker.metrics()
            try:
                if frames:
                    self._write(frames)
            except OSError:
                return  # the handler's loop finds out by itself, and the end of input follows

    def _vouches(self) -> bool:
        """Whether the handler has been busy, and nothing was written, for the heartbeat's time."""
        since = self._busy_since
        now = time.monotonic()
        beat = self._limits.heartbeat
        return since is not None and now - since >= beat and now - self._written_at >= beat
