"""Lines for people.

Kapacitor logs each line of a UDF's stderr, but a line over 64 KiB ends its scanner, the pipe fills, and the UDF hangs
in its next write. So lines are capped far below that, and hold no line breaks. What happens often is explained once a
minute for each kind, with the number of times that it was not explained in between.
"""

import time
import traceback
from collections.abc import Callable

# A write of at most PIPE_BUF bytes (4096 on Linux) to a pipe is never torn, and fits when poll says it is writable.
LONGEST_LINE = 4000
_MOST_KINDS = 500


def one_line(text: str, limit: int = LONGEST_LINE) -> str:
    """Make one line of any text.

    Args:
        text: anything.
        limit: the most UTF-8 bytes of the line.

    Returns:
        The text with line breaks and other control characters shown as escapes, cut in the middle if it is too long.
    """
    if len(text) > 4 * limit:
        text = text[: 2 * limit] + text[-2 * limit :]
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text.rstrip())
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode()
    keep = (limit - 20) // 2
    return data[:keep].decode("utf-8", "ignore") + " [...] " + data[-keep:].decode("utf-8", "ignore")


def told(error: BaseException, limit: int = 500) -> str:
    """Make the text of any exception, whatever its class does.

    Args:
        error: an exception of the handler.
        limit: the most characters of the text.

    Returns:
        Its text, or that there is none; it can be encoded.
    """
    try:
        text = str(error)[:limit]
    except BaseException as another:  # its __str__ is the handler's code, too
        return f"(its text cannot be made: {type(another).__name__})"
    return text.encode("utf-8", "backslashreplace").decode()


def place(error: BaseException) -> str:
    """Tell where an exception came from.

    Args:
        error: an exception that was raised.

    Returns:
        File, line and function of the innermost frames.
    """
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in reversed(frames))


class Log:
    """Writes lines for people."""

    def __init__(
        self, write: Callable[[str], None], *, every: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Have said nothing yet.

        Args:
            write: takes one line without a line break.
            every: seconds for which one kind is not explained again.
            clock: gives seconds.
        """
        self._write = write
        self._every = every
        self._clock = clock
        self._said: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def say(self, text: str) -> None:
        """Write one line.

        Args:
            text: its text.
        """
        self._write(one_line(text))

    def explain(self, kind: str, text: Callable[[], str]) -> None:
        """Write one line, unless one of its kind was written less than a minute ago.

        Args:
            kind: what such lines have in common.
            text: makes the text; called only if the line is written.
        """
        now = self._clock()
        said = self._said.get(kind)
        if said is not None and now - said < self._every:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
            return
        if said is None and len(self._said) >= _MOST_KINDS:
            return
        self._said[kind] = now
        unsaid = self._unsaid.pop(kind, 0)
        more = f" (and {unsaid} more like it since the last such line)" if unsaid else ""
        self.say(text() + more)
