"""Periods that a backtest found, labels for them, and two printers of which one breaks down."""

from anomaly.backtest.evaluate import Evaluation, FoundPeriod, evaluate
from anomaly.backtest.labels import Label, Truth
from anomaly.scoring.periods import Period
from anomaly.windows.arrays import Key
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS, Fault

W = WINDOW_NS
ONE: Key = ("printer-1",)
FAULTS = (Fault("offset", (1,), 1203, 100, 9.0), Fault("stuck", (0, 1, 2), 3200, 200))


def found(begin: int, end: int, key: Key = ONE, known: int | None = None, reason: str = "bed") -> FoundPeriod:
    """A period of windows [begin, end), known with window `known` (the first)."""
    period = Period(begin * W, end * W, "closed", 9.0, 88.0, end - begin, reason)
    return FoundPeriod(key, period, ((begin if known is None else known) + 1) * W)


def evaluated(truth: Truth, periods: list[FoundPeriod]) -> Evaluation:
    return evaluate(truth, periods, scored_windows=8640, group_by=PIPELINE.group_by, window_ns=W)


def judged(labels: list[Label], periods: list[FoundPeriod]) -> Evaluation:
    return evaluated(Truth(tuple(labels)), periods)


def feedback(kind: str, begin_ns: int, end_ns: int) -> str:
    """A mark on the first printer, as line protocol."""
    return f'feedback,pipeline=printer,printer=printer-1 kind="{kind}",end_ms={end_ns // 10**6}i,note="" {begin_ns}'
