"""The slow gap: a shift that no single window shows is found, and is over within three windows."""

from datetime import UTC, datetime

import numpy as np
import pytest

from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.slow_gap import KIND
from anomaly.windows.arrays import Floats
from anomaly.windows.civil import CivilTime

MINUTE = 60_000_000_000
BEGIN = 1_500


@pytest.mark.parametrize("length", [20, 60, 200])
def test_a_shift_is_over_within_three_windows(length: int) -> None:
    end = BEGIN + length
    values = np.random.default_rng(2).normal(0.0, 0.25, end + 48)
    values[BEGIN:end] += 8.0
    followers = KIND.followers([Setting(MINUTE)], capacity=1)
    place, begin_ns = np.zeros(len(values), dtype=np.intp), np.arange(len(values)) * MINUTE

    scores = followers.explain(place, begin_ns, values[:, None])[0]

    usual = scores[:BEGIN].max()
    assert scores[BEGIN:end].max() > 2.0 * usual
    assert scores[end + 2 :].max() <= usual


@pytest.mark.parametrize("late", [0, 4, 8])
@pytest.mark.parametrize("length", [18, 90])
def test_a_period_that_ends_late_is_not_heard_of_afterwards(length: int, late: int) -> None:
    """The cause leaves the mean before the last windows of its period do, and the sum of gaps is large by then."""
    end, count = BEGIN + length, 100
    usual = np.random.default_rng(8).normal(0.0, 1.0, (count, end + 300))
    anomalous = usual.copy()
    anomalous[:, BEGIN:end] = -19.0
    window = np.arange(end + 300)
    # Each window is followed by the one that tells whether it is to be learnt.
    unlearnt = (window > BEGIN) & (window <= end + late)

    def greatest(values: Floats) -> float:
        followers = KIND.followers([Setting(MINUTE)], capacity=count)
        place, begin_ns = np.arange(count).repeat(len(window)), np.tile(window * MINUTE, count)
        scores = followers.explain(place, begin_ns, values.reshape(-1, 1), np.tile(unlearnt, count))[0]
        return float(scores.reshape(values.shape)[:, end + 3 :].max())

    assert greatest(anomalous) <= greatest(usual)


@pytest.mark.parametrize(("zone", "silent"), [("Europe/Berlin", 60), ("UTC", 0)])
def test_it_waits_until_its_means_know_nothing_of_a_change_of_the_clock(zone: str, silent: int) -> None:
    values = np.random.default_rng(2).normal(0.0, 0.25, BEGIN + 200)
    values[BEGIN:] += 8.0
    change_ns = 1_711_846_800_000_000_000  # 2024-03-31T01:00Z
    followers = KIND.followers([Setting(MINUTE)], capacity=1, civil=CivilTime(zone))
    place, begin_ns = np.zeros(len(values), dtype=np.intp), change_ns + (np.arange(len(values)) - BEGIN) * MINUTE

    scores = followers.explain(place, begin_ns, values[:, None])[0]

    assert not scores[BEGIN : BEGIN + silent].any()
    assert scores[BEGIN + silent : BEGIN + silent + 20].all()


@pytest.mark.parametrize(("window_ns", "is_silent"), [(60 * MINUTE, True), (24 * 60 * MINUTE, False)])
def test_only_windows_that_follow_the_clock_wait_after_a_change_of_it(window_ns: int, *, is_silent: bool) -> None:
    berlin = CivilTime("Europe/Berlin")
    change_ns = int(datetime(2024, 3, 31, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
    values = np.random.default_rng(2).normal(0.0, 0.25, BEGIN + 55)
    values[BEGIN:] += 8.0
    begin_ns = change_ns - change_ns % window_ns + (np.arange(len(values)) - BEGIN) * window_ns
    place = np.zeros(len(values), dtype=np.intp)

    scores = KIND.followers([Setting(window_ns)], capacity=1, civil=berlin).explain(place, begin_ns, values[:, None])[0]

    assert (scores[BEGIN + 2 :].max() == 0.0) == is_silent
