"""The replay of a backtest is the code that serves, however its windows are cut into pieces."""

import numpy as np

from anomaly.backtest.labels import Label, Truth
from anomaly.backtest.replay import BacktestReplay
from anomaly.models.model import Model
from anomaly.scoring.events import EventCounter
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from tests.unit.anomaly.backtest.made import FAULTS
from tests.unit.anomaly.printers import PIPELINE


def runs(windows: Windows, size: int) -> list[SeriesWindows]:
    """Each series' windows in runs of at most `size`."""
    found = []
    for number, key in enumerate(windows.keys):
        mine = np.flatnonzero(windows.series == number)
        for start in range(0, len(mine), size):
            part = mine[start : start + size]
            found.append(SeriesWindows(key, windows.begin_ns[part], windows.values[part], windows.counts[part]))
    return found


def replayed(model: Model, windows: Windows, size: int) -> BacktestReplay:
    replay = BacktestReplay(PIPELINE, model, EventCounter("", lambda message: None), sweep=(60.0, 90.0))
    for run in runs(windows, size):
        replay.feed(run)
    return replay


def test_the_size_of_the_pieces_changes_nothing(model: Model, broken: Windows) -> None:
    labels = Truth(tuple(Label(fault.start * 10**9, (fault.start + fault.length) * 10**9, {}) for fault in FAULTS))
    one, many = (replayed(model, broken, size) for size in (1, 600))
    assert one.counts == many.counts == {"scored windows": 1200}
    assert one.evaluations(labels) == many.evaluations(labels)
    assert one.evaluations(labels)[75.0].recall == 1.0


def test_a_sweep_opens_less_the_higher_the_severity(model: Model, broken: Windows) -> None:
    evaluations = replayed(model, broken, 600).evaluations(Truth())
    assert list(evaluations) == [60.0, 75.0, 90.0]
    counts = [len(evaluation.false) for evaluation in evaluations.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] >= 2
