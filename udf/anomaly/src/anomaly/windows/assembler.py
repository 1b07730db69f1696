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

Where values stand in windows without points (`anomaly.windows.fill`), these windows close as others do: by the clock in
a live series, and in others once the next point of the series is as far past them.

Nothing here is an object of Python for each point, window or series.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anomaly.pipeline.timezone import UTC
from anomaly.windows.aggregates import AGGREGATES, Aggregated, aggregate_windows
from anomaly.windows.arrays import NEVER, AnyArray, Bools, Floats, Ints, Times, changes
from anomaly.windows.cut import Cut, cut, scaled
from anomaly.windows.derivation import Derivation, Identities
from anomaly.windows.fill import STANDING_ARRAYS, Filled, Rule, Standing, fill_windows
from anomaly.windows.interruption import Arrivals, Interruption, can_hold
from anomaly.windows.point_log import GONE, PointLog, bytes_per_point, restored

LAYOUT = 1
# Sums of times and settings stay within 64 bits between these bounds.
_LEAST_NS, _GREATEST_NS = -(1 << 62), 1 << 62
# After an early closing the log has this share of its bound, so that the next one is not due at once.
_KEPT_SHARE = 0.75
_LEAST_SERIES = 64
# Aggregating needs some hundred bytes for each point at once.
_POINTS_AT_ONCE = 1 << 16
# This many windows without points close at once; the others follow with the next call.
_FILLED_AT_ONCE = 1 << 16


_NO_INTS: Ints = np.empty(0, dtype=np.intp)
_NO_TIMES: Times = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Settings:
    """How windows are cut and when they close.

    Attributes:
        window_ns: the length of a window.
        lateness_ns: how long a window waits for points that are out of order.
        future_ns: how far ahead of the clock a point may be.
        fields: the number k of fields that a point has.
        aggregates: the aggregates of each watched field; d is their number times f.
        idle_ns: how long a series that is not live has no point before its windows close.
        oldest_ns: how much older than its series' oldest open window (or, without one, its newest closed one) a point
            may be.
        points_bytes: the bound of the points of all open windows.
        step_ns: the most that the clock goes on from one call to the next; the caller calls more often than that.
        derivation: makes the values of f watched fields; None: they are those of the points.
        fill_ns: how long a field's last value stands in windows without points of it; 0: not at all.
        series_at_once: the windows of this many series close in one call at most; those of others are due at once.
        zone: the time zone by whose clock windows begin.
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
    derivation: Derivation | None = None
    fill_ns: int = 0
    series_at_once: int = 1 << 20
    zone: str = UTC

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: a length is negative, or an aggregate is unknown.
        """
        if self.window_ns <= 0 or self.fields <= 0:
            raise ValueError(f"windows of {self.window_ns} ns and {self.fields} fields: both must be positive")
        for name in (
            "window_ns",
            "lateness_ns",
            "future_ns",
            "idle_ns",
            "oldest_ns",
            "points_bytes",
            "step_ns",
            "fill_ns",
        ):
            value = getattr(self, name)
            if not 0 <= value < _GREATEST_NS // 4:
                raise ValueError(f"{name} is {value}: it must be between 0 and {_GREATEST_NS // 4}")
        unknown = [name for name in self.aggregates if name not in AGGREGATES]
        if unknown or not self.aggregates:
            raise ValueError(f"the aggregates {unknown} are unknown: use some of {', '.join(AGGREGATES)}")

    @property
    def watched(self) -> int:
        """The number f of watched fields."""
        return self.fields if self.derivation is None else self.derivation.fields

    @property
    def cut(self) -> Cut:
        """How time is cut into windows."""
        return cut(self.window_ns, self.zone)

    @property
    def live_ns(self) -> int:
        """How far behind the clock the newest point of a live series is at most."""
        return self.future_ns + self.lateness_ns + 2 * self.window_ns


@dataclass(frozen=True, slots=True)
class RefusedPoints:
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
        torn: the series and begins of windows that have closed in a pause in which points were lost.
    """

    points: int
    future: RefusedPoints
    too_old: RefusedPoints
    late: Late
    torn: tuple[Ints, Times] = (_NO_INTS, _NO_TIMES)


@dataclass(frozen=True, slots=True)
class Closed:
    """n closed windows, by begin and then by number; d features, f fields.

    A field that is filled has aggregates and the count 0.

    Attributes:
        number: the series' numbers, shape (n,).
        begin_ns: the windows' begins, shape (n,).
        values: aggregates, field by field, shape (n, d), NaN where one is missing.
        counts: points that have the field, shape (n, f).
        early: which windows closed early as the points took too much memory, shape (n,).
        torn: which windows may lack points that came while nobody took any, shape (n,).
        points: how many points the windows had, replaced ones included.
        replaced: how many of them a later point of the same tags and time replaced.
    """

    number: Ints
    begin_ns: Times
    values: Floats
    counts: Floats
    early: Bools
    torn: Bools
    points: int
    replaced: int

    def __len__(self) -> int:
        return len(self.number)


_NONE_REFUSED = RefusedPoints(_NO_INTS, _NO_INTS, _NO_TIMES)
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

    def known(self) -> Ints:
        """Return the numbers up to the last known series."""
        known = np.flatnonzero(self.newest != NEVER)
        return np.arange(int(known[-1]) + 1 if len(known) else 0)

    def state(self, numbers: Ints) -> dict[str, AnyArray]:
        """Return copies of the columns of some series, shape (n,)."""
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
        self._cut = settings.cut
        self._series = _Series(_LEAST_SERIES)
        self._log = PointLog(settings.fields)
        self._rule: Rule | None = None
        if settings.fill_ns:
            self._rule = Rule.of(self._cut, settings.fill_ns, settings.aggregates)
        self._standing = Standing(settings.watched, len(self._series) if self._rule else 0)
        self._most_points = settings.points_bytes // bytes_per_point(settings.fields)
        # The host's clock at the last call, and our clock, which does not go on while nobody calls.
        self._host_ns: int | None = None
        self._clock_ns: int | None = None
        # Nothing closes before this time of our clock; it may be too early, as points postpone closings.
        self._next_ns: int = GONE
        # The last time in which nobody took points: between the state that we go on from and our first call, or while
        # nothing arrived. None in a process that begins anew.
        self._interruption: Interruption | None = None
        self._arrivals = Arrivals()

    def _go_on(self, now_ns: int | None) -> None:
        """Let our clock go on to the host's, but by no more than a step, and never back."""
        if now_ns is None:
            return
        if self._clock_ns is None:
            self._clock_ns = now_ns
        elif self._host_ns is not None:
            self._clock_ns += min(max(now_ns - self._host_ns, 0), self.settings.step_ns)
        self._host_ns = now_ns
        if self._interruption is not None:
            self._interruption.look(now_ns)

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
            values: their values, shape (n, k), NaN where a field is missing.
            identities: hashes of all of their tags, shape (n,); points of equal identity and time replace each other.
            now_ns: the host's clock.

        Returns:
            How many points were taken, and which were not.
        """
        self._go_on(now_ns)
        number = np.asarray(number, dtype=np.intp)
        if not len(number):
            return Taken(0, _NONE_REFUSED, _NONE_REFUSED, _NONE_LATE)
        torn, paused_ns = (_NO_INTS, _NO_TIMES), self._arrivals.last_ns
        if now_ns is not None and self._arrivals.arrive(now_ns) and paused_ns is not None:
            torn = self._interrupt(paused_ns, now_ns)
        if number.max() >= len(self._series):
            self._grow(max(2 * int(number.max()) + 2, _LEAST_SERIES))
        series, settings = self._series, self.settings
        latest = _GREATEST_NS if now_ns is None else min(now_ns + settings.future_ns, _GREATEST_NS)
        closed, oldest = series.closed[number], series.oldest[number]
        reference = np.where(oldest != GONE, self._cut.begin(oldest), closed)
        future = times > latest
        too_old = (times < _LEAST_NS) | ((reference != NEVER) & (times < reference - settings.oldest_ns))
        late = (times < closed) & ~(too_old | future)
        refused = future | too_old | late
        taken = Taken(len(number), _NONE_REFUSED, _NONE_REFUSED, _NONE_LATE, torn)
        if refused.any():
            taken = Taken(
                int(len(number) - np.count_nonzero(refused)),
                _refused(number[future], times[future], np.maximum),
                _refused(number[too_old], times[too_old], np.minimum),
                self._late(number[late], times[late]),
                torn,
            )
            kept = ~refused
            number, times, values, identities = number[kept], times[kept], values[kept], identities[kept]
            # A late point is a sign of life, although it moves no watermark.
            if self._clock_ns is not None:
                series.arrived[taken.late.number] = self._clock_ns
        if len(number):
            self._take(number, times, values, identities, now_ns)
            if self._interruption is not None:
                self._interruption.take(number, times, now_ns)
        return taken

    def _grow(self, capacity: int) -> None:
        """Make place for series with the numbers below `capacity`."""
        self._series.grow(capacity)
        if self._rule is not None:
            self._standing.grow(capacity)

    def _late(self, number: Ints, times: Times) -> Late:
        if not len(number):
            return _NONE_LATE
        begins = self._cut.begin(times)
        order = np.lexsort((number, begins))
        number, begins = number[order], begins[order]
        first = np.flatnonzero(changes(number, begins))
        return Late(number[first], begins[first], np.diff(first, append=len(number)))

    def _take(self, number: Ints, times: Times, values: Floats, identities: Identities, now_ns: int | None) -> None:
        series = self._series
        self._log.append(number, times, identities, values)
        begins = self._cut.begin(times)
        due = self._cut.after(begins, self.settings.lateness_ns)
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
                held = self._cut.begin(watermark)
                if held > series.held[one]:
                    series.held[one] = held
                    risen.append(one)
        risen = [one for one in risen if series.regular[one] < series.held[one]]
        if risen:
            self._find_open(np.array(risen, dtype=np.intp))

    def _find_open(self, numbers: Ints) -> None:
        """Find the oldest open point and the oldest open window that is not held back of some series again."""
        series = self._series
        series.oldest[numbers] = series.regular[numbers] = GONE
        rows = self._open_rows(numbers)
        if len(rows):
            number, times = self._log.numbers[rows], self._log.times[rows]
            np.minimum.at(series.oldest, number, times)
            begins = self._cut.begin(times)
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
            The closed windows, by begin and then by number. Windows without points do not exist, but for those that are
            filled.
        """
        self._go_on(now_ns)
        series = self._series
        bounds = self._due(everything)
        early = self._early_bounds(bounds)
        limits = bounds if early is None else np.maximum(bounds, early)
        is_whole = everything or early is not None
        if not is_whole:
            is_whole = self._postpone(limits)
            if self._rule is not None:
                is_whole &= self._part(self._rule, limits)
        log_numbers, log_times = self._log.numbers, self._log.times
        rows = np.flatnonzero(log_times < limits[log_numbers]) if (limits != NEVER).any() else _NO_INTS
        windows, last, replaced = self._take_windows(rows)
        if self._rule is not None:
            windows = self._fill(self._rule, windows, last, limits)
        number, begins = windows.number, windows.begin_ns
        if len(number):
            np.maximum.at(series.closed, number, self._cut.after(begins))
            self._log.compact()
            self._find_open(np.unique(number))
        self._next_ns = self._due_clock(self._waiting()) if is_whole else NEVER
        is_early = windows.has_points & (begins >= bounds[number])
        torn = self._torn(number, begins)
        return Closed(number, begins, windows.values, windows.counts, is_early, torn, len(rows), replaced)

    def pass_over(self, number: Ints, ends_ns: Times) -> tuple[Ints, Times]:
        """Leave out the open windows that an earlier process has closed since the state was taken that we go on from.

        Args:
            number: the numbers of n different series, shape (n,).
            ends_ns: up to where their windows are closed, shape (n,).

        Returns:
            The windows that were left out, by begin and then by number: their series' numbers and their begins.
        """
        if not len(number):
            return _NO_INTS, _NO_TIMES
        series = self._series
        limits = np.full(len(series), NEVER)
        limits[number] = self._cut.begin(ends_ns)
        series.closed[number] = np.maximum(series.closed[number], limits[number])
        rows = np.flatnonzero(self._log.times < limits[self._log.numbers])
        left, begins = self._log.numbers[rows].astype(np.intp), self._cut.begin(self._log.times[rows])
        order = np.lexsort((left, begins))
        left, begins = left[order], begins[order]
        self._log.take(rows)
        self._log.compact()
        self._find_open(number)
        self._next_ns = self._due_clock(self._waiting())
        first = np.flatnonzero(changes(left, begins)) if len(left) else _NO_INTS
        return left[first], begins[first]

    def _torn(self, number: Ints, begins: Times) -> Bools:
        live = self.live()[number]
        torn = np.zeros(len(number), dtype=np.bool_)
        if self._interruption is not None:
            torn = self._interruption.touches(number, begins, self._series.lag[number], live)
        if self._host_ns is not None and self._arrivals.are_overdue(self._host_ns):
            torn = torn | live
        return torn

    def _take_windows(self, rows: Ints) -> tuple[Filled, Floats, int]:
        """Take the windows of rows out of the log.

        Args:
            rows: all rows of some windows, shape (m,).

        Returns:
            n windows, by begin and then by number; the last value of each of their fields, shape (n, f), with no
            columns where nothing is filled; and the number of points that a later one replaced.
        """
        settings, fields = self.settings, self.settings.watched
        names = settings.aggregates if self._rule is None else (*settings.aggregates, "last")
        number, begins = self._log.numbers[rows], self._cut.begin(self._log.times[rows])
        order = np.lexsort((number, begins))
        rows, number, begins = rows[order], number[order], begins[order]
        first = np.flatnonzero(changes(number, begins)) if len(rows) else _NO_INTS
        aggregated = self._aggregated(rows, first, names)
        nothing = np.empty((0, fields * len(names)))
        values = np.concatenate([nothing, *(part.values for part in aggregated)])
        counts = np.concatenate([np.empty((0, fields)), *(part.counts for part in aggregated)])
        last = np.empty((len(first), 0))
        if self._rule is not None:
            by_field = values.reshape(len(first), fields, len(names))
            last = by_field[:, :, -1]
            values = by_field[:, :, :-1].reshape(len(first), fields * len(settings.aggregates))
        values, counts = scaled(self._cut, settings.aggregates, begins[first], values, counts)
        has_points = np.ones(len(first), dtype=np.bool_)
        windows = Filled(number[first].astype(np.intp), begins[first], values, counts, has_points)
        return windows, last, sum(part.replaced for part in aggregated)

    def _fill(self, rule: Rule, windows: Filled, last: Floats, limits: Times) -> Filled:
        """Fill what some closing windows lack, and the windows without points before and between them.

        Args:
            rule: how windows are filled.
            windows: n closing windows.
            last: the last value of each of their fields, shape (n, f).
            limits: up to where the windows of each series close, shape (series,); NEVER where none does.

        Returns:
            The windows, by begin and then by number.
        """
        concerned = np.flatnonzero(limits != NEVER)
        first_ns = np.full(len(self._series), GONE)
        np.minimum.at(first_ns, windows.number, windows.begin_ns)
        closed = self._series.closed[concerned]
        from_ns = np.where(closed == NEVER, first_ns[concerned], closed)
        return fill_windows(rule, self._standing, windows, last, concerned, from_ns, limits[concerned])

    def _postpone(self, limits: Times) -> bool:
        """Leave series out of `limits`, shape (series,), where too many would close at once.

        Those with the oldest points stay.

        Returns:
            Whether none was left out.
        """
        concerned = np.flatnonzero(limits != NEVER)
        if len(concerned) <= self.settings.series_at_once:
            return True
        order = np.argsort(self._series.oldest[concerned], kind="stable")
        limits[concerned[order[self.settings.series_at_once :]]] = NEVER
        return False

    def _part(self, rule: Rule, limits: Times) -> bool:
        """Bring `limits`, shape (series,), nearer where too many windows would be filled at once.

        Returns:
            Whether they are as they were, so that nothing that is due is left.
        """
        series = self._series
        concerned = np.flatnonzero(limits != NEVER)
        next_ns = self._next_fill_ns(rule, concerned)
        oldest = series.oldest[concerned]
        begins = np.where(next_ns == GONE, self._cut.begin(oldest), next_ns)
        windows = self._cut.number(limits[concerned]) - self._cut.number(begins)
        if windows.sum() <= _FILLED_AT_ONCE:
            return True
        each = max(_FILLED_AT_ONCE // len(concerned), 1)
        limits[concerned] = np.minimum(limits[concerned], self._cut.at(self._cut.number(begins) + each))
        return bool((windows <= each).all())

    def _next_fill_ns(self, rule: Rule, numbers: Ints) -> Times:
        """Return the next windows of some series that are filled unless a point comes, shape (n,); GONE for none."""
        closed = self._series.closed[numbers]
        stands = (closed != NEVER) & (closed <= self._standing.last_fill_ns(rule, numbers))
        return np.where(stands, closed, GONE)

    def _next_begins(self, numbers: Ints) -> Times:
        """Return the next windows of some series that close by the watermark, shape (n,); GONE for none."""
        regular = self._series.regular[numbers]
        return regular if self._rule is None else np.minimum(regular, self._next_fill_ns(self._rule, numbers))

    def _waiting(self) -> Ints:
        """Return the series that have windows to close."""
        series = self._series
        return np.flatnonzero((series.oldest != GONE) | (self._next_begins(np.arange(len(series))) != GONE))

    def _aggregated(self, rows: Ints, first: Ints, names: tuple[str, ...]) -> list[Aggregated]:
        """Take the rows of windows out of the log, and aggregate them in parts of limited memory.

        Args:
            rows: the rows of the windows, window by window, shape (m,).
            first: the position of each window's first row, shape (n,).
            names: the aggregates.

        Returns:
            The aggregates of the windows, in parts.
        """
        ends = np.append(first, len(rows))
        aggregated, begin = [], 0
        while begin < len(first):
            end = max(int(np.searchsorted(ends, ends[begin] + _POINTS_AT_ONCE, side="right")) - 1, begin + 1)
            window = np.repeat(np.arange(end - begin), np.diff(ends[begin : end + 1]))
            times, identities, values = self._log.take(rows[ends[begin] : ends[end]])
            aggregated.append(aggregate_windows(window, times, identities, values, names, self.settings.derivation))
            begin = end
        return aggregated

    def _due(self, everything: bool) -> Times:
        """Return up to where the windows of each series close, shape (series,); NEVER where none does."""
        series, settings = self._series, self.settings
        open_series = series.oldest != GONE
        if everything:
            return self._ends(open_series)
        reached = self._cut.begin(self.watermarks() - settings.lateness_ns)
        # A window that begins before this time is over; its own end overflows for GONE.
        due = self._next_begins(np.arange(len(series))) < reached
        bounds = np.where(due, reached, NEVER)
        if self._clock_ns is not None:
            is_idle = (series.arrived != NEVER) & (self._clock_ns - settings.idle_ns >= series.arrived)
            is_over = open_series & ~self.live() & is_idle
            if is_over.any():
                bounds = np.where(is_over, self._ends(is_over), bounds)
        return bounds

    def _ends(self, chosen: Bools) -> Times:
        """Return the end of the newest open window of the chosen series, shape (series,); NEVER for others."""
        ends = np.full(len(self._series), NEVER)
        numbers, times = self._log.numbers, self._log.times
        rows = np.flatnonzero((times != GONE) & chosen[numbers])
        np.maximum.at(ends, numbers[rows], self._cut.end(times[rows]))
        return ends

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
        number, begins = numbers[rows], self._cut.begin(times[rows])
        oldest = np.lexsort((number, begins))[:excess]
        early = np.full(len(self._series), NEVER)
        np.maximum.at(early, number[oldest], self._cut.after(begins[oldest]))
        return early

    def _due_clock(self, numbers: Ints) -> int:
        """Return the clock at which the first of some series has a window that is due; NEVER for at once."""
        series, settings = self._series, self.settings
        if not len(numbers):
            return GONE
        begins, newest = self._next_begins(numbers), series.newest[numbers]
        seen, arrived = series.seen[numbers], series.arrived[numbers]
        has_next = begins != GONE
        # How far the watermark has to go on.
        missing = self._cut.after(np.where(has_next, begins, 0), settings.lateness_ns) - newest
        if (missing[has_next] <= 0).any() or len(self._log) > self._most_points:
            return NEVER
        live = series.lag[numbers] <= settings.live_ns
        by_watermark = np.where(live & has_next, seen + missing, GONE)
        is_open = series.oldest[numbers] != GONE
        by_idle = np.where(~live & is_open & (arrived != NEVER), arrived + settings.idle_ns, GONE)
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

    def closed(self, numbers: Ints) -> Times:
        """Return the end of the newest closed window of some series, shape (n,); NEVER before there is one."""
        if len(numbers) and int(numbers.max()) >= len(self._series):
            self._grow(int(numbers.max()) + 1)
        return self._series.closed[numbers]

    def quiet_until(self) -> Times:
        """Return up to when all windows of each series are closed, by the points that have come, shape (series,).

        That is the watermark where no window is open. Elsewhere it is before the watermark by the lateness.
        """
        watermarks = self.watermarks()
        is_nothing_open = self._next_begins(np.arange(len(self._series))) >= self._cut.begin(watermarks)
        return np.where(is_nothing_open, watermarks, watermarks - self.settings.lateness_ns)

    def quiet(self, longest_ns: int) -> int:
        """Return how many live series have no window with points for longer than this, and none open."""
        watermarks = self.quiet_until()
        newest = np.maximum(self._series.newest, _LEAST_NS)
        since_ns = self._cut.span(self._cut.end(newest), self._cut.begin(watermarks))
        return int(np.count_nonzero(self.live() & (since_ns > longest_ns)))

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
        if self._rule is not None:
            self._standing.clear(numbers)
        if self._interruption is not None:
            self._interruption.forget(numbers)
        return len(rows)

    def resume(self) -> None:
        """Go on without the state of an earlier process: points that came meanwhile are known to nobody here."""
        self._interruption = self._interrupted(_NO_TIMES)

    def _interrupt(self, paused_ns: int, now_ns: int) -> tuple[Ints, Times]:
        """Take note that points of live series before those that arrive now may be lost.

        An import comes as it likes, so its pauses say nothing.

        Args:
            paused_ns: the host's clock when the pause began.
            now_ns: the host's clock.

        Returns:
            The series and begins of the windows in which the pause began, of those that the clock has closed since.
        """
        settings, live = self.settings, self.live()
        newest = self._series.newest.copy()
        np.maximum.at(newest, self._log.numbers, self._log.times)
        newest[~live] = NEVER
        self._interruption = Interruption(self._cut, settings.lateness_ns, newest)
        self._interruption.look(now_ns)
        begins = self._cut.begin(newest)
        # A series that was silent before lost nothing in this pause.
        is_near = can_hold(self._cut.after(begins), settings.lateness_ns, paused_ns, self._series.lag, live)
        torn = np.flatnonzero((newest != NEVER) & is_near & (begins < self._series.closed))
        return torn, begins[torn]

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
                self._grow(int(numbers.max()) + 1)
            place = np.zeros(len(self._series), dtype=np.int32)
            place[numbers] = np.arange(len(numbers))
            log["point_number"] = place[log["point_number"]]
        numbers = self._series.known() if numbers is None else numbers
        standing = {} if self._rule is None else self._standing.state(numbers)
        return {"layout": about, "clock_ns": clock, **self._series.state(numbers), **standing, **log}

    def restore(self, arrays: Mapping[str, AnyArray]) -> None:
        """Go on where `state` was taken.

        Args:
            arrays: what `state` returned.

        Raises:
            ValueError: the arrays are of another layout, or of other windows. Nothing has changed then.
        """
        names = {"layout", "clock_ns", *(f"series_{name}" for name in _NOTHING), *PointLog(1).state()}
        if self._rule is not None:
            names.update(STANDING_ARRAYS)
        if set(arrays) != names:
            raise ValueError(f"the state has the arrays {sorted(arrays)}, this version reads {sorted(names)}")
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
        standing = Standing(self.settings.watched, len(series) if self._rule else 0)
        if self._rule is not None:
            shapes = [arrays[name].shape for name in STANDING_ARRAYS]
            if shapes != 2 * [(min(lengths), self.settings.watched)]:
                raise ValueError(f"the state has last values of {shapes} for {min(lengths)} series")
            standing.restore(arrays)
        for name in _NOTHING:
            getattr(series, name)[: min(lengths)] = arrays[f"series_{name}"]
        clock_ns = int(arrays["clock_ns"][0])
        self._log = restored(self.settings.fields, arrays)
        self._series = series
        self._standing = standing
        self._host_ns = None
        self._clock_ns = None if clock_ns == NEVER else clock_ns
        self._next_ns = self._due_clock(self._waiting())
        newest = series.newest[: min(lengths)].copy()
        np.maximum.at(newest, self._log.numbers, self._log.times)
        self._interruption = self._interrupted(newest)

    def _interrupted(self, newest_ns: Times) -> Interruption:
        """Return the time in which nobody took points, after these newest points of each series, shape (n,)."""
        settings = self.settings
        return Interruption(self._cut, settings.lateness_ns, newest_ns, settings.idle_ns)


def _refused(number: Ints, times: Times, furthest: np.ufunc) -> RefusedPoints:
    if not len(number):
        return _NONE_REFUSED
    order = np.argsort(number, kind="stable")
    number, times = number[order], times[order]
    first = np.flatnonzero(changes(number))
    return RefusedPoints(number[first], np.diff(first, append=len(number)), furthest.reduceat(times, first))
