"""A field that looks like a counter is named, with what to write; others are not."""

import numpy as np
import pytest

from anomaly.pipeline import normalize
from anomaly.training.counters import counter_warnings
from anomaly.windows.arrays import Floats
from anomaly.windows.windows import Windows

RNG = np.random.default_rng(3)
TRAFFIC = np.cumsum(RNG.integers(0, 1000, 1000)).astype(np.float64)
RESET = np.where(np.arange(1000) < 600, TRAFFIC, TRAFFIC - TRAFFIC[600])
ERRORS = np.cumsum(RNG.random(1000) < 0.05).astype(np.float64)
GAUGE = 50 + np.cumsum(RNG.normal(0, 1, 1000))
SAWTOOTH = 20.0 + np.arange(1000) % 30


def warnings(*series: Floats, field: object = "bytes") -> list[str]:
    mapping = {"name": "p", "database": "d", "measurement": "m", "fields": [field], "window": "1m", "group_by": ["t"]}
    (pipeline,) = normalize([mapping])
    values = np.stack([np.concatenate(series), np.zeros(sum(map(len, series)))], axis=1)
    begin_ns = np.concatenate([np.arange(len(one), dtype=np.int64) * pipeline.window_ns for one in series])
    number = np.repeat(np.arange(len(series)), [len(one) for one in series])
    keys = tuple((f"s{one}",) for one in range(len(series)))
    return list(counter_warnings(pipeline, Windows(keys, number, begin_ns, values, np.full((len(values), 1), 6.0))))


@pytest.mark.parametrize("counter", [TRAFFIC, RESET, ERRORS])
def test_a_counter_is_named_with_the_fix(counter: Floats) -> None:
    (warning,) = warnings(counter)
    assert warning == (
        "field 'bytes' looks like a counter: in the history it only rises, but for resets: if it is one, watch its "
        "rate, {name: bytes, rate: 1s}"
    )


@pytest.mark.parametrize("gauge", [GAUGE, SAWTOOTH, np.full(1000, 7.0), -TRAFFIC])
def test_a_gauge_is_not_named(gauge: Floats) -> None:
    assert warnings(gauge) == []


def test_one_series_of_many_that_happens_to_rise_is_not_named() -> None:
    assert warnings(TRAFFIC, GAUGE, GAUGE) == []
    assert "in 2 of 3 series" in warnings(TRAFFIC, GAUGE, RESET)[0]


def test_a_rate_is_not_named() -> None:
    assert warnings(TRAFFIC, field={"name": "bytes", "rate": "1s"}) == []
