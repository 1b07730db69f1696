"""The seasonal residual: it ends with its cause, and one far window does not become usual."""

import numpy as np
import pytest

from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.seasonal import KIND

TEN_MINUTES, DAY = 600_000_000_000, 144
DAYS = 6
WEEK = 7 * DAY


def scores(values: np.ndarray, *longer_ns: int) -> np.ndarray:
    followers = KIND.followers([Setting(TEN_MINUTES, longer_ns=longer_ns)], capacity=1)
    place, begin_ns = np.zeros(len(values), dtype=np.intp), np.arange(len(values)) * TEN_MINUTES
    return followers.explain(place, begin_ns, values[:, None])[0]


def rhythm(days: int = DAYS) -> np.ndarray:
    number = np.arange(days * DAY)
    return np.sin(number * 2 * np.pi / DAY) + np.random.default_rng(4).normal(0.0, 0.05, len(number))


def test_a_shift_is_over_within_three_windows() -> None:
    begin, end = 5 * DAY, 5 * DAY + 18
    values = rhythm()
    values[begin:end] += 3.0

    found = scores(values)

    usual = found[DAY:begin].max()
    assert found[begin:end].max() > 2.0 * usual
    assert found[end + 2 :].max() <= usual


def test_a_far_window_does_not_make_the_next_day_look_odd() -> None:
    # One window of six in its hour; the mean of a day's windows in this hour would move by a seventh of it.
    values = rhythm()
    values[4 * DAY] += 1_000.0

    found, calm = scores(values), scores(rhythm())

    assert found[4 * DAY + 6 :].max() <= 1.5 * calm[DAY:].max()


@pytest.mark.parametrize("late", [0, 3])
def test_a_period_is_over_within_two_windows(late: int) -> None:
    """A period ends `late` windows after its cause. Noise must not keep the average up when the cause is over."""
    begin, end, count = 5 * DAY, 5 * DAY + 18, 100
    window = np.arange(DAYS * DAY)
    values = np.sin(window * 2 * np.pi / DAY) + np.random.default_rng(4).normal(0.0, 0.3, (count, len(window)))
    values[:, begin:end] += 3.0
    # Each window is followed by the one that tells whether it is to be learnt.
    unlearnt = (window > begin) & (window <= end + late)
    followers = KIND.followers([Setting(TEN_MINUTES)], capacity=count)
    place, begin_ns = np.arange(count).repeat(len(window)), np.tile(window * TEN_MINUTES, count)

    flat, _ = followers.explain(place, begin_ns, values.reshape(-1, 1), np.tile(unlearnt, count))

    found = flat.reshape(values.shape)
    usual = found[:, 3 * DAY : begin].max()
    assert found[:, begin + 5 : end].min() > usual
    assert found[:, end + 1 :].max() <= usual


def test_a_fault_in_the_only_week_before_does_not_make_the_second_week_look_odd() -> None:
    fault = slice(2 * DAY, 2 * DAY + 6)
    values = rhythm(12)
    values[fault] += 1.5

    by_day, by_week = scores(values), scores(values, WEEK * TEN_MINUTES)

    again = slice(fault.start + WEEK, fault.stop + WEEK)
    assert by_week[again].max() <= by_day[again].max()


def test_a_sunday_is_one_from_the_second_week_on() -> None:
    values = rhythm(14)
    values[[*range(6 * DAY, 7 * DAY), *range(13 * DAY, 14 * DAY)]] = -1.0

    by_day, by_week = scores(values), scores(values, WEEK * TEN_MINUTES)

    assert by_week[13 * DAY + 6 :].max() < 0.5 * by_day[13 * DAY + 6 :].max()


def test_the_value_of_other_days_on_a_sunday_is_odd_from_the_third_week_on() -> None:
    values = rhythm(21)
    for sunday in (6, 13):
        values[sunday * DAY : (sunday + 1) * DAY] = -1.0

    by_week = scores(values, WEEK * TEN_MINUTES)

    assert by_week[20 * DAY :].max() > 1.5 * by_week[14 * DAY : 20 * DAY].max()
