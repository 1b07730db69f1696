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

While the input goes on, nothing but the handler can hang. The heartbeat notices that (`_watch`), and the process ends
with the stack of the call. Whoever ends it, the account of what became of the data is the last line.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from . import _wire
from ._countdown import Countdown
from ._counters import Counters
from ._declaration import UDF
from ._early_answers import EarlyAnswers
from ._handling import HandlingLoop
from ._heartbeat import Heartbeat
from ._inbox import Inbox
from ._life import LifeState
from ._limits import Limits
from ._log import Log
from ._output import Output
from ._reader import Reader
from ._receiver import Receiver
from ._watch import Long, Watch
from ._worker import Worker

HUNG = 3
"""The exit code after a call of the handler that did not return."""
# How often, and how many seconds apart, the counters are looked at until they stand still.
_MOST_LOOKS, _BETWEEN_LOOKS = 20, 0.001
# Characters.
_LONGEST_ERROR = 1000
# Seconds to write what a stuck handler had answered before, when its process ends. Kapacitor may have stopped reading.
_LAST_ANSWERS = 0.1
# Seconds to do so and to tell Kapacitor why the task fails, while it waits for nothing.
_LAST_WORD = 0.5


class Conversation:
    """Talks to Kapacitor until the end of input."""

    def __init__(
        self,
        udf: UDF[Any],
        *,
        input: int,  # the descriptors' own words
        output: int,
        signals: int,
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
            signals: a descriptor that gives the number of each signal as a byte; SIGTERM ends the input.
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
        self._output = Output(output)
        self._early = EarlyAnswers(self._output, limits.answer)
        self._worker = Worker(udf, counters, log, was_answered=self._early.close, largest_batch=limits.largest_batch)
        half_empty, self._wake_reader = os.pipe()
        self._inbox = Inbox(
            counters,
            points=limits.queue_points,
            octets=limits.queue_bytes,
            on_half_empty=self._wake,
        )
        self._loop = HandlingLoop(self._worker, self._inbox, self._output, self._countdown, counters, log, self._early)
        self._heartbeat = Heartbeat(
            self._loop,
            self._worker,
            self._output,
            counters,
            every=limits.heartbeat,
            watch=Watch(self._worker.calls, limits),
            early=self._early,
            on_long=self._tell_long,
        )
        self._reader = Reader(
            input,
            receiver=Receiver(largest_message=limits.largest_message, largest_batch=limits.largest_batch),
            inbox=self._inbox,
            half_empty=half_empty,
            signals=signals,
            patience=limits.patience,
            on_keepalive=self._heartbeat.ask,
            on_question=self._early.ask,
            countdown=self._countdown,
            counters=counters,
            log=log,
        )

    def run(self) -> int:
        """Hold the conversation.

        Returns:
            The exit code: 0 after an end of input, 1 after a failed Init or a stream that was out of step.
        """
        self._worker.take_thread()
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
        self._tell_account("ends")
        return self._code

    def forked(self) -> None:
        """Note in a process that the handler has forked that it is one: it never goes on with the conversation."""
        self._worker.calls.is_child = True

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
            self._output.write_soon(self._worker.unsent(), _LAST_ANSWERS)
            self._tell_account(f"the time to stop is over ({self._countdown.seconds} s)", always=True)
            self._on_end(self._code)

    def _tell_long(self, call: Long) -> None:
        """Tell of a call that takes long, and end everything if it has hung."""
        if not call.is_hung:
            self._log.explain(
                f"slow {call.what}",
                lambda: (
                    f"{call.what}() has been running for {call.seconds:.0f} s, since {call.began}: it is in "
                    f"{call.place}; after {call.most:g} s (the limit {call.limit}) the process ends"
                ),
            )
            return
        self._log.say(f"{call.verdict}. The process ends with code {HUNG}. Where it hangs, the innermost call last:")
        for entry in call.stack:
            for line in entry.rstrip().splitlines():
                self._log.say(line)
        self._tell_account("ends")
        error = f"{self._worker.udf.name}: {call.verdict}"
        last_word = _wire.encode_error(error[:_LONGEST_ERROR])
        self._output.write_soon(self._worker.unsent() + last_word, _LAST_WORD)
        self._on_end(HUNG)

    def _account(self) -> Counters:
        """The account of the end. If another thread asks for it, the handler is stuck, or nearly so."""
        account = self._worker.account()
        if threading.get_ident() != self._worker.calls.thread:
            for _ in range(_MOST_LOOKS):
                time.sleep(_BETWEEN_LOOKS)
                before, account = account, self._worker.account()
                if account == before:
                    break
        return account

    def _tell_account(self, why: str, *, always: bool = False) -> None:
        """Tell what became of all data, and loudly if some were lost; usually nothing if none came."""
        account = self._account()
        if account.received or always:
            self._log.say(f"{why}: {account.summary()}")
        if account.lost:
            or_too_large = " or a batch was too large" if account.shed_batches else ""
            self._log.say(
                f"DATA WERE LOST: {account.lost} of {account.received} points and batches were not handled: "
                f"{account.shed_points + account.shed_batches} were shed as the handler was too slow{or_too_large}, "
                f"and {account.unhandled} were left when it ended. What this task has written is not complete"
            )
