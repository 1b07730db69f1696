"""The one way from windows to scores and periods, whoever brings the windows.

A backtest, a training and a catch-up bring thousands of windows of one series at once, and call `Scorer.feed`. Serving
brings the windows of many series that end together, and calls `Scorer.feed_together`. Both decide which windows can be
scored, have the model judge them, and feed the series' trackers. Callers read the windows and write the results
(`anomaly.serving.handler`, `anomaly.backtest`, `anomaly.catchup`); `anomaly.scoring.results` knows what a result looks
like.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomaly.models.features import features
from anomaly.models.model import Model, Verdict, Verdicts
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.levels import Levels
from anomaly.scoring.limits import limits_of
from anomaly.scoring.newcomers import Newcomers
from anomaly.scoring.notices import Notice
from anomaly.scoring.packing import Arrays, keys_as_arrays, keys_of, part_of, prefixed
from anomaly.scoring.periods import NO_DATA, Period, Rules, Tracker, Transition, rules
from anomaly.scoring.places import Places
from anomaly.scoring.rate import PointRates, scorable_at_rate
from anomaly.scoring.series_table import NOWHERE, SeriesTable
from anomaly.scoring.trackers import LAST_NS, Trackers
from anomaly.windows.arrays import DAMAGE, AnyArray, Bools, Floats, Ints, Key, Times, changes, rounds
from anomaly.windows.completeness import Scorable, scorable_windows
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

# The parts of a state: periods, rates and new levels, what followers remember, and the warm-ups of new series.
_SERIES, _FOLLOWERS, _NEWCOMERS, _TOLD = "series_", "followers_", "newcomers_", "is_silence_told"
_LEVELS = "levels_"
# State of this many series is kept; beyond, the series that has been quiet longest is forgotten.
MOST_SERIES = 100_000
# This many windows of a series are judged at once at first, and at most, before it is known whether one opens a period.
_FEWEST_AHEAD, _MOST_AHEAD = 16, 16_384
# Series that bring more windows than this at once are scored one after the other.
_MOST_ROUNDS = 16


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """What became of one window.

    Attributes:
        begin_ns: the window's begin.
        model: the model that judged it.
        verdict: the model's verdict.
        anomalous: whether the window belongs to a period, as far as is known by now.
        periods: the periods that the window made known, oldest first.
        suppressed: the id of the mark of feedback that keeps the window out of periods; None without one.
        ended_silence: whether the window ended a silence that was told while it lasted.
    """

    begin_ns: int
    model: Model
    verdict: Verdict
    anomalous: bool
    periods: list[Period]
    suppressed: str | None = None
    ended_silence: bool = False


@dataclass(frozen=True, slots=True)
class ScoredWindows:
    """What became of n windows of some series that one model judged; `ScoredWindow` describes each of them.

    Attributes:
        keys: the tag values of s series.
        series: each window's series as an index into `keys`, shape (n,).
        begin_ns: the windows' begins, shape (n,).
        model: the model that judged them.
        verdicts: the model's verdicts.
        anomalous: which windows belong to a period, as far as is known by now, shape (n,).
        periods: the periods that a window made known, oldest first, by the window's position.
        suppressed: the ids of the marks of feedback that keep windows out of periods, by the window's position.
        ended_silences: the positions of windows that ended a silence that was told while it lasted.
    """

    keys: Sequence[Key]
    series: Ints
    begin_ns: Times
    model: Model
    verdicts: Verdicts
    anomalous: Bools
    periods: Mapping[int, list[Period]]
    suppressed: Mapping[int, str]
    ended_silences: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.begin_ns)

    def key(self, at: int) -> Key:
        """Return the series of a window by its position."""
        return self.keys[int(self.series[at])]

    @classmethod
    def one_after_the_other(cls, parts: Sequence["ScoredWindows"]) -> "ScoredWindows":
        """Return windows of one series, which one model judged, as one; there is at least one part."""
        begins = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        at = np.split(np.arange(begins[-1]), begins[1:-1])
        numbered = list(zip(begins, parts, strict=False))
        return cls(
            parts[0].keys,
            np.concatenate([part.series for part in parts]),
            np.concatenate([part.begin_ns for part in parts]),
            parts[0].model,
            Verdicts.joined(list(zip(at, (part.verdicts for part in parts), strict=True))),
            np.concatenate([part.anomalous for part in parts]),
            {begin + at: periods for begin, part in numbered for at, periods in part.periods.items()},
            {begin + at: mark for begin, part in numbered for at, mark in part.suppressed.items()},
            frozenset(begin + at for begin, part in numbered for at in part.ended_silences),
        )

    def __iter__(self) -> Iterator[ScoredWindow]:
        """Yield the windows one by one."""
        rows = zip(self.begin_ns.tolist(), self.verdicts, self.anomalous.tolist(), strict=True)
        for at, (begin_ns, verdict, anomalous) in enumerate(rows):
            yield ScoredWindow(
                begin_ns,
                self.model,
                verdict,
                anomalous,
                self.periods.get(at, []),
                self.suppressed.get(at),
                at in self.ended_silences,
            )


@dataclass(frozen=True, slots=True)
class Silences:
    """What a look at live series without windows made known.

    Attributes:
        periods: the periods that this made known, with their series, oldest first.
        lasting: the silences that last and were told, by series.
        untold: the series whose silences last and were not told, as they began during maintenance.
        are_others_late: whether all other live series will have a silence a window later.
    """

    periods: list[tuple[Key, Period]]
    lasting: dict[Key, Period]
    untold: set[Key]
    are_others_late: bool


@dataclass(frozen=True, slots=True)
class Superseded:
    """An open period that a series has not any more, as another scorer's memory of the series was taken over.

    Attributes:
        key: the series.
        period: the period, closed as it stood.
        is_replaced: whether another period of the series is open now.
    """

    key: Key
    period: Period
    is_replaced: bool


class Scorer:
    """Scores the windows of a pipeline's series, and keeps each series' periods and follower.

    Args:
        pipeline: the pipeline.
        events: counts the windows, those that are not scored by reason.
        notice: is told of each notice; None: nobody wants to know.
        most: for how many series the detector has room; None: for as many as the pipeline's `memory` allows.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        events: EventCounter,
        notice: Callable[[Key, Notice], None] | None = None,
        most: int | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._features = features(pipeline)
        self._rules = rules(pipeline)
        self._events = events
        self._places: Places | None = None
        # What restored states say of followers, and of how many series, until there is the model that they belong to.
        self._saved: list[tuple[Arrays, int]] = []
        self._most = MOST_SERIES if most is None else most
        self._table = SeriesTable(MOST_SERIES)
        self._trackers = Trackers(self._table, self._rules, pipeline.fields)
        self._rates = PointRates(self._table, pipeline.fields)
        self._levels = Levels(self._table, self._rules, self._features, pipeline.memory_bytes)
        # Whether the silence that lasts was told; during maintenance it is not.
        self._is_silence_told: Bools = self._table.column(np.bool_)
        self._notice = notice
        self._limits = limits_of(pipeline)
        self._newcomers = Newcomers(pipeline, notice)

    @property
    def rules(self) -> Rules:
        """The rules by which periods open and close."""
        return self._rules

    def feed(
        self, model: Model | None, windows: SeriesWindows, feedback: Feedback | None = None
    ) -> Iterator[ScoredWindow]:
        """Score the next windows of a series, as `feed_series` does.

        Yields:
            The scorable windows, by time.
        """
        scored = self.feed_series(model, windows, feedback)
        if scored is not None:
            yield from scored

    def feed_series(
        self, model: Model | None, windows: SeriesWindows, feedback: Feedback | None = None
    ) -> ScoredWindows | None:
        """Score the next windows of a series.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, by time.
            feedback: the marks that keep windows out of periods; None: there are none.

        Returns:
            The scorable windows, by time; None if there is none.
        """
        key = windows.key
        if model is None:
            scorable = scorable_windows(self._pipeline, windows)
            self._count(lambda at: key, windows.values, scorable)
            self._events.add("unscored windows", len(scorable.windows))
            return None
        if not len(windows):
            return None
        row = self._table.row(key)
        scorable = self._scorable(row, model, windows)
        self._count(lambda at: key, windows.values, scorable)
        windows = scorable.windows
        if not len(windows):
            return None
        last_ns = self._last_ns(row)
        if windows.begin_ns[0] == last_ns:
            self._events.add("repeated windows", 1, f"a window of {series_name(key)} has been scored already")
            windows = windows.where(np.arange(len(windows)) > 0)
            if not len(windows):
                return None
        parts: list[ScoredWindows] = []
        number, first = np.arange(len(windows)), 0
        learns = self._places_of(model).remembers and not model.is_newcomer(key)
        ahead = _FEWEST_AHEAD if learns else len(windows)
        while first < len(windows):
            # A new level changes how the windows after it are judged.
            last = first + min(self._levels.stretch(row, windows.begin_ns[first:]), ahead)
            stretch = windows if last - first == len(windows) else windows.where((number >= first) & (number < last))
            parts.append(self._scored_alone(model, row, stretch, feedback, learns=learns))
            first += len(parts[-1])
            if learns:
                ahead = min(4 * ahead, _MOST_AHEAD) if first == last else _FEWEST_AHEAD
        return parts[0] if len(parts) == 1 else ScoredWindows.one_after_the_other(parts)

    def _scored_alone(
        self, model: Model, row: int, windows: SeriesWindows, feedback: Feedback | None, *, learns: bool
    ) -> ScoredWindows:
        """Score the next scorable windows of a series, of which only the last one may show a new level.

        All of them are judged as if what is learnt went on as it is. Where a period begins or ends, which changes it,
        followers go back to where they were, and the windows from there on are left to the next call.

        Args:
            model: the model.
            row: the series' row.
            windows: the windows, at least one.
            feedback: as for `feed_series`.
            learns: whether followers learn from windows that belong to no period.

        Returns:
            The first of the windows, at least one.
        """
        key, places = windows.key, self._places_of(model)
        last_ns = self._last_ns(row)
        unlearnt = learns and bool(self._trackers.keep_unlearnt(np.array([row]), windows.begin_ns[:1])[0])
        before = places.state((key,)) if learns and len(windows) > 1 else {}
        verdicts = self._judged_alone(model, row, windows, unlearnt)
        verdicts = self._limited((key,), np.zeros(len(windows), dtype=np.intp), windows.values, verdicts)
        marks = _marks(feedback, model, (key,), np.zeros(len(windows), dtype=np.intp), windows.begin_ns, verdicts)
        suppressed = np.zeros(len(windows), dtype=np.bool_)
        suppressed[list(marks)] = True
        anomalous, transitions = self._trackers.feed_series(
            row, windows.begin_ns, verdicts, suppressed, unlearnt=unlearnt if learns else None
        )
        if (taken := len(anomalous)) < len(windows):
            is_taken = np.arange(len(windows)) < taken
            windows, verdicts = windows.where(is_taken), verdicts.where(is_taken)
            marks = {at: mark for at, mark in marks.items() if at < taken}
            places.go_back(key, before)
            self._judged_alone(model, row, windows, unlearnt)
        begin_ns, series = windows.begin_ns, np.zeros(taken, dtype=np.intp)
        flat = _flat(model, model.row(key), begin_ns, windows.values)
        first = 0 if self._levels.are_followed(np.array([row]))[0] else int(np.append(anomalous, True).argmax())
        for at in range(first, len(windows)):
            score = float(verdicts.score[at])
            if self._levels.feed(row, int(begin_ns[at]), flat[at], score, anomalous=bool(anomalous[at])):
                self._settle(model, key, row, transitions.setdefault(at, Transition()), feedback)
        periods: dict[int, list[Period]] = {}
        ended_silences: list[int] = []
        for at, transition in transitions.items():
            before_ns = int(begin_ns[at - 1]) if at else last_ns
            known, ended_silence = self._known(key, row, int(begin_ns[at]), before_ns, transition, feedback)
            if known:
                periods[at] = known
            if ended_silence:
                ended_silences.append(at)
        self._events.add("scored windows", len(windows))
        return ScoredWindows(
            (key,), series, begin_ns, model, verdicts, anomalous, periods, marks, frozenset(ended_silences)
        )

    def _settle(self, model: Model, key: Key, row: int, transition: Transition, feedback: Feedback | None) -> None:
        """Let a series go on from a new level, if its last window showed one, and end its period."""
        is_newcomer = model.is_newcomer(key)
        baseline, is_open = None if is_newcomer else model.row(key), self._trackers.can_settle(row)
        places = self._places_of(model)

        def relearn(begin_ns: Times, before: Floats) -> Floats:
            own_row, days_ns = model.row(key), DAY_NS * (1 + int(begin_ns[-1] - begin_ns[0]) // DAY_NS)
            probe = model.follow(key)
            for follower, later_ns in ((places.begin(key), 0), (probe, 0), (probe, days_ns)):
                at_ns = begin_ns + later_ns
                risen = 0.0 if model.trend is None else model.trend.risen(own_row, at_ns)
                place = follower.places(len(at_ns))
                scores = model.judge_many(follower.followers, own_row, place, at_ns, before + risen).score
            return scores

        def is_confirmed(begin_ns: int, end_ns: int) -> bool:
            return feedback is not None and feedback.is_confirmed_anomaly(key, begin_ns, end_ns)

        if not self._levels.settle(
            row,
            model.scaling,
            baseline,
            is_open=is_open,
            relearn=relearn,
            close=model.threshold(self._rules.close),
            is_confirmed=is_confirmed,
        ):
            return
        self._trackers.settle(row, transition)
        if is_newcomer:
            self._newcomers.forget(key, "the series has a new level")
            places.forget(key)
        self._events.add("new levels", 1, f"{series_name(key)} goes on from a new level")

    def feed_together(
        self, model: Model | None, windows: Windows, feedback: Feedback | None = None
    ) -> Iterator[ScoredWindows]:
        """Score the next windows of many series, as `feed` does one series after the other.

        Windows of known series are judged together, as arrays over series. A series that cannot be scored does
        not cost the windows of the others: its own are counted as failed.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, each series in the order of time.
            feedback: the marks that keep windows out of periods; None: there are none.

        Yields:
            The scorable windows; those of one series by time.
        """
        if model is None or not self._places_of(model).remembers:
            yield from self._fed_together(model, windows, feedback)
            return
        # What is learnt of a window depends on the one before it, so windows of one series are judged in turn.
        is_one_of_many = np.bincount(windows.series, minlength=len(windows.keys))[windows.series] > _MOST_ROUNDS
        yield from self._each_alone(model, windows.where(is_one_of_many), feedback)
        others = windows.where(~is_one_of_many)
        for part in rounds(others.series):
            yield from self._fed_together(model, others.take(part), feedback)

    def _fed_together(
        self, model: Model | None, windows: Windows, feedback: Feedback | None
    ) -> Iterator[ScoredWindows]:
        """Score windows as `feed_together` does, together where they are plain."""
        plain = np.zeros(len(windows), dtype=np.bool_)
        if model is not None and len(windows):
            plain = self._plain(model, windows)
            scored = self._scored(model, windows.where(plain), feedback)
            if scored is None:
                plain[:] = False
            else:
                yield from scored
        yield from self._each_alone(model, windows.where(~plain), feedback)

    def _each_alone(self, model: Model | None, windows: Windows, feedback: Feedback | None) -> Iterator[ScoredWindows]:
        """Score windows one series after the other; those of a series that cannot be scored are counted as failed."""
        for alone in windows.by_series():
            try:
                scored_alone = self.feed_series(model, alone, feedback)
            except Exception as error:
                self._failed(alone.key, len(alone), error)
                continue
            if scored_alone is not None:
                yield scored_alone

    def _plain(self, model: Model, windows: Windows) -> Bools:
        """Return which of n windows are plain, shape (n,): of known series, later than those before.

        All windows of a series are plain, or none is.
        """
        series = windows.series
        if len(windows.keys) > min(self._table.most, self._places_of(model).capacity):
            return np.zeros(len(windows), dtype=np.bool_)
        row = self._table.rows(windows.keys)
        plain = np.ones(len(windows), dtype=np.bool_)
        newcomers = model.are_newcomers(windows.keys)
        if newcomers.sum() > self._newcomers.most:
            plain &= ~newcomers[series]
        order = np.argsort(series, kind="stable")
        series_in_order, begin_ns = series[order], windows.begin_ns[order]
        before_ns = self._trackers.last_ns(row)[series_in_order]
        is_first = changes(series_in_order)
        before_ns[1:] = np.where(is_first[1:], before_ns[1:], begin_ns[:-1])
        plain[order] &= begin_ns > before_ns
        first = np.flatnonzero(is_first)
        last = np.append(first[1:], len(order)) - 1
        settling = self._levels.may_settle(row[series_in_order[first]], begin_ns[first], begin_ns[last])
        # A new level changes how later windows are judged; a single window has none.
        plain &= ~np.isin(series, series_in_order[first[settling & (first < last)]])
        odd = np.bincount(series[~plain], minlength=len(windows.keys))
        return np.asarray(odd[series] == 0)

    def _scored(self, model: Model, windows: Windows, feedback: Feedback | None) -> list[ScoredWindows] | None:
        """Score plain windows together; return those that are scorable, and None if that fails for some series."""
        if not len(windows):
            return []
        every, rows = windows, self._table.rows(windows.keys)
        put_back = self._rates.copy(rows[np.unique(every.series)])
        scorable, notices = self._scorable_together(model, every, rows)
        windows = scorable.windows
        keys: Sequence[Key] = windows.keys
        series = windows.series
        if len(present := np.unique(series)) < len(keys):
            keys, series = [keys[number] for number in present.tolist()], np.searchsorted(present, series)
            rows = rows[present]
        try:
            verdicts = self._judged_together(model, keys, series, rows, windows) if len(windows) else None
        except Exception as error:
            # Each of them is tried alone, so that those are found that cannot be scored.
            self._events.add("failures of many series", 1, f"windows are scored one by one because of {error!r}")
            put_back()
            return None
        self._count(lambda at: every.keys[every.series[at]], every.values, scorable)
        for at, notice in notices:
            self._tell(every.keys[every.series[at]], (notice,))
        if verdicts is None:
            return []
        verdicts = self._limited(keys, series, windows.values, verdicts)
        row, parts = rows[series], rounds(series)
        marks = _marks(feedback, model, keys, series, windows.begin_ns, verdicts)
        suppressed = np.zeros(len(windows), dtype=np.bool_)
        suppressed[list(marks)] = True
        anomalous, transitions = self._trackers.feed_together(row, windows.begin_ns, verdicts, suppressed, parts)
        flat = _flat(model, model.rows(keys)[series], windows.begin_ns, windows.values)
        # A series may be followed from any of its windows on, so all of its windows are fed.
        is_followed = self._levels.are_followed(row) | np.isin(row, row[anomalous])
        for at in np.flatnonzero(is_followed).tolist():
            one, score, is_anomalous = int(row[at]), float(verdicts.score[at]), bool(anomalous[at])
            if self._levels.feed(one, int(windows.begin_ns[at]), flat[at], score, anomalous=is_anomalous):
                key = keys[series[at]]
                try:
                    self._settle(model, key, one, transitions.setdefault(at, Transition()), feedback)
                except Exception as error:
                    self._failed(key, 1, error)
        periods: dict[int, list[Period]] = {}
        ended_silences: list[int] = []
        for at, transition in transitions.items():
            if transition.periods:
                key, begin_ns = keys[series[at]], int(windows.begin_ns[at])
                # Plain windows come in the order of time, so none of them restarts its series.
                periods[at], ended_silence = self._known(key, int(row[at]), begin_ns, None, transition, feedback)
                if ended_silence:
                    ended_silences.append(at)
        self._events.add("scored windows", len(windows))
        return [
            ScoredWindows(
                keys,
                series,
                windows.begin_ns,
                model,
                verdicts,
                anomalous,
                periods,
                marks,
                frozenset(ended_silences),
            )
        ]

    def _scorable_together(
        self, model: Model, windows: Windows, rows: Ints
    ) -> tuple[Scorable[Windows], list[tuple[int, Notice]]]:
        """Return the scorable windows of many series, as `_scorable` does; and notices by the positions of windows.

        Args:
            model: the model.
            windows: n plain windows of s series.
            rows: the series' rows, shape (s,).
        """
        series, trained = windows.series, model.rows(windows.keys)
        measures, notices = self._rates.take(
            rows[series],
            windows.begin_ns,
            windows.counts,
            model.scaling.usual[trained[series]],
            (trained > 0)[series],
            rounds(series),
        )
        return scorable_windows(self._pipeline, windows, measures, allow_single_points=True), notices

    def _judged_together(
        self, model: Model, keys: Sequence[Key], series: Ints, rows: Ints, windows: Windows
    ) -> Verdicts:
        """Judge windows of many series, whose keys, rows and each window's index into them are given."""
        places, row = self._places_of(model), model.rows(keys)
        are_new = model.are_newcomers(keys)
        is_new = are_new[series]
        parts: list[tuple[Ints, Verdicts]] = []
        if not is_new.all():
            known = windows if not is_new.any() else windows.where(~is_new)
            of_known = np.cumsum(~are_new)[series[~is_new]] - 1
            place = places.of([key for key, new in zip(keys, are_new.tolist(), strict=True) if not new])[of_known]
            known_rows = rows[series[~is_new]]
            # Where detectors learn, there is one window of each series.
            unlearnt = self._trackers.keep_unlearnt(known_rows, known.begin_ns) if places.remembers else None
            judged = self._judged(model, places, known_rows, row[series[~is_new]], place, known, unlearnt)
            if not is_new.any():
                return judged
            parts.append((np.flatnonzero(~is_new), judged))
        at = np.flatnonzero(is_new)
        newcomers = [keys[number] for number in series[at].tolist()]
        judged, warming = self._newcomers.judge_together(model, places, newcomers, windows.where(is_new))
        self._say_warming(warming)
        return Verdicts.joined([*parts, (at, judged)])

    def _judged(
        self,
        model: Model,
        places: Places,
        rows: Ints,
        row: Ints | int,
        place: Ints,
        windows: SeriesWindows | Windows,
        unlearnt: Bools | None,
    ) -> Verdicts:
        """Judge n windows of series with a baseline, as they would be at the levels of training.

        Args:
            model: the model.
            places: its followers.
            rows: the rows of the windows' series in the table, shape (n,).
            row: the series' rows in the model, shape (n,), or that of all.
            place: the places of the windows' series, shape (n,).
            windows: the windows.
            unlearnt: before which windows the one before is not to be learnt, shape (n,); None: all are learnt.
        """
        begin_ns, values, counts = windows.begin_ns, windows.values, windows.counts
        if model.trend is None or not (moved := self._levels.have_moved(rows)).any():
            before = self._levels.as_before(rows, begin_ns, values)
            verdicts = model.judge_many(places.followers, row, place, begin_ns, before, counts, unlearnt)
            now = self._levels.as_now(rows, begin_ns, values, verdicts)
            return self._levels.usual_scores.lowered(rows, begin_ns, now, model.severities)
        # Levels are those of values without their trend, which the model takes away.
        flat, risen = _flat(model, row, begin_ns, values), model.trend.risen(row, begin_ns)
        before = np.where(moved[:, None], self._levels.as_before(rows, begin_ns, flat) + risen, values)
        verdicts = model.judge_many(places.followers, row, place, begin_ns, before, counts, unlearnt)
        risen = risen[:, :: len(self._pipeline.aggregate)]
        now = self._levels.as_now(rows, begin_ns, flat, _raised(verdicts, -risen))
        now = _raised(now, risen)
        return self._levels.usual_scores.lowered(rows, begin_ns, now, model.severities)

    def _say_warming(self, keys: Sequence[Key]) -> None:
        """Count windows of warm-ups, of which the series are given."""
        if keys:
            explanation = f"training has not seen {series_name(keys[0])}: it warms up"
            self._events.add("warm-up windows", len(keys), explanation)

    def _limited(self, keys: Sequence[Key], series: Ints, values: Floats, verdicts: Verdicts) -> Verdicts:
        """Return verdicts with what the pipeline's limits say of the windows' aggregates, shape (n, d)."""
        return verdicts if self._limits is None else self._limits(keys, series, values, verdicts)

    def _failed(self, key: Key, windows: int, error: Exception) -> None:
        """Count windows that could not be scored; the first failure is logged with its traceback."""
        trace = "".join(traceback.format_exception(error))
        self._events.add("failed windows", windows, f"{series_name(key)} could not be scored: {error!r}\n{trace}")

    def _scorable(self, row: int, model: Model, windows: SeriesWindows) -> Scorable[SeriesWindows]:
        """Return the scorable windows of a series, which are measured by its rate in training and now."""
        rate = self._rates.of(row)
        scorable, notices = scorable_at_rate(self._pipeline, model, rate, windows)
        self._rates.keep(row, rate)
        self._tell(windows.key, notices)
        return scorable

    def _tell(self, key: Key, notices: Iterable[Notice]) -> None:
        if self._notice is not None:
            for notice in notices:
                self._notice(key, notice)

    def _count(
        self, key: Callable[[int], Key], values: Floats, scorable: Scorable[SeriesWindows] | Scorable[Windows]
    ) -> None:
        """Count the windows that cannot be scored, and those that are scored with some of their fields.

        Args:
            key: returns the series of a window by its position.
            values: aggregates of all n windows, shape (n, d).
            scorable: which of them can be scored.
        """
        if scorable.complete.all() and scorable.mask.all():
            return
        if scorable.lacking.any():
            first = int(scorable.lacking.argmax())
            feature = self._features[int((~np.isfinite(values[first])).argmax())]
            lacking = int(scorable.lacking.sum())
            self._events.add("incomplete windows", lacking, f"{feature.name} of {series_name(key(first))} is missing")
        if scorable.cut_off.any():
            name = series_name(key(int(scorable.cut_off.argmax())))
            cut_off = int(scorable.cut_off.sum())
            self._events.add("cut-off windows", cut_off, f"a window of {name} has less than half of its usual points")
        partial = (~scorable.complete).any(axis=1)
        if partial.any():
            name = series_name(key(int(np.flatnonzero(scorable.mask)[partial.argmax()])))
            self._events.add("partial windows", int(partial.sum()), f"a field of {name} is taken to be as usual")

    def _judged_alone(self, model: Model, row: int, windows: SeriesWindows, unlearnt: bool) -> Verdicts:
        """Judge windows of one series. A series without a place begins where training left it; a new one warms up."""
        places, key = self._places_of(model), windows.key
        if model.is_newcomer(key):
            verdicts, warming = self._newcomers.judge(model, places, windows)
            self._say_warming([key] * warming)
            return verdicts
        place, rows = places.of((key,)).repeat(len(windows)), np.full(len(windows), row)
        return self._judged(model, places, rows, model.row(key), place, windows, np.full(len(windows), unlearnt))

    def _places_of(self, model: Model) -> Places:
        """Return the places of the model's followers; new ones go on from what was saved, if it is of this model."""
        if self._places is None or self._places.version != model.version:
            self._places = Places(model, self._most)
            self._newcomers.go_on_with(model)
            self._levels.go_on_with(model.version)
            self._trackers.go_on_with(model.history_ns)
            saved, self._saved = self._saved, []
            for followers, series in saved:
                self._restore_followers(self._places, followers, series)
        return self._places

    def _restore_followers(self, places: Places, saved: Arrays, series: int) -> None:
        try:
            forgotten = places.restore(saved)
        except DAMAGE as error:
            self._events.add("lost memories", series, f"what was saved of the detector's memory does not fit: {error}")
            return
        if forgotten:
            self._events.add(
                "lost memories",
                len(forgotten),
                f"`memory` has no room for all series of the saved state: those that were used longest ago, such as "
                f"{series_name(forgotten[0])}, begin where training left them: make `memory` larger to keep them",
            )

    def _known(
        self,
        key: Key,
        row: int,
        begin_ns: int,
        last_ns: int | None,
        transition: Transition,
        feedback: Feedback | None,
    ) -> tuple[list[Period], bool]:
        """Return the periods that a window made known and that count, and whether it ended a told silence."""
        if transition.restarted:
            self._events.add(
                "restarts",
                1,
                f"time of {series_name(key)} went back from {last_ns} to {begin_ns} ns: its periods start anew",
            )
        if transition.ended_silence:
            told = bool(self._is_silence_told[row])
            return [each for each in transition.periods if each.reason != NO_DATA or told], told
        return (transition.periods if feedback is None else feedback.countable(key, transition.periods)), False

    def silent(
        self,
        keys: Sequence[Key],
        watermark_ns: Times,
        listening_ns: int,
        feedback: Feedback | None = None,
        quiet_ns: Times | None = None,
    ) -> Silences:
        """Take into account that no windows of live series have come.

        Args:
            keys: n different series, which need not have had a window.
            watermark_ns: the times up to which all of their windows are known, shape (n,).
            listening_ns: since when somebody listens.
            feedback: the marks; silence that begins during maintenance is not told. None: there are none.
            quiet_ns: the times up to which no window of theirs has had a point since the last one, by which silence is
                told, shape (n,); None: `watermark_ns`.

        Returns:
            The periods that this made known, and the silences that last.
        """
        quiet_ns = watermark_ns if quiet_ns is None else quiet_ns
        row = self._table.find(keys)
        may_change, late = self._trackers.silent(row, quiet_ns, listening_ns)
        known: list[tuple[Key, Period]] = []
        lasting: dict[Key, Period] = {}
        untold: set[Key] = set()
        for at in np.flatnonzero(may_change).tolist():
            key = keys[at]
            one = self._table.row(key)
            periods = self._trackers.silent_one(one, int(watermark_ns[at]), listening_ns, int(quiet_ns[at]))
            counted = periods if feedback is None else feedback.countable(key, periods)
            silence = self._trackers.silence(one)
            if silence is not None:
                late[at] = True
                if silence in periods:
                    self._is_silence_told[one] = silence in counted
                if self._is_silence_told[one]:
                    lasting[key] = silence
                else:
                    untold.add(key)
            known += ((key, period) for period in counted)
        return Silences(known, lasting, untold, bool(late.all()))

    def forget(self, key: Key) -> list[Period]:
        """Forget a series; the notices that were open are told to be closed.

        Args:
            key: the series.

        Returns:
            The ends of its open period and of its silence, as far as these were told.
        """
        ended: list[Period] = []
        if key in self._table:
            row = self._table.row(key)
            is_told, last_ns = bool(self._is_silence_told[row]), self._last_ns(row)
            ended = [period for period in self._trackers.end(row) if period.reason != NO_DATA or is_told]
            self._tell(key, self._rates.end(row, last_ns or 0))
            self._table.forget(key)
        self._newcomers.forget(key)
        if self._places is not None:
            self._places.forget(key)
        return ended

    def have_scored(self, keys: Sequence[Key]) -> Bools:
        """Return of which series, shape (n,), a window was scored."""
        return self._trackers.has_last(self._table.find(keys))

    def are_silent(self, keys: Sequence[Key]) -> Bools:
        """Return of which series, shape (n,), a silence lasts that was told."""
        row = self._table.find(keys)
        return np.array([one != NOWHERE and self._trackers.silence(one) is not None for one in row.tolist()], np.bool_)

    def prepare(self, model: Model) -> None:
        """Begin to score with a model, before the first window: states that are restored from here on are of it."""
        self._places_of(model)

    def adopt(self, other: "Scorer", keys: Sequence[Key], model: Model, *, resumed: bool) -> list[Superseded]:
        """Take over what another scorer remembers of series, as if this one had been fed with their windows.

        A rate of which either has an open notice stays as it is, because people were told of it.

        Args:
            other: the other scorer.
            keys: the series, which the other scorer knows.
            model: the model that has scored there, and scores here.
            resumed: whether nobody knows if there were windows since then.

        Returns:
            The periods that were open here, and are not any more.

        Raises:
            ValueError: the other scorer is of another pipeline.
        """
        self.prepare(model)
        known = [key for key in keys if key in self._table]
        row, row_there = self._table.find(known), other._table.find(known)
        put_back = self._rates.copy(row[self._rates.have_notice(row) | other._rates.have_notice(row_there)])
        before = {key: period for key in known if (period := self._open_period(key)) is not None}
        self.restore(other.state(keys), resumed=resumed)
        put_back()
        superseded: list[Superseded] = []
        for key, period in before.items():
            now = self._open_period(key)
            if now is None or now.begin_ns != period.begin_ns:
                superseded.append(Superseded(key, replace(period, state="closed"), is_replaced=now is not None))
        return superseded

    def _open_period(self, key: Key) -> Period | None:
        """Return the open period of a series that is known here."""
        return self._trackers.open_period(self._table.row(key))

    def _last_ns(self, row: int) -> int | None:
        """Return the begin of the last scored window of a series; None before the first."""
        rows = np.array([row])
        return int(self._trackers.last_ns(rows)[0]) if self._trackers.has_last(rows)[0] else None

    def calm(self, key: Key) -> bool:
        """Return whether no period of a series is open or about to open, so that its past no longer matters."""
        return self._trackers.is_calm(self._table.row(key))

    @property
    def keys(self) -> list[Key]:
        """All series, the one that has been quiet longest first where followers remember any."""
        placed = [] if self._places is None else self._places.keys
        others = set(placed)
        return [*(key for key in self._table.keys if key not in others), *(key for key in placed if key in self._table)]

    @property
    def kept_followers(self) -> list[dict[str, AnyArray]]:
        """What restored states say of followers, as states, while there is no model that they belong to."""
        return [prefixed(_FOLLOWERS, followers) for followers, _ in self._saved]

    def state(self, keys: Sequence[Key] | None = None) -> dict[str, AnyArray]:
        """Return the periods and followers of series as arrays by name; none where there is none of them.

        Args:
            keys: the series, unknown ones are left out; None: all.
        """
        keys = self.keys if keys is None else [key for key in keys if key in self._table]
        if not keys:
            return {}
        row = self._table.find(keys)
        series = {
            **keys_as_arrays(keys),
            **self._trackers.state(row),
            **self._rates.state(row),
            _TOLD: self._is_silence_told[row],
        }
        followers = {} if self._places is None else self._places.state(keys)
        newcomers = prefixed(_NEWCOMERS, self._newcomers.state(keys))
        levels = prefixed(_LEVELS, self._levels.state(row))
        return {**prefixed(_SERIES, series), **levels, **prefixed(_FOLLOWERS, followers), **newcomers}

    def restore(self, arrays: Arrays, *, resumed: bool = True) -> None:
        """Go on where `state` was taken; series that it does not name stay as they are.

        Args:
            arrays: what `state` returned, and perhaps others.
            resumed: whether nobody knows if there were windows since then.

        Raises:
            KeyError: the state does not fit the pipeline.
            TypeError: likewise.
            ValueError: likewise.
        """
        if not arrays:
            return
        series, followers = part_of(arrays, _SERIES), part_of(arrays, _FOLLOWERS)
        newcomers, levels = part_of(arrays, _NEWCOMERS), part_of(arrays, _LEVELS)
        self._newcomers.restore(newcomers)
        if newcomers and self._places is not None:
            self._newcomers.go_on_with(self._places.model)
        count = self._restore_series(series, levels, resumed) if series else len(followers.get("key_lengths", ()))
        if followers and self._places is None:
            self._saved.append((followers, count))
        elif followers and self._places is not None:
            self._restore_followers(self._places, followers, count)

    def _restore_series(self, series: Arrays, levels: Arrays, resumed: bool) -> int:
        """Go on with series, and return how many they are."""
        keys = keys_of(series)
        if any(len(key) != len(self._pipeline.group_by) for key in keys):
            raise ValueError("the snapshot's series have other tags")
        trackers, rates = self._trackers.read(series, resumed=resumed), self._rates.read(series)
        told, courses = series[_TOLD].astype(np.bool_), self._levels.read(levels)
        row = self._table.rows(keys)
        self._trackers.restore(row, trackers, resumed=resumed)
        self._rates.restore(row, rates)
        self._levels.restore(row, courses)
        self._is_silence_told[row] = told
        return len(keys)


def scored_until(arrays: Arrays) -> tuple[list[Key], Times]:
    """Return the series of a state, and the begins of the last windows that they scored; 0 before the first.

    Args:
        arrays: what `Scorer.state` returned.
    """
    series = part_of(arrays, _SERIES)
    return (keys_of(series), series[LAST_NS].astype(np.int64)) if series else ([], np.empty(0, dtype=np.int64))


# What a tracker takes of a window: score, severity, surprise, contributions and limit.
Judgement = tuple[float, float, float, Sequence[float], str | None]


def track(tracker: Tracker, begin_ns: int, verdict: Verdict, suppressed: str | None) -> Transition:
    """Feed one window's verdict to a tracker; a suppressed window neither opens nor prolongs a period."""
    return tracker.feed(begin_ns, *judgement(verdict, suppressed))


def judgement(verdict: Verdict, suppressed: str | None) -> Judgement:
    """Return what a tracker takes of a window's verdict; a suppressed window has no severity."""
    if suppressed is not None:
        return verdict.score, 0.0, 0.0, verdict.contribution, None
    return verdict.score, verdict.severity, verdict.surprise, verdict.contribution, verdict.limit


def _marks(
    feedback: Feedback | None, model: Model, keys: Sequence[Key], series: Ints, begin_ns: Times, verdicts: Verdicts
) -> Mapping[int, str]:
    """Return the ids of the marks that keep windows out of periods, by the windows' positions."""
    return {} if feedback is None else feedback.suppressed(keys, series, begin_ns, verdicts, model.learned)


def _flat(model: Model, row: Ints | int, begin_ns: Times, values: Floats) -> Floats:
    """Return aggregates of series, whose rows in the model are given, without their trends; both of shape (n, d)."""
    return values if model.trend is None else values - model.trend.risen(row, begin_ns)


def _raised(verdicts: Verdicts, by: Floats) -> Verdicts:
    """Return verdicts whose values and usual ranges are raised, by shape (n, f)."""
    return replace(
        verdicts,
        value=verdicts.value + by,
        expected_low=verdicts.expected_low + by,
        expected_high=verdicts.expected_high + by,
    )


def series_name(key: Key) -> str:
    """Return a series' name for messages."""
    return ", ".join(key) if key else "the series"
