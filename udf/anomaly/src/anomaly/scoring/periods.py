"""Periods: runs of anomalous windows, and stretches without data, for each series.

The rules, with W the window's length:

- A window whose severity reaches `open` opens a period. So does a run of windows of which none is so rare, but all are
  together: a window's surprise is -ln of its probability, and the run's evidence the sum of (surprise - 3), which
  starts anew when it falls to 0 (Page, "Continuous Inspection Schemes", Biometrika 1954) and opens a period at a
  limit.
- A window that reaches `close`, or keeps the evidence at its limit, prolongs an open period. A period begins with the
  first window of its run, and ends with the end of the last that prolonged it.
- Other windows that last `merge` (or the same time without windows) close it.
- A gap between two complete windows that is longer than `silence` closes an open period, and is itself a closed
  period, with the reason `no data`, from the end of the one window to the begin of the other. It is known when data
  returns.
- Time that goes backwards closes an open period as it stands, and starts the series anew.

Pure logic on integers of nanoseconds: no clock, no I/O.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from anomaly.pipeline import Pipeline
from anomaly.severity.rarity import days

NO_DATA = "no data"

# What a window's surprise must exceed to add to the evidence: a probability of 5 %.
_USUAL = 3.0
# By chance, surprise is exponential with mean 1, and evidence beyond x as rare as exp(-_DECAY x) in a window: the
# Cramer-Lundberg exponent, the root of 1 / (1 - r) = exp(3 r).
_DECAY = 0.9408
# Neighbours resemble each other: evidence is taken to be so much likelier than by chance.
_TOGETHER = 100.0


@dataclass(frozen=True, slots=True)
class Rules:
    """window_ns, merge_ns, silence_ns: nanoseconds. open, close: severities, close < open. evidence: a run's limit."""

    window_ns: int
    open: float
    close: float
    evidence: float
    merge_ns: int
    silence_ns: int


def rules(pipeline: Pipeline) -> Rules:
    """A pipeline's rules. Evidence opens a period at most as often as single windows do."""
    periods = pipeline.periods
    windows = pipeline.windows_per_day * days(periods.open)
    return Rules(
        window_ns=pipeline.window_ns,
        open=periods.open,
        close=periods.close,
        evidence=math.log(max(windows, 1.0) * _TOGETHER) / _DECAY,
        merge_ns=periods.merge_ns,
        silence_ns=periods.silence_ns,
    )


@dataclass(slots=True)
class Period:
    """One period, as it is known so far. points: its anomalous windows. reason: a field, or `no data`."""

    begin_ns: int
    end_ns: int
    state: str
    peak_score: float
    peak_severity: float
    points: int
    reason: str


@dataclass(slots=True)
class _Run:
    """Windows that are, or may become, a period. weights: each field's part of their scores."""

    begin_ns: int
    end_ns: int
    weights: list[float]
    peak_score: float = 0.0
    peak_severity: float = 0.0
    points: int = 0

    def extend(self, end_ns: int, score: float, severity: float, contribution: Sequence[float]) -> None:
        self.end_ns = end_ns
        self.points += 1
        self.peak_score = max(self.peak_score, score)
        self.peak_severity = max(self.peak_severity, severity)
        self.weights = [weight + share * score for weight, share in zip(self.weights, contribution, strict=True)]

    def as_period(self, state: str, fields: Sequence[str]) -> Period:
        reason = fields[max(range(len(fields)), key=lambda index: self.weights[index])]
        return Period(self.begin_ns, self.end_ns, state, self.peak_score, self.peak_severity, self.points, reason)


@dataclass(slots=True)
class Transition:
    """What one window led to. anomalous: whether it belongs to a period, as far as is known by then. periods: what
    became known, oldest first. restarted: whether time went backwards."""

    anomalous: bool = False
    periods: list[Period] = field(default_factory=list)
    restarted: bool = False


class Tracker:
    """The periods of one series, fed with its complete windows in the order of time."""

    def __init__(self, rules: Rules, fields: Sequence[str]) -> None:
        self._rules = rules
        self._fields = tuple(fields)
        self._last_ns: int | None = None
        self._open: _Run | None = None
        # While no period is open: the run that the evidence is of.
        self._run: _Run | None = None
        self._evidence = 0.0
        # After a restart nobody knows whether the data or the reader was away.
        self._resumed = False

    @property
    def last_ns(self) -> int | None:
        """The begin of the last window seen."""
        return self._last_ns

    @property
    def calm(self) -> bool:
        """Whether no period is open, and there is no evidence of one."""
        return self._open is None and self._evidence == 0.0

    def feed(
        self, begin_ns: int, score: float, severity: float, surprise: float, contribution: Sequence[float]
    ) -> Transition:
        """One scored window: its begin, its surprise (-ln of its probability), and each field's share of its score."""
        step = Transition()
        end_ns = begin_ns + self._rules.window_ns
        if self._last_ns is not None:
            if begin_ns == self._last_ns:
                # The same window again: it has been counted.
                step.anomalous = self._open is not None and self._open.end_ns == end_ns
                return step
            if begin_ns < self._last_ns:
                step.restarted = True
                self._close(step)
            else:
                self._gap(begin_ns, self._last_ns + self._rules.window_ns, step)
        self._last_ns, self._resumed = begin_ns, False
        proven = self._weigh(surprise)
        if self._open is None and (severity >= self._rules.open or surprise > _USUAL):
            run = self._run or _Run(begin_ns, end_ns, [0.0] * len(self._fields))
            run.extend(end_ns, score, severity, contribution)
            step.anomalous = severity >= self._rules.open or proven
            self._open, self._run = (run, None) if step.anomalous else (None, run)
        elif self._open is not None and (severity >= self._rules.close or proven):
            self._open.extend(end_ns, score, severity, contribution)
            step.anomalous = True
        elif self._open is not None and end_ns - self._open.end_ns >= self._rules.merge_ns:
            self._close(step)
        if step.anomalous and self._open is not None:
            step.periods.append(self._open.as_period("open", self._fields))
        return step

    def _weigh(self, surprise: float) -> bool:
        """Whether the evidence is at its limit, with this window."""
        # Capped at the limit, so that what was once very rare does not count long after it is over.
        self._evidence = min(max(self._evidence + surprise - _USUAL, 0.0), self._rules.evidence)
        if self._evidence == 0.0:
            self._run = None
        return self._evidence >= self._rules.evidence

    def _gap(self, begin_ns: int, last_end_ns: int, step: Transition) -> None:
        silent = begin_ns - last_end_ns > self._rules.silence_ns
        if self._open is not None and (silent or begin_ns - self._open.end_ns >= max(self._rules.merge_ns, 1)):
            self._close(step)
        if begin_ns - last_end_ns >= max(self._rules.merge_ns, 1):
            self._evidence, self._run = 0.0, None
        if silent and not self._resumed:
            step.periods.append(Period(last_end_ns, begin_ns, "closed", 0.0, 0.0, 0, NO_DATA))

    def _close(self, step: Transition) -> None:
        if self._open is not None:
            step.periods.append(self._open.as_period("closed", self._fields))
        self._open, self._run, self._evidence = None, None, 0.0

    def state(self) -> dict[str, Any]:
        """What a snapshot keeps, for JSON."""
        return {
            "last_ns": self._last_ns,
            "evidence": self._evidence,
            "open": None if self._open is None else asdict(self._open),
            "run": None if self._run is None else asdict(self._run),
        }

    @classmethod
    def from_state(cls, rules: Rules, fields: Sequence[str], state: dict[str, Any]) -> "Tracker":
        """Goes on where `state` was taken. Raises KeyError, TypeError or ValueError when it does not fit."""
        tracker = cls(rules, fields)
        tracker._last_ns = None if state["last_ns"] is None else int(state["last_ns"])
        tracker._evidence = float(state["evidence"])
        tracker._open, tracker._run = (tracker._restored(state[name]) for name in ("open", "run"))
        tracker._resumed = True
        return tracker

    def _restored(self, state: dict[str, Any] | None) -> _Run | None:
        if state is None:
            return None
        run = _Run(**state)
        if len(run.weights) != len(self._fields):
            raise ValueError(f"{len(run.weights)} weights for {len(self._fields)} fields")
        return run
