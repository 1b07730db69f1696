"""What was found against what was injected. Pure: intervals in, a verdict out.

All intervals are half-open and in milliseconds since 1970. A fault is found when a period of its printer overlaps it,
or begins within two windows after its end (a window that holds the fault's last points ends later than the fault). A
period that overlaps no fault of its printer in this sense is false.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.faults import Fault

TOLERANCE_WINDOWS = 2
NO_DATA = "no data"
"""The reason of a period without data. It is known at its end, when data returns."""

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Period:
    """A period as it is in the results; ``reason`` is a field's name or ``no data``."""

    printer: str
    begin_ms: int
    end_ms: int
    state: str
    peak_severity: float
    peak_score: float
    windows: int
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a fault.

    Attributes:
        fault: what was injected.
        periods: what overlaps it, by begin; empty if it was missed.
        delay_ms: from the fault's begin to the end of the first window that tells of it, in the data's time.
    """

    fault: Fault
    periods: tuple[Period, ...]
    delay_ms: int | None

    @property
    def found(self) -> bool:
        """Whether anything overlaps it."""
        return bool(self.periods)

    @property
    def worst(self) -> Period | None:
        """The period of the highest severity."""
        return max(self.periods, key=lambda period: period.peak_severity, default=None)


@dataclass(frozen=True)
class Verdict:
    """The comparison.

    Attributes:
        outcomes: one for each fault, in the faults' order.
        false: periods that overlap no fault, by begin.
        days: the length of what was streamed.
        complete: windows of the day with all of their samples, of all printers.
        unscored: so many of them have no score.
        allowed_false: so many false periods are forgiven.
    """

    outcomes: tuple[Outcome, ...]
    false: tuple[Period, ...]
    days: float
    complete: int
    unscored: int
    allowed_false: int

    @property
    def found(self) -> int:
        """How many faults were found."""
        return sum(outcome.found for outcome in self.outcomes)

    @property
    def false_per_day(self) -> float:
        """False periods a day of data, of all printers together."""
        return len(self.false) / self.days

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it is no success; empty if it is one."""
        problems = [
            f"{o.fault.id} ({o.fault.kind} on printer-{o.fault.printer}) was missed"
            for o in self.outcomes
            if not o.found
        ]
        if len(self.false) > self.allowed_false:
            problems.append(f"{len(self.false)} false periods, where at most {self.allowed_false} is allowed")
        if self.unscored:
            problems.append(
                f"{self.unscored:,} of {self.complete:,} complete windows have no score: "
                "points were lost on the way, or the task was not running"
            )
        return tuple(problems)


def judge(
    faults: Sequence[Fault],
    periods: Iterable[Period],
    window_ms: int,
    length_ms: int,
    complete: Mapping[str, int],
    scored: Mapping[str, int],
    allowed_false: int = 1,
) -> Verdict:
    """Compare the periods with the injected faults.

    Args:
        window_ms: the pipeline's window.
        length_ms: of the data that was streamed.
        complete: by printer the windows that must have a score.
        scored: by printer the windows that have one; incomplete ones may be among them.
    """
    ordered = sorted(periods, key=lambda period: (period.begin_ms, period.printer))
    outcomes = tuple(_outcome(fault, ordered, window_ms) for fault in faults)
    explained = {period for outcome in outcomes for period in outcome.periods}
    false = tuple(period for period in ordered if period not in explained)
    unscored = sum(max(count - scored.get(printer, 0), 0) for printer, count in complete.items())
    return Verdict(outcomes, false, length_ms / _DAY_MS, sum(complete.values()), unscored, allowed_false)


def _outcome(fault: Fault, ordered: Sequence[Period], window_ms: int) -> Outcome:
    latest_ms = fault.end_ms + TOLERANCE_WINDOWS * window_ms
    mine = tuple(
        period
        for period in ordered
        if period.printer == f"printer-{fault.printer}"
        and period.begin_ms < latest_ms
        and period.end_ms > fault.begin_ms
    )
    known = min((_known_ms(period, window_ms) for period in mine), default=None)
    # A period that was there before the fault tells of it at once.
    return Outcome(fault, mine, None if known is None else max(known - fault.begin_ms, 0))


def _known_ms(period: Period, window_ms: int) -> int:
    """When whoever watches the results can know of a period, in the data's time."""
    return period.end_ms if period.reason == NO_DATA else period.begin_ms + window_ms
