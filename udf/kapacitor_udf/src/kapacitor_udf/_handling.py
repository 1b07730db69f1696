"""The handling loop: takes queued units, lets the worker handle them, and writes the results.

It runs in the thread that calls `run`, which is the main one, so that a handler may use signals and libraries that
insist on that thread. Results are written at once when the queue is empty. Otherwise they are written in blocks, a few
milliseconds after the step that made it, or when the next step ends if that takes longer.
"""

import time

from ._countdown import Countdown
from ._counters import Counters
from ._inbox import Inbox
from ._life import LifeState
from ._log import Log
from ._output import Output
from ._worker import Worker

# Bytes that are written without waiting for more.
_BLOCK = 2**16
# Seconds that a frame waits for others at most.
_LATEST_FLUSH = 0.005
# Points that are taken from the queue at once; what was taken no longer counts as queued.
_TAKE = 2048


class HandlingLoop:
    """Drives one worker until the end of input.

    Attributes:
        busy_since: when the worker began its present work (monotonic seconds), None while the loop waits.
    """

    def __init__(
        self, worker: Worker, inbox: Inbox, output: Output, countdown: Countdown, counters: Counters, log: Log
    ) -> None:
        self.busy_since: float | None = None
        self._worker = worker
        self._inbox = inbox
        self._output = output
        self._countdown = countdown
        self._counters = counters
        self._log = log

    def run(self) -> None:
        """Handle queued units until the end of input, or until Init has failed.

        Raises:
            OSError: Kapacitor has closed its end.
        """
        worker, inbox, counters = self._worker, self._inbox, self._counters
        ticked_at = time.monotonic()
        unanswered: list[tuple[float, int]] = []
        while True:
            every = worker.tick_seconds
            now = time.monotonic()
            units = inbox.take(_TAKE, None if every is None else max(0.0, ticked_at + every - now))
            unanswered += inbox.arrived
            counters.takes += bool(inbox.arrived)
            self.busy_since = time.monotonic()
            for _ in worker.steps(units):
                if len(worker.emitted) and self._is_flush_due():
                    self._flush()
                if self._countdown.is_time_to_close:
                    break
                # A backlog must not keep time from passing for the handler.
                if every is not None and time.monotonic() >= ticked_at + every:
                    ticked_at = time.monotonic()
                    worker.tick()
            every = worker.tick_seconds
            if every is not None and time.monotonic() >= ticked_at + every:
                ticked_at = time.monotonic()
                worker.tick()
            if inbox.empty or (len(worker.emitted) and self._is_flush_due()):
                self._flush()
            if unanswered and not len(worker.emitted):
                self._count_latency(unanswered)
            self.busy_since = None
            if worker.life.state is LifeState.FAILED:
                self._flush()
                self._log.say(f"Init failed: {worker.init_error}")
                return
            if inbox.exhausted or self._countdown.is_time_to_close:
                break
        self.busy_since = time.monotonic()
        worker.close()

    def _count_latency(self, unanswered: list[tuple[float, int]]) -> None:
        """Count the time from arrival to answer of all that was answered just now, which empties the list."""
        now = time.monotonic()
        for arrived, count in unanswered:
            self._counters.latency.add(now - arrived, count)
        unanswered.clear()

    def _is_flush_due(self) -> bool:
        return len(self._worker.emitted) >= _BLOCK or time.monotonic() - self._output.written_at >= _LATEST_FLUSH

    def _flush(self) -> None:
        frames = self._worker.emitted.take()
        if frames:
            self._output.write(frames)
