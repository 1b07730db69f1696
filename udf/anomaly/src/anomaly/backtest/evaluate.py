"""Periods against what is known. Pure: intervals in, figures out.

A label is found when a period of a series that it means overlaps it, or begins within two windows after its end (the
window that holds a fault's last points ends later than the fault). A period that finds no label is false, unless its
reason is `no data`: that nothing was written is a fact, not a judgement. Where not all that happened is known, it is
false if it repeats a known false alarm, and unjudged otherwise. Figures are over events, not windows:

- recall: the share of labels that are found.
- precision: of the periods that found a label or are false, the share of the former.
- delay: from a label's begin to the end of the first window that made a period of it known.
- overrun: from a label's end to the end of the last period that found it.
- false periods a day: for each series, as severities are.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anomaly.backtest.labels import Label, Truth
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.windows.arrays import Key

TOLERANCE_WINDOWS = 2
_DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class FoundPeriod:
    """A period of a series, and the end of the first window that made it known."""

    key: Key
    period: Period
    known_ns: int

    @property
    def id(self) -> tuple[int, Key]:
        """No other period has it."""
        return self.period.begin_ns, self.key


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """What became of a label, or of a known false alarm.

    Attributes:
        label: the label.
        found: the periods that found it, by begin.
        delay_ns: from the label's begin to the end of the first window that told of it; None if nothing did.
    """

    label: Label
    found: tuple[FoundPeriod, ...]
    delay_ns: int | None

    @property
    def overrun_ns(self) -> int | None:
        """0 where the last period ended before the label did; None if none found it."""
        ends = [each.period.end_ns for each in self.found]
        return max(max(ends) - self.label.end_ns, 0) if ends else None


@dataclass(frozen=True)
class Evaluation:
    """Periods compared with what is known.

    Attributes:
        outcomes: one for each label.
        days: days of scored data, of all series together.
        window_ns: the length of a window.
        complete: whether everything that happened is known.
        alarms: one for each known false alarm.
        true: periods that found a label, by begin.
        false: periods that are false, by begin.
        unjudged: periods that are neither, as far as is known, by begin.
        silent: periods that only say that there was no data, by begin.
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
        """Whether anything is known that periods can be compared with."""
        return self.complete or bool(self.outcomes or self.alarms)

    @property
    def repeated(self) -> int:
        """How many known false alarms were raised again."""
        return sum(bool(alarm.found) for alarm in self.alarms)

    @property
    def recall(self) -> float | None:
        """None without labels."""
        return self.found / len(self.outcomes) if self.outcomes else None

    @property
    def precision(self) -> float | None:
        """None without labels, and without periods."""
        judged = len(self.true) + len(self.false)
        return len(self.true) / judged if self.outcomes and judged else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of the two; None where one of them is."""
        if self.recall is None or self.precision is None:
            return None
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0

    @property
    def delay_ns(self) -> float | None:
        """The median over the labels that were found."""
        return statistics.median(delays) if (delays := _delays(self.outcomes)) else None

    @property
    def delay_windows(self) -> float | None:
        """The delay in windows."""
        return None if self.delay_ns is None else self.delay_ns / self.window_ns

    @property
    def overrun_windows(self) -> float | None:
        """The median over the labels that were found."""
        return KindFigures.of(self.outcomes, self.window_ns).overrun_windows

    @property
    def false_per_day(self) -> float | None:
        """False periods a day of one series; None without data."""
        return len(self.false) / self.days if self.days else None

    @property
    def unjudged_per_day(self) -> float | None:
        """Unjudged periods a day of one series; None without data."""
        return len(self.unjudged) / self.days if self.days else None

    def by_kind(self) -> Mapping[str, "KindFigures"]:
        """The figures of each kind of label, in the order of names."""
        kinds = sorted({outcome.label.kind for outcome in self.outcomes})
        return {
            kind: KindFigures.of([outcome for outcome in self.outcomes if outcome.label.kind == kind], self.window_ns)
            for kind in kinds
        }


@dataclass(frozen=True, slots=True)
class KindFigures:
    """labels: how many there are; found: of them. delay_windows, overrun_windows: medians, None if none was found."""

    labels: int
    found: int
    delay_windows: float | None
    overrun_windows: float | None

    @classmethod
    def of(cls, outcomes: Sequence[LabelOutcome], window_ns: int) -> "KindFigures":
        """The figures of these outcomes."""
        delays = _delays(outcomes)
        overruns = [outcome.overrun_ns for outcome in outcomes if outcome.overrun_ns is not None]
        delay, overrun = (statistics.median(those) / window_ns if those else None for those in (delays, overruns))
        return cls(len(outcomes), len(delays), delay, overrun)


def evaluate(
    truth: Truth, found: Iterable[FoundPeriod], scored_windows: int, *, group_by: Sequence[str], window_ns: int
) -> Evaluation:
    """Compare periods with what is known to have happened.

    Args:
        truth: what is known.
        found: the periods, in any order.
        scored_windows: how many windows of all series together were scored.
        group_by: the tags whose values are the periods' keys.
        window_ns: the length of a window.
    """
    ordered = sorted(found, key=lambda each: each.id)
    outcomes, alarms = (
        tuple(_outcome(label, ordered, group_by, window_ns) for label in those)
        for those in (truth.labels, truth.false_alarms)
    )
    true, repeats = ({each.id for outcome in those for each in outcome.found} for those in (outcomes, alarms))
    sorts: dict[str, list[FoundPeriod]] = {"true": [], "false": [], "unjudged": [], "silent": []}
    for each in ordered:
        if each.id in true:
            sort = "true"
        elif each.period.reason == NO_DATA:
            sort = "silent"
        else:
            sort = "false" if truth.complete or each.id in repeats else "unjudged"
        sorts[sort].append(each)
    return Evaluation(
        outcomes,
        scored_windows / (_DAY_NS / window_ns),
        window_ns,
        truth.complete,
        alarms,
        **{sort: tuple(those) for sort, those in sorts.items()},
    )


def _outcome(label: Label, ordered: Sequence[FoundPeriod], group_by: Sequence[str], window_ns: int) -> LabelOutcome:
    latest_ns = label.end_ns + TOLERANCE_WINDOWS * window_ns
    mine = tuple(
        each
        for each in ordered
        if each.period.begin_ns < latest_ns and each.period.end_ns > label.begin_ns and label.means(group_by, each.key)
    )
    known_ns = min((each.known_ns for each in mine), default=None)
    # A period that was there before the label tells of it at once.
    return LabelOutcome(label, mine, None if known_ns is None else max(known_ns - label.begin_ns, 0))


def _delays(outcomes: Iterable[LabelOutcome]) -> list[int]:
    return [outcome.delay_ns for outcome in outcomes if outcome.delay_ns is not None]
