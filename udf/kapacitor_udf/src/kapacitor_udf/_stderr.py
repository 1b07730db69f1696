"""Standard error that cannot hurt: capped lines, and no write that blocks for long.

Kapacitor reads a UDF's stderr line by line into its log; when it has stopped reading, a full pipe would stop the UDF in
its next write. A line is at most PIPE_BUF bytes, so it is written whole or not at all, and it is written only when poll
says that there is room. Lines without room are dropped and counted. Who prints (user code, libraries, tracebacks) goes
the same way, as sys.stdout and sys.stderr are replaced; only code in C that writes to the descriptor itself does not.
"""

import io
import os
import select
import sys
import threading
from typing import Any

from ._counters import Counters
from ._log import LONGEST_LINE, one_line

_PATIENCE_MS = 200


class LineWriter:
    """Writes lines to a descriptor, from any thread, each with the (short) `prefix`."""

    def __init__(self, descriptor: int, counters: Counters, prefix: str = "") -> None:
        self._descriptor = descriptor
        self._prefix = prefix
        self._counters = counters
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._stuck = False

    def write(self, line: str) -> None:
        """Write a line (without its line break), or drop it if nobody reads."""
        data = f"{self._prefix}{line}\n".encode("utf-8", "backslashreplace")
        with self._lock:
            # Who did not read for a while is not waited for again until they do.
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


def replace_standard_streams(lines: LineWriter, descriptor: int) -> None:
    """Let sys.stdout and sys.stderr write lines through `lines`."""
    for name in ("stdout", "stderr"):
        raw = _Lines(lines, descriptor)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)  # type: ignore[type-var]
        setattr(sys, name, stream)
