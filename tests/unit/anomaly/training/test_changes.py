"""Levels that changed for good within a history, and what they do to how rare a score is."""

import numpy as np
import pytest

from anomaly.models.features import Feature
from anomaly.pipeline import normalize
from anomaly.training.changes import LevelChange, level_changes, near
from anomaly.training.fit import train
from anomaly.windows.arrays import Floats
from anomaly.windows.windows import Windows

HOUR_NS = 3_600_000_000_000
MINUTES_10_NS = 600_000_000_000
MEAN = [Feature("used", "mean")]


def of(*series: Floats, step_ns: int = HOUR_NS) -> Windows:
    """Return the windows of series of one feature, or of several, of which each begins at 0."""
    values = np.concatenate([each.reshape(len(each), -1) for each in series])
    return Windows(
        tuple((f"s{number}",) for number in range(len(series))),
        np.repeat(np.arange(len(series)), [len(each) for each in series]),
        np.concatenate([np.arange(len(each)) * step_ns for each in series]),
        values,
        np.full((len(values), 1), 10.0),
    )


def level(hours: int, at: int, noise: float = 0.1) -> Floats:
    rng = np.random.default_rng(at)
    return np.asarray(np.where(np.arange(hours) < at, 20.0, 24.0) + rng.normal(0.0, noise, hours))


@pytest.mark.parametrize("at", [24 * 6, 24 * 6 + 3, 24 * 6 + 20], ids=["midnight", "night", "evening"])
def test_the_first_window_of_a_new_level_is_found(at: int) -> None:
    windows = of(level(24 * 14, 24 * 99), level(24 * 14, at))

    changes = level_changes(windows, MEAN)

    assert changes == (LevelChange(1, "mean(used)", 24 * 14 + at, at * HOUR_NS),)


def test_windows_that_lack_the_field_hide_no_change() -> None:
    values = level(24 * 14, 24 * 6 + 3)
    values[5::7] = np.nan

    (change,) = level_changes(of(values), MEAN)

    assert change.at == 24 * 6 + 3


def test_windows_near_a_change_are_those_of_its_series() -> None:
    windows = of(level(24 * 14, 24 * 99), level(24 * 14, 24 * 99))
    first = LevelChange(1, "mean(used)", 24 * 14 + 2, 2 * HOUR_NS)

    found = near(windows, [first])

    assert np.flatnonzero(found).tolist() == [*range(24 * 14, 24 * 14 + 8)]
    assert not near(windows, []).any()


def test_the_window_of_a_step_does_not_make_faults_usual() -> None:
    pipeline = normalize(
        [
            {
                "name": "steps",
                "database": "d",
                "measurement": "m",
                "fields": ["used"],
                "group_by": ["source"],
                "window": "10m",
                "detector": "gap",
            }
        ]
    )[0]
    rng = np.random.default_rng(0)
    count = 14 * 144
    steady = np.stack([level(count, 10**6, 0.3), rng.gamma(20.0, 0.02, count)], axis=1)
    stepping = steady + np.stack([4.0 * (np.arange(count) >= 1_000), 2.0 * (np.arange(count) == 1_000)], axis=1)

    thresholds = [
        train(pipeline, of(each, step_ns=MINUTES_10_NS), "v", 0).model.threshold(75.0) for each in (steady, stepping)
    ]

    # Without the windows around the step left out, the threshold is higher by a factor of 13.
    assert thresholds[1] < 2.0 * thresholds[0]
