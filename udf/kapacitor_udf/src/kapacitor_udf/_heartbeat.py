"""The heartbeat: answers keepalives, vouches for a busy handler, and emits the UDF's own metrics.

It runs in a thread of its own, so that none of this waits for the handler: Kapacitor kills a UDF that does not answer
its keepalives, and metrics matter most while the handler is stuck. For the same reason it looks after the calls of the
handler (`_watch`) and the answers that are overdue (`_early_answers`).
"""

import math
import threading
import time
from collections.abc import Callable

from . import _wire
from ._counters import Counters
from ._early_answers import EarlyAnswers
from ._handling import HandlingLoop
from ._output import Output
from ._watch import Long, Watch
from ._worker import Worker

# How long after the start the first metrics come, or as soon as the handler is there and Kapacitor takes them.
_FIRST_METRICS_S = 1.0


class Heartbeat:
    """Beats for one handling loop."""

    def __init__(
        self,
        loop: HandlingLoop,
        worker: Worker,
        output: Output,
        counters: Counters,
        *,
        every: float,
        watch: Watch,
        early: EarlyAnswers,
        on_long: Callable[[Long], None],
    ) -> None:
        """Prepare to beat.

        Args:
            loop: tells since when the handler has been busy.
            worker: makes the metrics.
            output: what is written to.
            counters: where life signs are counted.
            every: seconds without a write after which a busy handler is vouched for.
            watch: looks at the handler's calls.
            early: answers for a handler that is not ready yet, and knows whether Kapacitor takes metrics.
            on_long: called with a call that takes long; after one that has hung, the heart stops.
        """
        self._loop = loop
        self._worker = worker
        self._output = output
        self._counters = counters
        self._every = every
        self._watch = watch
        self._early = early
        self._on_long = on_long
        self._changed = threading.Condition(threading.Lock())
        self._asked: int | None = None
        self._over = threading.Event()

    def ask(self, asked_at: int) -> None:
        """Note a keepalive request; another thread calls this.

        Args:
            asked_at: the time in the request, which the answer repeats.
        """
        with self._changed:
            self._asked = asked_at
            self._changed.notify()

    def stop(self) -> None:
        """Write nothing more from the next beat on; another thread calls this."""
        self._over.set()

    def run(self) -> None:
        """Beat until it is stopped, until Kapacitor has closed its end, or until the handler hangs."""
        metrics = self._worker.udf.metrics
        metrics_every = math.inf if metrics is None else metrics.every
        # Whoever watches UDFs learns of a new one soon, not only after a whole interval.
        soon = math.inf if metrics is None else min(_FIRST_METRICS_S, metrics.every)
        report_at = time.monotonic() + soon
        often = min(self._every, self._watch.every, self._early.after)
        overdue_in: float | None = None
        while not self._over.is_set():
            with self._changed:
                if self._asked is None:
                    report_in = max(0.0, report_at - time.monotonic())
                    self._changed.wait(min(often, report_in, often if overdue_in is None else overdue_in))
                asked, self._asked = self._asked, None
            long = self._watch.look()
            if long is not None:
                self._on_long(long)
                if long.is_hung:
                    return
            frames = b""
            if asked is not None or self._vouches():
                self._counters.keepalives += 1
                frames = _wire.encode_keepalive(asked if asked is not None else time.time_ns())
            if time.monotonic() >= report_at:
                own = self._worker.metrics() if self._early.takes_data() else b""
                report_at = time.monotonic() + (metrics_every if own else soon)
                frames += own
            try:
                overdue_in = self._early.answer_overdue()
                if frames:
                    self._output.write(frames)
            except OSError:
                return  # the handling loop finds out by itself, and the end of input follows

    def _vouches(self) -> bool:
        """Whether the handler has been busy, and nothing was written, for the time between two beats."""
        since = self._loop.busy_since
        now = time.monotonic()
        return since is not None and now - since >= self._every and now - self._output.written_at >= self._every
