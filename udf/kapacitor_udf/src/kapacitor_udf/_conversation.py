"""One conversation with Kapacitor over two descriptors, held by three threads with one job each.

- The reader (`_reader`, a thread of its own) reads, sorts and queues.
- The handling loop (`_handling`, the thread that calls `run`: the main one) calls the handler and writes its results.
- The heartbeat (`_heartbeat`, a thread of its own) answers keepalives and emits metrics.

They share a queue (`_inbox`), whose lock is held for moves in memory only, and the output (`_output`), whose lock is
the only one held during I/O.

The reader notices the end of input and starts the countdown (`_countdown`). The handling loop goes on for three
quarters of it, then closes the handler. The reader's thread waits until that is done, and calls `on_end` when the time
is over, whatever the others are stuck in: Kapacitor stops reading when a task is disabled, so a write may hang, and the
handler's code may, too.
"""

import os
import threading
from collections.abc import Callable

from ._countdown import Countdown
from ._counters import Counters
from ._declaration import UDF
from ._handling import HandlingLoop
from ._heartbeat import Heartbeat
from ._inbox import Inbox
from ._life import LifeState
from ._limits import Limits
from ._log import Log
from ._output import Output
from ._reader import Reader
from ._receiver import Receiver
from ._worker import Worker


class Conversation:
    """Talks to Kapacitor until the end of input."""

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
        """Prepare the three threads' work.

        Args:
            udf: what Kapacitor is told, and whose handler is called.
            input: the descriptor to read from.
            output: the descriptor to write to; it may be the same.
            limits: bounds of the queue and of all waits.
            counters: where everything is counted.
            log: where trouble is told.
            on_end: called with the exit code, from another thread, if `run` does not end in time.
        """
        self._counters = counters
        self._log = log
        self._on_end = on_end
        self._over = threading.Event()
        self._countdown = Countdown(limits.drain)
        self._worker = Worker(udf, counters, log)
        half_empty, self._wake_reader = os.pipe()
        self._inbox = Inbox(
            counters,
            points=limits.queue_points,
            octets=limits.queue_bytes,
            on_half_empty=self._wake,
        )
        writer = Output(output)
        self._loop = HandlingLoop(self._worker, self._inbox, writer, self._countdown, counters, log)
        self._heartbeat = Heartbeat(self._loop, self._worker, writer, counters, every=limits.heartbeat)
        self._reader = Reader(
            input,
            receiver=Receiver(largest_message=limits.largest_message, largest_batch=limits.largest_batch),
            inbox=self._inbox,
            half_empty=half_empty,
            patience=limits.patience,
            on_keepalive=self._heartbeat.ask,
            countdown=self._countdown,
            counters=counters,
            log=log,
        )

    def run(self) -> int:
        """Hold the conversation.

        Returns:
            The exit code: 0 after an end of input, 1 after a failed Init or a stream that was out of step.
        """
        for name, target in (("reader", self._read_to_the_end), ("heartbeat", self._heartbeat.run)):
            threading.Thread(target=self._watched, args=(target,), name=f"kapacitor-{name}", daemon=True).start()
        try:
            self._loop.run()
        except OSError as error:
            # Kapacitor has closed its end: it is gone, or has given this process up.
            self._log.say(f"cannot write to Kapacitor: {error}")
        finally:
            self._heartbeat.stop()
            self._over.set()
        return self._code

    def _wake(self) -> None:
        os.write(self._wake_reader, b".")

    @property
    def _code(self) -> int:
        return int(self._reader.is_broken or self._worker.life.state is LifeState.FAILED)

    def _watched(self, target: Callable[[], None]) -> None:
        """Run a thread's work; if it raises, end everything, as half of a conversation must not go on."""
        try:
            target()
        except BaseException as error:
            self._log.say(f"{threading.current_thread().name} ended: {type(error).__name__}: {error}")
            self._on_end(1)

    def _read_to_the_end(self) -> None:
        """Read all input, then see to it that the process ends in time."""
        self._reader.run()
        if not self._over.wait(self._countdown.left):
            self._counters.unhandled += self._inbox.left
            self._log.say(f"the time to stop is over ({self._countdown.seconds} s): {self._counters.summary()}")
            self._on_end(self._code)
