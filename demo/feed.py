"""Streams the day no faster than the stack takes it.

InfluxDB hands each write on to Kapacitor without waiting for it, and a UDF that is flooded sheds what it has no room
for. So the feed looks at what comes out at the other end: it is never much more than ``AHEAD_POINTS`` ahead of it.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from demo.errors import DemoError
from ingest.points import SeriesPoint

AHEAD_POINTS = 8_000
"""With a batch more, half of what the UDF's queue holds, so that it is never full however slow the machine."""

BATCH_POINTS = 2_000
STALL_S = 120
"""Seconds without a new score after which the stack is taken to be stuck."""

_POLL_S = 0.2
_SLACK_WINDOWS = 2


class Backlog:
    """What was written and which of it must have been scored before more may be. Pure.

    Args:
        window_ms: the pipeline's window.
        ahead: points that may be written without their scores having been seen.
    """

    def __init__(self, window_ms: int, ahead: int = AHEAD_POINTS) -> None:
        self._window_ms = window_ms
        self._ahead = ahead
        self._written = 0
        self._last: dict[str, int] = {}
        # (points written up to then, begin of the last window of each printer that must have been complete by then)
        self._marks: deque[tuple[int, dict[str, int]]] = deque()

    def wrote(self, batch: Sequence[SeriesPoint]) -> None:
        """A batch is written."""
        self._written += len(batch)
        for point in batch:
            self._last[point.tags["printer"]] = point.time_ns // 1_000_000
        self._marks.append((self._written, {name: self._due(last) for name, last in self._last.items()}))

    def may_write(self, latest: Mapping[str, int]) -> bool:
        """Whether the scores, by printer the begin of the last scored window, have come far enough for more."""
        due: dict[str, int] = {}
        while self._marks and self._marks[0][0] <= self._written - self._ahead:
            due = self._marks[0][1]
            if not all(latest.get(name, -1) >= begin_ms for name, begin_ms in due.items()):
                return False
            self._marks.popleft()
        return True

    def _due(self, last_ms: int) -> int:
        # The window before the one that the point lies in is complete. One before a gap may have too few points to be
        # scored at all: hence the slack.
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
        latest_scores: by printer the begin of the last scored window.
        enough: the condition.
        seen: is told of each look.
        trouble: says what may be wrong.
        clock: gives seconds.
        sleep: waits for seconds.

    Raises:
        DemoError: nothing new came for ``STALL_S`` seconds.
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
