"""Compares the found periods with the injected faults, and makes a verdict of the comparison.

`anomaly.backtest.evaluate` does the comparison, by the rules of a backtest. The demonstration is stricter in one
respect: it writes data throughout, so a period without data that overlaps no fault is false, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anomaly.backtest.evaluate import Evaluation, FoundPeriod, LabelOutcome, evaluate
from anomaly.backtest.labels import Label, Truth
from demo.live import LiveSilence
from ingest.faults import Fault
from ingest.printer import PRINTERS
from ingest.process import Process

_NS_PER_MS = 1_000_000
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class FaultOutcome:
    """An injected fault and the periods that found it.

    Attributes:
        fault: the fault.
        outcome: the evaluation's outcome for the fault's label.
    """

    fault: Fault
    outcome: LabelOutcome

    @property
    def periods(self) -> tuple[FoundPeriod, ...]:
        """The periods that found the fault, by begin; empty if it was missed."""
        return self.outcome.found

    @property
    def found(self) -> bool:
        """Whether a period found the fault."""
        return bool(self.outcome.found)

    @property
    def delay_ms(self) -> int | None:
        """From the fault's begin to the end of the first window that made a period known; None if it was missed."""
        return None if self.outcome.delay_ns is None else self.outcome.delay_ns // _NS_PER_MS

    @property
    def worst(self) -> FoundPeriod | None:
        """The period with the highest peak severity; None if the fault was missed."""
        return max(self.outcome.found, key=lambda period: period.period.peak_severity, default=None)


@dataclass(frozen=True)
class DemoVerdict:
    """The result of a demonstration.

    Attributes:
        outcomes: one for each fault, in the order of the faults.
        false: periods that find no fault, by begin.
        days: the length of the streamed data, in days.
        complete: how many windows of the day have all of their samples, of all devices.
        unscored: how many of these windows have no score.
        allowed_false: how many false periods are forgiven.
        process: the process that was streamed.
        live: what became of the silence of a live device; None where none was demonstrated.
    """

    outcomes: tuple[FaultOutcome, ...]
    false: tuple[FoundPeriod, ...]
    days: float
    complete: int
    unscored: int
    allowed_false: int
    process: Process = PRINTERS
    live: LiveSilence | None = None

    @property
    def found(self) -> int:
        """How many faults were found."""
        return sum(outcome.found for outcome in self.outcomes)

    @property
    def false_per_day(self) -> float:
        """False periods a day of data, of all devices together."""
        return len(self.false) / self.days

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the demonstration failed; empty if it did not."""
        problems = [
            f"{o.fault.id} ({o.fault.kind} on {self.process.device_name(o.fault.device)}) was missed"
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
        if self.live is not None and self.live.problem is not None:
            problems.append(self.live.problem)
        return tuple(problems)


def compare(
    faults: Sequence[Fault],
    periods: Iterable[FoundPeriod],
    window_ms: int,
    length_ms: int,
    complete: Mapping[str, int],
    scored: Mapping[str, int],
    allowed_false: int = 1,
    process: Process = PRINTERS,
    live: LiveSilence | None = None,
) -> DemoVerdict:
    """Compare the periods with the injected faults.

    Args:
        faults: the injected faults.
        periods: the found periods; their keys are the devices' names.
        window_ms: the pipeline's window.
        length_ms: the length of the streamed data.
        complete: for each device, how many windows must have a score.
        scored: for each device, how many windows have a score; these may include incomplete windows.
        allowed_false: how many false periods are forgiven.
        process: the process that was streamed.
        live: what became of the silence of a live device; None where none was demonstrated.
    """
    evaluation = evaluate(
        Truth(tuple(_label(process, fault) for fault in faults)),
        periods,
        sum(scored.values()),
        group_by=(process.name,),
        window_ns=window_ms * _NS_PER_MS,
    )
    unscored = sum(max(count - scored.get(device, 0), 0) for device, count in complete.items())
    return DemoVerdict(
        tuple(FaultOutcome(fault, outcome) for fault, outcome in zip(faults, evaluation.outcomes, strict=True)),
        _false(evaluation),
        length_ms / _DAY_MS,
        sum(complete.values()),
        unscored,
        allowed_false,
        process,
        live,
    )


def _label(process: Process, fault: Fault) -> Label:
    tags = {process.name: process.device_name(fault.device)}
    return Label(fault.begin_ms * _NS_PER_MS, fault.end_ms * _NS_PER_MS, tags, fault.kind)


def _false(evaluation: Evaluation) -> tuple[FoundPeriod, ...]:
    return tuple(sorted((*evaluation.false, *evaluation.silent), key=lambda period: period.id))
