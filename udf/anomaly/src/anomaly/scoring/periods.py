"""Periods: runs of anomalous windows, and stretches without data, for each series.

The rules, with W the window's length:

- A window whose severity reaches `open` opens a period. So does a run of windows of which none is so rare, but all are
  together: a window's surprise is -ln of its probability, and the run's evidence the sum of (surprise - 3), which
  starts anew when it falls to 0 (Page, "Continuous Inspection Schemes", Biometrika 1954) and opens a period at a
  limit.
- A window that reaches `close`, or keeps the evidence at its limit, prolongs an open period. A period begins with the
  first window of the run that led to it, in which each window reaches `close` or keeps the evidence above 0. It ends
  with the end of the last window that prolonged it.
- Other windows that last `merge` (or the same time without windows) close it.
- A gap between two complete windows that is longer than `silence` closes an open period, and is itself a period with
  the reason `no data`, from the end of the one window to the begin of the other. The next window makes it known, or the
  watermark does so before (`Tracker.silent`), for a series whose data are live. The watermark is the time up to which
  all windows are known. Either way the period's begin is the same. While the period is open, its end is the time up to
  which the silence was certain when it was told.
- A change that has lasted for `new_level` may be the series' new level (`anomaly.scoring.levels`). The open period then
  ends with the window that showed it, and the reason NEW_LEVEL.
- Time that goes backwards closes an open period as it stands, and starts the series anew.

Pure logic on integers of nanoseconds: no clock, no I/O.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from anomaly.nanoseconds import HOUR_NS
from anomaly.pipeline import Pipeline
from anomaly.pipeline.specification import default_new_level_ns
from anomaly.pipeline.timezone import UTC
from anomaly.severity.evidence import USUAL, Opening
from anomaly.severity.rarity import days
from anomaly.windows.arrays import Bools, Floats
from anomaly.windows.cut import Cut, cut

NO_DATA = "no data"
NEW_LEVEL = "new level"

# By chance, surprise is exponential with mean 1, and evidence beyond x as rare as exp(-_DECAY x) in a window: the
# Cramer-Lundberg exponent, the root of 1 / (1 - r) = exp(3 r).
_DECAY = 0.9408
# Neighbours resemble each other, so evidence is taken to be this much likelier than by chance.
_TOGETHER = 100.0
# A period keeps its windows unlearnt for this many times the history, and for this long at least.
_UNLEARNT_HISTORIES, _LEAST_UNLEARNT_NS = 2, HOUR_NS
# Longer than any period.
_NEVER_NS = 2**63 - 1
# This many fields are remembered of a period's most severe window.
_MOST_FIELDS = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """When periods open and close.

    Attributes:
        window_ns: the length of a window.
        open: the severity that opens a period.
        close: the severity that prolongs an open period, less than `open`.
        evidence: the evidence that opens a period.
        merge_ns: how long other windows may last within one period.
        silence_ns: how long a series may have no data.
        new_level_ns: how long a change lasts until it may be the series' new level.
        zone: the time zone by whose clock windows begin.
    """

    window_ns: int
    open: float
    close: float
    evidence: float
    merge_ns: int
    silence_ns: int
    new_level_ns: int = _NEVER_NS
    # State headers hold the text of these rules, and beside it the fingerprint, which tells windows by a clock apart.
    zone: str = field(default=UTC, repr=False)

    @property
    def cut(self) -> Cut:
        """How time is cut into windows."""
        return cut(self.window_ns, self.zone)

    @property
    def apart_ns(self) -> int:
        """How long no window may be anomalous within one change of a level."""
        return max(self.merge_ns, self.new_level_ns // 4)


def rules(pipeline: Pipeline) -> Rules:
    """Return a pipeline's rules, by which evidence opens a period at most as often as single windows do."""
    periods = pipeline.periods
    return Rules(
        window_ns=pipeline.window_ns,
        open=periods.open,
        close=periods.close,
        evidence=opening(pipeline).evidence,
        merge_ns=periods.merge_ns,
        silence_ns=periods.silence_ns,
        new_level_ns=periods.new_level_ns,
        zone=pipeline.windows_zone,
    )


def opening(pipeline: Pipeline) -> Opening:
    """Return when evidence opens a period of a pipeline."""
    windows = max(pipeline.windows_per_day * days(pipeline.periods.open), 1.0)
    longest_ns = pipeline.window_ns + max(pipeline.periods.merge_ns, 1) - 1
    return Opening(math.log(windows * _TOGETHER) / _DECAY, longest_ns)


def are_evidence(surprise: Floats) -> Bools:
    """Return which surprises, shape (n,), are evidence of a period where there was none before."""
    return surprise > USUAL


@dataclass(frozen=True, slots=True)
class FieldMoment:
    """What a field was in a window.

    Attributes:
        name: the field's name.
        value: its first aggregate, in its own unit; NaN where the field is incomplete.
        low: the low end of its expected range, in the same unit; NaN where nobody knows.
        high: the high end, likewise.
        share: its share of the score.
    """

    name: str
    value: float
    low: float
    high: float
    share: float


@dataclass(frozen=True, slots=True)
class Moment:
    """What the fields were in the most severe window of a period.

    Attributes:
        begin_ns: the window's begin.
        fields: the fields with the largest shares of the score, the largest first.
    """

    begin_ns: int
    fields: tuple[FieldMoment, ...]

    @classmethod
    def of(
        cls,
        begin_ns: int,
        names: Sequence[str],
        value: Sequence[float],
        low: Sequence[float],
        high: Sequence[float],
        contribution: Sequence[float],
    ) -> "Moment":
        """Return the moment of a window with f fields.

        Args:
            begin_ns: the window's begin.
            names: the names of the fields.
            value: each field's first aggregate.
            low: the low end of each field's expected range.
            high: the high end of each field's expected range.
            contribution: each field's share of the score.
        """
        largest = heapq.nlargest(_MOST_FIELDS, range(len(names)), key=lambda at: contribution[at])
        return cls(
            begin_ns,
            tuple(FieldMoment(names[at], value[at], low[at], high[at], contribution[at]) for at in largest),
        )

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Moment":
        """Return the moment that `asdict` made a mapping of."""
        return cls(int(state["begin_ns"]), tuple(FieldMoment(**each) for each in state["fields"]))


@dataclass(slots=True)
class Period:
    """One period, as it is known so far.

    Attributes:
        begin_ns: where it begins.
        end_ns: where its last anomalous window ends.
        state: `open` or `closed`.
        peak_score: its highest score.
        peak_severity: its highest severity.
        points: the number of its anomalous windows.
        reason: the field with the largest share of the scores, the limit that a window was beyond, NO_DATA, or
            NEW_LEVEL.
        is_beyond_limit: whether the reason is a limit.
        moment: what the fields were in its most severe window; None where nobody knows.
    """

    begin_ns: int
    end_ns: int
    state: str
    peak_score: float
    peak_severity: float
    points: int
    reason: str
    is_beyond_limit: bool = False
    moment: Moment | None = None


@dataclass(slots=True)
class _Candidate:
    """Windows that are, or may become, a period.

    Attributes:
        begin_ns: where the first of them begins.
        end_ns: where the last of them ends.
        weights: each field's part of their scores.
        peak_score: their highest score.
        peak_severity: their highest severity.
        points: their number.
        limit: the first limit that one of them was beyond; None if none was.
        moment: what the fields were in the first window that was beyond a limit, else in the most severe one; None
            where nobody knows.
    """

    begin_ns: int
    end_ns: int
    weights: list[float]
    peak_score: float = 0.0
    peak_severity: float = 0.0
    points: int = 0
    limit: str | None = None
    moment: Moment | None = None

    def extend(
        self,
        end_ns: int,
        score: float,
        severity: float,
        contribution: Sequence[float],
        limit: str | None,
        moment: Callable[[], Moment] | None,
    ) -> None:
        is_worst = self.points == 0 or (severity > self.peak_severity and self.limit is None)
        if moment is not None and (is_worst or (limit is not None and self.limit is None)):
            self.moment = moment()
        self.end_ns = end_ns
        self.points += 1
        self.peak_score = max(self.peak_score, score)
        self.peak_severity = max(self.peak_severity, severity)
        self.limit = self.limit or limit
        self.weights = [weight + share * score for weight, share in zip(self.weights, contribution, strict=True)]

    def as_period(self, state: str, fields: Sequence[str]) -> Period:
        reason = self.limit or fields[max(range(len(fields)), key=lambda index: self.weights[index])]
        return Period(
            self.begin_ns,
            self.end_ns,
            state,
            self.peak_score,
            self.peak_severity,
            self.points,
            reason,
            is_beyond_limit=self.limit is not None,
            moment=self.moment,
        )


@dataclass(slots=True)
class Transition:
    """What one window did to its series' periods.

    Attributes:
        anomalous: whether the window belongs to a period, as far as is known by then.
        periods: the periods that it made known, oldest first.
        restarted: whether time went backwards.
        ended_silence: whether the window ended a silence that was told while it lasted; `periods` then has its end.
    """

    anomalous: bool = False
    periods: list[Period] = field(default_factory=list)
    restarted: bool = False
    ended_silence: bool = False


class Tracker:
    """The periods of one series, fed with its complete windows in the order of time.

    Args:
        rules: when periods open and close.
        fields: the names of the fields.
        last_ns: the begin of the last window, of a series about which nothing else is known; None before the first.
        resumed: whether a restart came after it.
    """

    def __init__(
        self, rules: Rules, fields: Sequence[str], last_ns: int | None = None, *, resumed: bool = False
    ) -> None:
        self._rules = rules
        self._cut = rules.cut
        self._fields = tuple(fields)
        self._last_ns = last_ns
        self._open: _Candidate | None = None
        # While no period is open, these windows reached `close` or made the evidence.
        self._run: _Candidate | None = None
        self._evidence = 0.0
        # The silence that `silent` has told, until data return.
        self._silence: Period | None = None
        # After a restart nobody knows whether the data or the reader was away.
        self._resumed = resumed

    @property
    def resumed(self) -> bool:
        """Whether no window has come since a restart."""
        return self._resumed

    @property
    def last_ns(self) -> int | None:
        """The begin of the last window, None before the first."""
        return self._last_ns

    @property
    def silence(self) -> Period | None:
        """The silence that was told and still lasts; None while there is none."""
        return self._silence

    @property
    def open_period(self) -> Period | None:
        """The period that is open, which is not a silence; None while there is none."""
        return None if self._open is None else self._open.as_period("open", self._fields)

    @property
    def calm(self) -> bool:
        """Whether no period is open, and no window may become a part of one."""
        return self._open is None and self._run is None and self._evidence == 0.0

    def feed(
        self,
        begin_ns: int,
        score: float,
        severity: float,
        surprise: float,
        contribution: Sequence[float],
        limit: str | None = None,
        moment: Callable[[], Moment] | None = None,
    ) -> Transition:
        """Take the next scored window into account.

        Args:
            begin_ns: the window's begin.
            score: its score.
            severity: its severity.
            surprise: -ln of the probability of such a score.
            contribution: each field's share of the score.
            limit: the limit that the window is beyond; None for none.
            moment: returns what the fields were in the window; None where nobody needs it.

        Returns:
            What the window did to the periods.
        """
        transition = Transition()
        end_ns = self._cut.after(begin_ns)
        if self._last_ns is not None:
            if begin_ns == self._last_ns:
                # The window was counted already.
                transition.anomalous = self._open is not None and self._open.end_ns == end_ns
                return transition
            if begin_ns < self._last_ns:
                transition.restarted = True
                self._close(transition)
                self._end_silence(None, transition)
            else:
                self._gap(begin_ns, self._cut.after(self._last_ns), transition)
        else:
            self._end_silence(begin_ns, transition)
        self._last_ns, self._resumed = begin_ns, False
        proven = self._weigh(severity, surprise)
        if self._open is None and (severity >= self._rules.close or surprise > USUAL):
            run = self._run or _Candidate(begin_ns, end_ns, [0.0] * len(self._fields))
            run.extend(end_ns, score, severity, contribution, limit, moment)
            transition.anomalous = severity >= self._rules.open or proven
            self._open, self._run = (run, None) if transition.anomalous else (None, run)
        elif self._open is not None and (severity >= self._rules.close or proven):
            self._open.extend(end_ns, score, severity, contribution, limit, moment)
            transition.anomalous = True
        elif self._open is not None and self._cut.span(self._open.end_ns, end_ns) >= self._rules.merge_ns:
            self._close(transition)
        if transition.anomalous and self._open is not None:
            transition.periods.append(self._open.as_period("open", self._fields))
        return transition

    def _weigh(self, severity: float, surprise: float) -> bool:
        """Add a window's surprise to the evidence, and return whether it is at its limit."""
        # Capped at the limit, so that what was once very rare does not count long after it is over.
        self._evidence = min(max(self._evidence + surprise - USUAL, 0.0), self._rules.evidence)
        if self._evidence == 0.0 and severity < self._rules.close:
            self._run = None
        return self._evidence >= self._rules.evidence

    def _gap(self, begin_ns: int, last_end_ns: int, transition: Transition) -> None:
        gap_ns = self._cut.span(last_end_ns, begin_ns)
        silent = gap_ns > self._rules.silence_ns
        if self._open is not None and (silent or self._is_over(begin_ns)):
            self._close(transition)
        if gap_ns >= max(self._rules.merge_ns, 1):
            self._evidence, self._run = 0.0, None
        if self._silence is not None:
            self._end_silence(begin_ns, transition)
        elif silent and not self._resumed:
            transition.periods.append(_silence(last_end_ns, begin_ns, "closed"))

    def _is_over(self, begin_ns: int) -> bool:
        """Return whether the open period is over where the next window begins at a time."""
        if self._open is None:
            return False
        return self._cut.span(self._open.end_ns, begin_ns) >= max(self._rules.merge_ns, 1)

    def silent(self, watermark_ns: int, listening_ns: int, quiet_ns: int | None = None) -> list[Period]:
        """Take into account that no window has come, for a series whose data are live.

        Whatever is told of this here, the next window would have told as well, unless its points are late and it begins
        before `quiet_ns`.

        Args:
            watermark_ns: the time up to which all windows are known: the clock less the pipeline's lateness.
            listening_ns: since when somebody listens. Silence that began before counts only from then on, because
                nobody knows what came before. Its period still begins with the end of the last known window.
            quiet_ns: the time up to which no window has had a point since the last one, by which silence is told; None:
                `watermark_ns`.

        Returns:
            The periods that this made known, oldest first: the end of an open period, and the begin of a silence.
        """
        cut = self._cut
        # The begin of the earliest window that may still come, and of the earliest that has not passed.
        next_ns = cut.begin(watermark_ns)
        quiet_ns = next_ns if quiet_ns is None else cut.begin(quiet_ns)
        first_ns = cut.first(listening_ns)
        last_end_ns = first_ns if self._last_ns is None else cut.after(self._last_ns)
        silence_ns = cut.span(max(last_end_ns, first_ns), quiet_ns)
        is_silent = self._silence is None and silence_ns > self._rules.silence_ns
        transition = Transition()
        if self._open is not None and (is_silent or self._is_over(next_ns)):
            self._close(transition)
        if is_silent:
            self._silence = _silence(last_end_ns, quiet_ns, "open")
            transition.periods.append(self._silence)
        return transition.periods

    def keeps_unlearnt(self, begin_ns: int, history_ns: int | None = None) -> bool:
        """Return whether detectors do not learn the last window, as an open period goes on with the next one.

        A period keeps its windows unlearnt for `new_level` at most. By default, it does so for at most twice the
        history, and for at least an hour.

        Args:
            begin_ns: the begin of the next window.
            history_ns: how long the history is that the model was trained on; None where nobody knows.
        """
        if self._open is None or self._last_ns is None:
            return False
        return (
            begin_ns > self._last_ns
            and self._cut.span(self._cut.after(self._last_ns), begin_ns) <= self._rules.silence_ns
            and not self._is_over(begin_ns)
            and self._cut.span(self._open.begin_ns, begin_ns) < self._longest_unlearnt_ns(history_ns)
        )

    def _longest_unlearnt_ns(self, history_ns: int | None) -> int:
        """Return for how long a period keeps its windows unlearnt."""
        new_level_ns = self._rules.new_level_ns
        # Who asks for a longer time than the default wants a change to stay a fault for it.
        if history_ns is None or new_level_ns > default_new_level_ns(self._rules.window_ns):
            return new_level_ns
        return min(new_level_ns, max(_UNLEARNT_HISTORIES * history_ns, _LEAST_UNLEARNT_NS))

    @property
    def can_settle(self) -> bool:
        """Whether a period is open that is beyond no limit, so that it may be a new level."""
        return self._open is not None and self._open.limit is None

    def settle(self, transition: Transition) -> None:
        """Close the open period after its last window, as that showed a new level.

        Args:
            transition: what the window did to the periods, which is changed.
        """
        transition.periods = [period for period in transition.periods if period.state == "closed"]
        self._close(transition)
        transition.periods[-1].reason = NEW_LEVEL

    def end(self) -> list[Period]:
        """Close the open period and the told silence as they stand, for a series that is forgotten; oldest first."""
        transition = Transition()
        self._close(transition)
        self._end_silence(None, transition)
        return transition.periods

    def _end_silence(self, begin_ns: int | None, transition: Transition) -> None:
        """End a told silence with the begin of the window that came; None ends it as it stands."""
        if self._silence is not None:
            end_ns = self._silence.end_ns if begin_ns is None else max(begin_ns, self._silence.begin_ns)
            transition.periods.append(_silence(self._silence.begin_ns, end_ns, "closed"))
            transition.ended_silence = True
            self._silence = None

    def _close(self, transition: Transition) -> None:
        if self._open is not None:
            transition.periods.append(self._open.as_period("closed", self._fields))
        self._open, self._run, self._evidence = None, None, 0.0

    def state(self) -> dict[str, Any]:
        """Return the periods for JSON."""
        return {
            "last_ns": self._last_ns,
            "evidence": self._evidence,
            "open": None if self._open is None else asdict(self._open),
            "run": None if self._run is None else asdict(self._run),
            "silence": None if self._silence is None else [self._silence.begin_ns, self._silence.end_ns],
        }

    @classmethod
    def from_state(
        cls, rules: Rules, fields: Sequence[str], state: dict[str, Any], *, resumed: bool = True
    ) -> "Tracker":
        """Go on where `state` was taken.

        Args:
            rules: when periods open and close.
            fields: the names of the fields.
            state: what `state` returned.
            resumed: whether nobody knows if there were windows since then.

        Raises:
            KeyError: the state is of other fields.
            TypeError: likewise.
            ValueError: likewise.
        """
        tracker = cls(rules, fields, None if state["last_ns"] is None else int(state["last_ns"]), resumed=resumed)
        tracker._evidence = float(state["evidence"])
        tracker._open, tracker._run = (tracker._restored(state[name]) for name in ("open", "run"))
        if state["silence"] is not None:
            begin_ns, end_ns = (int(time_ns) for time_ns in state["silence"])
            tracker._silence = _silence(begin_ns, end_ns, "open")
        return tracker

    def _restored(self, state: dict[str, Any] | None) -> _Candidate | None:
        if state is None:
            return None
        # A state of a release before has no moment.
        moment = state.get("moment")
        run = _Candidate(**{**state, "moment": None if moment is None else Moment.from_state(moment)})
        if len(run.weights) != len(self._fields):
            raise ValueError(f"{len(run.weights)} weights for {len(self._fields)} fields")
        return run


def _silence(begin_ns: int, end_ns: int, state: str) -> Period:
    """Return a period without data."""
    return Period(begin_ns, end_ns, state, 0.0, 0.0, 0, NO_DATA)
