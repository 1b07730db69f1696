"""Cuts the points of many series into windows of event time, and closes each window when its time has come.

The words are those of the Dataflow model (Akidau and others 2015) and of Flink: a point's *event time* is the time
that it carries; a series' *watermark* is the event time up to which its points are expected to have arrived; a window
waits for out-of-order points until the watermark is `lateness` behind its end; a point of a window that has closed is
*late*; a series without points is *idle*. "The clock" is the host's, and reaches this module as an argument.

The watermark of a series is the time of its newest point, which counts as no later than the clock at its arrival. In a
live series the watermark then goes on with the clock: it is as far behind the clock as the newest point was at its
arrival. A sensor that dies loses no window, a writer that is steadily slow or a UDF that is behind with its work makes
no point late, and a point ahead of the clock opens its window without closing any.

The time between two calls counts as at most `step_ns`. While a process hangs, a machine sleeps or a UDF is down, points
wait somewhere; no window closes because its own points could not be read.

A window closes at the first of:

- the watermark reaches its end + lateness;
- a series that is not live (a replay, an import) had no point for `idle_ns` by the clock;
- a later window of its series closes, since a series' windows leave in the order of time;
- the points of all open windows exceed `points_bytes`: the oldest windows close early, and `Closed.early` names them.

A window that opens behind the watermark, in a gap that has no closed window behind it (a backlog that follows live
points, an import with the newest first), is held back until one of the last three: its other points are about to come.

Nothing here is an object of Python for each point, window or series.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anomaly.windows.aggregates import AGGREGATES, Aggregated, Identities, aggregate_windows
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times, changes
from anomaly.windows.point_log import GONE, PointLog, bytes_per_point, restored

LAYOUT = 1
# No time: older than any point may be. Sums of times and settings stay within 64 bits between the bounds below.
NEVER = np.iinfo(np.int64).min
_LEAST_NS, _GREATEST_NS = -(1 << 62), 1 << 62
# After an early closing the log has this share of its bound, so that the next one is not due at once.
_KEPT_SHARE = 0.75
_LEAST_SERIES = 64
# Aggregating needs some hundred bytes for each point at once.
_POINTS_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True)
class Settings:
    """How windows are cut and when they close.

    Attributes:
        window_ns: the length of a window.
        lateness_ns: how long a window waits for points that are out of order.
        future_ns: how far ahead of the clock a point may be.
        fields: the number f of fields.
        aggregates: the aggregates of each field; d is their number times f.
        idle_ns: how long a series that is not live has no point before its windows close.
        oldest_ns: how much older than its series' oldest open window (or, without one, its newest closed one) a point
            may be.
        points_bytes: the bound of the points of all open windows.
        step_ns: the most that the clock goes on from one call to the next; the caller calls more often than that.
    """

    window_ns: int
    lateness_ns: int
    future_ns: int
    fields: int
    aggregates: tuple[str, ...]
    idle_ns: int
    oldest_ns: int
    points_bytes: int = 256 << 20
    step_ns: int = 2_000_000_000

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: a length is negative, or an aggregate is unknown.
        """
        if self.window_ns <= 0 or self.fields <= 0:
            raise ValueError(f"windows of {self.window_ns} ns and {self.fields} fields: both must be positive")
        for name in ("window_ns", "lateness_ns", "future_ns", "idle_ns", "oldest_ns", "points_bytes", "step_ns"):
            value = getattr(self, name)
            if not 0 <= value < _GREATEST_NS // 4:
                raise ValueError(f"{name} is {value}: it must be between 0 and {_GREATEST_NS // 4}")
        unknown = [name for name in self.aggregates if name not in AGGREGATES]
        if unknown or not self.aggregates:
            raise ValueError(f"the aggregates {unknown} are unknown: use some of {', '.join(AGGREGATES)}")

    @property
    def live_ns(self) -> int:
        """How far behind the clock the newest point of a live series is at most."""
        return self.future_ns + self.lateness_ns + 2 * self.window_ns


@dataclass(frozen=True, slots=True)
class Refused:
    """Points that were not taken, by series.

    Attributes:
        number: the series' numbers, ascending, shape (n,).
        points: how many points of each series were refused, shape (n,).
        time_ns: the point that is furthest from what is allowed, shape (n,).
    """

    number: Ints
    points: Ints
    time_ns: Times

    def __len__(self) -> int:
        """Return how many points were refused."""
        return int(self.points.sum())


@dataclass(frozen=True, slots=True)
class Late:
    """Windows that had closed when points of theirs arrived; a catch-up may score them again.

    Attributes:
        number: the series' numbers, shape (n,).
        begin_ns: the windows' begins, shape (n,).
        points: how many points were late for each window, shape (n,).
    """

    number: Ints
    begin_ns: Times
    points: Ints

    def __len__(self) -> int:
        """Return how many points were late."""
        return int(self.points.sum())


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some points: taken, or not for a reason.

    Attributes:
        points: how many points were taken.
        future: points that are further ahead of the clock than `future_ns`.
        too_old: points that are older than `oldest_ns` allows.
        late: points of windows that have closed.
    """

    points: int
    future: Refused
    too_old: Refused
    late: Late


@dataclass(frozen=True, slots=True)
class Closed:
    """n closed windows, by begin and then by number; d features, f fields.

    Attributes:
        number: the series' numbers, shape (n,).
        begin_ns: the windows' begins, shape (n,).
        values: aggregates, field by field, shape (n, d), NaN where one is missing.
        counts: points that have the field, shape (n, f).
        early: which windows closed early as the points took too much memory, shape (n,).
        points: how many points the windows had, replaced ones included.
        replaced: how many of them a later point of the same tags and time replaced.
    """

    number: Ints
    begin_ns: Times
    values: Floats
    counts: Floats
    early: Bools
    points: int
    replaced: int

    def __len__(self) -> int:
        return len(self.number)


_NO_INTS: Ints = np.empty(0, dtype=np.intp)
_NO_TIMES: Times = np.empty(0, dtype=np.int64)
_NONE_REFUSED = Refused(_NO_INTS, _NO_INTS, _NO_TIMES)
_NONE_LATE = Late(_NO_INTS, _NO_TIMES, _NO_INTS)


# The columns of what is known of each series, and what stands for nothing.
_NOTHING = {
    "newest": NEVER,
    "seen": NEVER,
    "lag": GONE,
    "arrived": NEVER,
    "closed": NEVER,
    "held": NEVER,
    "oldest": GONE,
    "regular": GONE,
}


class _Series:
    """What is known of each series, in columns; a series' place is its number. "The clock" is the assembler's.

    Args:
        capacity: numbers below it have a place.

    Attributes:
        newest: the time of the newest point, at most the host's clock at its arrival; NEVER before the first point.
        seen: the clock at the arrival of that point; NEVER without a clock.
        lag: how far that point was behind the host's clock; GONE without a clock.
        arrived: the clock at the arrival of the last point, late ones included; NEVER without a clock.
        closed: the end of the newest closed window; NEVER before there is one.
        held: windows that begin before it are held back.
        oldest: the time of the oldest open point; GONE without one.
        regular: the begin of the oldest open window that is not held back; GONE without one.
    """

    def __init__(self, capacity: int) -> None:
        self.newest = self.seen = self.lag = self.arrived = _NO_TIMES
        self.closed = self.held = self.oldest = self.regular = _NO_TIMES
        self.grow(capacity)

    def __len__(self) -> int:
        return len(self.newest)

    def grow(self, capacity: int) -> None:
        """Make place for series with the numbers below `capacity`."""
        missing = capacity - len(self)
        for name, nothing in _NOTHING.items():
            setattr(self, name, np.concatenate([getattr(self, name), np.full(missing, nothing)]))

    def clear(self, numbers: Ints) -> None:
        """Forget series."""
        for name, nothing in _NOTHING.items():
            getattr(self, name)[numbers] = nothing

    def state(self, numbers: Ints | None) -> dict[str, AnyArray]:
        """Return copies of the columns of some series, shape (n,); None: of all up to the last known one."""
        if numbers is None:
            known = np.flatnonzero(self.newest != NEVER)
            numbers = np.arange(int(known[-1]) + 1 if len(known) else 0)
        return {f"series_{name}": getattr(self, name)[numbers] for name in _NOTHING}


class Assembler:
    """The open windows of all series of a pipeline.

    The clock is an argument, in nanoseconds since 1970. None stands for no clock: then windows close by the points of
    their series alone, and no point is in the future.

    Args:
        settings: how windows are cut and when they close.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._series = _Series(_LEAST_SERIES)
        self._log = PointLog(settings.fields)
        self._most_points = settings.points_bytes // bytes_per_point(settings.fields)
        # The host's clock at the last call, and our clock, which does not go on while nobody calls.
        self._host_ns: int | None = None
        self._clock_ns: int | None = None
        # Nothing closes before this time of our clock; it may be too early, as points postpone closings.
        self._next_ns: int = GONE

    def _go_on(self, now_ns: int | None) -> None:
        """Let our clock go on to the host's, but by no more than a step, and never back."""
        if now_ns is None:
            return
        if self._clock_ns is None:
            self._clock_ns = now_ns
        elif self._host_ns is not None:
            self._clock_ns += min(max(now_ns - self._host_ns, 0), self.settings.step_ns)
        self._host_ns = now_ns

    def is_due(self, now_ns: int | None) -> bool:
        """Return whether `close` may have something to do, in a microsecond.

        Args:
            now_ns: the host's clock.
        """
        self._go_on(now_ns)
        return self._next_ns <= (NEVER if self._clock_ns is None else self._clock_ns)

    def add(self, number: Ints, times: Times, values: Floats, identities: Identities, now_ns: int | None) -> Taken:
        """Take points of any series, in the order of arrival.

        Args:
            number: the series of each point, shape (n,), small integers from 0.
            times: the points' times in nanoseconds, shape (n,).
            values: their values, shape (n, f), NaN where a field is missing.
            identities: hashes of all of their tags, shape (n,); points of equal identity and time replace each other.
            now_ns: the host's clock.

        Returns:
            How many points were taken, and which were not.
        """
        self._go_on(now_ns)
        number = np.asarray(number, dtype=np.intp)
        if not len(number):
            return Taken(0, _NONE_REFUSED, _NONE_REFUSED, _NONE_LATE)
        if number.max() >= len(self._series):
            self._series.grow(max(2 * int(number.max()) + 2, _LEAST_SERIES))
        series, settings = self._series, self.settings
        latest = _GREATEST_NS if now_ns is None else min(now_ns + settings.future_ns, _GREATEST_NS)
        closed, oldest = series.closed[number], series.oldest[number]
        reference = np.where(oldest != GONE, oldest - oldest % settings.window_ns, closed)
        future = times > latest
        too_old = (times < _LEAST_NS) | ((reference != NEVER) & (times < reference - settings.oldest_ns))
        late = (times < closed) & ~(too_old | future)
        refused = future | too_old | late
        taken = Taken(len(number), _NONE_REFUSED, _NONE_REFUSED, _NONE_LATE)
        if refused.any():
            taken = Taken(
                int(len(number) - np.count_nonzero(refused)),
                _refused(number[future], times[future], np.maximum),
                _refused(number[too_old], times[too_old], np.minimum),
                self._late(number[late], times[late]),
            )
            kept = ~refused
            number, times, values, identities = number[kept], times[kept], values[kept], identities[kept]
            # A late point is a sign of life, although it moves no watermark.
            if self._clock_ns is not None:
                series.arrived[taken.late.number] = self._clock_ns
        if len(number):
            self._take(number, times, values, identities, now_ns)
        return taken

    def _late(self, number: Ints, times: Times) -> Late:
        if not len(number):
            return _NONE_LATE
        begins = times - times % self.settings.window_ns
        order = np.lexsort((number, begins))
        number, begins = number[order], begins[order]
        first = np.flatnonzero(changes(number, begins))
        return Late(number[first], begins[first], np.diff(first, append=len(number)))

    def _take(self, number: Ints, times: Times, values: Floats, identities: Identities, now_ns: int | None) -> None:
        series, window_ns = self._series, self.settings.window_ns
        self._log.append(number, times, identities, values)
        begins = times - times % window_ns
        due = begins + (window_ns + self.settings.lateness_ns)
        plausible = times if now_ns is None else np.minimum(times, now_ns)
        newest = series.newest[number]
        np.maximum.at(series.newest, number, plausible)
        raised = plausible > newest
        if now_ns is not None and self._clock_ns is not None:
            series.seen[number[raised]] = series.arrived[number] = self._clock_ns
            series.lag[number[raised]] = now_ns - series.newest[number[raised]]
        np.minimum.at(series.oldest, number, times)
        behind = due <= series.newest[number]
        if behind.any():
            self._hold(number, begins, due, plausible, newest, behind)
        regular = begins >= series.held[number]
        np.minimum.at(series.regular, number[regular], begins[regular])
        self._next_ns = min(self._next_ns, self._due_clock(number))

    def _hold(self, number: Ints, begins: Times, due: Times, plausible: Times, newest: Times, behind: Bools) -> None:
        """Hold windows back that opened behind their series' watermark.

        Only series with a point behind their newest one are looked at: few, but for replays.
        """
        series, settings = self._series, self.settings
        concerned = np.zeros(len(series), dtype=np.bool_)
        concerned[number[behind]] = True
        rows = np.flatnonzero(concerned[number])
        rows = rows[np.argsort(number[rows], kind="stable")]
        begin_of = np.flatnonzero(changes(number[rows]))
        # In a series whose points came in order, only those behind the newest point before can be behind a watermark.
        suspicious = due[rows] <= newest[rows]
        suspicious[1:] |= (np.diff(number[rows]) == 0) & (np.diff(plausible[rows]) < 0)
        suspects = np.flatnonzero(np.logical_or.reduceat(suspicious, begin_of))
        bounds = np.append(begin_of, len(rows))
        risen = []
        for position in suspects:
            part = rows[bounds[position] : bounds[position + 1]]
            one = number[part[0]]
            before = np.maximum.accumulate(np.r_[newest[part[0]], plausible[part]])[:-1]
            straggling = np.flatnonzero(due[part] <= before)
            if len(straggling):
                watermark = int(before[straggling[-1]]) - settings.lateness_ns
                held = watermark - watermark % settings.window_ns
                if held > series.held[one]:
                    series.held[one] = held
                    risen.append(one)
        risen = [one for one in risen if series.regular[one] < series.held[one]]
        if risen:
            self._find_open(np.array(risen, dtype=np.intp))

    def _find_open(self, numbers: Ints) -> None:
        """Find the oldest open point and the oldest open window that is not held back of some series again."""
        series, window_ns = self._series, self.settings.window_ns
        series.oldest[numbers] = series.regular[numbers] = GONE
        rows = self._open_rows(numbers)
        if len(rows):
            number, times = self._log.numbers[rows], self._log.times[rows]
            np.minimum.at(series.oldest, number, times)
            begins = times - times % window_ns
            regular = begins >= series.held[number]
            np.minimum.at(series.regular, number[regular], begins[regular])

    def _open_rows(self, numbers: Ints) -> Ints:
        """Return the rows of the log that hold open points of some series."""
        concerned = np.zeros(len(self._series), dtype=np.bool_)
        concerned[numbers] = True
        return np.flatnonzero(concerned[self._log.numbers] & (self._log.times != GONE))

    def close(self, now_ns: int | None, *, everything: bool = False) -> Closed:
        """Close the windows whose time has come.

        Args:
            now_ns: the host's clock.
            everything: close all open windows, as at the end of a replay.

        Returns:
            The closed windows, by begin and then by number. Windows without points do not exist.
        """
        self._go_on(now_ns)
        series, window_ns = self._series, self.settings.window_ns
        bounds = self._due(everything)
        early = self._early_bounds(bounds)
        limits = bounds if early is None else np.maximum(bounds, early)
        log_numbers, log_times = self._log.numbers, self._log.times
        rows = np.flatnonzero(log_times < limits[log_numbers]) if (limits != NEVER).any() else _NO_INTS
        if not len(rows):
            self._next_ns = self._due_clock(np.flatnonzero(series.oldest != GONE))
            return self._closed_none()
        number, begins = log_numbers[rows], log_times[rows]
        begins -= begins % window_ns
        order = np.lexsort((number, begins))
        rows, number, begins = rows[order], number[order], begins[order]
        first = np.flatnonzero(changes(number, begins))
        aggregated = self._aggregated(rows, first)
        windows: Ints = number[first].astype(np.intp)
        begins = begins[first]
        np.maximum.at(series.closed, windows, begins + window_ns)
        self._log.compact()
        self._find_open(np.unique(windows))
        self._next_ns = self._due_clock(np.flatnonzero(series.oldest != GONE))
        return Closed(
            windows,
            begins,
            np.concatenate([part.values for part in aggregated]),
            np.concatenate([part.counts for part in aggregated]),
            begins >= bounds[windows],
            len(rows),
            sum(part.replaced for part in aggregated),
        )

    def _aggregated(self, rows: Ints, first: Ints) -> list[Aggregated]:
        """Take the rows of windows out of the log, and aggregate them in parts of limited memory.

        Args:
            rows: the rows of the windows, window by window, shape (m,).
            first: the position of each window's first row, shape (n,).

        Returns:
            The aggregates of the windows, in parts.
        """
        ends = np.append(first, len(rows))
        aggregated, begin = [], 0
        while begin < len(first):
            end = max(int(np.searchsorted(ends, ends[begin] + _POINTS_AT_ONCE, side="right")) - 1, begin + 1)
            window = np.repeat(np.arange(end - begin), np.diff(ends[begin : end + 1]))
            times, identities, values = self._log.take(rows[ends[begin] : ends[end]])
            aggregated.append(aggregate_windows(window, times, identities, values, self.settings.aggregates))
            begin = end
        return aggregated

    def _closed_none(self) -> Closed:
        fields = self.settings.fields
        values, counts = np.empty((0, fields * len(self.settings.aggregates))), np.empty((0, fields))
        return Closed(_NO_INTS, _NO_TIMES, values, counts, np.empty(0, dtype=np.bool_), 0, 0)

    def _due(self, everything: bool) -> Times:
        """Return up to where the windows of each series close, shape (series,); NEVER where none does."""
        series, settings = self._series, self.settings
        open_series = series.oldest != GONE
        if everything:
            return np.where(open_series, GONE - 1, NEVER)
        reached = self.watermarks() - settings.lateness_ns
        reached -= reached % settings.window_ns
        # regular + window overflows for GONE.
        due = open_series & (series.regular <= reached - settings.window_ns)
        bounds = np.where(due, reached, NEVER)
        if self._clock_ns is not None:
            is_idle = (series.arrived != NEVER) & (self._clock_ns - settings.idle_ns >= series.arrived)
            bounds[open_series & ~self.live() & is_idle] = GONE - 1
        return bounds

    def _early_bounds(self, bounds: Times) -> Times | None:
        """Return up to where windows close early, shape (series,), so that the points keep their bound; or None."""
        bound = self._most_points
        if len(self._log) <= bound:
            return None
        numbers, times = self._log.numbers, self._log.times
        rows = np.flatnonzero((times != GONE) & (times >= bounds[numbers]))
        if len(rows) <= bound:
            return None
        excess = len(rows) - int(_KEPT_SHARE * bound)
        number, begins = numbers[rows], times[rows] - times[rows] % self.settings.window_ns
        oldest = np.lexsort((number, begins))[:excess]
        early = np.full(len(self._series), NEVER)
        np.maximum.at(early, number[oldest], begins[oldest] + self.settings.window_ns)
        return early

    def _due_clock(self, numbers: Ints) -> int:
        """Return the clock at which the first of some series has a window that is due; NEVER for at once."""
        series, settings = self._series, self.settings
        if not len(numbers):
            return GONE
        regular, newest = series.regular[numbers], series.newest[numbers]
        seen, arrived = series.seen[numbers], series.arrived[numbers]
        has_regular = regular != GONE
        # How far the watermark has to go on.
        missing = np.where(has_regular, regular, 0) + (settings.window_ns + settings.lateness_ns) - newest
        if (missing[has_regular] <= 0).any() or len(self._log) > self._most_points:
            return NEVER
        live = series.lag[numbers] <= settings.live_ns
        by_watermark = np.where(live & has_regular, seen + missing, GONE)
        by_idle = np.where(~live & (arrived != NEVER), arrived + settings.idle_ns, GONE)
        return int(min(by_watermark.min(), by_idle.min()))

    def live(self) -> Bools:
        """Return which series are live, shape (series,): their newest point was close to the clock when it came."""
        return self._series.lag <= self.settings.live_ns

    @property
    def clock_ns(self) -> int | None:
        """Our clock, which is behind the host's by the time in which nobody called; None before the first call."""
        return self._clock_ns

    def watermarks(self) -> Times:
        """Return the watermark of each series at the last call, shape (series,); long ago before the first point."""
        series = self._series
        watermarks = np.maximum(series.newest, _LEAST_NS - 1)
        if self._clock_ns is not None:
            live = self.live()
            watermarks[live] += self._clock_ns - series.seen[live]
        return watermarks

    @property
    def open_points(self) -> int:
        """How many points the open windows have."""
        return len(self._log)

    def forget(self, numbers: Ints) -> int:
        """Forget series; their numbers may be used again.

        Args:
            numbers: the series' numbers, shape (n,).

        Returns:
            How many points of open windows were dropped.
        """
        numbers = np.atleast_1d(np.asarray(numbers, dtype=np.intp))
        numbers = numbers[numbers < len(self._series)]
        rows = self._open_rows(numbers)
        self._log.take(rows)
        self._log.compact()
        self._series.clear(numbers)
        return len(rows)

    def state(self, numbers: Ints | None = None) -> dict[str, AnyArray]:
        """Return all that is known, as arrays by name.

        Args:
            numbers: all series, which get the numbers 0, 1 and so on in this order, shape (n,); None: they keep their
                numbers.
        """
        about = np.array([LAYOUT, self.settings.window_ns, self.settings.fields], dtype=np.int64)
        clock = np.array([NEVER if self._clock_ns is None else self._clock_ns], dtype=np.int64)
        log = self._log.state()
        if numbers is not None and len(numbers):
            if int(numbers.max()) >= len(self._series):
                self._series.grow(int(numbers.max()) + 1)
            place = np.zeros(len(self._series), dtype=np.int32)
            place[numbers] = np.arange(len(numbers))
            log["point_number"] = place[log["point_number"]]
        return {"layout": about, "clock_ns": clock, **self._series.state(numbers), **log}

    def restore(self, arrays: Mapping[str, AnyArray]) -> None:
        """Go on where `state` was taken.

        Args:
            arrays: what `state` returned.

        Raises:
            ValueError: the arrays are of another layout, or of other windows. Nothing has changed then.
        """
        wanted = {"layout", "clock_ns", *(f"series_{name}" for name in _NOTHING), *PointLog(1).state()}
        if set(arrays) != wanted:
            raise ValueError(f"the state has the arrays {sorted(arrays)}, this version reads {sorted(wanted)}")
        expected = [LAYOUT, self.settings.window_ns, self.settings.fields]
        if arrays["layout"].tolist() != expected:
            raise ValueError(
                "the state's layout, window in ns and number of fields are "
                f"{arrays['layout'].tolist()}, this pipeline's are {expected}"
            )
        lengths = {len(arrays[f"series_{name}"]) for name in _NOTHING}
        rows = len(arrays["point_time_ns"])
        shapes = [arrays["point_number"].shape, arrays["point_identity"].shape, arrays["point_values"].shape]
        if len(lengths) != 1 or shapes != [(rows,), (rows,), (rows, self.settings.fields)]:
            raise ValueError(f"the state's columns have different lengths: {sorted(lengths)} series, points {shapes}")
        if rows and not 0 <= int(arrays["point_number"].min()) <= int(arrays["point_number"].max()) < min(lengths):
            raise ValueError("the state has points of series that it does not have")
        series = _Series(max(min(lengths), _LEAST_SERIES))
        for name in _NOTHING:
            getattr(series, name)[: min(lengths)] = arrays[f"series_{name}"]
        clock_ns = int(arrays["clock_ns"][0])
        self._log = restored(self.settings.fields, arrays)
        self._series = series
        self._host_ns = None
        self._clock_ns = None if clock_ns == NEVER else clock_ns
        self._next_ns = self._due_clock(np.flatnonzero(series.oldest != GONE))


def _refused(number: Ints, times: Times, furthest: np.ufunc) -> Refused:
    if not len(number):
        return _NONE_REFUSED
    order = np.argsort(number, kind="stable")
    number, times = number[order], times[order]
    first = np.flatnonzero(changes(number))
    return Refused(number[first], np.diff(first, append=len(number)), furthest.reduceat(times, first))
