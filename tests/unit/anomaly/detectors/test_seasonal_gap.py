"""The seasonal gap: a single window at the wrong time, once the hour was seen in three seasons before."""

import numpy as np

from anomaly.detectors.declaration import HoldOut
from anomaly.detectors.ensemble import MEMBERS, levels
from anomaly.detectors.gap import KIND as GAP
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.featurewise import ChannelKind
from anomaly.detectors.seasonal_gap import KIND

TEN_MINUTES, DAY = 600_000_000_000, 144
DAYS = 8
# When the value of eighteen o'clock comes at six.
ODD = 6 * DAY + 36
LEVELS = dict(zip(MEMBERS, levels(HoldOut(np.empty((0, len(MEMBERS))), DAY, is_long=True)), strict=True))


def scores(values: np.ndarray, kind: ChannelKind = KIND, side: int = 0, unlearnt: int | None = None) -> np.ndarray:
    followers = kind.followers([Setting(TEN_MINUTES, side)], capacity=1)
    place, begin_ns = np.zeros(len(values), dtype=np.intp), np.arange(len(values)) * TEN_MINUTES
    mask = None if unlearnt is None else np.arange(len(values)) == unlearnt + 1
    return followers.explain(place, begin_ns, values[:, None], mask)[0]


def rhythm() -> np.ndarray:
    number = np.arange(DAYS * DAY)
    return 2.0 * np.sin(number * 2 * np.pi / DAY) + np.random.default_rng(4).normal(0.0, 0.2, len(number))


def with_odd_windows(*at: int) -> np.ndarray:
    values = rhythm()
    values[list(at)] = -2.0
    return values


def test_one_usual_value_at_the_wrong_time_is_far_beyond_the_level() -> None:
    found = scores(with_odd_windows(ODD))

    assert found[ODD] > 3.0 * LEVELS["seasonal_gap"]
    assert np.delete(found[2 * DAY :], ODD - 2 * DAY).max() < LEVELS["seasonal_gap"]


def test_the_value_gap_does_not_see_it() -> None:
    assert scores(with_odd_windows(ODD), GAP)[ODD] < LEVELS["gap"]


def test_what_came_before_is_usual_unless_it_is_not_to_be_learnt() -> None:
    twice = with_odd_windows(ODD, ODD + DAY)

    assert scores(twice)[ODD + DAY] < LEVELS["seasonal_gap"]
    assert scores(twice, unlearnt=ODD)[ODD + DAY] > 3.0 * LEVELS["seasonal_gap"]


def test_nothing_is_said_of_an_hour_before_its_fourth_season() -> None:
    """Each of these days is another, so that the second and third day are unlike all that was before."""
    values = rhythm()
    values[:DAY], values[DAY : 2 * DAY], values[2 * DAY : 3 * DAY] = 0.0, 3.0, -3.0

    found = scores(values)

    assert not found[: 3 * DAY].any()
    assert found[3 * DAY :].any()


def test_seasons_without_a_window_do_not_count() -> None:
    """A machine that runs on one day, and again four days later at another level, was seen on one day."""
    values = rhythm()
    values[4 * DAY :] += 3.0
    runs = np.r_[0:DAY, 4 * DAY : 5 * DAY]
    followers = KIND.followers([Setting(TEN_MINUTES)], capacity=1)

    found, _ = followers.explain(np.zeros(2 * DAY, dtype=np.intp), runs * TEN_MINUTES, values[runs, None])

    assert not found.any()


def test_only_deviations_on_the_side_that_matters_count() -> None:
    values = with_odd_windows(ODD)

    assert scores(values, side=1)[ODD] == 0.0
    assert scores(-values, side=1)[ODD] == scores(values)[ODD]


def test_the_day_after_an_odd_one_is_usual_in_windows_of_a_day() -> None:
    values = np.random.default_rng(1).normal(10.0, 0.1, 60)
    values[40] += 2.0
    followers = KIND.followers([Setting(DAY * TEN_MINUTES)], capacity=1)
    begin_ns = np.arange(60) * (DAY * TEN_MINUTES)

    found = followers.explain(np.zeros(60, dtype=np.intp), begin_ns, values[:, None], None)[0]

    assert found[40] > 3.0 * LEVELS["seasonal_gap"]
    assert found[41:].max() < LEVELS["seasonal_gap"]
