"""`python -m bench.printer`: prints the table, and writes all figures to build/bench/printer.json."""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from anomaly.backtest.evaluate import KindFigures, LabelOutcome
from anomaly.pipeline import Pipeline, normalize
from bench.pipelines import ROOT, shipped
from bench.printer import seeds
from bench.printer.faults import CERTAIN

MOST_FALSE_PER_DAY = 0.2
MOST_DELAY_WINDOWS = 2.0


@dataclass(frozen=True)
class SeedFigures:
    """The figures of all seeds together.

    Attributes:
        kinds: what was found of each kind of fault.
        certain_recall: share of the faults of kinds in `CERTAIN` that were found.
        false_broken: how many false periods there were on days with faults.
        false_clean: how many false periods there were on clean days.
        days: how many days were scored, of all printers together.
        false_per_day: false periods a day of one printer.
        delay_windows: median delay of the faults of kinds in `CERTAIN`, in windows; None where none was found.
        overrun_windows: largest time by which a period ended later than its fault, in windows.
        coverage: share of the faults' time that the periods that found them cover.
        batch_us: median time to score a window with thousands of others, microseconds.
        single_us: median time to score a window alone, microseconds.
    """

    kinds: dict[str, KindFigures]
    certain_recall: float
    false_broken: int
    false_clean: int
    days: float
    false_per_day: float
    delay_windows: float | None
    overrun_windows: float
    coverage: float
    batch_us: float
    single_us: float

    @property
    def missed_targets(self) -> list[str]:
        """The targets that were missed, one sentence each."""
        delay = self.delay_windows
        return [
            text
            for text, met in (
                (f"recall of {', '.join(sorted(CERTAIN))} {self.certain_recall:.4f} < 1", self.certain_recall == 1),
                (
                    f"{self.false_per_day:.3f} false periods a day > {MOST_FALSE_PER_DAY}",
                    self.false_per_day <= MOST_FALSE_PER_DAY,
                ),
                (f"median delay {delay} windows > {MOST_DELAY_WINDOWS}", (delay or 0.0) <= MOST_DELAY_WINDOWS),
            )
            if not met
        ]


def figures(window_ns: int, outcomes: Sequence[seeds.SeedResult]) -> SeedFigures:
    """Add up the seeds.

    Args:
        window_ns: length of a window, nanoseconds.
        outcomes: of each seed.

    Returns:
        The figures.
    """
    labels = [label for outcome in outcomes for label in outcome.broken.outcomes]
    certain = [label for label in labels if _kind(label.label.kind) in CERTAIN]
    days = sum(outcome.broken.days + outcome.clean.days for outcome in outcomes)
    false_broken = sum(len(outcome.broken.false) for outcome in outcomes)
    false_clean = sum(len(outcome.clean.false) for outcome in outcomes)
    return SeedFigures(
        kinds={
            kind: KindFigures.of([label for label in labels if label.label.kind == kind], window_ns)
            for kind in sorted({label.label.kind for label in labels}, key=_order)
        },
        certain_recall=_recall(certain),
        false_broken=false_broken,
        false_clean=false_clean,
        days=days,
        false_per_day=(false_broken + false_clean) / days,
        delay_windows=KindFigures.of(certain, window_ns).delay_windows,
        overrun_windows=max((label.overrun_ns or 0 for label in labels), default=0) / window_ns,
        coverage=KindFigures.of(labels, window_ns).coverage or 0.0,
        batch_us=statistics.median(outcome.batch_us for outcome in outcomes),
        single_us=statistics.median(outcome.single_us for outcome in outcomes),
    )


def _recall(labels: Sequence[LabelOutcome]) -> float:
    return sum(bool(label.found) for label in labels) / len(labels)


def _order(kind: str) -> tuple[bool, str]:
    return _kind(kind) not in CERTAIN, kind


def _kind(row: str) -> str:
    return row.partition(" ")[0]


def show(console: Console, pipeline: Pipeline, measured: SeedFigures, count: int) -> None:
    """Print the table.

    Args:
        console: where to.
        pipeline: the pipeline that was measured.
        measured: the figures.
        count: how many seeds there were.
    """
    table = Table(title=f"{pipeline.detector} on printers, {count} seeds", box=None, title_justify="left")
    table.add_column("fault")
    for column in ("found", "of", "median delay, windows", "median overrun, windows", "coverage"):
        table.add_column(column, justify="right")
    for kind, figure in measured.kinds.items():
        medians = ("-" if each is None else f"{each:.1f}" for each in (figure.delay_windows, figure.overrun_windows))
        coverage = "-" if figure.coverage is None else f"{figure.coverage:.2f}"
        table.add_row(kind, str(figure.found), str(figure.labels), *medians, coverage)
    console.print(table)
    console.print(
        f"recall of {', '.join(sorted(CERTAIN))}: {measured.certain_recall:.4f}; their median delay: "
        f"{measured.delay_windows} windows\n"
        f"periods end at most {measured.overrun_windows:.1f} windows late, and cover {measured.coverage:.2f} of the "
        "faults' time\n"
        f"false periods: {measured.false_broken} beside faults, {measured.false_clean} on clean days; "
        f"{measured.false_per_day:.3f} a day of one printer ({measured.days:.0f} days)\n"
        f"microseconds a window: {measured.batch_us:.0f} with others, {measured.single_us:.0f} alone"
    )
    for text in measured.missed_targets:
        console.print(f"[red]target missed: {text}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds.

    Args:
        arguments: of the command line; None takes those of the process.

    Returns:
        The exit code, 1 if a target is missed.
    """
    parser = argparse.ArgumentParser(prog="bench.printer", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="default 10")
    parser.add_argument("--detector", metavar="NAME", help="another than the default pipeline's")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench" / "printer.json", metavar="FILE")
    options = parser.parse_args(arguments)
    specification = shipped("printer")
    if options.detector:
        specification = {**specification, "detector": options.detector, "parameters": {}}
    (pipeline,) = normalize([specification])
    console = Console()
    outcomes = []
    for seed in range(1, options.seeds + 1):
        outcomes.append(seeds.run(pipeline, seed))
        broken = outcomes[-1].broken
        console.print(
            f"seed {seed}: {broken.found} of {len(broken.outcomes)} faults found, "
            f"{len(broken.false)} + {len(outcomes[-1].clean.false)} false periods"
        )
        for label in broken.outcomes:
            if not label.found:
                console.print(f"  missed: {label.label.kind} of {dict(label.label.tags)} at {label.label.begin_ns}")
    measured = figures(pipeline.window_ns, outcomes)
    show(console, pipeline, measured, len(outcomes))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    content = {"pipeline": pipeline.as_dict(), "seeds": len(outcomes), **asdict(measured)}
    options.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    console.print(f"figures: {options.output}")
    return 1 if measured.missed_targets else 0


if __name__ == "__main__":
    sys.exit(main())
