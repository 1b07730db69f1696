"""What one task emits: encoded frames in a buffer, of which a step can be taken back.

This is the library's side of a sink. A handler's side (`PointSink`, `BatchSink`) can only append to it, and only in the
thread that calls the handler: a step is a range of the buffer, so what another thread appended in between would be lost
with a step that fails, or be counted for another one.
"""

from threading import get_ident

from ._counters import Counters


class Emitted:
    """Collects encoded frames; those since a mark can be taken back.

    Attributes:
        counters: where what is emitted is counted.
        frames: the frames that were not taken yet.
        thread: the thread that may append, that of the constructor unless it is set.
    """

    __slots__ = ("_marks", "counters", "frames", "thread")

    def __init__(self, counters: Counters) -> None:
        """Have emitted nothing yet.

        Args:
            counters: where what is emitted is counted.
        """
        self.counters = counters
        self.frames = bytearray()
        self.thread = get_ident()
        self._marks = (0, 0, 0)

    def check_thread(self) -> None:
        """Refuse any thread but the one that may append.

        Raises:
            RuntimeError: This is another thread.
        """
        if get_ident() != self.thread:
            raise RuntimeError(
                "out was used in another thread than the one that calls the handler, where nothing can be emitted: "
                "put the results into a queue, and let tick() or the next call emit them"
            )

    def mark(self) -> None:
        """Begin a step: what it emits can be taken back."""
        self._marks = (len(self.frames), self.counters.points_out, self.counters.batches_out)

    @property
    def marked(self) -> tuple[int, int]:
        """The number of points and of batches that had been emitted at the mark."""
        return self._marks[1:]

    def before_mark(self) -> bytes:
        """Return the frames that were emitted before the mark; another thread may call this during a step."""
        return bytes(self.frames[: self._marks[0]])

    def rewind(self) -> None:
        """Take back what was emitted since the mark."""
        length, self.counters.points_out, self.counters.batches_out = self._marks
        del self.frames[length:]

    def take(self) -> bytes:
        """Return all frames so far, and forget them."""
        frames = bytes(self.frames)
        self.frames.clear()
        return frames

    def __len__(self) -> int:
        return len(self.frames)

    def add(self, frames: bytes) -> None:
        """Append frames that were encoded elsewhere; the caller counts what is in them.

        Args:
            frames: whole frames.
        """
        self.frames += frames
