"""How long periods of the default detector last: as long as their cause."""

from functools import cache

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.periods import Period
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

MINUTE, DAY = 60_000_000_000, 1_440
# Midnight of a day in 2023.
BEGIN_NS = 1_699_920_000_000_000_000


def pipeline(window: str, days: int) -> Pipeline:
    specification = {
        "name": "cases",
        "database": "cases",
        "measurement": "cases",
        "fields": ["value"],
        "window": window,
        "training": {"from": f"{days}d"},
    }
    return normalize([specification])[0]


def windows(points: np.ndarray, step: int = 1, first: int = 0) -> SeriesWindows:
    """Make windows of `step` minutes, from the number `first` on, of points of shape (n, points a window)."""
    begin_ns = BEGIN_NS + (first + np.arange(len(points))) * step * MINUTE
    values = np.stack([points.mean(axis=1), points.std(axis=1, ddof=1)], axis=1)
    return SeriesWindows((), begin_ns, values, np.full((len(points), 1), float(points.shape[1])))


def trained(made: Pipeline, history: SeriesWindows) -> Model:
    series = np.zeros(len(history), dtype=np.intp)
    all_windows = Windows(((),), series, history.begin_ns, history.values, history.counts)
    return train(made, all_windows, "v", 0).model


def periods(made: Pipeline, model: Model, scored: SeriesWindows) -> list[Period]:
    """Return the periods, each as it was told last."""
    scorer = Scorer(made, EventCounter("cases", lambda message: None))
    found = scorer.feed(model, scored)
    return list({period.begin_ns: period for window in found for period in window.periods}.values())


def test_a_single_one_of_a_field_that_never_moved_is_one_short_period() -> None:
    errors = np.zeros((2 * DAY, 6))
    errors[DAY + 600, 2] = 1.0
    made = pipeline("1m", 1)
    model = trained(made, windows(errors[:DAY]))

    found = periods(made, model, windows(errors[DAY:], first=DAY))

    assert [(period.begin_ns - BEGIN_NS) // MINUTE for period in found] == [DAY + 600]
    assert found[0].end_ns - found[0].begin_ns <= 3 * MINUTE


@cache
def rooms() -> tuple[Pipeline, Model, np.ndarray]:
    """Return a pipeline, its model of three days, and the points of a fourth day of a room with a daily rhythm."""
    number = np.arange(4 * DAY)
    points = 20.0 + np.sin(number * 2 * np.pi / DAY)[:, None]
    points = points + np.random.default_rng(2).normal(0.0, 0.1, (4 * DAY, 6))
    made = pipeline("1m", 3)
    return made, trained(made, windows(points[: 3 * DAY])), points[3 * DAY :]


@pytest.mark.parametrize("length", [5, 20, 120])
def test_a_period_ends_within_three_windows_after_its_cause(length: int) -> None:
    made, model, points = rooms()
    opened = points.copy()
    opened[600 : 600 + length] -= 5.0

    found = periods(made, model, windows(opened, first=3 * DAY))

    first, last = ((at_ns - BEGIN_NS) / MINUTE - 3 * DAY for at_ns in (found[0].begin_ns, found[-1].end_ns))
    assert 600 <= first <= 601
    assert 600 + length - 1 <= last <= 600 + length + 3


@pytest.mark.parametrize("hour", [2, 9, 15])
def test_six_hours_of_a_daily_rhythm_are_one_period_and_the_days_after_are_calm(hour: int) -> None:
    number = np.arange(28 * 24 * 12)
    points = 20.0 + 5.0 * np.sin(number * 2 * np.pi / (24 * 12))
    points = (points + np.random.default_rng(1).normal(0.0, 0.5, len(points))).reshape(-1, 12)
    trained_hours = 22 * 24
    made = pipeline("1h", 22)
    model = trained(made, windows(points[:trained_hours], step=60))
    raised = points[trained_hours:].copy()
    raised[24 + hour : 24 + hour + 6] += 15.0

    found = periods(made, model, windows(raised, step=60, first=trained_hours))

    hours = [
        [(at_ns - BEGIN_NS) / (60 * MINUTE) - trained_hours - 24 - hour for at_ns in (period.begin_ns, period.end_ns)]
        for period in found
    ]
    assert [begin for begin, _ in hours] == [0]
    assert 6 <= hours[0][1] <= 7


@pytest.mark.parametrize(("rhythm", "offset", "length"), [(5, -0.4, 12), (5, 1.0, 25), (12, 0.4, 25)])
def test_a_small_offset_on_a_rhythm_is_one_period_that_ends_within_three_windows(
    rhythm: int, offset: float, length: int
) -> None:
    number = np.arange(2 * DAY + 300)
    points = (number % rhythm >= rhythm // 2).astype(float)[:, None]
    points = points + np.random.default_rng(1).normal(0.0, 0.05, (len(number), 6))
    made = pipeline("1m", 2)
    model = trained(made, windows(points[: 2 * DAY]))
    shifted = points[2 * DAY :].copy()
    shifted[100 : 100 + length] += offset

    found = periods(made, model, windows(shifted, first=2 * DAY))

    assert len(found) == 1
    first, last = ((at_ns - BEGIN_NS) // MINUTE - 2 * DAY for at_ns in (found[0].begin_ns, found[0].end_ns))
    assert 100 <= first <= 103
    assert 100 + length - 3 <= last <= 100 + length + 3
