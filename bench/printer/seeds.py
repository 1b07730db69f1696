"""One seed of the benchmark: train, replay, compare."""

import time
from dataclasses import dataclass

from anomaly.backtest.evaluate import Evaluation
from anomaly.backtest.labels import Label, Truth
from anomaly.backtest.replay import BacktestReplay
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from bench.printer.faults import name, schedule
from bench.windows import runs
from ingest.faults import Fault
from ingest.stream import DeviceStream
from ingest.times import DAY_MS

PRINTERS = 2
STEP_MS = 1_000
# A Monday of 2024, so that days begin at midnight.
BEGIN_MS = 1_704_067_200_000
CLEAN_DAYS = 2
_TIMED_WINDOWS = 500


@dataclass(frozen=True)
class SeedResult:
    """What one seed gave.

    Attributes:
        broken: evaluation of the days with faults.
        clean: evaluation of the days without faults.
        batch_us: time to score one window with thousands of others, microseconds.
        single_us: time to score one window alone, as Kapacitor brings it, microseconds.
    """

    broken: Evaluation
    clean: Evaluation
    batch_us: float
    single_us: float


def run(pipeline: Pipeline, seed: int) -> SeedResult:
    """Run one seed.

    Args:
        pipeline: the pipeline that is measured.
        seed: decides all but the microseconds.

    Returns:
        What it gave.
    """
    plan = schedule(seed, PRINTERS)
    broken_days = -(-max(entry.at_ms + entry.for_ms for entry in plan.entries) // DAY_MS)
    begin_ms = BEGIN_MS + DAY_MS
    faults = plan.place(begin_ms, PRINTERS)
    history = _stream(seed, BEGIN_MS, 1)
    broken = _stream(seed, begin_ms, broken_days, faults)
    clean = _stream(seed, begin_ms + broken_days * DAY_MS, CLEAN_DAYS)
    model = train(pipeline, Windows.of_series(list(runs(pipeline, history))), "benchmark", 0).model
    labels = tuple(
        Label(1_000_000 * each.begin_ms, 1_000_000 * each.end_ms, {"printer": f"printer-{each.device}"}, name(each))
        for each in faults
    )
    quiet, batch_us = _replay(pipeline, model, clean, Truth())
    return SeedResult(
        _replay(pipeline, model, broken, Truth(labels))[0], quiet, batch_us, _single(pipeline, model, clean)
    )


def _stream(seed: int, begin_ms: int, days: int, faults: tuple[Fault, ...] = ()) -> DeviceStream:
    return DeviceStream(begin_ms, begin_ms + days * DAY_MS, STEP_MS, PRINTERS, seed, faults)


def _replay(pipeline: Pipeline, model: Model, stream: DeviceStream, truth: Truth) -> tuple[Evaluation, float]:
    replay = BacktestReplay(pipeline, model, EventCounter("", lambda message: None), sweep=())
    windows = list(runs(pipeline, stream))
    began = time.perf_counter()
    for each in windows:
        replay.feed(each)
    seconds = time.perf_counter() - began
    return replay.evaluations(truth)[pipeline.periods.open], 1e6 * seconds / replay.scored_windows


def _single(pipeline: Pipeline, model: Model, stream: DeviceStream) -> float:
    run = next(runs(pipeline, stream))
    scorer = Scorer(pipeline, EventCounter("", lambda message: None))
    one_by_one = [
        SeriesWindows(run.key, run.begin_ns[at : at + 1], run.values[at : at + 1], run.counts[at : at + 1])
        for at in range(_TIMED_WINDOWS)
    ]
    began = time.perf_counter()
    for each in one_by_one:
        list(scorer.feed(model, each))
    return 1e6 * (time.perf_counter() - began) / _TIMED_WINDOWS
