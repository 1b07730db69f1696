"""The guard around one task's handler: what the handler raises costs one step, and never the task.

All calls that may emit something go through `Guard.call`. What such a call emitted before it raised is taken back, the
step is counted under the exception's name and explained on stderr, and the next step begins. So a step is the unit of
loss: one point, one micro-batch, one batch, one tick.

The guard also holds what data and questions share: the handler, its context, its sink, and the state of its life.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ._counters import Counters
from ._data import STREAM
from ._declaration import UDF
from ._emitted import Emitted
from ._errors import MalformedError, Rejected
from ._handlers import BatchSink, Context, PointSink
from ._life import Life
from ._log import Log, place, told
from ._watch import Calls

_WITH_DATA = {"point", "points", "rows", "add_fields", "batch"}
_EMITTING = _WITH_DATA | {"forgotten", "tick"}
# Characters of a reason. Reasons are kept as names of counters, and are part of the metrics.
_LONGEST_REASON = 100


class Guard:
    """Calls one task's handler, and answers for it.

    Attributes:
        udf: the declaration.
        counters: where everything is counted.
        log: where trouble is told.
        life: the state of the task.
        emitted: what the handler has emitted, with the library's answers in between.
        sink: what the handler emits into.
        handler: the handler, None until Init has made it.
        context: what the handler is made from, None until Init.
        calls: notes which of the handler's methods runs now.
    """

    def __init__(
        self, udf: UDF[Any], counters: Counters, log: Log, on_error: Callable[[BaseException], None] | None = None
    ) -> None:
        """Guard a handler that Init is going to make.

        Args:
            udf: the declaration.
            counters: where everything is counted.
            log: where trouble is told.
            on_error: called with every exception of the handler after it was counted.
        """
        self.udf = udf
        self.counters = counters
        self.log = log
        self.life = Life()
        self.emitted = Emitted(counters)
        sink: PointSink | BatchSink = PointSink(self.emitted) if udf.provides is STREAM else BatchSink(self.emitted)
        self.sink = sink
        self.handler: Any = None
        self.context: Context | None = None
        self.calls = Calls()
        self._on_error = on_error

    def call(self, method: Callable[..., None], argument: Any, what: str, counted: bool = True) -> bool:
        """Call a method of the handler; if it raises, nothing that it emitted remains.

        Args:
            method: takes the argument, if there is one, and the sink.
            argument: what is handled; None if the method takes the sink only.
            what: the method's name, for messages and counters.
            counted: whether an exception is counted; False if the same data are handled again.

        Returns:
            Whether it went well.
        """
        calls = self.calls
        self.emitted.mark()
        calls.number += 1
        calls.what = what
        try:
            if argument is None:
                method(self.sink)
            else:
                method(argument, self.sink)
        except BaseException as error:  # sys.exit() in a handler must not end a task either
            calls.what = None
            if calls.is_child:
                calls.end_child(what, error)
            self.emitted.rewind()
            self.failed(error, what, counted)
            return False
        calls.what = None
        if calls.is_child:
            calls.end_child(what, None)
        return True

    def failed(self, error: BaseException, what: str, counted: bool = True) -> None:
        """Count and explain an exception of the handler.

        Args:
            error: what it raised.
            what: the name of the method that raised it.
            counted: whether the loss of its data is counted; an exception that costs no data always is.
        """
        if isinstance(error, Rejected) and what in _WITH_DATA:
            if counted:
                reason = _reason(error)
                self.counters.reject(reason)
                self.log.explain(f"rejected: {reason}", lambda: f"rejected: {told(error, 1500)}")
            return
        name = type(error).__name__
        self.counters.last_error = f"{name} in {what}(): {told(error)}"
        if what not in _WITH_DATA:
            self.counters.errors += 1
        elif counted:
            self.counters.reject(f"{name} in {what}")
        spot = place(error)
        self.log.explain(f"{name} {spot}", lambda: f"{what}() raised {name}: {told(error, 1500)} (at {spot})")
        if self._on_error is not None:
            self._on_error(error)

    def unsent(self) -> bytes:
        """Return the frames of the steps before a call that has not returned; another thread may call this."""
        return self.emitted.before_mark() if self.calls.what in _EMITTING else b""

    def account(self) -> Counters:
        """Make the account of the end; another thread may call this while the handler is stuck.

        Returns:
            A settled copy of the counters. What a call has emitted that has not returned is not counted.
        """
        taken = replace(self.counters, rejected=Counter(dict(self.counters.rejected)))
        if self.calls.what in _EMITTING:
            taken.points_out, taken.batches_out = self.emitted.marked
        taken.settle(self.udf.wants)
        return taken

    def undecodable(self, error: MalformedError, discarded: int = 0) -> None:
        """Count and explain a message that could not be read.

        Args:
            error: why it could not.
            discarded: how many points of a stream or batches are lost with it.
        """
        self.counters.undecodable += 1
        self.counters.discarded += discarded
        self.log.explain("undecodable", lambda: f"dropped: {error}")


def _reason(error: Rejected) -> str:
    """What a loss is counted under: a short string, whatever the handler has given for it."""
    try:
        reason = error.reason if isinstance(error.reason, str) else repr(error.reason)
        return reason[:_LONGEST_REASON].encode("utf-8", "backslashreplace").decode()
    except BaseException:  # the handler's own classes may raise anything
        return "a reason that is not a string"
