"""Socket mode: a server on a Unix socket, with a process of its own for each connection.

Kapacitor dials once for each node of a task (and once for Info at its start), keeps the connection for the node's life,
and never dials again. The server forks a process for each connection, which does what process mode does: the same
conversation, the same limits, the same end. So every promise holds for each connection apart. A handler that is stuck,
leaks or crashes in C is ended with its connection and touches no other one; threads could not promise this, since
nobody can end a thread. Connections use as many cores as there are. Compared with processes that Kapacitor starts,
forking saves start-up and memory: what was imported before the fork is there at once, and shared until it is written
to.

The server itself has one thread (a fork copies no others), calls nothing of the handler's, and waits for connections,
children and signals in one poll. On SIGTERM it stops listening and passes the signal on. A child takes it for the end
of its input, so it drains; children that have not ended by then are killed.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ._conversation import HUNG
from ._counters import Counters
from ._declaration import UDF
from ._errors import InitError, ListenError
from ._limits import Limits
from ._listener import Listener
from ._log import Log
from ._process import converse, divert_standard_descriptors
from ._stderr import LineWriter

_CODES = {1: "Init failed, or the stream broke", HUNG: "a call of its handler hung"}
# Seconds beyond `Limits.drain` after which a child counts as hung.
_GRACE = 1.0


def serve(
    udf: UDF[Any], path: str | Path, *, limits: Limits | None = None, mode: int = 0o660, preload: bool = False
) -> NoReturn:
    """Be a UDF for whoever connects to a Unix socket, until SIGTERM or SIGINT. Does not return.

    Exit codes: 0 after a signal; 2 if it cannot listen, with the reason on stderr.

    Args:
        udf: the declaration.
        path: the socket.
        limits: bounds of each conversation; the defaults of `Limits` if None.
        mode: the socket's permissions; Kapacitor's user has to be able to write to it.
        preload: whether a handler that is given by name is imported once, before the first connection, instead of in
            each connection's process. It saves memory and time; the import must start no threads, since they do not
            survive a fork.
    """
    log = Log(LineWriter(2, Counters(), "server: ").write)
    divert_standard_descriptors()
    try:
        if preload:
            udf.load()
            gc.freeze()  # a collection in a child would write to shared memory, and so copy it
        listener = Listener(Path(path).absolute(), mode)
    except (ListenError, InitError) as error:
        log.say(f"{udf.name}: {error}")
        sys.exit(2)
    _Server(udf, listener, limits or Limits(), log).run()
    sys.exit(0)


class _Server:
    """Takes connections until a signal ends it."""

    def __init__(self, udf: UDF[Any], listener: Listener, limits: Limits, log: Log) -> None:
        self._udf = udf
        self._listener = listener
        self._limits = limits
        self._log = log
        self._children: set[int] = set()
        self._accepted = 0
        self._ending = False
        # Python writes a byte into this pipe for each signal, so that none is missed between two polls.
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_out, False)
        os.set_blocking(self._wake_in, False)

    def run(self) -> None:
        signal.set_wakeup_fd(self._wake_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        self._log.say(f"{self._udf.name} listens on {self._listener.path}")
        poll = select.poll()
        poll.register(self._listener.socket, select.POLLIN)
        poll.register(self._wake_out, select.POLLIN)
        while not self._ending:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake_out:
                    self._reap()
                else:
                    self._accept()
        self._drain()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ending = True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.socket.accept()
        except OSError:  # the peer has hung up again
            return
        with connection:
            self._accepted += 1
            try:
                child = os.fork()
            except OSError as error:
                why = f"a connection is refused, since no process can be made for it: {error}"
                self._log.explain("fork", lambda: why)
                return
            if child == 0:
                self._converse(connection)
            self._children.add(child)

    def _converse(self, connection: socket.socket) -> NoReturn:
        """Hold a conversation in the child, which keeps nothing of the server's and never returns into its loop."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # A conversation obeys the end of input, whatever its handler is stuck in.
            signal.signal(signal.SIGTERM, lambda _number, _frame: _end_input(connection))
            self._listener.socket.close()
            os.close(self._wake_out)
            os.close(self._wake_in)
            connection.setblocking(True)
            descriptor = connection.fileno()
            converse(self._udf, descriptor, descriptor, self._limits, prefix=f"connection {self._accepted}: ")
        finally:
            os._exit(1)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_out, 4096)
        for child in list(self._children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            self._children.discard(child)
            if os.WIFSIGNALED(status):
                name = signal.Signals(os.WTERMSIG(status)).name
                self._log.say(f"the process {child} of a connection was ended by {name}")
            elif code := os.WEXITSTATUS(status):
                why = _CODES.get(code, "by its handler's own doing")
                self._log.say(f"the process {child} of a connection ended with code {code}: {why}")

    def _drain(self) -> None:
        self._listener.close()
        for child in self._children:
            os.kill(child, signal.SIGTERM)
        ends = time.monotonic() + self._limits.drain + _GRACE
        while self._children and (left := ends - time.monotonic()) > 0:
            select.select([self._wake_out], [], [], left)
            self._reap()
        for child in self._children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        killed = f"; {len(self._children)} did not end and were killed" if self._children else ""
        self._log.say(f"{self._udf.name} ends after {self._accepted} connections{killed}")


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Ignore a signal that only has to wake the poll."""


def _end_input(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
