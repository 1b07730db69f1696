"""The channels and their parts, on hand-made series."""

import math

import numpy as np
import pytest

from anomaly.detectors.gap import Gap
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.novelty import Novelty
from anomaly.detectors.parts.surprise import WARM_UP, Surprise
from anomaly.detectors.seasonal import Seasonal, parts
from anomaly.detectors.slow_gap import SlowGap

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE


def test_a_gap_is_the_distance_to_the_nearest_in_ranges() -> None:
    novelty = Novelty()
    assert novelty.gap(5.0) == 0.0
    novelty.add(0, 5.0)
    assert (novelty.gap(5.0), novelty.gap(5.1)) == (0.0, 1.0)
    novelty.add(1, 15.0)
    assert novelty.gap(11.0) == pytest.approx(0.4)
    assert novelty.gap(25.0) == pytest.approx(1.0)
    assert novelty.gap(-5.0) == pytest.approx(1.0)


def test_novelty_is_right_to_its_resolution_and_small() -> None:
    values = np.random.default_rng(0).normal(0, 1, 20_000)
    novelty = Novelty()
    for time, value in enumerate(values.tolist()):
        novelty.add(time, value)
    kept, _, _ = novelty.state()
    assert len(kept) <= 1_000
    span = np.ptp(values)
    for value in (-9.0, -3.3, 0.0, 2.71, 3.9, 5.0):
        assert novelty.gap(value) == pytest.approx(np.abs(values - value).min() / span, abs=0.003)


def test_a_value_that_was_not_seen_for_long_is_new_again() -> None:
    novelty = Novelty(17 * DAY)
    for value in (0.0, 1.0, 5.0):
        novelty.add(0, value)
    for minute in range(1, 20 * 1440):
        novelty.add(minute * MINUTE, minute % 2)
    assert novelty.gap(5.0) == pytest.approx(4.0)
    assert novelty.gap(1.0) == 0.0


def test_surprise_is_minus_the_logarithm_of_the_tail() -> None:
    numbers = np.random.default_rng(1).exponential(2.0, 50_000)
    surprise = Surprise()
    said = np.array([surprise.feed(number) for number in numbers.tolist()])
    assert (said[:WARM_UP] == 0).all()
    for number in (0.5, 2.0, 5.0, 12.0, 30.0):
        assert surprise.feed(number) == pytest.approx(number / 2.0, abs=0.1, rel=0.15)


def test_a_number_that_never_changes_has_a_surprise_of_zero() -> None:
    surprise = Surprise()
    assert {surprise.feed(0.0) for _ in range(1_000)} == {0.0}
    assert surprise.feed(1.0) > 10


def test_the_value_gap_sees_a_new_value_and_forgives_it_when_it_comes_again() -> None:
    gap = Gap(Setting(MINUTE))
    usual = [gap.feed(minute * MINUTE, math.sin(minute)) for minute in range(2_000)]
    first = gap.feed(2_000 * MINUTE, 1.5)
    for minute in range(2_001, 2_100):
        gap.feed(minute * MINUTE, math.sin(minute))
    again = gap.feed(2_100 * MINUTE, 1.5)
    assert first > 5 * np.quantile(usual[200:], 0.99)
    assert again < first / 20


def test_the_slow_gap_sees_a_shift_that_the_value_gap_does_not() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, 4_000)
    shift = np.where(np.arange(4_000) < 3_000, 0.0, 1.5)
    gap, slow = Gap(Setting(MINUTE)), SlowGap(Setting(MINUTE))
    both = [
        (gap.feed(minute * MINUTE, value), slow.feed(minute * MINUTE, value))
        for minute, value in enumerate((noise + shift).tolist())
    ]
    fast_scores, slow_scores = np.array(both).T
    assert slow_scores[3_000:].max() > 1.5 * slow_scores[1_000:3_000].max()
    assert fast_scores[3_000:].max() < 1.5 * fast_scores[1_000:3_000].max()


@pytest.mark.parametrize(("size", "length"), [(1.5, 60), (20.0, 60), (20.0, 12)])
def test_the_slow_gap_sees_that_a_shift_is_over(size: float, length: int) -> None:
    """It scores high as long as the shift lasts, and no longer than some windows after its end."""
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 4_000)
    values[3_000 : 3_000 + length] += size
    slow = SlowGap(Setting(MINUTE))
    said = np.array([slow.feed(minute * MINUTE, value) for minute, value in enumerate(values.tolist())])
    usual = said[1_000:3_000].max()
    loud = np.flatnonzero(said[3_000 : 3_000 + length + 48] > usual)
    assert loud[0] < min(length, 48)
    assert np.diff(loud).max(initial=0) <= 6
    assert length - 6 <= loud[-1] < length + 9


def test_the_seasonal_residual_sees_the_usual_value_at_the_unusual_time() -> None:
    rng = np.random.default_rng(3)
    minutes = np.arange(6 * 1440)
    values = 3.0 * np.sin(minutes * (2 * np.pi / 1440)) + rng.normal(0, 0.1, len(minutes))
    # The last noon looks like midnight.
    values[-720:-700] = values[-1440 : -1440 + 20]
    seasonal, gap = Seasonal(Setting(MINUTE)), Gap(Setting(MINUTE))
    said, novel = np.array(
        [
            (seasonal.feed(int(minute) * MINUTE, value), gap.feed(int(minute) * MINUTE, value))
            for minute, value in zip(minutes.tolist(), values.tolist(), strict=True)
        ]
    ).T
    before, during = slice(2 * 1440, 6 * 1440 - 720), slice(6 * 1440 - 720, 6 * 1440 - 700)
    assert said[during].max() > 1.5 * said[before].max()
    assert novel[during].max() < novel[before].max()


def test_a_fault_in_a_new_hour_does_not_become_its_baseline() -> None:
    """A fault in the first quarter of an hour that was not seen before must not make the rest of it odd."""
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, 24 * 60)
    values[23 * 60 : 23 * 60 + 15] -= 20
    seasonal = Seasonal(Setting(MINUTE))
    said = np.array([seasonal.feed(minute * MINUTE, value) for minute, value in enumerate(values.tolist())])
    assert said[23 * 60 :].max() < 1.5 * said[: 23 * 60].max()


@pytest.mark.parametrize(("season_ns", "seen"), [(DAY, False), (70 * MINUTE, True)])
def test_a_season_may_be_the_cycle_of_a_machine(season_ns: int, seen: bool) -> None:
    rng = np.random.default_rng(3)
    minutes = np.arange(4 * 1440 + 45)
    values = 3.0 * np.sin(minutes * (2 * np.pi / 70)) + rng.normal(0, 0.1, len(minutes))
    # The last half hour comes half a cycle too early.
    values[-30:] = values[-65:-35]
    seasonal = Seasonal(Setting(MINUTE, season_ns=season_ns))
    said = np.array([seasonal.feed(int(minute) * MINUTE, value) for minute, value in enumerate(values.tolist())])
    assert (said[-30:].max() > 1.5 * said[1440:-30].max()) == seen


def test_a_week_has_its_hours_and_a_short_season_24_parts() -> None:
    hour = 60 * MINUTE
    assert [parts(season) for season in (90 * MINUTE, DAY, 2 * DAY, 7 * DAY, 70 * DAY)] == [24, 24, 48, 168, 168]
    weekly = Seasonal(Setting(hour, season_ns=7 * DAY))
    for number in range(168 * 3):
        # From Friday to Sunday all is still.
        weekly.feed(number * hour, 0.0 if number // 24 % 7 in (1, 2, 3) else 5.0)
    means, *_ = weekly.state()
    assert len(means) == 168
    assert [round(mean, 2) for mean in means[::24]] == pytest.approx([2.31, 0, 0, 0, 2.31, 2.31, 2.31])


@pytest.mark.parametrize("kind", [Gap, SlowGap])
def test_a_pause_ends_what_adds_up(kind: type[Gap] | type[SlowGap]) -> None:
    rng = np.random.default_rng(4)
    channel = kind(Setting(MINUTE))
    for minute in range(500):
        channel.feed(minute * MINUTE, rng.normal())
    for minute in range(500, 520):
        high = channel.feed(minute * MINUTE, 40.0 + minute)
    channel.pause()
    assert channel.feed(520 * MINUTE, 0.0) < high / 3
