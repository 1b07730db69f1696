"""Periods: runs of anomalous windows, and stretches without data, for each series.

The rules, with W the window's length:

- A window whose severity reaches `open` opens a period; one that reaches `close` prolongs an open one. The period
  begins with the first such window and ends with the end of the last.
- Windows below `close` that last `merge` (or the same time without windows) close it.
- A gap between two complete windows that is longer than `silence` closes an open period, and is itself a closed
  period, with the reason `no data`, from the end of the one window to the begin of the other. It is known when data
  returns.
- Time that goes backwards closes an open period as it stands, and starts the series anew.

Pure logic on integers of nanoseconds: no clock, no I/O.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

NO_DATA = "no data"


@dataclass(frozen=True, slots=True)
class Rules:
    """window_ns, merge_ns, silence_ns: nanoseconds. open, close: severities, close < open."""

    window_ns: int
    open: float
    close: float
    merge_ns: int
    silence_ns: int


@dataclass(slots=True)
class Period:
    """One period, as it is known so far. points: its windows of at least `close`. reason: a field, or `no data`."""

    begin_ns: int
    end_ns: int
    state: str
    peak_score: float
    peak_severity: float
    points: int
    reason: str


@dataclass(slots=True)
class _Open:
    begin_ns: int
    end_ns: int
    peak_score: float
    peak_severity: float
    points: int
    weights: list[float]

    def as_period(self, state: str, fields: Sequence[str]) -> Period:
        reason = fields[max(range(len(fields)), key=lambda index: self.weights[index])]
        return Period(self.begin_ns, self.end_ns, state, self.peak_score, self.peak_severity, self.points, reason)


@dataclass(slots=True)
class Step:
    """What one window led to. anomalous: whether it belongs to a period. periods: what became known, oldest first.
    restarted: whether time went backwards."""

    anomalous: bool = False
    periods: list[Period] = field(default_factory=list)
    restarted: bool = False


class Tracker:
    """The periods of one series, fed with its complete windows in the order of time."""

    def __init__(self, rules: Rules, fields: Sequence[str]) -> None:
        self._rules = rules
        self._fields = tuple(fields)
        self._last_ns: int | None = None
        self._open: _Open | None = None
        # After a restart nobody knows whether the data or the reader was away.
        self._resumed = False

    @property
    def last_ns(self) -> int | None:
        """The begin of the last window seen."""
        return self._last_ns

    def feed(self, begin_ns: int, score: float, severity: float, contribution: Sequence[float]) -> Step:
        """One scored window, its begin, and each field's share of its score."""
        step = Step()
        if self._last_ns is not None:
            if begin_ns < self._last_ns:
                step.restarted = True
                self._close(step)
            elif begin_ns == self._last_ns:
                # The same window again: it has been counted.
                step.anomalous = self._open is not None and self._open.end_ns == begin_ns + self._rules.window_ns
                return step
            else:
                self._gap(begin_ns, self._last_ns + self._rules.window_ns, step)
        self._last_ns, self._resumed = begin_ns, False
        level = self._rules.open if self._open is None else self._rules.close
        if severity >= level:
            step.anomalous = True
            period = self._extend(begin_ns, score, severity, contribution)
            step.periods.append(period.as_period("open", self._fields))
        elif self._open is not None and begin_ns + self._rules.window_ns - self._open.end_ns >= self._rules.merge_ns:
            self._close(step)
        return step

    def _gap(self, begin_ns: int, last_end_ns: int, step: Step) -> None:
        silent = begin_ns - last_end_ns > self._rules.silence_ns
        if self._open is not None and (silent or begin_ns - self._open.end_ns >= max(self._rules.merge_ns, 1)):
            self._close(step)
        if silent and not self._resumed:
            step.periods.append(Period(last_end_ns, begin_ns, "closed", 0.0, 0.0, 0, NO_DATA))

    def _extend(self, begin_ns: int, score: float, severity: float, contribution: Sequence[float]) -> _Open:
        end_ns = begin_ns + self._rules.window_ns
        if self._open is None:
            self._open = _Open(begin_ns, end_ns, score, severity, 0, [0.0] * len(self._fields))
        period = self._open
        period.end_ns = end_ns
        period.points += 1
        period.peak_score = max(period.peak_score, score)
        period.peak_severity = max(period.peak_severity, severity)
        period.weights = [weight + share * score for weight, share in zip(period.weights, contribution, strict=True)]
        return period

    def _close(self, step: Step) -> None:
        if self._open is not None:
            step.periods.append(self._open.as_period("closed", self._fields))
            self._open = None

    def state(self) -> dict[str, Any]:
        """What a snapshot keeps, for JSON."""
        return {"last_ns": self._last_ns, "open": None if self._open is None else asdict(self._open)}

    @classmethod
    def from_state(cls, rules: Rules, fields: Sequence[str], state: dict[str, Any]) -> "Tracker":
        """Goes on where `state` was taken. Raises KeyError, TypeError or ValueError when it does not fit."""
        tracker = cls(rules, fields)
        tracker._last_ns = None if state["last_ns"] is None else int(state["last_ns"])
        if state["open"] is not None:
            tracker._open = _Open(**state["open"])
            if len(tracker._open.weights) != len(tracker._fields):
                raise ValueError(f"{len(tracker._open.weights)} weights for {len(tracker._fields)} fields")
        tracker._resumed = True
        return tracker
