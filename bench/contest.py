"""Compares the default detector with its members on streams whose faults are known, by the code that serves.

Each of them is trained on the same history, and scores the same streams. One detector may alarm more often than another
at the same opening severity, so that recalls at one severity do not compare. So each is also shown at the lowest
opening severity at which it has no more false periods than the default as it is delivered.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from rich.console import Console
from rich.table import Table

from anomaly.backtest.evaluate import Evaluation, KindFigures, LabelOutcome
from anomaly.backtest.labels import Label, Truth
from anomaly.backtest.replay import BacktestReplay
from anomaly.detectors.ensemble import MEMBERS
from anomaly.pipeline import Pipeline, normalize
from anomaly.refusal import Refused
from anomaly.scoring.events import EventCounter
from anomaly.training.fit import train
from anomaly.windows.windows import Windows
from bench.windows import runs
from ingest.faults import Fault, Schedule
from ingest.stream import DeviceStream
from ingest.times import DAY_MS

DEFAULT = "ensemble"
DETECTORS = (DEFAULT, *MEMBERS)
SWEEP = tuple(52.5 + 2.5 * step for step in range(20))
"""The opening severities, among which those for equal false periods are chosen."""


@dataclass(frozen=True)
class ContestTrial:
    """The streams of one seed.

    Attributes:
        history: what is trained on.
        scored: what is scored, which may have faults.
    """

    history: DeviceStream
    scored: tuple[DeviceStream, ...]

    @classmethod
    def of(cls, faults: Schedule, begin_ms: int, devices: int, seed: int, clean_days: int) -> "ContestTrial":
        """Make the history of the faults' process, then whole days with the faults, then clean days.

        Args:
            faults: the faults, and the process whose devices they are of.
            begin_ms: where the history begins, in milliseconds since 1970.
            devices: how many devices there are.
            seed: the seed of their noise.
            clean_days: how many days follow without faults.
        """
        process = faults.process
        fault_days = -(-max(entry.at_ms + entry.for_ms for entry in faults.entries) // DAY_MS)
        lengths_ms = (process.history_ms, fault_days * DAY_MS, clean_days * DAY_MS)
        edges = tuple(accumulate(lengths_ms, initial=begin_ms))
        placed = ((), faults.place(edges[1], devices), ())
        history, *scored = (
            DeviceStream(from_ms, to_ms, process.step_ms, devices, seed, of_stream, process)
            for (from_ms, to_ms), of_stream in zip(pairwise(edges), placed, strict=True)
        )
        return cls(history, tuple(scored))


@dataclass(frozen=True)
class ContestFigures:
    """What a detector found at one opening severity.

    Attributes:
        severity: the opening severity.
        labels: how many faults there were.
        found: how many of them were found.
        coverage: the share of their time that the periods that found them cover; None without faults.
        delay_windows: the median delay in windows; None if no fault was found.
        overrun_windows: the median overrun in windows, likewise.
        false: how many false periods there were.
        false_per_day: false periods a day of one series.
        kinds: the figures of each kind of fault.
    """

    severity: float
    labels: int
    found: int
    coverage: float | None
    delay_windows: float | None
    overrun_windows: float | None
    false: int
    false_per_day: float
    kinds: Mapping[str, KindFigures]


@dataclass
class Entrant:
    """A detector in the contest.

    Attributes:
        detector: its name.
        refused: why it could not be trained, for each seed that this is true of.
        delivered: its figures at the pipeline's own opening severity; None where every seed was refused.
        equal: its figures with no more false periods than the default; None where it has more at every severity.
    """

    detector: str
    refused: list[str] = field(default_factory=list)
    delivered: ContestFigures | None = None
    equal: ContestFigures | None = None


def contest(
    specification: Mapping[str, Any], trials: Sequence[ContestTrial], detectors: Iterable[str] = DETECTORS
) -> list[Entrant]:
    """Run the contest.

    Args:
        specification: the pipeline; its detector and parameters are replaced.
        trials: the streams of each seed.
        detectors: the names of the detectors; without the default, nobody is shown at equal false periods.

    Returns:
        The detectors, in this order.
    """
    entrants, sweeps = [], []
    for detector in detectors:
        (pipeline,) = normalize([{**specification, "detector": detector, "parameters": {}}])
        entrant = Entrant(detector)
        evaluations: dict[float, list[Evaluation]] = {}
        for trial in trials:
            try:
                for severity, evaluation in _evaluations(pipeline, trial):
                    evaluations.setdefault(severity, []).append(evaluation)
            except Refused as error:
                entrant.refused.append(str(error))
        sweep = {severity: _figures(severity, each) for severity, each in sorted(evaluations.items())}
        entrant.delivered = sweep.get(pipeline.periods.open)
        entrants.append(entrant)
        sweeps.append(sweep)
    default = next((each.delivered for each in entrants if each.detector == DEFAULT), None)
    if default is not None:
        for entrant, sweep in zip(entrants, sweeps, strict=True):
            calm = [figures for figures in sweep.values() if figures.false <= default.false]
            entrant.equal = entrant.delivered if entrant.detector == DEFAULT else next(iter(calm), None)
    return entrants


def _evaluations(pipeline: Pipeline, trial: ContestTrial) -> Iterator[tuple[float, Evaluation]]:
    """Train, and yield the evaluation of each stream at each opening severity. Raises Refused."""
    model = train(pipeline, Windows.of_series(list(runs(pipeline, trial.history))), "benchmark", 0).model
    for stream in trial.scored:
        replay = BacktestReplay(pipeline, model, EventCounter("", lambda message: None), sweep=SWEEP)
        for windows in runs(pipeline, stream):
            replay.feed(windows)
        yield from replay.evaluations(Truth(tuple(label(stream, fault) for fault in stream.faults))).items()


def label(stream: DeviceStream, fault: Fault) -> Label:
    """Return the label of a stream's fault."""
    process = stream.process
    tags = {process.name: process.device_name(fault.device)}
    return Label(1_000_000 * fault.begin_ms, 1_000_000 * fault.end_ms, tags, fault.kind)


def _figures(severity: float, evaluations: Sequence[Evaluation]) -> ContestFigures:
    """Add up the evaluations of one opening severity."""
    outcomes: list[LabelOutcome] = [outcome for each in evaluations for outcome in each.outcomes]
    window_ns = evaluations[0].window_ns
    total = KindFigures.of(outcomes, window_ns)
    false = sum(len(each.false) for each in evaluations)
    kinds = sorted({outcome.label.kind for outcome in outcomes})
    return ContestFigures(
        severity,
        total.labels,
        total.found,
        total.coverage,
        total.delay_windows,
        total.overrun_windows,
        false,
        false / sum(each.days for each in evaluations),
        {kind: KindFigures.of([each for each in outcomes if each.label.kind == kind], window_ns) for kind in kinds},
    )


def shortfalls(entrants: Sequence[Entrant]) -> list[str]:
    """Return where the default is worse than its parts, one sentence each.

    Its recall at equal false periods must be that of its best member, less one fault, and its periods must cover as
    much of the faults' time as those of each member. Without the default among them there is nothing to compare with.
    """
    default = next((each for each in entrants if each.detector == DEFAULT), None)
    if default is None:
        return []
    texts = []
    for entrant in entrants:
        ours, other = default.equal, entrant.equal
        if ours is None:
            texts += [f"{DEFAULT} cannot be trained, {entrant.detector} can"] if entrant.delivered else []
            continue
        if entrant is default or other is None:
            continue
        if ours.found < other.found - 1:
            texts.append(f"{DEFAULT} finds {ours.found} of {ours.labels}, {entrant.detector} {other.found}")
        if (ours.coverage or 0.0) < (other.coverage or 0.0) - 0.005:
            texts.append(f"{DEFAULT} covers {ours.coverage:.2f}, {entrant.detector} {other.coverage:.2f}")
    return texts


def show(console: Console, title: str, entrants: Sequence[Entrant]) -> None:
    """Print the contest's table.

    Args:
        console: where to.
        title: what was measured.
        entrants: the detectors.
    """
    table = Table(title=title, box=None, title_justify="left")
    table.add_column("detector")
    for column in ("found", "covered", "delay", "overrun", "false a day", "| at severity", "found", "covered", "false"):
        table.add_column(column, justify="right")
    for entrant in entrants:
        delivered, equal = entrant.delivered, entrant.equal
        if delivered is None:
            table.add_row(entrant.detector, "refused")
            continue
        table.add_row(
            entrant.detector + (f" ({len(entrant.refused)} refused)" if entrant.refused else ""),
            f"{delivered.found}/{delivered.labels}",
            number(delivered.coverage, 2),
            number(delivered.delay_windows, 1),
            number(delivered.overrun_windows, 1),
            f"{delivered.false_per_day:.3f}",
            "-" if equal is None else f"{equal.severity:.1f}",
            "-" if equal is None else f"{equal.found}/{equal.labels}",
            "-" if equal is None else number(equal.coverage, 2),
            "-" if equal is None else str(equal.false),
        )
    console.print(table)


def number(value: float | None, digits: int) -> str:
    """Return a figure for the table; a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"
