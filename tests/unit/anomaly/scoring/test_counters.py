"""A network counter that is watched by its rate is calm, and its faults are found; a reset is nothing."""

from collections.abc import Sequence

import numpy as np
import pytest

from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.periods import Period
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.aggregates import aggregate_windows
from anomaly.windows.arrays import Floats
from anomaly.windows.derivation import derivation_of
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

EVERY_S, WINDOW_S, DAY_S = 10, 60, 86_400
SECOND = 1_000_000_000
RNG = np.random.default_rng(12)


def traffic(day: int) -> Floats:
    """The bytes of each ten seconds of a day: some 1,000 a second, more in the afternoon."""
    seconds = np.arange(0, DAY_S, EVERY_S)
    return EVERY_S * (1_000 + 300 * np.sin(2 * np.pi * seconds / DAY_S) + RNG.normal(0, 40, len(seconds)))


def pipeline(field: object) -> Pipeline:
    mapping = {"name": "net", "database": "d", "measurement": "net", "fields": [field], "window": "60s"}
    return normalize([{**mapping, "detector": "robust_z"}])[0]


def windows(wanted: Pipeline, counter: Floats, day: int) -> Windows:
    times = (day * DAY_S + np.arange(len(counter), dtype=np.int64) * EVERY_S) * SECOND
    window = np.arange(len(counter)) * EVERY_S // WINDOW_S
    same = np.zeros(len(counter), dtype=np.uint64)
    made = aggregate_windows(window, times, same, counter[None], wanted.aggregate, derivation_of(wanted))
    begins = np.unique(times - times % wanted.window_ns)
    return Windows(((),), np.zeros(len(begins), dtype=np.intp), begins, made.values, made.counts)


def periods(field: object, history: Floats, day: Floats) -> Sequence[Period]:
    """The periods of a day that follows a day of history."""
    wanted = pipeline(field)
    model = train(wanted, windows(wanted, history, 0), "v1", seed=0).model
    given = windows(wanted, day, 1)
    found: dict[int, Period] = {}
    scorer = Scorer(wanted, EventCounter("", lambda message: None))
    for scored in scorer.feed(model, SeriesWindows((), given.begin_ns, given.values, given.counts)):
        found |= {period.begin_ns: period for period in scored.periods}
    return list(found.values())


def red_hours(found: Sequence[Period]) -> float:
    return sum(period.end_ns - period.begin_ns for period in found) / 3_600 / SECOND


@pytest.fixture(scope="module")
def days() -> tuple[Floats, Floats]:
    """The counter's values of two days, of which the second begins where the first ends."""
    counter = np.cumsum(np.concatenate([traffic(0), traffic(1)]))
    return counter[: len(counter) // 2], counter[len(counter) // 2 :]


def test_its_rate_is_calm(days: tuple[Floats, Floats]) -> None:
    assert red_hours(periods({"name": "bytes_recv", "rate": "1s"}, *days)) < 0.5


def test_a_reset_is_nothing_and_a_flood_is_found(days: tuple[Floats, Floats]) -> None:
    history, day = days
    reset = np.where(np.arange(len(day)) < 3_000, day, day - day[3_000])
    flood = np.where(np.arange(len(day)) // 60 == 100, 5_000.0 * EVERY_S, 0.0)

    calm = periods({"name": "bytes_recv", "rate": "1s"}, history, reset)
    (found,) = periods({"name": "bytes_recv", "rate": "1s"}, history, reset + np.cumsum(flood))

    assert red_hours(calm) < 0.5
    assert found.begin_ns == (DAY_S + 100 * 600) * SECOND
    assert red_hours([found]) == pytest.approx(1 / 6, abs=0.1)
