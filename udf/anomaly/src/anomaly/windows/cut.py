"""How time is cut into windows, which is the same in the UDF, in training, in backtests and in catch-ups.

Windows are numbered from 1970-01-01 00:00 on, by the clock that they follow. In UTC all of them have one length, as
InfluxQL's `GROUP BY time()` cuts them. By the clock on the wall of a time zone, a window of a day begins at midnight,
and one of 6 h at 0, 6, 12 and 18 h. The window in which the clock changes is *odd*: an hour longer or shorter, in most
places.

A clock that is put back shows some times twice, and one that is put forward leaves some out. What counts is the
latest time that the clock has shown so far, which never goes back: a window begins when the clock first shows its begin
or a later time. Windows therefore tile time, whatever a clock does.

Lengths such as `merge` and `silence` count windows, so they are measured by the numbers of windows: an odd window has
the nominal length there. Sums and counts grow with the length of a window, so those of an odd window are scaled to the
nominal length. As it still is of another mix of hours, it opens no period (`anomaly.scoring.feedback`).
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from anomaly.nanoseconds import SECOND_NS
from anomaly.pipeline import Pipeline
from anomaly.pipeline.timezone import UTC, clock_changes
from anomaly.windows.arrays import Bools, Floats, Times

# A time, or times of shape (n,), in nanoseconds since 1970.
AnyTime = TypeVar("AnyTime", int, Times)

_EXTENSIVE = ("count", "sum")
_LONG_AGO = -(1 << 62)


class Cut:
    """Windows of one length, which begin in UTC.

    Args:
        window_ns: the length of a window.

    Attributes:
        window_ns: the nominal length of a window, nanoseconds.
    """

    is_local = False

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns

    def number(self, time_ns: AnyTime) -> AnyTime:
        """Return the number of the window that a time is in."""
        return time_ns // self.window_ns

    def at(self, number: AnyTime) -> AnyTime:
        """Return the begin of the window with a number."""
        return number * self.window_ns

    def begin(self, time_ns: AnyTime) -> AnyTime:
        """Return the begin of the window that a time is in."""
        return time_ns - time_ns % self.window_ns

    def end(self, time_ns: AnyTime) -> AnyTime:
        """Return the end of the window that a time is in."""
        return self.begin(time_ns) + self.window_ns

    def after(self, begin_ns: AnyTime, later_ns: int = 0) -> AnyTime:
        """Return the end of the window that begins at a time, or a time that is this much later."""
        return begin_ns + (self.window_ns + later_ns)

    def first(self, time_ns: AnyTime) -> AnyTime:
        """Return the first begin of a window at a time or after it."""
        return -(-time_ns // self.window_ns) * self.window_ns

    def step(self, begin_ns: int, windows: int) -> int:
        """Return the begin of the window this many windows after the one that begins at a time."""
        return begin_ns + windows * self.window_ns

    def windows(self, begin_ns: int, end_ns: int) -> int:
        """Return how many windows there are between two begins of windows, counting one that is cut off at the end."""
        return -(-(end_ns - begin_ns) // self.window_ns)

    def span(self, begin_ns: AnyTime, end_ns: AnyTime) -> AnyTime:
        """Return the nominal time between two begins of windows: their number times the nominal length."""
        return end_ns - begin_ns

    def nominal(self, begin_ns: Times) -> Times:
        """Return the begins of windows by the clock that they follow, shape (n,), multiples of the length."""
        return begin_ns

    def are_odd(self, begin_ns: Times) -> Bools:
        """Return which windows have another length than the nominal one, by their begins, shape (n,)."""
        return np.zeros(len(begin_ns), dtype=np.bool_)

    def stretches(self, begin_ns: int, end_ns: int) -> list[tuple[int, int, int]]:
        """Return a range between begins of windows as stretches of one length of windows: begin, end, length."""
        return [(begin_ns, end_ns, self.window_ns)] if begin_ns < end_ns else []


class LocalCut(Cut):
    """Windows that begin by the clock on the wall of a time zone.

    Args:
        window_ns: the nominal length of a window.
        zone: the time zone's IANA name.

    Raises:
        ValueError: there is no such time zone.
    """

    is_local = True

    def __init__(self, window_ns: int, zone: str) -> None:
        super().__init__(window_ns)
        first, changes = clock_changes(zone)
        self._times = [SECOND_NS * time_s for time_s, _ in changes]
        self._offsets = [SECOND_NS * first, *(SECOND_NS * offset_s for _, offset_s in changes)]
        # The latest time that the clock has shown before each change of it, as the first time that it did not reach.
        self._shown = [time_ns + offset_ns for time_ns, offset_ns in zip(self._times, self._offsets, strict=False)]
        for place in range(1, len(self._shown)):
            self._shown[place] = max(self._shown[place - 1 : place + 1])
        self._times_array = np.array(self._times, dtype=np.int64)
        self._shown_array = np.array(self._shown, dtype=np.int64)
        self._offset_array = np.array(self._offsets, dtype=np.int64)
        # Before the first change, nothing was shown before, and the clock had not changed.
        self._least_array = np.array([_LONG_AGO, *(shown - 1 for shown in self._shown)], dtype=np.int64)
        self._change_array = np.array([_LONG_AGO, *self._times], dtype=np.int64)

    def number(self, time_ns: AnyTime) -> AnyTime:
        """Return the number of the window that a time is in."""
        if isinstance(time_ns, int):
            place = bisect_right(self._times, time_ns)
            shown_ns = time_ns + self._offsets[place]
            return (max(shown_ns, self._shown[place - 1] - 1) if place else shown_ns) // self.window_ns
        at = np.searchsorted(self._times_array, time_ns, side="right")
        return np.asarray(np.maximum(time_ns + self._offset_array[at], self._least_array[at]) // self.window_ns)

    def at(self, number: AnyTime) -> AnyTime:
        """Return the begin of the window with a number."""
        shown_ns = number * self.window_ns
        if isinstance(shown_ns, int):
            place = bisect_right(self._shown, shown_ns)
            time_ns = shown_ns - self._offsets[place]
            return max(time_ns, self._times[place - 1]) if place else time_ns
        at = np.searchsorted(self._shown_array, shown_ns, side="right")
        return np.asarray(np.maximum(shown_ns - self._offset_array[at], self._change_array[at]))

    def begin(self, time_ns: AnyTime) -> AnyTime:
        """Return the begin of the window that a time is in."""
        return self.at(self.number(time_ns))

    def end(self, time_ns: AnyTime) -> AnyTime:
        """Return the end of the window that a time is in."""
        return self.at(self.number(time_ns) + 1)

    def after(self, begin_ns: AnyTime, later_ns: int = 0) -> AnyTime:
        """Return the end of the window that begins at a time, or a time that is this much later."""
        return self.end(begin_ns) + later_ns

    def first(self, time_ns: AnyTime) -> AnyTime:
        """Return the first begin of a window at a time or after it."""
        return self.end(time_ns - 1)

    def step(self, begin_ns: int, windows: int) -> int:
        """Return the begin of the window this many windows after the one that begins at a time."""
        return self.at(self.number(begin_ns) + windows)

    def windows(self, begin_ns: int, end_ns: int) -> int:
        """Return how many windows there are between two begins of windows, counting one that is cut off at the end."""
        return self.number(end_ns - 1) + 1 - self.number(begin_ns)

    def span(self, begin_ns: AnyTime, end_ns: AnyTime) -> AnyTime:
        """Return the nominal time between two begins of windows: their number times the nominal length."""
        return (self.number(end_ns) - self.number(begin_ns)) * self.window_ns

    def nominal(self, begin_ns: Times) -> Times:
        """Return the begins of windows by the clock that they follow, shape (n,), multiples of the length."""
        return self.number(begin_ns) * self.window_ns

    def are_odd(self, begin_ns: Times) -> Bools:
        """Return which windows have another length than the nominal one, by their begins, shape (n,)."""
        return np.asarray(self.end(begin_ns) - begin_ns != self.window_ns)

    def stretches(self, begin_ns: int, end_ns: int) -> list[tuple[int, int, int]]:
        """Return a range between begins of windows as stretches of one length of windows: begin, end, length."""
        edges = {begin_ns, end_ns}
        for time_ns in self._times[bisect_right(self._times, begin_ns) : bisect_right(self._times, end_ns)]:
            # A change at the begin of a window may have made the one before it odd.
            for inside_ns in (time_ns - 1, time_ns):
                edges |= {edge for edge in (self.begin(inside_ns), self.end(inside_ns)) if begin_ns < edge < end_ns}
        return [
            (first_ns, last_ns, (last_ns - first_ns) // self.windows(first_ns, last_ns))
            for first_ns, last_ns in pairwise(sorted(edges))
        ]


@cache
def cut(window_ns: int, zone: str = UTC) -> Cut:
    """Return how windows of a length are cut.

    Args:
        window_ns: the nominal length of a window.
        zone: the time zone by whose clock they begin, as `Pipeline.windows_zone` says.

    Raises:
        ValueError: there is no such time zone.
    """
    return Cut(window_ns) if zone == UTC else LocalCut(window_ns, zone)


def cut_of(pipeline: Pipeline) -> Cut:
    """Return how the windows of a pipeline are cut."""
    return cut(pipeline.window_ns, pipeline.windows_zone)


def scaled(
    windows: Cut, aggregates: Sequence[str], begin_ns: Times, values: Floats, counts: Floats
) -> tuple[Floats, Floats]:
    """Return aggregates and counts of windows, with sums and counts scaled to the nominal length of a window.

    Args:
        windows: how the windows are cut.
        aggregates: the a aggregates of each field.
        begin_ns: the begins of n windows, shape (n,).
        values: their aggregates, field by field, shape (n, d).
        counts: points that have the field, shape (n, f).
    """
    if not windows.is_local or not windows.are_odd(begin_ns).any():
        return values, counts
    share = windows.window_ns / (windows.end(begin_ns) - begin_ns)
    values = values.copy()
    for place, aggregate in enumerate(aggregates):
        if aggregate in _EXTENSIVE:
            values[:, place :: len(aggregates)] *= share[:, None]
    return values, counts * share[:, None]
