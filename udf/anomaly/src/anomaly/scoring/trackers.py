"""The periods of many series: arrays for the series about which nothing is odd, a `Tracker` for each of the others.

A series is calm while no period is open, nothing adds up to one, and no silence was told. All that matters of it is
when its last window began. A window that keeps it calm is usual: it only moves that time on. So the windows of all calm
series are looked at together, and a tracker is made where a window may begin something.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from anomaly.models.model import Verdicts
from anomaly.scoring.packing import Arrays, document, text
from anomaly.scoring.periods import Moment, Period, Rules, Tracker, Transition, are_evidence
from anomaly.scoring.series_table import NOWHERE, SeriesTable
from anomaly.windows.arrays import NEVER, AnyArray, Bools, Floats, Ints, Times

LAST_NS, _HAS_LAST, _BUSY = "last_ns", "has_last", "busy"


class Trackers:
    """The periods of the series of a table.

    Args:
        table: the series.
        rules: when periods open and close.
        fields: the names of the fields.
    """

    def __init__(self, table: SeriesTable, rules: Rules, fields: Sequence[str]) -> None:
        self._rules = rules
        self._cut = rules.cut
        self._fields = tuple(fields)
        self._last_ns: Times = table.column(np.int64)
        self._has_last: Bools = table.column(np.bool_)
        # After a restart nobody knows whether the data or the reader was away.
        self._resumed: Bools = table.column(np.bool_)
        # The series that are not calm.
        self._is_busy: Bools = table.column(np.bool_)
        self._busy: dict[int, Tracker] = table.objects()
        self._history_ns: int | None = None

    def go_on_with(self, history_ns: int | None) -> None:
        """Go on with a model whose history is this long; None where nobody knows."""
        self._history_ns = history_ns

    def last_ns(self, row: Ints) -> Times:
        """Return the begins of the last windows of series, shape (n,); the least number before the first."""
        return np.where(self._has_last[row], self._last_ns[row], NEVER)

    def has_last(self, row: Ints) -> Bools:
        """Return which series have had a window, shape (n,); those that are NOWHERE have not."""
        return np.asarray(self._has_last[row] & (row != NOWHERE))

    def is_calm(self, row: int) -> bool:
        """Return whether no period of a series is open, and there is no evidence of one."""
        return row not in self._busy or self._busy[row].calm

    def keep_unlearnt(self, row: Ints, begin_ns: Times) -> Bools:
        """Return of which series detectors do not learn the last window, as `Tracker.keeps_unlearnt` says.

        Args:
            row: the rows of the series, shape (n,).
            begin_ns: the begins of their next windows, shape (n,).
        """
        kept = np.zeros(len(row), dtype=np.bool_)
        for at in np.flatnonzero(self._is_busy[row]).tolist():
            kept[at] = self._busy[int(row[at])].keeps_unlearnt(int(begin_ns[at]), self._history_ns)
        return kept

    def silence(self, row: int) -> Period | None:
        """Return the silence of a series that was told and still lasts; None while there is none."""
        return self._busy[row].silence if row in self._busy else None

    def open_period(self, row: int) -> Period | None:
        """Return the period of a series that is open and is not a silence; None while there is none."""
        return self._busy[row].open_period if row in self._busy else None

    def feed(
        self,
        row: int,
        begin_ns: int,
        score: float,
        severity: float,
        surprise: float,
        contribution: Sequence[float],
        limit: str | None = None,
        moment: Callable[[], Moment] | None = None,
    ) -> Transition:
        """Take the next scored window of a series into account, as `Tracker.feed` does."""
        tracker = self._tracker(row)
        transition = tracker.feed(begin_ns, score, severity, surprise, contribution, limit, moment)
        self._keep(row, tracker)
        return transition

    def feed_series(
        self, row: int, begin_ns: Times, verdicts: Verdicts, suppressed: Bools, *, unlearnt: bool | None = None
    ) -> tuple[Bools, dict[int, Transition]]:
        """Take the next n scored windows of one series into account, in the order of time.

        Windows that leave the series calm are passed over at once, however many they are. Verdicts depend on what
        detectors have learnt. So those on later windows are void where a window decides otherwise whether it is learnt
        than the verdicts took for granted; the windows after it are then left out.

        Args:
            row: the series' row.
            begin_ns: the windows' begins, shape (n,).
            verdicts: the model's verdicts on them.
            suppressed: which of them neither open nor prolong a period, shape (n,).
            unlearnt: whether detectors were told not to learn these windows; None: they learn from no window.

        Returns:
            What `feed_together` returns, of the k windows that were taken into account, which are the first ones.
        """
        anomalous = np.zeros(len(begin_ns), dtype=np.bool_)
        transitions: dict[int, Transition] = {}
        severity = np.where(suppressed, 0.0, verdicts.severity)
        surprise = np.where(suppressed, 0.0, verdicts.surprise)
        # While the series is calm, the last window before each of these is the one before it.
        is_quiet = (severity < self._rules.close) & ~are_evidence(surprise)
        longest_ns = self._rules.window_ns + self._rules.silence_ns
        steps_ns = np.diff(self._cut.nominal(begin_ns))
        is_quiet[1:] &= (steps_ns > 0) & (steps_ns <= longest_ns)
        odd = np.flatnonzero(~is_quiet)
        at, rows = 0, np.array([row])
        while at < len(begin_ns):
            here = slice(at, at + 1)
            if row not in self._busy and self._are_usual(rows, begin_ns[here], severity[here], surprise[here])[0]:
                place = int(np.searchsorted(odd, at, side="right"))
                at = int(odd[place]) if place < len(odd) else len(begin_ns)
                self._last_ns[row], self._has_last[row], self._resumed[row] = begin_ns[at - 1], True, False
                continue
            transitions[at] = self._feed_one(row, begin_ns, verdicts, suppressed, at)
            anomalous[at] = transitions[at].anomalous
            at += 1
            if unlearnt is not None and at < len(begin_ns):
                tracker = self._busy.get(row)
                next_ns = int(begin_ns[at])
                if unlearnt != (tracker is not None and tracker.keeps_unlearnt(next_ns, self._history_ns)):
                    return anomalous[:at], transitions
        return anomalous, transitions

    def _feed_one(self, row: int, begin_ns: Times, verdicts: Verdicts, suppressed: Bools, at: int) -> Transition:
        """Take the window at a position of many into account; `feed_together` describes the arguments."""
        is_suppressed = bool(suppressed[at])

        def moment() -> Moment:
            parts = (verdicts.value, verdicts.expected_low, verdicts.expected_high, verdicts.contribution)
            return Moment.of(int(begin_ns[at]), self._fields, *(part[at].tolist() for part in parts))

        return self.feed(
            row,
            int(begin_ns[at]),
            float(verdicts.score[at]),
            0.0 if is_suppressed else float(verdicts.severity[at]),
            0.0 if is_suppressed else float(verdicts.surprise[at]),
            verdicts.contribution[at].tolist(),
            None if is_suppressed else verdicts.limit[at],
            moment,
        )

    def feed_together(
        self, row: Ints, begin_ns: Times, verdicts: Verdicts, suppressed: Bools, rounds: Sequence[Ints]
    ) -> tuple[Bools, dict[int, Transition]]:
        """Take the next n scored windows of many series into account.

        Args:
            row: the rows of the windows' series, shape (n,).
            begin_ns: the windows' begins, shape (n,).
            verdicts: the model's verdicts on them.
            suppressed: which of them neither open nor prolong a period, shape (n,).
            rounds: positions of windows in parts, each with one window of a series at most, in the order of time.

        Returns:
            Which windows belong to a period, as far as is known by then, shape (n,); and by their positions what those
            windows did to the periods that were not usual.
        """
        anomalous = np.zeros(len(row), dtype=np.bool_)
        transitions: dict[int, Transition] = {}
        severity = np.where(suppressed, 0.0, verdicts.severity)
        surprise = np.where(suppressed, 0.0, verdicts.surprise)
        for part in rounds:
            usual = self._are_usual(row[part], begin_ns[part], severity[part], surprise[part])
            calm = row[part[usual]]
            self._last_ns[calm], self._has_last[calm], self._resumed[calm] = begin_ns[part[usual]], True, False
            for at in part[~usual].tolist():
                transitions[at] = self._feed_one(int(row[at]), begin_ns, verdicts, suppressed, at)
                anomalous[at] = transitions[at].anomalous
        return anomalous, transitions

    def _are_usual(self, row: Ints, begin_ns: Times, severity: Floats, surprise: Floats) -> Bools:
        """Return which windows, one of a series at most, leave their series calm and make nothing known, shape (n,)."""
        begins_nothing = ~self._is_busy[row] & (severity < self._rules.close) & ~are_evidence(surprise)
        last_ns = self._last_ns[row]
        longest_ns = self._rules.window_ns + self._rules.silence_ns
        follows = (begin_ns > last_ns) & ((self._cut.span(last_ns, begin_ns) <= longest_ns) | self._resumed[row])
        return np.asarray(begins_nothing & (follows | ~self._has_last[row]))

    def silent(self, row: Ints, quiet_ns: Times, listening_ns: int) -> tuple[Bools, Bools]:
        """Find the series that a look at them may change, as no window of theirs has come.

        Args:
            row: rows of n series, shape (n,); NOWHERE for a series that has had no window.
            quiet_ns: the times up to which no window of theirs has had a point since the last one, shape (n,).
            listening_ns: since when somebody listens.

        Returns:
            Which series `silent_one` may change, shape (n,); and which have had no window for longer than they may
            once their next window is due, shape (n,).
        """
        cut, silence_ns = self._cut, self._rules.silence_ns
        next_ns = cut.begin(quiet_ns)
        first_ns = cut.first(listening_ns)
        has_last, last_ns = self.has_last(row), self._last_ns[row]
        last_end_ns = np.where(has_last, cut.after(last_ns), first_ns)
        may_change = cut.span(np.maximum(last_end_ns, first_ns), next_ns) > silence_ns
        may_change |= self._is_busy[row] & (row != NOWHERE)
        return may_change, ~has_last | (cut.span(last_ns, next_ns) > silence_ns)

    def silent_one(self, row: int, watermark_ns: int, listening_ns: int, quiet_ns: int | None = None) -> list[Period]:
        """Take into account that no window of a live series has come, as `Tracker.silent` does."""
        tracker = self._tracker(row)
        periods = tracker.silent(watermark_ns, listening_ns, quiet_ns)
        self._keep(row, tracker)
        return periods

    def can_settle(self, row: int) -> bool:
        """Return whether a series has an open period that may be a new level, as `Tracker.can_settle` says."""
        return row in self._busy and self._busy[row].can_settle

    def settle(self, row: int, transition: Transition) -> None:
        """Close the open period of a series, as `Tracker.settle` does."""
        tracker = self._busy[row]
        tracker.settle(transition)
        self._keep(row, tracker)

    def end(self, row: int) -> list[Period]:
        """Close what is open of a series that is forgotten, as `Tracker.end` does."""
        return self._busy[row].end() if row in self._busy else []

    def _tracker(self, row: int) -> Tracker:
        """Return the tracker of a series, a new one for a calm series."""
        if row in self._busy:
            return self._busy[row]
        last_ns = int(self._last_ns[row]) if self._has_last[row] else None
        return Tracker(self._rules, self._fields, last_ns, resumed=bool(self._resumed[row]))

    def _keep(self, row: int, tracker: Tracker) -> None:
        """Keep what a tracker remembers now: the tracker itself only if its series is not calm."""
        last_ns = tracker.last_ns
        self._last_ns[row], self._has_last[row] = (0, False) if last_ns is None else (last_ns, True)
        self._resumed[row] = tracker.resumed
        self._is_busy[row] = is_busy = not (tracker.calm and tracker.silence is None)
        if is_busy:
            self._busy[row] = tracker
        else:
            self._busy.pop(row, None)

    def state(self, row: Ints) -> dict[str, AnyArray]:
        """Return what is remembered of the series of some rows, shape (n,), as arrays by name."""
        busy = {at: self._busy[one].state() for at, one in enumerate(row.tolist()) if one in self._busy}
        return {LAST_NS: self._last_ns[row], _HAS_LAST: self._has_last[row], _BUSY: text(list(busy.items()))}

    def read(self, arrays: Arrays, *, resumed: bool = True) -> tuple[Mapping[int, Tracker], AnyArray, AnyArray]:
        """Return what `state` remembers of n series, for `restore`.

        Args:
            arrays: what `state` returned, and perhaps others.
            resumed: whether nobody knows if there were windows since then.

        Returns:
            The trackers of series that are not calm by position, and the times of last windows and whether there is
            one, shape (n,) each.

        Raises:
            KeyError: the state does not fit the pipeline.
            TypeError: likewise.
            ValueError: likewise.
        """
        saved: list[tuple[int, dict[str, Any]]] = document(arrays[_BUSY])
        busy = {int(at): Tracker.from_state(self._rules, self._fields, state, resumed=resumed) for at, state in saved}
        return busy, arrays[LAST_NS].astype(np.int64), arrays[_HAS_LAST].astype(np.bool_)

    def restore(
        self, row: Ints, read: tuple[Mapping[int, Tracker], AnyArray, AnyArray], *, resumed: bool = True
    ) -> None:
        """Go on where `state` was taken.

        Args:
            row: the rows of its n series, shape (n,).
            read: what `read` returned.
            resumed: as for `read`.
        """
        busy, self._last_ns[row], self._has_last[row] = read
        self._resumed[row], self._is_busy[row] = resumed, False
        for one in row.tolist():
            self._busy.pop(one, None)
        for at, tracker in busy.items():
            self._keep(int(row[at]), tracker)
