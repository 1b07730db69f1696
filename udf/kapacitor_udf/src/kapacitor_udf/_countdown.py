"""The time that is left after the end of input.

Kapacitor holds its lock on all tasks while it waits for a UDF to end, so the end has a date. The reader starts the
countdown; the handling loop stops taking data when three quarters are over, which leaves the rest for closing the
handler; when all of it is over, the process ends, whatever its threads are stuck in.
"""

import time

# The part of the time that is kept for closing the handler.
_FOR_CLOSING = 1 / 4


class Countdown:
    """Counts down `seconds` from the first call of `start`. One thread starts it, others may read it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends_at: float | None = None

    @property
    def started(self) -> bool:
        """Whether the input has ended."""
        return self._ends_at is not None

    def start(self) -> None:
        """Begin to count; later calls change nothing."""
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds until the process must end, 0 if they are over; all of them before the start."""
        return self.seconds if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())

    @property
    def is_time_to_close(self) -> bool:
        """Whether the handler must be closed now, even if data are still queued."""
        return self._ends_at is not None and time.monotonic() > self._ends_at - self.seconds * _FOR_CLOSING
