"""Says which windows may lack points, because nobody took points between a state and the process that goes on from it.

Points that came meanwhile are in InfluxDB only. They may belong to every window that was open in the state, to the
window that the first points after it fall into, and to those between. A window that closes without them has a score,
so no catch-up would look at it: whoever closes windows names these. A series that the state does not have may have
begun meanwhile, too.

What hands points on loses some, too, while a process runs: InfluxDB drops a write that Kapacitor does not take within
30 s. Nobody says so, but nothing arrives meanwhile, which is what `Arrivals` notices.
"""

import numpy as np

from anomaly.nanoseconds import SECOND_NS
from anomaly.windows.arrays import NEVER, Bools, Ints, Times
from anomaly.windows.cut import Cut

# The longest pause between two arrivals that a new process expects, and after which time it expects half of it. Pauses
# are twice as long as expected, and longer by a slow look, before they say something.
_FIRST_PAUSE_NS = 10 * SECOND_NS
_HALF_NS = 300 * SECOND_NS
_SLACK_NS = 5 * SECOND_NS


def can_hold(ends: Times, lateness_ns: int, clock_ns: int, lag_ns: Times, live: Bools) -> Bools:
    """Return which windows can hold points that came at a time of the host's clock, or later; shape (n,).

    Args:
        ends: the windows' ends, shape (n,).
        lateness_ns: how much points may be out of order.
        clock_ns: the time of the host's clock.
        lag_ns: how far the newest point of the window's series was behind the clock, shape (n,).
        live: whether the series is live, so that the clock tells when its points came, shape (n,).
    """
    return ends > clock_ns - lateness_ns - np.where(live, np.maximum(lag_ns, 0), 0)


class Arrivals:
    """The pauses between arrivals of points of any series: much longer ones than usual say that some may be lost."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._pause_ns = _FIRST_PAUSE_NS

    @property
    def last_ns(self) -> int | None:
        """When the last points arrived, by the host's clock; None before the first."""
        return self._last_ns

    def are_overdue(self, now_ns: int) -> bool:
        """Return whether nothing has arrived for longer than usual.

        Args:
            now_ns: the host's clock.
        """
        return self._last_ns is not None and now_ns - self._last_ns > self._most_ns()

    def arrive(self, now_ns: int) -> bool:
        """Take note of an arrival; return whether points before it may be lost.

        Args:
            now_ns: the host's clock.
        """
        are_late = self.are_overdue(now_ns)
        if self._last_ns is not None and now_ns > self._last_ns:
            pause_ns = min(now_ns - self._last_ns, self._most_ns())
            # A source that becomes slower is usual after a few pauses. After an outage, longer ones are usual for some
            # minutes, too.
            faded_ns = int(self._pause_ns * 0.5 ** (pause_ns / _HALF_NS))
            self._pause_ns = max(pause_ns, faded_ns)
        self._last_ns = now_ns
        return are_late

    def _most_ns(self) -> int:
        return 2 * self._pause_ns + _SLACK_NS


class Interruption:
    """The time in which nobody took points, for each series.

    Args:
        cut: how time is cut into windows.
        lateness_ns: how much points may be out of order.
        newest_ns: the newest time of the points of each series in the state, shape (n,); empty without a state.
        grace_ns: how long after the interruption the first points of a series that the state does not have tell that
            it may have begun meanwhile, where the clock does not tell it: in an import of history.
    """

    def __init__(self, cut: Cut, lateness_ns: int, newest_ns: Times, grace_ns: int = 0) -> None:
        self._cut = cut
        self._lateness_ns = lateness_ns
        self._grace_ns = grace_ns
        # Up to where windows of each series may lack points, and which series have had no points since.
        self._until_ns = newest_ns.copy()
        self._in_state: Bools = newest_ns != NEVER
        self._awaited: Bools = self._in_state.copy()
        # The host's clock when points were taken again; None before.
        self._over_ns: int | None = None

    def look(self, now_ns: int) -> None:
        """Take note of the host's clock; one that is set back was wrong when points were taken again."""
        self._over_ns = now_ns if self._over_ns is None else min(self._over_ns, now_ns)

    def take(self, number: Ints, times: Times, now_ns: int | None = None) -> None:
        """Take note of points that arrive together.

        Args:
            number: the series of each point, shape (n,).
            times: their times in nanoseconds, shape (n,).
            now_ns: the host's clock; None: nobody knows it.
        """
        if now_ns is not None and self._over_ns is not None and now_ns - self._over_ns <= self._grace_ns:
            self._await(int(number.max()) + 1)
        known = number < len(self._awaited)
        first = np.flatnonzero(known)[self._awaited[number[known]]]
        np.maximum.at(self._until_ns, number[first], times[first])
        self._awaited[number[first]] = False

    def _await(self, capacity: int) -> None:
        """Let series with the numbers below `capacity` that nobody has heard of have begun meanwhile."""
        new = capacity - len(self._until_ns)
        if new > 0:
            self._until_ns = np.concatenate([self._until_ns, np.full(new, NEVER)])
            self._in_state = np.concatenate([self._in_state, np.zeros(new, dtype=np.bool_)])
            self._awaited = np.concatenate([self._awaited, np.ones(new, dtype=np.bool_)])

    def forget(self, numbers: Ints) -> None:
        """Forget series; their numbers may be used again."""
        numbers = numbers[numbers < len(self._until_ns)]
        self._until_ns[numbers] = NEVER
        self._in_state[numbers] = self._awaited[numbers] = False

    def touches(self, number: Ints, begins: Times, lag_ns: Times, live: Bools) -> Bools:
        """Return which windows may lack points, shape (n,).

        Args:
            number: the series of each window, shape (n,).
            begins: the windows' begins, shape (n,).
            lag_ns: how far the newest point of the window's series was behind the clock, shape (n,).
            live: whether the series is live, so that the clock tells when its points came, shape (n,).
        """
        until_ns, had_state = np.full(len(number), NEVER), np.zeros(len(number), dtype=np.bool_)
        known = number < len(self._until_ns)
        until_ns[known], had_state[known] = self._until_ns[number[known]], self._in_state[number[known]]
        touched: Bools = (had_state | ~live) & (until_ns != NEVER) & (begins <= until_ns)
        if self._over_ns is None:
            return touched
        # A series that the state does not have may have begun meanwhile: its first windows are around this time.
        is_near = had_state | can_hold(self._cut.after(begins), self._lateness_ns, self._over_ns, lag_ns, live)
        return np.asarray(touched | (live & (begins <= self._over_ns) & is_near))
