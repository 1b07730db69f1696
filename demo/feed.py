"""Holds the stream back, so that it is not faster than the stack.

InfluxDB hands each write to Kapacitor without waiting for it, and a flooded UDF sheds the points that its queue has no
room for. So the feed reads the scores, and writes few more than ``AHEAD_POINTS`` points before their scores come.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from demo.errors import DemoError
from ingest.points import SeriesPoint

AHEAD_POINTS = 8_000
"""Together with one batch, this is half of the UDF's queue, so that the queue is not full on a slow machine either."""

BATCH_POINTS = 2_000
STALL_S = 120
"""After this many seconds without a new score, the wait ends with an error."""

_POLL_S = 0.2
_SLACK_WINDOWS = 2


class Backlog:
    """Counts the written points, and decides whether the scores allow more of them. It does no I/O.

    Args:
        window_ms: the pipeline's window.
        ahead: how many points may be written before their scores are seen.
        tag: the tag whose values tell the devices apart.
    """

    def __init__(self, window_ms: int, ahead: int = AHEAD_POINTS, tag: str = "printer") -> None:
        self._window_ms = window_ms
        self._tag = tag
        self._ahead = ahead
        self._written = 0
        self._last: dict[str, int] = {}
        # For each batch: the points written until then, and by device the begin of the last window that must have a
        # score by then.
        self._marks: deque[tuple[int, dict[str, int]]] = deque()

    def wrote(self, batch: Sequence[SeriesPoint]) -> None:
        """Record that a batch was written."""
        self._written += len(batch)
        for point in batch:
            self._last[point.tags[self._tag]] = point.time_ns // 1_000_000
        self._marks.append((self._written, {name: self._due(last) for name, last in self._last.items()}))

    def may_write(self, latest: Mapping[str, int]) -> bool:
        """Check whether the scores have come far enough for more points.

        Args:
            latest: the begin of the last scored window, by device.
        """
        due: dict[str, int] = {}
        while self._marks and self._marks[0][0] <= self._written - self._ahead:
            due = self._marks[0][1]
            if not all(latest.get(name, -1) >= begin_ms for name, begin_ms in due.items()):
                return False
            self._marks.popleft()
        return True

    def _due(self, last_ms: int) -> int:
        # The window before the point's window is complete. The slack allows for windows before a gap, which may have
        # too few points for a score.
        return last_ms // self._window_ms * self._window_ms - (1 + _SLACK_WINDOWS) * self._window_ms


def wait_for_scores(
    latest_scores: Callable[[], Mapping[str, int]],
    enough: Callable[[Mapping[str, int]], bool],
    seen: Callable[[Mapping[str, int]], None],
    trouble: Callable[[], str],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until the scores have come far enough.

    Args:
        latest_scores: returns the begin of the last scored window, by device.
        enough: decides from these whether to return.
        seen: gets them after each look.
        trouble: returns a sentence on what may be wrong.
        clock: returns seconds.
        sleep: waits for seconds.

    Raises:
        DemoError: no new score came for ``STALL_S`` seconds.
    """
    moved = clock()
    before: Mapping[str, int] | None = None
    while True:
        latest = latest_scores()
        seen(latest)
        if enough(latest):
            return
        now = clock()
        if latest != before:
            before, moved = latest, now
        elif now - moved > STALL_S:
            raise DemoError(f"No new score for {STALL_S} s. {trouble()}. Fix: see Kapacitor's log")
        sleep(_POLL_S)
