"""`make bench-nab`: runs detectors over the corpus, scores them, and prints them beside scores that see no data."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from anomaly.detectors.registry import NAMES, declaration
from anomaly.windows.arrays import Floats
from bench.nab import floors
from bench.nab.alarms import Policy
from bench.nab.corpus import CorpusError, Series, read_corpus, write_results
from bench.nab.detect import DetectorRun, members, run
from bench.nab.evaluate import DetectorFigures, evaluate
from bench.nab.published import Figure, figures
from bench.nab.scoring import PROFILES, CorpusScorer
from bench.nab.structure import LEVELS, compare

_COLUMNS = (
    *("detector", "standard", "low FP", "low FN", "held out", "lowest"),
    *("found", "covered", "false", "false per 1,000", "us a point", "state, kB"),
)


def main() -> int:
    """Run the benchmark.

    Returns:
        The exit code: 0; 1 where a figure that NAB publishes is not reproduced; 2 where the corpus cannot be read.
    """
    options = _options()
    # Wide enough for the table where nothing says how wide the terminal is.
    console = Console(width=140)
    try:
        corpus = read_corpus(options.nab)
        published = list(figures(options.nab, corpus))
    except CorpusError as error:
        Console(stderr=True).print(f"bench-nab: {error}", style="red")
        return 2
    for line in _compared(published):
        console.print(line)
    policy = Policy()
    scorer = CorpusScorer(corpus)
    table = Table(
        *(Column(name, justify="left" if name == "detector" else "right") for name in _COLUMNS),
        title=f"NAB: {len(corpus)} files, {scorer.windows} windows, {scorer.points} scored points",
        caption=(
            f"Alarms: hold-off {policy.hold_off} points, level times {policy.fatigue:g} after each, back in "
            f"{policy.decay:g} points. Held out: standard score of one half of the files at the level that was best on "
            "the other, mean and lowest of several halvings. False detections are those of the standard profile."
        ),
    )
    measured: dict[str, Any] = {}
    scores: dict[str, list[Floats]] = {}
    with ProcessPoolExecutor(options.jobs) as pool, console.status("reading") as status:
        for name in options.detectors:
            status.update(f"running {name}")
            runs = _runs(pool, name, corpus)
            scores[name] = [each.scores for each in runs]
            evaluation = evaluate(corpus, scores[name], policy)
            measured[name] = _figures(evaluation, runs, scorer.points)
            table.add_row(name, *_cells(measured[name]))
            _write(options.output, name, corpus, runs, policy, evaluation.levels["standard"])
        status.update("scoring what sees no data")
        table.add_section()
        for name, (floor, held_out) in _floors(corpus, policy).items():
            table.add_row(name, *(f"{score:.1f}" for score in floor), "" if held_out is None else f"{held_out:.1f}")
        structures = None
        if scores.keys() >= LEVELS.keys():
            status.update("putting ensembles together on halves of the files")
            structures = compare(corpus, {**scores, **_as_members(pool, corpus)}, pool)
    console.print(table)
    if structures is not None:
        measured["ensemble, made up on the other half"] = asdict(structures)
        console.print(
            f"ensemble, made up on one half of the files (the best of {structures.count} by members, levels, fatigue "
            f"and decay) and scored on the other: {structures.held_out[0]:.1f}, lowest {structures.held_out[1]:.1f}. "
            f"All files choose {structures.levels}, fatigue {structures.policy.fatigue:g} and decay "
            f"{structures.policy.decay:g}: {structures.score:.1f}"
        )
    (options.output / "figures.json").write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    console.print(f"results in NAB's layout: {options.output}/results; figures: {options.output}/figures.json")
    return 0 if all(figure.agrees for figure in published) else 1


def _compared(published: Sequence[Figure]) -> Iterator[str]:
    for figure in published:
        if not figure.agrees:
            yield f"{figure.detector}, {figure.profile}: NAB publishes {figure.published}, ours is {figure.ours}"
    if published:
        agreeing = sum(figure.agrees for figure in published)
        yield f"{agreeing} of {len(published)} figures that NAB publishes are reproduced"


def _as_members(pool: Executor, corpus: Sequence[Series]) -> dict[str, list[Floats]]:
    """Return the scores of members that the ensemble has otherwise than they are alone, by name."""
    others = [name for name, member in members().items() if member is not declaration(name)]
    return {name: [each.scores for each in _runs(pool, name, corpus, as_member=True)] for name in others}


def _runs(pool: Executor, name: str, corpus: Sequence[Series], *, as_member: bool = False) -> list[DetectorRun]:
    # The longest series comes first, so that no long one is left to wait for in the end.
    order = sorted(range(len(corpus)), key=lambda index: -len(corpus[index]))
    task = partial(run, name, declaration(name).description.defaults, as_member=as_member)
    done = dict(zip(order, pool.map(task, [corpus[index] for index in order]), strict=True))
    return [done[index] for index in range(len(corpus))]


def _figures(evaluation: DetectorFigures, runs: Sequence[DetectorRun], points: int) -> dict[str, Any]:
    standard = evaluation.results["standard"]
    return {
        "scores": {profile: result.score for profile, result in evaluation.results.items()},
        "levels": evaluation.levels,
        "held_out": dict(zip(("mean", "lowest"), evaluation.held_out, strict=True)),
        "found": standard.found,
        "coverage": evaluation.coverage,
        "false": standard.false,
        "false_per_1000": 1000 * standard.false / points,
        "microseconds_a_point": 1e6 * sum(each.seconds for each in runs) / points,
        "state_bytes": max(each.state_bytes for each in runs),
    }


def _cells(figures: dict[str, Any]) -> list[str]:
    return [
        *(f"{figures['scores'][profile]:.1f}" for profile in PROFILES),
        *(f"{score:.1f}" for score in figures["held_out"].values()),
        *(str(figures["found"]), f"{figures['coverage']:.2f}", str(figures["false"])),
        *(f"{figures['false_per_1000']:.2f}", f"{figures['microseconds_a_point']:.1f}"),
        f"{figures['state_bytes'] / 1000:.0f}",
    ]


def _write(
    output: Path, name: str, corpus: Sequence[Series], runs: Sequence[DetectorRun], policy: Policy, level: float
) -> None:
    for series, each in zip(corpus, runs, strict=True):
        # NAB takes scores from 0 to 1; the level is at a half.
        emitted = policy.emitted(each.scores, level)
        write_results(output / "results", name, series, emitted / (emitted + level))


def _floors(corpus: Sequence[Series], policy: Policy) -> dict[str, tuple[list[float], float | None]]:
    """Return by name the scores of all profiles, and the held-out standard score where a level is chosen."""
    scorer = CorpusScorer(corpus)
    draws = [evaluate(corpus, floors.random(corpus, draw), policy) for draw in range(floors.DRAWS)]
    chance = [float(np.mean([draw.results[profile].score for draw in draws])) for profile in PROFILES]
    firing = [floors.periodic(corpus, interval) for interval in floors.INTERVALS]
    regular = [max(scorer.best(each, profile).score for each in firing) for profile in PROFILES.values()]
    return {
        "floor: random scores": (chance, float(np.mean([draw.held_out[0] for draw in draws]))),
        "floor: regular alarms": (regular, None),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-nab", description=__doc__)
    parser.add_argument("nab", type=Path, help="a checkout of numenta/NAB, or a directory with its data and labels")
    parser.add_argument("--detectors", nargs="+", choices=NAMES, default=list(NAMES), help="default: all")
    parser.add_argument("--output", type=Path, default=Path("build/nab"), help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes; default: as many as processors")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
