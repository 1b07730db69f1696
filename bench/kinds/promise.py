"""How often a severity comes on each kind of series, where nothing is wrong, in ten times the time of the training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from anomaly.backtest.labels import Truth
from anomaly.backtest.replay import BacktestReplay
from anomaly.pipeline import normalize
from anomaly.scoring.events import EventCounter
from anomaly.severity.rarity import days
from anomaly.training.fit import train
from anomaly.windows.windows import Windows
from bench.windows import runs
from ingest.stream import DeviceStream

TIMES = 10
"""The scored time, in lengths of the history."""
FACTOR = 3.0
"""How many times as often as promised a severity may come."""


@dataclass(frozen=True)
class Rarity:
    """How often severities come to one detector.

    Attributes:
        detector: its name.
        doubts: why the model says that severity cannot be promised; empty where it promises it.
        days: days of one series that were scored.
        periods: by severity, how many periods open there.
    """

    detector: str
    doubts: tuple[str, ...]
    days: float
    periods: Mapping[float, int]

    def times_promised(self, severity: float) -> float:
        """Return how many times as often as it promises a severity comes."""
        return self.periods[severity] / self.days * days(severity)


def measure(specification: Mapping[str, Any], history: DeviceStream, detectors: Sequence[str]) -> list[Rarity]:
    """Train on a history, and score what follows it.

    Args:
        specification: the pipeline; its detector and parameters are replaced.
        history: the history, without faults.
        detectors: the names of the detectors.
    """
    length_ms = history.end_ms - history.begin_ms
    later = DeviceStream(
        history.end_ms,
        history.end_ms + TIMES * length_ms,
        history.step_ms,
        history.devices,
        history.seed,
        process=history.process,
    )
    rarities = []
    for detector in detectors:
        (pipeline,) = normalize([{**specification, "detector": detector, "parameters": {}}])
        trained = train(pipeline, Windows.of_series(list(runs(pipeline, history))), "benchmark", 0)
        replay = BacktestReplay(pipeline, trained.model, EventCounter("", lambda message: None), sweep=())
        for windows in runs(pipeline, later):
            replay.feed(windows)
        evaluations = replay.evaluations(Truth(()))
        periods = {severity: len(each.false) for severity, each in evaluations.items()}
        scored_days = next(iter(evaluations.values())).days
        rarities.append(Rarity(detector, trained.promise.doubts, scored_days, periods))
    return rarities


def missed(rarities: Sequence[Rarity]) -> list[str]:
    """Return where a severity comes more often than it may, one sentence each; models with doubts promise nothing."""
    return [
        f"{each.detector} has severity {severity:g} {each.times_promised(severity):.1f} times as often as promised"
        for each in rarities
        if not each.doubts
        for severity in each.periods
        if each.times_promised(severity) > FACTOR
    ]


def show(console: Console, title: str, rarities: Sequence[Rarity]) -> None:
    """Print the table of one kind of series.

    Args:
        console: where to.
        title: what was measured.
        rarities: the detectors.
    """
    table = Table(title=title, box=None, title_justify="left")
    table.add_column("detector")
    for column in ("severity", "periods", "days of a series", "a day", "x promised"):
        table.add_column(column, justify="right")
    table.add_column("promised")
    for each in rarities:
        for severity, periods in each.periods.items():
            table.add_row(
                each.detector,
                f"{severity:g}",
                str(periods),
                f"{each.days:.0f}",
                f"{periods / each.days:.3f}",
                f"{each.times_promised(severity):.1f}",
                f"no: {each.doubts[0]}" if each.doubts else "yes",
            )
    console.print(table)
