"""Series that rise or fall steadily: which lines are found, and what they take away."""

import numpy as np
import pytest

from anomaly.models.features import features
from anomaly.models.trend import Trend, fit_trend, trends_of
from anomaly.pipeline import normalize
from anomaly.windows.windows import Windows

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
PIPELINE = normalize(
    [{"name": "disk", "database": "d", "measurement": "m", "fields": ["used"], "group_by": ["host"], "window": "1h"}]
)[0]
WANTED = features(PIPELINE)
RNG = np.random.default_rng(0)


def history(*levels: np.ndarray) -> Windows:
    """Windows of an hour; a series for each array of levels, whose spread rises as well."""
    counts = [len(level) for level in levels]
    return Windows(
        tuple((f"host-{number}",) for number in range(len(levels))),
        np.repeat(np.arange(len(levels)), counts),
        np.concatenate([np.arange(count) * HOUR for count in counts]),
        np.concatenate([np.stack([level, 1.0 + 0.01 * np.arange(len(level))], axis=1) for level in levels]),
        np.ones((sum(counts), 1)),
    )


def noise(days: int) -> np.ndarray:
    return RNG.normal(0.0, 0.1, 24 * days)


def rhythm(days: int) -> np.ndarray:
    return 3.0 * np.sin(np.arange(24 * days) * 2 * np.pi / 24)


def days(count: int) -> np.ndarray:
    return np.arange(24 * count) / 24


@pytest.mark.parametrize(
    ("level", "slope"),
    [
        (50 + 0.8 * days(14) + noise(14), 0.8),
        (50 - 0.8 * days(14) + noise(14) + rhythm(14), -0.8),
        (50 + 0.8 * days(1) + noise(1) / 10, 0.8),
    ],
    ids=["a disk that fills", "with a rhythm, falling", "a day"],
)
def test_a_steady_rise_is_a_trend(level: np.ndarray, slope: float) -> None:
    trend = fit_trend(WANTED, history(level), HOUR)
    assert trend is not None
    # Only the level has one, whatever the spread does.
    assert trend.slopes[1] == pytest.approx([slope, 0.0], rel=0.05)
    assert trend.slopes[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "level",
    [
        noise(14),
        rhythm(14) + noise(14),
        rhythm(1),
        np.repeat([20.0, 24.0], 24 * 7) + noise(14),
        np.repeat([5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.0] * 2, 24) + noise(14),
        np.cumsum(np.random.default_rng(2).normal(0.0, 1.0, 24 * 14)),
        50 + 0.001 * days(14) + noise(14),
        50 + 5.0 * days(1)[:12],
    ],
    ids=["noise", "rhythm", "one day of it", "step", "week", "walk", "too little", "half a day"],
)
def test_what_does_not_rise_steadily_is_no_trend(level: np.ndarray) -> None:
    assert fit_trend(WANTED, history(level), HOUR) is None


def test_a_trend_takes_values_to_what_they_would_be_at_the_end_of_the_history() -> None:
    trend = fit_trend(WANTED, history(noise(14), 50 + 0.8 * days(14)), HOUR)
    assert trend is not None
    flat = trend.removed(history(noise(14), 50 + 0.8 * days(14)))
    assert flat.values[flat.series == 1, 0] == pytest.approx(50 + 0.8 * 14, abs=0.05)
    # The series that does not rise stays as it is.
    assert trend.slopes[1].tolist() == [0.0, 0.0]


def test_a_trend_goes_on_for_four_times_as_long_as_the_history_was() -> None:
    trend = Trend(np.array([[0.0], [2.0]]), 0, 10 * DAY)
    begin_ns = np.array([5, 10, 15, 50, 60]) * DAY
    assert trend.until_ns == 50 * DAY
    assert trend.risen(1, begin_ns)[:, 0].tolist() == [-10.0, 0.0, 10.0, 80.0, 80.0]
    assert trend.risen(np.array([1, 0, 1, 0, 1]), begin_ns)[:, 0].tolist() == [-10.0, 0.0, 10.0, 0.0, 80.0]


def test_arrays_hold_everything() -> None:
    trend = Trend(np.array([[0.0], [2.0]]), DAY, 10 * DAY)
    again = Trend.from_arrays(trend.arrays())
    assert again is not None
    assert (again.begin_ns, again.end_ns, again.slopes.tolist()) == (DAY, 10 * DAY, [[0.0], [2.0]])
    assert Trend.from_arrays({}) is None


def test_trends_are_named_the_steepest_first() -> None:
    trend = Trend(np.array([[0.0, 0.0], [0.5, 0.0], [-2.0, 0.0]]), 0, DAY)
    assert trends_of(trend, [("a",), ("b",)], WANTED) == [(("b",), "mean(used)", -2.0), (("a",), "mean(used)", 0.5)]
