"""Compares periods with labels. The logic is pure: it takes intervals and returns figures.

A period finds a label of its series if it overlaps the label, or begins within two windows after the label's end: the
window that holds a fault's last points ends later than the fault. A period that finds no label is false. There are two
exceptions. A period whose reason is `no data` is silent, as missing data are a fact and not a judgement. And where the
labels are not complete, a period is false only if it repeats a known false alarm, and unjudged otherwise.

Figures count events, not windows:

- recall: the share of labels that are found.
- precision: the share of true periods among the true and the false ones; a true period is one that found a label.
- delay: from a label's begin to the end of the first window that made a period of it known.
- overrun: from a label's end to the end of the last period that found it.
- coverage: the share of the labels' time that lies inside of the periods that found them. A long label weighs as much
  as its length, and a missed one is not covered at all.
- false periods a day: counted for each series, as severities are.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anomaly.backtest.labels import Label, Truth
from anomaly.nanoseconds import DAY_NS
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.windows.arrays import Key

TOLERANCE_WINDOWS = 2


@dataclass(frozen=True, slots=True)
class FoundPeriod:
    """A period of a series.

    Attributes:
        key: the key of the series.
        period: the period.
        known_ns: the end of the first window that made the period known, in nanoseconds since 1970.
    """

    key: Key
    period: Period
    known_ns: int

    @property
    def id(self) -> tuple[int, Key]:
        """The begin and the series, which no other period shares."""
        return self.period.begin_ns, self.key


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """The periods that found a label, or repeated a known false alarm.

    Attributes:
        label: the label.
        found: the periods that found it, by begin.
        delay_ns: from the label's begin to the end of the first window that made a period known; None without one.
    """

    label: Label
    found: tuple[FoundPeriod, ...]
    delay_ns: int | None

    @property
    def overrun_ns(self) -> int | None:
        """From the label's end to the last period's end, at least 0; None if no period found the label."""
        ends = [period.period.end_ns for period in self.found]
        return max(max(ends) - self.label.end_ns, 0) if ends else None

    @property
    def covered_ns(self) -> int:
        """How long the periods that found the label cover it, in nanoseconds; 0 if no period found it."""
        covered_ns, until_ns = 0, self.label.begin_ns
        for period in self.found:
            end_ns = min(period.period.end_ns, self.label.end_ns)
            covered_ns += max(end_ns - max(period.period.begin_ns, until_ns), 0)
            until_ns = max(until_ns, end_ns)
        return covered_ns

    @property
    def coverage(self) -> float:
        """The share of the label's time that the periods that found it cover, from 0 to 1."""
        return self.covered_ns / (self.label.end_ns - self.label.begin_ns)


@dataclass(frozen=True)
class Evaluation:
    """The periods of one opening severity, compared with the labels.

    Attributes:
        outcomes: one for each label.
        days: days of scored data, all series together.
        window_ns: the length of a window.
        complete: whether the labels name everything that happened.
        alarms: one for each known false alarm.
        true: periods that found a label, by begin.
        false: periods that are false, by begin.
        unjudged: periods that are neither true nor false, as the labels are not complete, by begin.
        silent: periods whose reason is `no data`, by begin.
    """

    outcomes: tuple[LabelOutcome, ...]
    days: float
    window_ns: int
    complete: bool = True
    alarms: tuple[LabelOutcome, ...] = ()
    true: tuple[FoundPeriod, ...] = ()
    false: tuple[FoundPeriod, ...] = ()
    unjudged: tuple[FoundPeriod, ...] = ()
    silent: tuple[FoundPeriod, ...] = ()

    @property
    def found(self) -> int:
        """How many labels were found."""
        return sum(bool(outcome.found) for outcome in self.outcomes)

    @property
    def judged(self) -> bool:
        """Whether there are labels or known false alarms that periods can be compared with."""
        return self.complete or bool(self.outcomes or self.alarms)

    @property
    def repeated(self) -> int:
        """How many known false alarms were raised again."""
        return sum(bool(alarm.found) for alarm in self.alarms)

    @property
    def recall(self) -> float | None:
        """The share of labels that are found; None without labels."""
        return self.found / len(self.outcomes) if self.outcomes else None

    @property
    def precision(self) -> float | None:
        """The share of true periods among true and false ones; None without labels or periods."""
        judged = len(self.true) + len(self.false)
        return len(self.true) / judged if self.outcomes and judged else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of recall and precision; None where one of them is None."""
        if self.recall is None or self.precision is None:
            return None
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0

    @property
    def delay_ns(self) -> float | None:
        """The median delay of the labels that were found, in nanoseconds; None if none was."""
        return statistics.median(delays) if (delays := _delays(self.outcomes)) else None

    @property
    def delay_windows(self) -> float | None:
        """The median delay in windows; None if no label was found."""
        return None if self.delay_ns is None else self.delay_ns / self.window_ns

    @property
    def overrun_windows(self) -> float | None:
        """The median overrun of the labels that were found, in windows; None if none was."""
        return KindFigures.of(self.outcomes, self.window_ns).overrun_windows

    @property
    def coverage(self) -> float | None:
        """The share of all labels' time that the periods that found them cover; None without labels."""
        return _coverage(self.outcomes)

    @property
    def false_per_day(self) -> float | None:
        """False periods a day of one series; None without data."""
        return len(self.false) / self.days if self.days else None

    @property
    def unjudged_per_day(self) -> float | None:
        """Unjudged periods a day of one series; None without data."""
        return len(self.unjudged) / self.days if self.days else None

    def by_kind(self) -> Mapping[str, "KindFigures"]:
        """Return the figures of each kind of label, by the kind's name."""
        kinds = sorted({outcome.label.kind for outcome in self.outcomes})
        return {
            kind: KindFigures.of([outcome for outcome in self.outcomes if outcome.label.kind == kind], self.window_ns)
            for kind in kinds
        }


@dataclass(frozen=True, slots=True)
class KindFigures:
    """The figures of one kind of label.

    Attributes:
        labels: how many labels of the kind there are.
        found: how many of them were found.
        delay_windows: their median delay in windows; None if none was found.
        overrun_windows: their median overrun in windows, likewise.
        coverage: the share of their time that the periods that found them cover; None without labels.
    """

    labels: int
    found: int
    delay_windows: float | None
    overrun_windows: float | None
    coverage: float | None

    @classmethod
    def of(cls, outcomes: Sequence[LabelOutcome], window_ns: int) -> "KindFigures":
        """Return the figures of the labels with these outcomes.

        Args:
            outcomes: one for each label.
            window_ns: the length of a window.
        """
        delays = _delays(outcomes)
        overruns = [outcome.overrun_ns for outcome in outcomes if outcome.overrun_ns is not None]
        delay, overrun = (statistics.median(times) / window_ns if times else None for times in (delays, overruns))
        return cls(len(outcomes), len(delays), delay, overrun, _coverage(outcomes))


def evaluate(
    truth: Truth, found_periods: Iterable[FoundPeriod], scored_windows: int, *, group_by: Sequence[str], window_ns: int
) -> Evaluation:
    """Compare periods with labels.

    Args:
        truth: the labels and the known false alarms.
        found_periods: the periods, in any order.
        scored_windows: how many windows of all series together were scored.
        group_by: the tags whose values are the periods' keys.
        window_ns: the length of a window.
    """
    ordered = sorted(found_periods, key=lambda period: period.id)
    outcomes, alarms = (
        tuple(_outcome(label, ordered, group_by, window_ns) for label in labels)
        for labels in (truth.labels, truth.false_alarms)
    )
    true, repeats = ({period.id for outcome in each for period in outcome.found} for each in (outcomes, alarms))
    verdicts: dict[str, list[FoundPeriod]] = {"true": [], "false": [], "unjudged": [], "silent": []}
    for period in ordered:
        if period.id in true:
            verdict = "true"
        elif period.period.reason == NO_DATA:
            verdict = "silent"
        else:
            verdict = "false" if truth.complete or period.id in repeats else "unjudged"
        verdicts[verdict].append(period)
    return Evaluation(
        outcomes,
        scored_windows / (DAY_NS / window_ns),
        window_ns,
        truth.complete,
        alarms,
        **{verdict: tuple(periods) for verdict, periods in verdicts.items()},
    )


def _outcome(label: Label, ordered: Sequence[FoundPeriod], group_by: Sequence[str], window_ns: int) -> LabelOutcome:
    """Return which of the periods, ordered by begin, found a label, and how late."""
    latest_ns = label.end_ns + TOLERANCE_WINDOWS * window_ns
    finding = tuple(
        period
        for period in ordered
        if period.period.begin_ns < latest_ns
        and period.period.end_ns > label.begin_ns
        and label.means(group_by, period.key)
    )
    known_ns = min((period.known_ns for period in finding), default=None)
    # A period that was known before the label begins has no delay.
    return LabelOutcome(label, finding, None if known_ns is None else max(known_ns - label.begin_ns, 0))


def _coverage(outcomes: Sequence[LabelOutcome]) -> float | None:
    length_ns = sum(outcome.label.end_ns - outcome.label.begin_ns for outcome in outcomes)
    return sum(outcome.covered_ns for outcome in outcomes) / length_ns if length_ns else None


def _delays(outcomes: Iterable[LabelOutcome]) -> list[int]:
    return [outcome.delay_ns for outcome in outcomes if outcome.delay_ns is not None]
