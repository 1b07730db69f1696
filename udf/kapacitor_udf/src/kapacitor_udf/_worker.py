"""The handling side: units of work become calls of the handler and frames for Kapacitor. No I/O, no threads.

`Worker.steps(units)` does the work one step at a time and yields after each, so that whoever drives it can send what
there is whenever it likes. Units go to `_data_steps` or to `_questions`, in their order; both call the handler behind
one `_guard`. Points that follow each other are gathered to micro-batches, which cost one step.
"""

from collections.abc import Callable, Iterable, Iterator
from threading import get_ident
from typing import Any

from . import _metrics
from ._counters import Counters
from ._data_steps import DataSteps
from ._declaration import UDF
from ._emitted import Emitted
from ._errors import DeclarationError
from ._framing import PointRun
from ._guard import Guard
from ._life import Life, LifeState, Said
from ._limits import Limits, check_tick
from ._log import Log
from ._questions import Questions
from ._receiver import RawBatch, Request, Unit
from ._watch import Calls

MICRO_BATCH = 4096
"""Points that make a micro-batch full: bounds how much one exception causes to be done again."""


class Worker:
    """One UDF's work, from Init to the end.

    Attributes:
        udf: the declaration.
        emitted: the frames for Kapacitor.
        life: the state of the task.
        calls: notes which of the handler's methods runs now.
    """

    def __init__(
        self,
        udf: UDF[Any],
        counters: Counters,
        log: Log,
        on_error: Callable[[BaseException], None] | None = None,
        was_answered: Callable[[int], bool] = lambda _: False,
        largest_batch: int = Limits().largest_batch,
    ) -> None:
        """Prepare to work.

        Args:
            udf: the declaration.
            counters: where everything is counted.
            log: where trouble is told.
            on_error: called with every exception of the handler (the test harness raises it).
            was_answered: tells of each Init, Restore and Snapshot, by kind, whether it was answered early.
            largest_batch: bytes that the points of a batch may take in memory.
        """
        self.udf = udf
        self._counters = counters
        self._log = log
        self._guard = Guard(udf, counters, log, on_error)
        self._data = DataSteps(self._guard, largest_batch=largest_batch)
        self._questions = Questions(self._guard, was_answered)
        self.emitted: Emitted = self._guard.emitted
        self.life: Life = self._guard.life
        self.calls: Calls = self._guard.calls
        self._checked_tick: float | None = None

    @property
    def handler(self) -> Any:
        """The handler, None until Init has made it."""
        return self._guard.handler

    @property
    def init_error(self) -> str | None:
        """Why Init failed, None if it did not."""
        return self._questions.init_error

    @property
    def tick_seconds(self) -> float | None:
        """How often the handler wants `tick` to be called, None if it does not."""
        if self.life.state is not LifeState.RUNNING:
            return None
        every: float | None = getattr(self.handler, "tick_seconds", None)
        if every is not None and every is not self._checked_tick:
            try:
                check_tick(every)
            except DeclarationError as error:  # the handler has changed it since Init
                why = f"{error}: tick is not called"
                self._log.explain("tick_seconds", lambda: why)
                return None
            self._checked_tick = every
        return every

    def steps(self, units: Iterable[Unit]) -> Iterator[None]:
        """Handle units in order, yielding after each step.

        Args:
            units: what has arrived.
        """
        runs: list[PointRun] = []
        count = 0
        for unit in units:
            if isinstance(unit, PointRun):
                runs.append(unit)
                count += unit.count
                if count >= MICRO_BATCH:
                    yield from self._data.points(runs, count)
                    runs, count = [], 0
                continue
            if runs:
                yield from self._data.points(runs, count)
                runs, count = [], 0
            if isinstance(unit, RawBatch):
                self._data.batch(unit)
            elif isinstance(unit, Request):
                self._questions.answer(unit)
            else:
                self._questions.answer_unusable(unit)
            yield
        if runs:
            yield from self._data.points(runs, count)

    def tick(self) -> None:
        """Let the handler do what it does from time to time."""
        if self.life.state is LifeState.RUNNING:
            self._counters.ticks += 1
            self._guard.call(self.handler.tick, None, "tick")

    def metrics(self) -> bytes:
        """Encode the UDF's own numbers; another thread may call this.

        Returns:
            Frames; none if the UDF does not run, or has not declared metrics.
        """
        context = self._guard.context
        if self.udf.metrics is None or context is None or self.life.state is not LifeState.RUNNING:
            return b""
        try:
            return _metrics.frames(self.udf, self.udf.metrics, context)
        except (TypeError, ValueError) as error:  # the handler added a value that cannot be sent
            why = str(error)
            self._log.explain("metrics", lambda: f"the metrics cannot be sent: {why}")
            return b""

    def unsent(self) -> bytes:
        """Return the frames of the steps before the one that is stuck; another thread may call this."""
        return self._guard.unsent()

    def take_thread(self) -> None:
        """Note that this thread calls the handler from here on."""
        self.calls.thread = self.emitted.thread = get_ident()

    def account(self) -> Counters:
        """Make the account of the end: settled counters; another thread may call this while the handler is stuck."""
        return self._guard.account()

    def close(self) -> None:
        """Close the handler; nothing is said any more."""
        if self.life.state is LifeState.CLOSED:
            return
        self.life.says(Said.NOTHING_MORE)
        if self.handler is not None:
            try:
                with self.calls.noted("close"):
                    self.handler.close()
            except BaseException as error:  # whatever the handler raises, the process ends in order
                self._guard.failed(error, "close")
