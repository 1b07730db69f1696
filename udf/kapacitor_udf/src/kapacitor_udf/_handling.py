"""The handling loop: takes queued units, lets the worker handle them, and writes the results.

It runs in the thread that calls `run`, which is the main one, so that a handler may use signals and libraries that
insist on that thread. Results are written at once when the queue is empty. Otherwise they are written in blocks, a few
milliseconds after the step that made it, or when the next step ends if that takes longer.
"""

import time

from ._countdown import Countdown
from ._counters import Counters
from ._early_answers import EarlyAnswers
from ._framing import PointRun
from ._inbox import Inbox
from ._life import LifeState
from ._log import Log
from ._output import Output
from ._receiver import RawBatch
from ._worker import Worker

# Bytes that are written without waiting for more.
_BLOCK = 2**16
# Seconds that a frame waits for others at most.
_LATEST_FLUSH = 0.005
# Points that are taken from the queue at once; what was taken no longer counts as queued.
_TAKE = 2048
# How often a tick that is due is tried while Kapacitor does not take data yet, in seconds.
_TRY_AGAIN = 0.05


class HandlingLoop:
    """Drives one worker until the end of input.

    Attributes:
        busy_since: when the worker began its present work (monotonic seconds), None while the loop waits.
    """

    def __init__(
        self,
        worker: Worker,
        inbox: Inbox,
        output: Output,
        countdown: Countdown,
        counters: Counters,
        log: Log,
        early: EarlyAnswers,
    ) -> None:
        self.busy_since: float | None = None
        self._worker = worker
        self._inbox = inbox
        self._output = output
        self._countdown = countdown
        self._counters = counters
        self._log = log
        self._early = early
        self._ticked_at = 0.0

    def run(self) -> None:
        """Handle queued units until the end of input, or until Init has failed.

        Raises:
            OSError: Kapacitor has closed its end.
        """
        worker, inbox, counters = self._worker, self._inbox, self._counters
        self._ticked_at = time.monotonic()
        unanswered: list[tuple[float, int]] = []
        has_data = False
        while True:
            units = inbox.take(_TAKE, self._next_tick_in())
            if not has_data and any(isinstance(unit, PointRun | RawBatch) for unit in units):
                has_data = True
                self._early.data_came()
            unanswered += inbox.arrived
            counters.takes += bool(inbox.arrived)
            self.busy_since = time.monotonic()
            for _ in worker.steps(units):
                if len(worker.emitted) and self._is_flush_due():
                    self._flush()
                if self._countdown.is_time_to_close:
                    break
                # A backlog must not keep time from passing for the handler.
                self._tick_if_due()
            self._tick_if_due()
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

    def _next_tick_in(self) -> float | None:
        """Seconds until a tick is to be tried, None if the handler wants none."""
        every = self._worker.tick_seconds
        if every is None:
            return None
        left = max(0.0, self._ticked_at + every - time.monotonic())
        return left if self._early.takes_data() else max(left, _TRY_AGAIN)

    def _tick_if_due(self) -> None:
        """Let time pass for the handler, if it is due and Kapacitor takes what a tick may emit."""
        every = self._worker.tick_seconds
        if every is not None and time.monotonic() >= self._ticked_at + every and self._early.takes_data():
            self._ticked_at = time.monotonic()
            self._worker.tick()

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
        self._early.written()
