"""The reader: takes what Kapacitor writes, sorts it, and queues it.

It runs in a thread of its own. It never writes to Kapacitor and never calls the handler, so nothing that they do keeps
it from reading, except for the queue's stated pause (`_inbox`). It polls during that pause, too, so that it notices the
end of input at once. While points come close together it reads once in a millisecond; a lone point is never held back.
"""

import os
import select
import signal
import time
from collections.abc import Callable

from ._countdown import Countdown
from ._counters import Counters
from ._inbox import Inbox
from ._log import Log
from ._receiver import Receiver, Request, items

_READ = 2**20
# Seconds of rest after a read that brought several points. Kapacitor writes each point by itself and wakes a reader
# that waits, which costs both sides more than the point does; what comes during the rest is read at once.
_GATHERING = 0.001
# Seconds to wait for memory.
_NO_ROOM = 0.05
_HANG_UP = getattr(select, "POLLRDHUP", 0)


class Reader:
    """Reads one descriptor until its end.

    Attributes:
        is_broken: whether the stream could not be understood any more.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        receiver: Receiver,
        inbox: Inbox,
        half_empty: int,
        signals: int,
        patience: float,
        on_keepalive: Callable[[int], None],
        on_question: Callable[[int], None],
        countdown: Countdown,
        counters: Counters,
        log: Log,
    ) -> None:
        """Prepare to read.

        Args:
            descriptor: what Kapacitor writes to.
            receiver: sorts what was read.
            inbox: where units of work are queued.
            half_empty: a descriptor that can be read when the inbox is half empty.
            signals: a descriptor that gives the number of each signal as a byte; SIGTERM ends the input.
            patience: seconds that a pause may last.
            on_keepalive: called with the time of a keepalive request.
            on_question: called with the kind of any other question.
            countdown: started at the end of input.
            counters: where a pause is counted.
            log: where trouble is told.
        """
        self.is_broken = False
        self._descriptor = descriptor
        self._receiver = receiver
        self._inbox = inbox
        self._half_empty = half_empty
        self._signals = signals
        self._is_told_to_end = False
        self._patience = patience
        self._on_keepalive = on_keepalive
        self._on_question = on_question
        self._countdown = countdown
        self._counters = counters
        self._log = log

    def run(self) -> None:
        """Read until the end of input, until a SIGTERM, or until the stream is out of step."""
        self._input = select.poll()
        self._input.register(self._descriptor, select.POLLIN)
        self._input.register(self._signals, select.POLLIN)
        self._poll = select.poll()
        self._poll.register(self._descriptor, _HANG_UP)
        self._poll.register(self._half_empty, select.POLLIN)
        self._poll.register(self._signals, select.POLLIN)
        while data := self._read():
            units = self._receiver.receive(data)
            asked = self._receiver.take_keepalive()
            if asked is not None:
                self._on_keepalive(asked)
            for unit in units:
                if isinstance(unit, Request):
                    self._on_question(unit.kind)
            if self._inbox.put(units) and not self._countdown.started:
                self._pause()
            elif sum(map(items, units)) > 1:
                time.sleep(_GATHERING)
            if self._receiver.broken is not None:
                self._log.say(str(self._receiver.broken))
                self.is_broken = True
                break
        self._countdown.start()
        for what in self._receiver.cut_off():
            self._counters.unfinished += 1
            self._log.say(what)
        self._inbox.close()

    def _read(self) -> bytes:
        """What has come; nothing at the end of input. After a SIGTERM, what is there already comes first."""
        while not self._is_told_to_end:
            ready = {descriptor for descriptor, _ in self._input.poll()}
            if self._signals not in ready:
                break
            if signal.SIGTERM in os.read(self._signals, 4096):
                self._log.say(f"{signal.SIGTERM.name}: what has come is handled, and the process ends")
                self._is_told_to_end = True
                self._countdown.start()
        if self._is_told_to_end:
            ready = {descriptor for descriptor, _ in self._input.poll(0)}
            if self._descriptor not in ready or self._countdown.is_time_to_close:
                return b""
        try:
            while True:
                try:
                    return os.read(self._descriptor, _READ)
                except MemoryError:  # the handler may give some back
                    time.sleep(_NO_ROOM)
        except OSError as error:
            self._log.say(f"cannot read from Kapacitor: {error}")
            return b""

    def _pause(self) -> None:
        """Wait until the queue is half empty or patience is over. A hang-up starts the countdown to the end."""
        if not self._inbox.pause():
            return
        until = time.monotonic() + self._patience
        while (left := until - time.monotonic()) > 0:
            events = dict(self._poll.poll(left * 1000))
            if self._half_empty in events:
                os.read(self._half_empty, 4096)
                break
            if self._signals in events:
                self._countdown.start()  # the next read obeys the signal
                break
            if self._descriptor in events:
                self._countdown.start()
                break
        # After the end of input only what the pipe holds is still to come.
        if self._inbox.resume(may_shed=not self._countdown.started):
            self._log.explain(
                "shedding",
                lambda: (
                    f"DATA ARE LOST: the handler is too slow: {self._counters.queued} points are queued; what arrives "
                    f"is shed until half of them are handled. Reading has waited for {self._patience:g} s (the limit "
                    "patience), as Kapacitor takes no writes meanwhile. A replay that must not lose points needs a "
                    "larger limit: see the README, Replays"
                ),
            )
