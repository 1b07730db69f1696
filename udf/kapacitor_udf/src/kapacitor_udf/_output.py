"""The writing descriptor, shared by the handling loop and the heartbeat.

Frames must never be torn apart, and two threads write. So each write holds a lock until all of its bytes are written,
and whoever writes hands over whole frames only. It is the only lock that is held during I/O: Kapacitor may stop
reading, and then both threads may hang in it, which the reader's countdown ends.
"""

import os
import select
import threading
import time

# Bytes that poll promises to have room for in a pipe: PIPE_BUF on Linux.
_SHORT = 4096


class Output:
    """Writes whole frames to a descriptor, from any thread.

    Attributes:
        written_at: when the last write ended (monotonic seconds), 0 before the first one.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self.written_at = 0.0

    def write(self, frames: bytes) -> None:
        """Write all bytes of some frames.

        Args:
            frames: whole frames.

        Raises:
            OSError: Kapacitor has closed its end.
        """
        with self._lock:
            rest = memoryview(frames)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self.written_at = time.monotonic()

    def write_soon(self, frames: bytes, seconds: float) -> bool:
        """Write some frames if that is possible within a time: the last ones before the end.

        Args:
            frames: whole frames.
            seconds: how long to wait for another thread's write, and for room.

        Returns:
            Whether all of them were written; if not, nothing more may be written.
        """
        until = time.monotonic() + seconds
        if not self._lock.acquire(timeout=seconds):
            return False
        try:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            rest = memoryview(frames)
            while rest:
                ready = poll.poll(max(0.0, until - time.monotonic()) * 1000)
                if not ready:
                    return False
                rest = rest[os.write(self._descriptor, rest[:_SHORT]) :]
            return True
        except OSError:
            return False
        finally:
            self._lock.release()
