"""The whole way on printers with known faults: what is found, what is not there, and who is to blame.

Two seeds of what is measured on ten in docs: a day of clean history, windows of 10 s, default parameters.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.scoring.events import EventCounter
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, PIPELINE, WINDOW_NS, Fault

SEEDS = (11, 12)
ALL = (0, 1, 2)
KINDS = [
    ("sigma", 600, 3.0),
    ("sigma", 120, 3.0),
    ("offset", 600, 5.0),
    ("offset", 60, -5.0),
    ("spike", 1, 12.0),
    ("drift", 1800, 8.0),
    ("stuck", 300, 0.0),
    ("gap", 120, 0.0),
]
FAULTS = [(kind, length, strength, fields) for kind, length, strength in KINDS for fields in ((0,), (1,), (2,), ALL)]


@cache
def model(seed: int) -> Model:
    return train(PIPELINE, printers.windows(printers.clean(seed)), "v", 0).model


def periods(seed: int, samples: np.ndarray) -> list[Period]:
    """What serving would keep of one printer's day."""
    scorer = Scorer(PIPELINE, EventCounter("", lambda message: None))
    (run,) = printers.runs(printers.windows(samples))
    scored = scorer.feed(model(seed), run)
    return list({period.begin_ns: period for window in scored for period in window.periods}.values())


@cache
def broken_day(seed: int) -> tuple[list[Fault], list[Period]]:
    """All kinds on one field and on all, ten minutes apart."""
    samples = printers.clean(seed + 100)
    faults, start = [], 607
    for kind, length, strength, fields in FAULTS:
        faults.append(Fault(kind, fields, start, length, strength))
        printers.break_down(samples, faults[-1], seed=start)
        start += length + 613
    return faults, periods(seed, samples)


def overlapping(fault: Fault, found: Sequence[Period]) -> list[Period]:
    begin, end = fault.start * 10**9 - WINDOW_NS, (fault.start + fault.length) * 10**9 + WINDOW_NS
    return [period for period in found if period.begin_ns < end and period.end_ns > begin]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[f"{k}-{n}s-{len(f)}x{f[0]}" for k, n, _, f in FAULTS])
def test_every_fault_is_found(seed: int, number: int) -> None:
    faults, found = broken_day(seed)
    fault = faults[number]
    hits = overlapping(fault, found)
    assert hits, fault
    reasons = {period.reason for period in hits}
    if fault.kind == "gap":
        assert NO_DATA in reasons
    elif len(fault.fields) == 1:
        assert FIELDS[fault.fields[0]] in reasons


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_are_found_soon(seed: int) -> None:
    faults, found = broken_day(seed)
    delays = [
        (overlapping(fault, found)[0].begin_ns / 1e9 - fault.start) / printers.WINDOW
        for fault in faults
        if fault.kind in ("sigma", "offset", "spike", "stuck") and overlapping(fault, found)
    ]
    assert np.median(delays) <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found_where_nothing_is(seed: int) -> None:
    clean = [period for day in (200, 300) for period in periods(seed, printers.clean(seed + day))]
    faults, found = broken_day(seed)
    beside = [period for period in found if not any(overlapping(fault, [period]) for fault in faults)]
    assert clean + beside == []
