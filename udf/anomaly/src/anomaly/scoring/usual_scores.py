"""Usual scores: what has been told of a series, and goes on or comes again each day, is usual from then on.

A new level (`anomaly.scoring.levels`) says how values have moved and scattered. Some changes are none: a job that runs
each night from now on, an evening that is busier than before, values that scatter in another manner. Such a change is
not told for ever, either. From then on, the scores that it has shown are usual: each hour of the day has its highest
score, and only what a score has beyond those of its hour and of both neighbours counts. Other hours are judged as
before.

Anomalous windows that follow each other are a run. A run recurs when it began at about the time at which one began a
day before, and has lasted for half as long as that one. Two faults on two days may be alike by chance, so what recurs
is usual from the third day on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from anomaly.models.model import Verdicts
from anomaly.nanoseconds import DAY_NS, HOUR_NS
from anomaly.scoring.packing import Arrays
from anomaly.scoring.periods import Rules
from anomaly.scoring.series_table import SeriesTable
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times

HOURS = DAY_NS // HOUR_NS
# Scores up to this many times the highest one that a change has shown are usual after it.
_BEYOND = 1.5
# A run recurs where it begins this share of the length of the one before earlier or later at most, and this long.
_ABOUT, _ABOUT_NS = 0.25, HOUR_NS
# Half an hour is about the same time where the run lasts for that long.
_JITTER_NS = HOUR_NS // 2
# The highest scores of both differ by this factor at most.
_ALIKE = 1.6
# It has to last for this share of that length.
_RECURS = 0.5
# A longer run does not recur, as it may be a level.
_LONGEST_NS = DAY_NS // 2
# A series has this many runs at most.
_MOST_RUNS = 16
_RUN_ROWS, _RUNS, _RUN_SCORES, _ROWS, _SCORES = "run_rows", "runs", "run_scores", "usual_rows", "usual_scores"


@dataclass(slots=True)
class _Run:
    """Anomalous windows of a series that follow each other.

    Attributes:
        begin_ns: the begin of the first one.
        end_ns: the end of the last one.
        since_ns: the begin of the first of those runs that recurred each day up to this one.
        score: their highest score.
    """

    begin_ns: int
    end_ns: int
    since_ns: int
    score: float

    @property
    def length_ns(self) -> int:
        """How long the run has lasted."""
        return self.end_ns - self.begin_ns


# Runs and usual scores of series by their positions.
Read = tuple[dict[int, list[_Run]], dict[int, Floats]]


class UsualScores:
    """The scores that are usual for the series of a table, and the runs of these.

    Args:
        table: the series.
        rules: when periods close, and when a change is told to be over.
        most: of how many series runs are remembered.
        may_recur: whether a run that recurs is usual, so that runs are remembered at all.
    """

    def __init__(self, table: SeriesTable, rules: Rules, most: int, *, may_recur: bool = True) -> None:
        self._rules = rules
        self._cut = rules.cut
        self._most = most
        self._has_scores: Bools = table.column(np.bool_)
        self._scores: Floats = table.column(np.float64, HOURS)
        self._runs: dict[int, list[_Run]] = table.objects()
        # The begin of the last window that may belong to a run that recurs one of the series.
        self._until_ns: Times = table.column(np.int64)
        # Runs fill all of the room for those that are older than this.
        self._is_full_before_ns = 0
        # Where windows are longer, a run says nothing of the time of day.
        self._may_recur = may_recur and rules.window_ns <= HOUR_NS

    def clear(self) -> None:
        """Forget everything, as another model has other scores."""
        self._scores[self._has_scores] = 0.0
        self._has_scores[:] = False
        self._until_ns[list(self._runs)] = 0
        self._runs.clear()
        self._is_full_before_ns = 0

    def lowered(
        self, row: Ints, begin_ns: Times, verdicts: Verdicts, severities: Callable[[Floats], Floats]
    ) -> Verdicts:
        """Return verdicts by what scores have beyond those that are usual; the scores stay as they are.

        Args:
            row: the rows of the windows' series, shape (n,).
            begin_ns: the windows' begins, shape (n,).
            verdicts: what the model says of them.
            severities: returns the severities of scores.
        """
        has_scores = self._has_scores[row]
        if not has_scores.any():
            return verdicts
        usual = np.zeros(len(row))
        usual[has_scores] = self._scores[row[has_scores], hours_of(begin_ns[has_scores])]
        beyond = np.maximum(verdicts.score - usual, 0.0)
        share = np.divide(beyond, verdicts.score, out=np.zeros(len(row)), where=verdicts.score > 0.0)
        lower = usual > 0.0
        return replace(
            verdicts,
            severity=np.where(lower, severities(beyond), verdicts.severity),
            surprise=np.where(lower, verdicts.surprise * share, verdicts.surprise),
        )

    def set(self, row: int, highest: Floats) -> None:
        """Let scores be usual for a series.

        Args:
            row: the series.
            highest: the highest score of each hour of the day, shape (24,), 0 of hours that are judged as before.
        """
        around = np.max([np.roll(highest, by) for by in (-1, 0, 1)], axis=0)
        self._scores[row] = _BEYOND * around
        self._has_scores[row] = bool(around.any())

    def add(self, row: int, highest: Floats) -> None:
        """Let scores be usual beside those that are; `set` describes the arguments."""
        before = self._scores[row].copy()
        self.set(row, highest)
        self._scores[row] = np.maximum(self._scores[row], before)
        self._has_scores[row] = bool(self._scores[row].any())

    def feed(self, row: int, begin_ns: int, score: float) -> bool:
        """Take the next anomalous window of a series into account.

        Args:
            row: the series.
            begin_ns: the window's begin.
            score: its score.

        Returns:
            Whether it belongs to a run that recurs, and what recurs has been told for long enough.
        """
        if not self._may_recur:
            return False
        end_ns, old_ns = self._cut.after(begin_ns), begin_ns - 2 * DAY_NS
        runs = [run for run in self._of(row) if run.end_ns > old_ns and run.begin_ns <= begin_ns]
        if not runs or self._cut.span(runs[-1].end_ns, begin_ns) >= max(self._rules.merge_ns, 1):
            if not self._has_room(row, old_ns):
                return False
            runs = [*runs[1 - _MOST_RUNS :], _Run(begin_ns, end_ns, begin_ns, score)]
        run = runs[-1]
        run.end_ns, run.score = max(run.end_ns, end_ns), max(run.score, score)
        self._remember(row, runs)
        before = self._before(row)
        if before is not None:
            run.since_ns = before.since_ns
        return self._is_told(run, before)

    def recurs(self, row: int) -> bool:
        """Return whether the last run of a series recurs for the second time, and was told for long enough."""
        runs = self._of(row)
        return bool(runs) and self._is_told(runs[-1], self._before(row))

    def _is_told(self, run: _Run, before: _Run | None) -> bool:
        """Return what `recurs` does, of a run and the one that it may recur."""
        if before is None or before.since_ns == before.begin_ns:
            return False
        told_ns = self._cut.span(run.since_ns, run.end_ns) + self._about_ns(before)
        return run.length_ns >= _RECURS * before.length_ns and told_ns >= self._rules.new_level_ns

    def recurring(self, row: int) -> tuple[int, int]:
        """Return the begin of the first run that recurred each day up to the last one of a series, and its end."""
        run = self._runs[row][-1]
        return run.since_ns, run.end_ns

    def settle(self, row: int) -> None:
        """Let the scores of the run that recurs be usual at its time of day."""
        highest = np.zeros(HOURS)
        for run in (self._before(row), self._runs[row][-1]):
            if run is not None:
                hours = hours_of(np.arange(run.begin_ns, run.end_ns, self._rules.window_ns))
                np.maximum.at(highest, hours, run.score)
        self.add(row, highest)

    def _before(self, row: int) -> _Run | None:
        """Return the run of the day before that the last run of a series may recur; None where there is none."""
        runs = self._of(row)
        for run in runs[:-1]:
            last, about_ns = runs[-1], self._about_ns(run)
            if (
                abs(last.begin_ns - run.begin_ns - DAY_NS) <= about_ns
                and run.length_ns <= _LONGEST_NS
                and last.length_ns <= run.length_ns
                and max(last.score, run.score) <= _ALIKE * min(last.score, run.score)
            ):
                return run
        return None

    def _about_ns(self, run: _Run) -> int:
        """Return by how much a run may begin earlier or later than one that it recurs."""
        share_ns = min(int(_ABOUT * run.length_ns), _ABOUT_NS)
        return max(share_ns, min(run.length_ns, _JITTER_NS), self._rules.window_ns)

    def _has_room(self, row: int, old_ns: int) -> bool:
        """Return whether runs of a series can be remembered; those of others that ended before a time make room."""
        if row in self._runs or len(self._runs) < self._most:
            return True
        # Windows of many series come at the same time, and it is enough to look through all runs once then.
        if old_ns >= self._is_full_before_ns:
            for other in [other for other, runs in self._runs.items() if runs[-1].end_ns <= old_ns]:
                del self._runs[other]
                self._until_ns[other] = 0
            self._is_full_before_ns = min((runs[-1].end_ns for runs in self._runs.values()), default=0)
        return len(self._runs) < self._most

    def _remember(self, row: int, runs: list[_Run]) -> None:
        self._runs[row] = runs
        self._until_ns[row] = max(self._span(run)[1] for run in runs)

    def may_settle(self, row: Ints, first_ns: Times, last_ns: Times) -> Bools:
        """Return in which of s series a run may recur with their next windows, shape (s,).

        Args:
            row: the rows of the series, shape (s,).
            first_ns: the begins of their first windows, shape (s,).
            last_ns: the begins of their last windows, shape (s,).
        """
        may_settle = np.zeros(len(row), dtype=np.bool_)
        for at in np.flatnonzero(first_ns <= self._until_ns[row]).tolist():
            spans = map(self._span, self._of(int(row[at])))
            may_settle[at] = any(begin_ns <= last_ns[at] and first_ns[at] <= end_ns for begin_ns, end_ns in spans)
        return may_settle

    def stretch(self, row: int, begin_ns: Times) -> int:
        """Return how many of the next windows, with begins of shape (n,), can be judged before a run may recur."""
        if not self._may_recur:
            return len(begin_ns)
        # A run that begins within the stretch recurs after nearly a day at the earliest.
        until_ns = [int(begin_ns[0]) + DAY_NS - _ABOUT_NS]
        until_ns += [first_ns for first_ns, last_ns in map(self._span, self._of(row)) if last_ns >= begin_ns[0]]
        return max(int(np.searchsorted(begin_ns, min(until_ns))), 1)

    def _of(self, row: int) -> list[_Run]:
        return self._runs.get(row, [])

    def _span(self, run: _Run) -> tuple[int, int]:
        """Return the begins of the first and the last window that may belong to a run that recurs another one.

        The other one may still go on, and how much earlier it may recur grows with its length.
        """
        return run.begin_ns + DAY_NS - _ABOUT_NS, run.end_ns + DAY_NS + _ABOUT_NS

    def state(self, row: Ints) -> dict[str, AnyArray]:
        """Return what is remembered of the series of some rows, shape (n,), as arrays by name."""
        rows = row.tolist()
        runs = [(at, run) for at, one in enumerate(rows) for run in self._of(one)]
        usual = np.flatnonzero(self._has_scores[row])
        if not runs and not len(usual):
            return {}
        numbers = [[run.begin_ns, run.end_ns, run.since_ns] for _, run in runs]
        return {
            _RUN_ROWS: np.array([at for at, _ in runs], dtype=np.intp),
            _RUNS: np.array(numbers, dtype=np.int64).reshape(-1, 3),
            _RUN_SCORES: np.array([run.score for _, run in runs], dtype=np.float64),
            _ROWS: usual,
            _SCORES: self._scores[row[usual]],
        }

    def read(self, arrays: Arrays) -> Read:
        """Return what `state` remembers of series by their positions, for `restore`.

        Args:
            arrays: what `state` returned, and perhaps others; a state of a release before has none of it.

        Raises:
            KeyError: an array is missing.
            ValueError: the arrays do not fit each other.
        """
        if _RUNS not in arrays:
            return {}, {}
        run_rows, numbers, run_scores, usual, scores = (
            arrays[name] for name in (_RUN_ROWS, _RUNS, _RUN_SCORES, _ROWS, _SCORES)
        )
        if numbers.shape != (len(run_rows), 3) or run_scores.shape != run_rows.shape:
            raise ValueError(f"runs of the shapes {numbers.shape} and {run_scores.shape} for {len(run_rows)} rows")
        if scores.shape != (len(usual), HOURS):
            raise ValueError(f"usual scores of the shape {scores.shape} for {len(usual)} series")
        runs: dict[int, list[_Run]] = {}
        for at, (begin_ns, end_ns, since_ns), score in zip(
            run_rows.tolist(), numbers.tolist(), run_scores.tolist(), strict=True
        ):
            runs.setdefault(at, []).append(_Run(begin_ns, end_ns, since_ns, score))
        return runs, {at: np.array(each) for at, each in zip(usual.tolist(), scores, strict=True)}

    def restore(self, row: Ints, read: Read | None) -> None:
        """Go on where `state` was taken.

        Args:
            row: the rows of its n series, shape (n,).
            read: what `read` returned; None where it is of another model.
        """
        for one in row.tolist():
            self._runs.pop(one, None)
        self._scores[row[self._has_scores[row]]] = 0.0
        self._has_scores[row] = False
        self._until_ns[row] = 0
        runs, scores = read or ({}, {})
        for at, each in runs.items():
            self._remember(int(row[at]), each)
        for at, usual in scores.items():
            self._scores[int(row[at])] = usual
            self._has_scores[row[at]] = bool(usual.any())


def hours_of(begin_ns: Times) -> Ints:
    """Return the hours of the day, in UTC, of windows with begins of shape (n,)."""
    return np.asarray(begin_ns // HOUR_NS % HOURS, dtype=np.intp)
