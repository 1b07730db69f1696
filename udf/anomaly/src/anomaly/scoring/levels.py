"""New levels: what has been going on for long enough is how a series is now.

While a series has periods, its windows are kept, thinned. Once that has lasted for the pipeline's `periods.new_level`,
and most of the windows were anomalous, the last ones too, they are taken for the series' new course: a level, a slope
where the windows lie on a line, and how far they scatter. The period ends with the reason `new level`, and detectors
see later windows as they would be at the old level: less the course, in units of the old scatter. So everything that
training taught holds from there on, and a volume that fills is followed along its line.

A day is long enough by default, so that the medians of a course and of training both are of whole days. What is beyond
a limit, and a sensor whose values do not differ any more, is not a level. A change in which no feature has moved is not
a new level where several fields may have parted. In one field alone, it is over, and its scores are usual from then on
(`anomaly.scoring.usual_scores`), as are those that a series still has at its new level after detectors have learnt it.

Everything depends on the windows alone, one after the other. So a catch-up and a backtest find the levels of serving.

Reference: the slope is a median of slopes between pairs of windows, as in Theil, "A rank-invariant method of linear and
polynomial regression analysis", Proceedings of the KNAW 53, 1950; here of the pairs that are half of the change apart.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from anomaly.models.features import MAD_TO_SIGMA, Feature, Scaling, unshape
from anomaly.models.model import Verdicts
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline.specification import SPREADS
from anomaly.scoring.packing import Arrays, document, text
from anomaly.scoring.periods import Rules
from anomaly.scoring.series_table import SeriesTable
from anomaly.scoring.usual_scores import HOURS, UsualScores, hours_of
from anomaly.scoring.usual_scores import Read as ReadUsualScores
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times

_MOST_KEPT = 256
# What changes keep may take this share of the pipeline's memory.
_SHARE = 0.25
# At least this share of the windows must be anomalous; where fewer are, a line is measured anew.
_ANOMALOUS = 0.5
# A level has moved by at least this many scales, and a scatter has grown or shrunk by at least this factor.
_MOVED, _WIDER = 1.0, 1.5
# Windows lie on a line that leaves at most this share of their scatter.
_LINEAR = 1.0 / 3.0
# Or, where training knows no rhythm, on one that rises by this many of their deviations from it.
_PLAIN, _STEEP = 2.0, 2.0
# Two new levels that follow each other within this many of the stated times may be a line.
_IN_A_ROW = 2.5
# Windows on a line rise from their first sixteenth to their last one by this share of its slope, at least and at most.
_EDGE, _LEAST_RISE, _MOST_RISE = 16, 0.5, 2.0
# The ends of a day are this part of it each, and have this many windows at least.
_END, _LEAST_END = 8, 8
# A rise from one end to the other is this many errors of theirs at least, and leaves this much of the usual scatter.
_CERTAIN, _LEFT = 4.0, 1.25
# A line's slope is not farther than this share of it from its rise in days.
_ALIKE = 0.5
# A change of one field in which windows became anomalous this many times is how the series is now, if few are, too.
_OFTEN = 24
# A spread below this share of the typical one is that of a sensor which is stuck.
_STUCK = 0.1
_VERSION, _COURSES, _CHANGES, _KEPT, _ANOMALIES = "version", "courses", "changes", "kept", "kept_anomalous"
_SCORES = "changes_scores"

# What `Levels.read` returns: the model's version, courses and changes by the positions of series, and usual scores.
Read = tuple[str | None, "dict[int, Course]", "dict[int, _Change]", ReadUsualScores]
# Lets detectors begin a series anew with windows as they would be at the old level, of which it takes the begins and
# aggregates, and returns how they would score when they come again.
Relearn = Callable[[Times, Floats], Floats]
# Tells whether people said that something was an anomaly between a begin and an end.
IsConfirmed = Callable[[int, int], bool]


@dataclass(frozen=True, slots=True)
class Course:
    """What a series' values follow now, for d features.

    Attributes:
        since_ns: the time of `level`.
        level: the level then, shape (d,), in the aggregates' own units; 0 of spreads.
        slope: how much the level rises in a nanosecond, shape (d,).
        wider: the factor by which values scatter more than in training, shape (d,).
        center: what the level is taken for, shape (d,); 0 of spreads.
    """

    since_ns: int
    level: Floats
    slope: Floats
    wider: Floats
    center: Floats

    def as_before(self, begin_ns: Times, values: Floats) -> Floats:
        """Return aggregates, shape (n, d), of windows with begins of shape (n,) as they would be at the old level."""
        return (values - self._at(begin_ns)) / self.wider + self.center

    def as_now(self, begin_ns: Times, values: Floats, columns: slice) -> Floats:
        """Return aggregates of the old level, shape (n, f), which are those of `columns`, as they are now."""
        return (values - self.center[columns]) * self.wider[columns] + self._at(begin_ns)[:, columns]

    @property
    def have_moved(self) -> Bools:
        """Which features are not as in training, shape (d,); their spreads never are among them."""
        return np.asarray((self.level != 0.0) | (self.slope != 0.0) | (self.center != 0.0))

    def _at(self, begin_ns: Times) -> Floats:
        return self.level + self.slope * (begin_ns - self.since_ns)[:, None]


@dataclass(slots=True)
class _Change:
    """What has been going on in a series since a period began.

    What it keeps of windows is packed, as objects would take eight times the memory that `Levels` reckons with.

    Attributes:
        begin_ns: the begin of its first anomalous window.
        anomalous_ns: the end of its last one.
        last_ns: the begin of its last window.
        count: how many windows it has.
        anomalous: how many of them are anomalous.
        stride: one of this many windows is kept.
        kept_ns: begins of the windows that are kept.
        kept: their aggregates, d of each window, one window after the other.
        were_anomalous: whether each of them is anomalous.
        scores: the highest score in each hour of the day, shape (24,).
        times: how many times windows became anomalous.
    """

    begin_ns: int
    anomalous_ns: int = 0
    last_ns: int = 0
    count: int = 0
    anomalous: int = 0
    stride: int = 1
    kept_ns: "array[int]" = field(default_factory=lambda: array("q"))
    kept: "array[float]" = field(default_factory=lambda: array("d"))
    were_anomalous: bytearray = field(default_factory=bytearray)
    scores: Floats = field(default_factory=lambda: np.zeros(HOURS))
    times: int = 0

    def keep(self, begin_ns: int, values: Floats, score: float, *, anomalous: bool) -> None:
        """Count a window, and keep it if it is one in `stride`."""
        hour = int(hours_of(np.array([begin_ns]))[0])
        self.scores[hour] = max(self.scores[hour], score)
        if self.count % self.stride == 0:
            if len(self.kept_ns) == _MOST_KEPT:
                self.stride *= 2
                self.kept = array("d", self.values(len(values))[::2].tobytes())
                del self.kept_ns[1::2], self.were_anomalous[1::2]
            if self.count % self.stride == 0:
                self.kept_ns.append(begin_ns)
                self.kept.extend(values.tolist())
                self.were_anomalous.append(anomalous)
        self.last_ns = begin_ns
        self.count += 1
        self.anomalous += anomalous

    def values(self, width: int) -> Floats:
        """Return the aggregates of the kept windows, shape (k, d), where `width` is d."""
        return np.array(self.kept).reshape(-1, width)

    def goes_on(self, recent_ns: int) -> bool:
        """Tell whether most windows are anomalous, and most of the last `recent_ns`, too."""
        recent = [
            each
            for at_ns, each in zip(self.kept_ns, self.were_anomalous, strict=True)
            if at_ns > self.last_ns - recent_ns
        ]
        return self.anomalous >= _ANOMALOUS * self.count and sum(recent) >= _ANOMALOUS * len(recent)


class Levels:
    """The levels of the series of a table that have changed.

    Args:
        table: the series.
        rules: when periods open and close, and when a level is new.
        wanted: the d features.
        memory_bytes: the pipeline's memory. Beyond a share of it, no further series is followed until one is calm.
    """

    def __init__(self, table: SeriesTable, rules: Rules, all_features: Sequence[Feature], memory_bytes: int) -> None:
        self._rules = rules
        self._cut = rules.cut
        self._most = max(1, int(_SHARE * memory_bytes) // (8 * _MOST_KEPT * (1 + len(all_features))))
        self._spread = np.array([feature.aggregate in SPREADS for feature in all_features])
        self._width = len(all_features)
        self._has_one_field = len({feature.field for feature in all_features}) == 1
        self.usual_scores = UsualScores(table, rules, self._most, may_recur=self._has_one_field)
        self._version: str | None = None
        self._has_moved: Bools = table.column(np.bool_)
        self._courses: dict[int, Course] = table.objects()
        self._is_followed: Bools = table.column(np.bool_)
        self._changes: dict[int, _Change] = table.objects()

    def go_on_with(self, version: str) -> None:
        """Forget the levels of another model, which has learnt from other data."""
        if self._version != version:
            self._version = version
            self._has_moved[:] = False
            self._is_followed[:] = False
            self._courses.clear()
            self._changes.clear()
            self.usual_scores.clear()

    def may_settle(self, row: Ints, first_ns: Times, last_ns: Times) -> Bools:
        """Return which of s series may get a new level with their next windows, shape (s,).

        Args:
            row: the rows of the series, shape (s,).
            first_ns: the begins of their first windows, shape (s,).
            last_ns: the begins of their last windows, shape (s,).
        """
        begin_ns = first_ns.copy()
        for at in np.flatnonzero(self._is_followed[row]).tolist():
            change = self._changes.get(int(row[at]))
            if change is not None:
                begin_ns[at] = min(begin_ns[at], change.begin_ns)
        may_have_lasted = self._cut.span(begin_ns, self._cut.after(last_ns)) >= self._rules.new_level_ns
        return np.asarray(may_have_lasted | self.usual_scores.may_settle(row, first_ns, last_ns))

    def stretch(self, row: int, begin_ns: Times) -> int:
        """Return how many of the next windows, with begins of shape (n,), can be judged before a level may be new."""
        change = self._changes.get(row)
        since_ns = int(begin_ns[0]) if change is None else min(change.begin_ns, int(begin_ns[0]))
        lasted_ns = self._cut.nominal(begin_ns) + self._rules.window_ns - self._cut.nominal(np.array([since_ns]))
        reach = lasted_ns >= self._rules.new_level_ns
        # Where time goes back, a change is over.
        back = np.flatnonzero(np.diff(begin_ns) <= 0)
        most = [len(begin_ns), *(np.flatnonzero(reach)[:1] + 1).tolist(), *(back[:1] + 1).tolist()]
        return min(int(min(most)), self.usual_scores.stretch(row, begin_ns))

    def as_before(self, row: Ints, begin_ns: Times, values: Floats) -> Floats:
        """Return aggregates as they would be at the old level of each series.

        Args:
            row: the rows of the windows' series, shape (n,).
            begin_ns: the windows' begins, shape (n,).
            values: aggregates, shape (n, d), which stay as they are.

        Returns:
            Aggregates, shape (n, d).
        """
        moved = self._has_moved[row]
        if not moved.any():
            return values
        values = values.copy()
        for one in np.unique(row[moved]).tolist():
            is_own = row == one
            values[is_own] = self._courses[one].as_before(begin_ns[is_own], values[is_own])
        return values

    def as_now(self, row: Ints, begin_ns: Times, values: Floats, verdicts: Verdicts) -> Verdicts:
        """Return verdicts on windows at the old level with their own values, and the usual ranges of now.

        Args:
            row: the rows of the windows' series, shape (n,).
            begin_ns: the windows' begins, shape (n,).
            values: their aggregates, shape (n, d).
            verdicts: what the model says of `as_before`.
        """
        moved = self._has_moved[row]
        if not moved.any():
            return verdicts
        step = self._width // verdicts.value.shape[1]
        low, high = verdicts.expected_low.copy(), verdicts.expected_high.copy()
        for one in np.unique(row[moved]).tolist():
            is_own, course = row == one, self._courses[one]
            for each in (low, high):
                each[is_own] = course.as_now(begin_ns[is_own], each[is_own], slice(None, None, step))
        return replace(verdicts, value=values[:, ::step], expected_low=low, expected_high=high)

    def have_moved(self, row: Ints) -> Bools:
        """Return which of n windows, whose series' rows are given, shape (n,), are judged as if at an old level."""
        return np.asarray(self._has_moved[row])

    def are_followed(self, row: Ints) -> Bools:
        """Return of which series, shape (n,), `feed` wants all windows: those that change, or rise along a line."""
        return np.asarray(self._is_followed[row])

    def feed(self, row: int, begin_ns: int, values: Floats, score: float = 0.0, *, anomalous: bool) -> bool:
        """Take the next window of a series into account; those of a calm series that rises on no line may be left out.

        Args:
            row: the series.
            begin_ns: the window's begin.
            values: its aggregates, shape (d,), which are the window's own.
            score: its score.
            anomalous: whether it belongs to a period, as far as is known by then.

        Returns:
            Whether that has lasted for long enough, or has come again. Then `settle` says whether that is usual now.
        """
        recurs = anomalous and self.usual_scores.feed(row, begin_ns, score)
        change, end_ns, rises = self._changes.get(row), self._cut.after(begin_ns), self._rises(row)
        if change is not None:
            before_ns = change.last_ns if rises else change.anomalous_ns
            if begin_ns <= change.last_ns or self._cut.span(before_ns, end_ns) > self._rules.apart_ns:
                self._end(row)
                change = None
        if change is None:
            if (not anomalous and not rises) or len(self._changes) >= self._most:
                return recurs
            change = self._changes[row] = _Change(begin_ns)
            self._is_followed[row] = True
        change.keep(begin_ns, values, score, anomalous=anomalous)
        if anomalous:
            change.times += change.anomalous_ns != begin_ns
            change.anomalous_ns = end_ns
        return recurs or ((anomalous or rises) and self._has_lasted(change))

    def settle(
        self,
        row: int,
        scaling: Scaling,
        baseline: int | None,
        *,
        is_open: bool,
        relearn: Relearn | None = None,
        close: float = 0.0,
        is_confirmed: IsConfirmed = lambda begin_ns, end_ns: False,
    ) -> bool:
        """End the change of a series, and begin its new course if there is one; else let its scores be usual.

        A series that rises along a line and is mostly calm has its line measured anew, which is not a new level. A
        change whose last windows are mostly calm goes on, as it may be over.

        Args:
            row: the series.
            scaling: the model's baselines.
            baseline: the series' row there; None for a series without a baseline, which learns one anew.
            is_open: whether the series has a period that may end with a new level.
            relearn: lets detectors begin the series anew; None: scores at a new course are as in training.
            close: the score that prolongs a period.
            is_confirmed: tells whether something was a confirmed anomaly, which is not usual although it recurs.

        Returns:
            Whether what goes on or recurs is how the series is now.
        """
        change = self._changes.get(row)
        if (
            change is not None
            and self._has_lasted(change)
            and self._settle_change(row, change, scaling, baseline, is_open=is_open, relearn=relearn, close=close)
        ):
            return True
        may_recur = is_open and baseline is not None and self.usual_scores.recurs(row)
        if may_recur and not is_confirmed(*self.usual_scores.recurring(row)):
            self.usual_scores.settle(row)
            return True
        return False

    def _settle_change(
        self,
        row: int,
        change: _Change,
        scaling: Scaling,
        baseline: int | None,
        *,
        is_open: bool,
        relearn: Relearn | None,
        close: float,
    ) -> bool:
        """Settle a change that has lasted for long enough, as `settle` describes."""
        rises = self._rises(row)
        is_mostly_calm = change.anomalous < _ANOMALOUS * change.count
        if not is_mostly_calm and not change.goes_on(self._rules.apart_ns):
            # What was over for long, and has only just come again, may be the echo of a fault.
            return False
        self._end(row)
        if is_mostly_calm and is_open and baseline is not None and self._has_one_field and change.times >= _OFTEN:
            # Detectors have learnt from the calm windows between.
            self.usual_scores.add(row, change.scores)
            return True
        is_change = is_open and not is_mostly_calm
        if not is_change and not (rises and is_mostly_calm):
            return False
        values, times_ns = change.values(self._width), np.array(change.kept_ns, dtype=np.int64)
        usual_spread = self._usual_spread(scaling, baseline or 0)
        if self._is_stuck(values, usual_spread, scaling.typical[baseline or 0]):
            return False
        if baseline is None:
            return True
        course = self._course(values, times_ns, scaling, baseline)
        # A series that has moved may be at the level of training again.
        before = self._courses.get(row)
        is_new = is_change and self._differ(before or self._still(course.since_ns), course, scaling, baseline)
        if before is not None:
            self._extend(before, course, values, times_ns)
        goes_on = rises and before is not None and bool((course.slope * before.slope > 0.0).any())
        # What moves no field may be fields that have parted, which is a fault; one field has none to part from.
        if not is_new and not goes_on and not (is_change and self._has_one_field):
            return False
        if is_new or goes_on or rises:
            self._courses[row] = course
            self._has_moved[row] = True
            self._is_followed[row] = self._rises(row)
        now = self._courses.get(row)
        if is_change and relearn is not None:
            scores = relearn(times_ns, values if now is None else now.as_before(times_ns, values))
            highest = np.zeros(HOURS)
            np.maximum.at(highest, hours_of(times_ns), scores)
            self.usual_scores.set(row, np.where(highest >= close, highest, 0.0))
        return is_change

    def _has_lasted(self, change: _Change) -> bool:
        """Tell whether a change has lasted for long enough to be a new level."""
        return bool(self._cut.span(change.begin_ns, self._cut.after(change.last_ns)) >= self._rules.new_level_ns)

    def _rises(self, row: int) -> bool:
        """Return whether a series follows a line."""
        return row in self._courses and bool(self._courses[row].slope.any())

    def _end(self, row: int) -> None:
        self._changes.pop(row, None)
        self._is_followed[row] = self._rises(row)

    def _usual_spread(self, scaling: Scaling, row: int) -> Floats:
        """Return the median of each spread in training, shape (d,); other features have a number without a meaning."""
        return np.asarray(scaling.typical[row] * unshape(scaling.center[row]))

    def _is_stuck(self, values: Floats, usual: Floats, typical: Floats) -> bool:
        """Tell whether values of a sensor do not differ any more, although most windows of training had some spread."""
        known = values[:, self._spread]
        enough = np.isfinite(known).mean(axis=0) >= _ANOMALOUS
        spreads = np.median(np.where(np.isfinite(known), known, 0.0), axis=0)
        moved = usual >= _STUCK * typical
        return bool((enough & moved[self._spread] & (spreads < _STUCK * usual[self._spread])).any())

    def _differ(self, before: Course, now: Course, scaling: Scaling, baseline: int) -> bool:
        """Tell whether one course has moved away from another, in units of the series' scales."""
        center = np.where(self._spread, 0.0, scaling.center[baseline])[None]
        scale = np.where(self._spread, np.inf, scaling.scale[baseline])
        at_ns = np.array([now.since_ns])
        every = slice(None)
        away = np.abs(now.as_now(at_ns, center, every) - before.as_now(at_ns, center, every))[0]
        wider = now.wider / before.wider
        is_line = (now.slope != 0.0) & (before.slope == 0.0)
        return bool(((away > _MOVED * scale) | (wider >= _WIDER) | (wider <= 1.0 / _WIDER) | is_line).any())

    def _still(self, since_ns: int) -> Course:
        """Return the course of a series that has not moved."""
        d = self._width
        return Course(since_ns, np.zeros(d), np.zeros(d), np.ones(d), np.zeros(d))

    def _extend(self, before: Course, now: Course, values: Floats, times_ns: Times) -> None:
        """Measure slopes over the time between two courses, which is longer than that of one change.

        Two levels in a row are a slope, too: a rhythm of the day may hide the line in a single day. Values on a line
        have risen from the begin of the change to its end, which are at about the same time of day; values that have
        changed their level have not.

        Args:
            before: the course before.
            now: the course of the change, which is changed.
            values: the aggregates of the change's kept windows, shape (k, d).
            times_ns: their begins, shape (k,).
        """
        apart_ns = now.since_ns - before.since_ns
        if apart_ns <= 0:
            return
        are_in_a_row = apart_ns <= _IN_A_ROW * self._rules.new_level_ns
        for column in np.flatnonzero(before.have_moved & now.have_moved).tolist():
            known = np.isfinite(values[:, column])
            own_values, since_ns = values[known, column], times_ns[known] - now.since_ns
            # Both levels are those of values without the slope that was known before.
            slope_before, level_before = float(before.slope[column]), float(before.level[column])
            slope = (float(np.median(own_values - slope_before * since_ns)) - level_before) / apart_ns
            may_rise = slope_before * slope > 0.0
            may_rise |= are_in_a_row and slope_before == 0.0 and float(now.slope[column]) == 0.0
            # Equal levels are not a line.
            if slope and may_rise and _LEAST_RISE <= rise_of(own_values, since_ns) / slope <= _MOST_RISE:
                now.slope[column] = slope
                now.level[column] = np.median(own_values - slope * since_ns)

    def _course(self, values: Floats, times_ns: Times, scaling: Scaling, baseline: int) -> Course:
        """Return the course of kept windows, shape (k, d); features that have not moved stay as they were."""
        center, scale, typical = (getattr(scaling, name)[baseline] for name in ("center", "scale", "typical"))
        usual_spread = self._usual_spread(scaling, baseline)
        course = self._still(int(np.median(times_ns)))
        for column in range(self._width):
            known = np.isfinite(values[:, column])
            if known.sum() < max(2.0, _ANOMALOUS * len(values)):
                continue
            own_values, at_ns = values[known, column], times_ns[known]
            if self._spread[column]:
                spread = float(np.median(own_values))
                ratio = spread / float(usual_spread[column])
                # Where training hardly moved, no spread that is as small is a change.
                is_still = max(spread, float(usual_spread[column])) < _STUCK * float(typical[column])
                if not is_still and not 1.0 / _WIDER < ratio < _WIDER:
                    course.wider[column] = ratio
                continue
            slope, residuals = line_of(own_values, at_ns - course.since_ns, float(scale[column]))
            level = float(np.median(residuals))
            wider = scatter(residuals) / float(scale[column])
            if slope or wider > _WIDER or abs(level - float(center[column])) > _MOVED * float(scale[column]):
                course.level[column], course.slope[column] = level, slope
                course.wider[column] = wider if wider > _WIDER else 1.0
                course.center[column] = center[column]
        return course

    def state(self, row: Ints) -> dict[str, AnyArray]:
        """Return what is remembered of the series of some rows, shape (n,), as arrays by name."""
        rows = row.tolist()
        moved = [at for at, one in enumerate(rows) if one in self._courses]
        changing = [at for at, one in enumerate(rows) if one in self._changes]
        usual_scores = self.usual_scores.state(row)
        if not moved and not changing and not usual_scores:
            return {}
        courses = [self._courses[rows[at]] for at in moved]
        changes = [self._changes[rows[at]] for at in changing]
        maps = [[each.level, each.slope, each.wider, each.center] for each in courses]
        return {
            _VERSION: text([self._version, moved, [each.since_ns for each in courses], changing]),
            _COURSES: np.array(maps).reshape(-1, 4, self._width),
            _CHANGES: np.array(
                [
                    [
                        each.begin_ns,
                        each.anomalous_ns,
                        each.last_ns,
                        each.count,
                        each.anomalous,
                        each.stride,
                        len(each.kept_ns),
                        each.times,
                    ]
                    for each in changes
                ],
                dtype=np.int64,
            ).reshape(-1, 8),
            _KEPT: np.concatenate([np.empty((0, self._width)), *(each.values(self._width) for each in changes)]),
            f"{_KEPT}_ns": np.array([at_ns for each in changes for at_ns in each.kept_ns], dtype=np.int64),
            _ANOMALIES: np.array([one for each in changes for one in each.were_anomalous], dtype=np.bool_),
            _SCORES: np.array([each.scores for each in changes]).reshape(-1, HOURS),
            **usual_scores,
        }

    def read(self, arrays: Arrays) -> Read:
        """Return what `state` remembers of series by their positions, for `restore`.

        Args:
            arrays: what `state` returned, and perhaps others.

        Raises:
            KeyError: the state does not fit the pipeline.
            TypeError: likewise.
            ValueError: likewise.
        """
        if _VERSION not in arrays:
            return None, {}, {}, ({}, {})
        version, moved, since_ns, changing = document(arrays[_VERSION])
        maps, numbers, kept, kept_ns = (arrays[name] for name in (_COURSES, _CHANGES, _KEPT, f"{_KEPT}_ns"))
        # A state of a release before does not tell it.
        anomalies = arrays[_ANOMALIES] if _ANOMALIES in arrays else np.ones(len(kept_ns), dtype=np.bool_)
        scores = arrays[_SCORES] if _SCORES in arrays else np.zeros((len(changing), HOURS))
        if maps.shape != (len(moved), 4, self._width) or kept.shape != (len(kept_ns), self._width):
            raise ValueError(f"levels of the shapes {maps.shape} and {kept.shape} for {self._width} features")
        if anomalies.shape != kept_ns.shape:
            raise ValueError(
                f"levels keep {kept_ns.shape} windows, and of {anomalies.shape} whether they are anomalous"
            )
        if scores.shape != (len(changing), HOURS):
            raise ValueError(f"levels have scores of the shape {scores.shape} for {len(changing)} changes")
        courses = {
            at: Course(int(at_ns), *(np.array(part, dtype=np.float64) for part in each))
            for at, at_ns, each in zip(moved, since_ns, maps, strict=True)
        }
        changes: dict[int, _Change] = {}
        begin = 0
        for at, numbered, highest in zip(changing, numbers.tolist(), scores, strict=True):
            # A state of a release before does not tell how many times windows became anomalous.
            begin_ns, anomalous_ns, last_ns, count, anomalous, stride, length, *times = numbered
            own = slice(begin, begin + length)
            changes[at] = _Change(
                begin_ns,
                anomalous_ns,
                last_ns,
                count,
                anomalous,
                stride,
                array("q", kept_ns[own].tolist()),
                array("d", kept[own].ravel().tolist()),
                bytearray(anomalies[own].tolist()),
                np.array(highest),
                *times,
            )
            begin += length
        return version, courses, changes, self.usual_scores.read(arrays)

    def restore(self, row: Ints, read: Read) -> None:
        """Go on where `state` was taken.

        Args:
            row: the rows of its n series, shape (n,).
            read: what `read` returned.
        """
        version, courses, changes, usual_scores = read
        for one in row.tolist():
            self._courses.pop(one, None)
            self._end(one)
        self._has_moved[row] = False
        self.usual_scores.restore(row, None)
        if version is None:
            return
        if self._version is None:
            self._version = version
        if self._version != version:
            return
        self.usual_scores.restore(row, usual_scores)
        for at, course in courses.items():
            self._courses[int(row[at])] = course
            self._has_moved[row[at]] = True
            self._is_followed[row[at]] = self._rises(int(row[at]))
        for at, change in changes.items():
            self._changes[int(row[at])] = change
            self._is_followed[row[at]] = True


def line_through(values: Floats, at_ns: Times, scale: float) -> tuple[float, Floats]:
    """Find the line of values.

    Args:
        values: the values, shape (k,), by time.
        at_ns: their times, shape (k,).
        scale: how far values scatter in training.

    Returns:
        The slope, and the values less it, shape (k,); 0 and the values where they lie on no line.
    """
    slope = slope_of(values, at_ns)
    residuals = values - slope * at_ns
    left, noise = scatter(residuals), scatter(np.diff(values)) / np.sqrt(2.0)
    # Where training scattered like noise, it had no rhythm, of which a part could be taken for a line.
    is_plain = scale <= _PLAIN * noise and left <= _WIDER * scale
    is_steep = abs(slope) * float(at_ns[-1] - at_ns[0]) >= _STEEP * left
    if slope and (left <= _LINEAR * scatter(values) or (is_plain and is_steep)):
        return slope, residuals
    return 0.0, values


def rise_of(values: Floats, at_ns: Times) -> float:
    """Return how fast values, shape (k,), rise from their first sixteenth to their last one.

    Args:
        values: the values, by time; two at least.
        at_ns: their times, shape (k,).
    """
    edge = max(len(values) // _EDGE, 1)
    first, last = slice(None, edge), slice(-edge, None)
    run_ns = np.median(at_ns[last]) - np.median(at_ns[first])
    return float((np.median(values[last]) - np.median(values[first])) / run_ns)


def line_of(values: Floats, at_ns: Times, scale: float) -> tuple[float, Floats]:
    """Find the line of values, which may have a rhythm of the day; `line_through` describes it."""
    slope, residuals = line_through(values, at_ns, scale)
    in_days = rise_in_days(values, at_ns)
    if slope and in_days is not None:
        rise, error = in_days
        # A part of a rhythm ends where it began.
        if abs(rise - slope) > _CERTAIN * error + _ALIKE * abs(slope):
            slope, residuals = 0.0, values
    if not slope and in_days is not None:
        rise, error = in_days
        risen = values - rise * at_ns
        if abs(rise) >= _CERTAIN * error and scatter(risen) <= _LEFT * scale:
            return rise, risen
    return slope, residuals


def rise_in_days(values: Floats, at_ns: Times) -> tuple[float, float] | None:
    """Return how fast values rise from one day to the next, and the error of that.

    Each end of the values is a line through some hours. Both ends are at the same time of day where their lines meet
    the begin and the end of whole days, so a rhythm of the day bends them alike.

    Args:
        values: the values, shape (k,), by time.
        at_ns: their times, shape (k,).

    Returns:
        The slope and its error; None where the values last for less than a day.
    """
    step_ns = float(np.median(np.diff(at_ns)))
    days = int((at_ns[-1] - at_ns[0] + step_ns + DAY_NS / _EDGE) // DAY_NS)
    until_ns = float(at_ns[-1]) + step_ns
    since_ns = max(until_ns - days * DAY_NS, float(at_ns[0]))
    first, last = at_ns < since_ns + DAY_NS / _END, at_ns >= until_ns - DAY_NS / _END
    first &= at_ns >= since_ns
    if days < 1 or min(first.sum(), last.sum()) < _LEAST_END:
        return None
    ends = [
        values[chosen] - slope_of(values[chosen], at_ns[chosen]) * (at_ns[chosen] - end_ns)
        for chosen, end_ns in ((first, since_ns), (last, until_ns))
    ]
    rise = float(np.median(ends[1]) - np.median(ends[0]))
    error = float(np.hypot(*(scatter(end) / np.sqrt(len(end)) for end in ends)))
    return rise / (days * DAY_NS), error / (days * DAY_NS)


def slope_of(values: Floats, at_ns: Times) -> float:
    """Return the median of the slopes between pairs of values, shape (k,), that are half of them apart."""
    half = len(values) // 2
    rise, run_ns = values[half:] - values[: len(values) - half], at_ns[half:] - at_ns[: len(values) - half]
    return float(np.median(rise / run_ns))


def scatter(values: Floats) -> float:
    """Return the standard deviation of values, shape (k,), by their median deviation from the median."""
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))
