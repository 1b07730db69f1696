"""Standard error that cannot hurt: its lines are capped, and no write blocks for long.

Kapacitor reads a UDF's stderr line by line into its log; when it has stopped reading, a full pipe would stop the UDF in
its next write. A line is at most PIPE_BUF bytes, so it is written whole or not at all, and it is written only when poll
says that there is room. Lines without room are dropped and counted. sys.stdout and sys.stderr are replaced, so that
user code, libraries and tracebacks take this way, too.

Code in C and child processes write to the descriptor itself. They find a pipe there, whose lines take this way, too;
the descriptor that Kapacitor reads belongs to this process alone. Kapacitor waits for its end before it believes that a
UDF has ended, so a child that had inherited it could hold up the end of a task for as long as it lives, even if the UDF
was killed.
"""

import contextlib
import fcntl
import io
import os
import select
import sys
import threading
from typing import Any

from ._counters import Counters
from ._log import LONGEST_LINE, one_line

_PATIENCE_MS = 200
# Seconds to pass on what was written just before the end.
_REST = 0.1
# Bytes. Nothing is passed on while code in C holds Python's lock, so the pipe has to hold what it writes meanwhile.
_PIPE_SIZE = 2**20


class LineWriter:
    """Writes lines to a descriptor, from any thread."""

    def __init__(self, descriptor: int, counters: Counters, prefix: str = "") -> None:
        """Begin to write.

        Args:
            descriptor: what is written to.
            counters: where dropped lines are counted.
            prefix: what each line begins with; short.
        """
        self._descriptor = descriptor
        self._prefix = prefix
        self._counters = counters
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._stuck = False

    def write(self, line: str) -> None:
        """Write a line, or drop it if nobody reads.

        Args:
            line: one line without its line break.
        """
        data = f"{self._prefix}{line}\n".encode("utf-8", "backslashreplace")
        with self._lock:
            # A reader that did not read for a while is not waited for again until it does.
            events = self._poll.poll(0 if self._stuck else _PATIENCE_MS)
            self._stuck = not events or not events[0][1] & select.POLLOUT
            if self._stuck:
                self._counters.log_lines_dropped += 1
                return
            try:
                os.write(self._descriptor, data)
            except OSError:
                self._counters.log_lines_dropped += 1


class _Lines(io.RawIOBase):
    """A binary stream that hands on whole lines."""

    def __init__(self, lines: LineWriter, descriptor: int) -> None:
        self._lines = lines
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any, /) -> int:
        with self._lock:
            self._waiting += data
            *lines, rest = bytes(self._waiting).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines.append(rest)
                rest = b""
            self._waiting[:] = rest
        for line in lines:
            self._lines.write(one_line(line.decode("utf-8", "replace")))
        return len(memoryview(data))

    def end_line(self) -> None:
        """Write what came after the last line break as a line, too."""
        if self._waiting:
            self.write(b"\n")


class Relay:
    """A pipe in the place of descriptors 1 and 2, whose lines go to a line writer, in a thread of its own."""

    def __init__(self, lines: LineWriter) -> None:
        self._lines = _Lines(lines, 2)
        self._pipe, pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        # Only Linux can do this, and it may be more than this user may have.
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        for descriptor in (1, 2):
            os.dup2(pipe, descriptor)
        os.close(pipe)
        self._wake_out, self._wake_in = os.pipe()
        self._over = threading.Event()
        threading.Thread(target=self._pass_on, name="kapacitor-stderr", daemon=True).start()

    def _pass_on(self) -> None:
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        poll.register(self._wake_out, select.POLLIN)
        ready: set[int] = set()
        while self._wake_out not in ready:
            ready = {descriptor for descriptor, _ in poll.poll()}
            with contextlib.suppress(BlockingIOError):
                while data := os.read(self._pipe, _PIPE_SIZE):
                    self._lines.write(data)
        self._lines.end_line()
        self._over.set()

    def finish(self) -> None:
        """Pass on what was written until now, for a bounded time, as a child may go on writing."""
        os.write(self._wake_in, b".")
        self._over.wait(_REST)


def replace_standard_streams(lines: LineWriter, descriptor: int) -> None:
    """Let sys.stdout and sys.stderr write through a line writer.

    Args:
        lines: writes their lines.
        descriptor: what their `fileno` says.
    """
    for name in ("stdout", "stderr"):
        raw = _Lines(lines, descriptor)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)  # type: ignore[type-var]
        setattr(sys, name, stream)
