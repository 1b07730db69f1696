"""Civil time: what the clock on the wall shows when a window begins.

Windows, pauses and periods are counted in UTC, which never jumps. What people do follows the clock on the wall, so
the time of day, the time of week and seasons of whole days are counted by it. When the clock changes, an hour is there
twice or not at all, and everything else stays at its hour.
"""

import numpy as np

from anomaly.nanoseconds import DAY_NS, SECOND_NS
from anomaly.pipeline import Pipeline, timezone
from anomaly.pipeline.calendars import HOLIDAY
from anomaly.windows.arrays import Bools, Times
from anomaly.windows.calendar_times import CalendarTimes
from anomaly.windows.cut import Cut, cut_of


class CivilTime:
    """The clock on the wall of one time zone.

    Args:
        name: the time zone's IANA name.
        calendars: says which days are holidays, on which the clock shows the Sunday before; None: no day is.
        cut: how windows are cut that begin by this clock; None: they begin in UTC.

    Raises:
        ValueError: there is no such time zone.
    """

    def __init__(
        self, name: str = timezone.UTC, calendars: CalendarTimes | None = None, cut: Cut | None = None
    ) -> None:
        self.name = name
        self._calendars = calendars
        self._cut = cut
        # Nearly all processes need UTC alone, and looking for its changes would take time at each start.
        first_s, changes = (0, ()) if name == timezone.UTC else timezone.clock_changes(name)
        self._change_ns = SECOND_NS * np.array([at_s for at_s, _ in changes], dtype=np.int64)
        self._offset_ns = SECOND_NS * np.array([first_s, *(offset_s for _, offset_s in changes)], dtype=np.int64)

    def wall_ns(self, times_ns: Times) -> Times:
        """Return what the clock shows, as nanoseconds since 1970-01-01 00:00 by the same clock.

        Where windows begin by the clock, a window that begins with a time which the clock leaves out has that time.

        Args:
            times_ns: times, shape (n,), nanoseconds since 1970.

        Returns:
            The clock's times, shape (n,); `times_ns` itself where the clock shows UTC.
        """
        if not len(times_ns):
            return times_ns
        if self._cut is not None:
            wall_ns = self._cut.nominal(times_ns)
        else:
            wall_ns = times_ns if self.name == timezone.UTC else times_ns + self._offsets(times_ns)
        if self._calendars is None:
            return wall_ns
        holiday = self._calendars.meet(HOLIDAY, times_ns, 1)
        return np.asarray(np.where(holiday, wall_ns - _since_sunday(wall_ns) * DAY_NS, wall_ns))

    def changed(self, times_ns: Times, span_ns: int) -> Bools:
        """Return at which times the clock shows another offset from UTC than a while before.

        Args:
            times_ns: times, shape (n,), nanoseconds since 1970.
            span_ns: how long before.

        Returns:
            Where it does, shape (n,); holidays change nothing.
        """
        return np.asarray(self._offsets(times_ns) != self._offsets(times_ns - span_ns))

    def are_odd(self, begin_ns: Times) -> Bools:
        """Return which windows the clock makes longer or shorter than others, by their begins, shape (n,)."""
        return np.zeros(len(begin_ns), dtype=np.bool_) if self._cut is None else self._cut.are_odd(begin_ns)

    def _offsets(self, times_ns: Times) -> Times:
        return np.asarray(self._offset_ns[np.searchsorted(self._change_ns, times_ns, side="right")])


PLAIN = CivilTime()


def civil_time(pipeline: Pipeline) -> CivilTime:
    """Return the clock on the wall of a pipeline."""
    calendars, windows = CalendarTimes(pipeline), cut_of(pipeline)
    by_the_clock = windows if windows.is_local else None
    if calendars.has(HOLIDAY):
        return CivilTime(pipeline.timezone, calendars, by_the_clock)
    return PLAIN if pipeline.timezone == timezone.UTC else CivilTime(pipeline.timezone, cut=by_the_clock)


def _since_sunday(wall_ns: Times) -> Times:
    """Return how many days each time, shape (n,), is after the last Sunday; 1970 began with a Thursday."""
    return (wall_ns // DAY_NS + 4) % 7
