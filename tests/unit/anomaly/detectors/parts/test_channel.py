"""The channels and their parts, on hand-made series."""

import math

import numpy as np
import pytest

from anomaly.detectors.gap import KIND as GAP
from anomaly.detectors.parts import novelty as novelty_parts
from anomaly.detectors.parts import surprise as surprise_parts
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.featurewise import ChannelKind
from anomaly.detectors.parts.loops import Novelties, Surprises
from anomaly.detectors.parts.memory import Memory
from anomaly.detectors.parts.surprise import WARM_UP
from anomaly.detectors.seasonal import KIND as SEASONAL
from anomaly.detectors.slow_gap import KIND as SLOW_GAP
from anomaly.pipeline.season import season_parts
from anomaly.windows.civil import CivilTime

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
ONE = np.array([0])


class Channel:
    """One channel that is fed window by window."""

    def __init__(self, kind: ChannelKind, setting: Setting) -> None:
        self.followers = kind.followers([setting], 1)
        self._setting = setting
        self._skipped_ns = 0

    def feed(self, begin_ns: int, value: float) -> float:
        scores, _ = self.followers.explain(ONE, np.array([begin_ns + self._skipped_ns]), np.array([[value]]))
        return float(scores[0])

    def pause(self) -> None:
        """Let windows be missing."""
        self._skipped_ns += 100 * self._setting.window_ns


class Novelty:
    """The past values of one channel."""

    def __init__(self, kept_ns: int = 0, most: int = 384) -> None:
        self.memory = Memory("", novelty_parts.fields(most, forgets=True), 1, 1)
        self._novelties = Novelties(self.memory.flat, kept_ns // 1_000_000_000)

    def gap(self, value: float, side: int = 0) -> float:
        return float(self._novelties.gap(0, float(np.float32(value)), side))

    def add(self, time_ns: int, value: float) -> None:
        self._novelties.add(0, time_ns // 1_000_000_000, float(np.float32(value)))


class Surprise:
    """The past of one number."""

    def __init__(self, most_excess: float = math.inf) -> None:
        self.memory = Memory("", surprise_parts.FIELDS, 1, 1)
        self._surprises = Surprises(self.memory.flat, most_excess)

    def feed(self, number: float) -> float:
        said = float(self._surprises.rank(0, number))
        self._surprises.learn(0, number)
        return said


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
    assert novelty.memory.bytes_per_series < 3_100
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
    gap = Channel(GAP, Setting(MINUTE))
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
    gap, slow = Channel(GAP, Setting(MINUTE)), Channel(SLOW_GAP, Setting(MINUTE))
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
    slow = Channel(SLOW_GAP, Setting(MINUTE))
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
    seasonal, gap = Channel(SEASONAL, Setting(MINUTE)), Channel(GAP, Setting(MINUTE))
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
    seasonal = Channel(SEASONAL, Setting(MINUTE))
    said = np.array([seasonal.feed(minute * MINUTE, value) for minute, value in enumerate(values.tolist())])
    assert said[23 * 60 :].max() < 1.5 * said[: 23 * 60].max()


@pytest.mark.parametrize(("season_ns", "seen"), [(DAY, False), (70 * MINUTE, True)])
def test_a_season_may_be_the_cycle_of_a_machine(season_ns: int, seen: bool) -> None:
    rng = np.random.default_rng(3)
    minutes = np.arange(4 * 1440 + 45)
    values = 3.0 * np.sin(minutes * (2 * np.pi / 70)) + rng.normal(0, 0.1, len(minutes))
    # The last half hour comes half a cycle too early.
    values[-30:] = values[-65:-35]
    seasonal = Channel(SEASONAL, Setting(MINUTE, season_ns=season_ns))
    said = np.array([seasonal.feed(int(minute) * MINUTE, value) for minute, value in enumerate(values.tolist())])
    assert (said[-30:].max() > 1.5 * said[1440:-30].max()) == seen


def test_a_week_has_its_hours_and_a_short_season_24_parts() -> None:
    hour = 60 * MINUTE
    assert [season_parts(season) for season in (90 * MINUTE, DAY, 2 * DAY, 7 * DAY, 70 * DAY)] == [24, 24, 48, 168, 168]
    weekly = Channel(SEASONAL, Setting(hour, season_ns=7 * DAY))
    for number in range(168 * 3):
        # From Friday to Sunday all is still.
        weekly.feed(number * hour, 0.0 if number // 24 % 7 in (1, 2, 3) else 5.0)
    means = weekly.followers.arrays(ONE)["seasonal_means"][0, 0]
    assert len(means) == 168
    assert [round(mean, 2) for mean in means[::24]] == pytest.approx([2.31, 0, 0, 0, 2.31, 2.31, 2.31])


def test_with_a_day_and_a_week_an_hour_is_that_of_the_day_until_it_was_seen_in_a_week() -> None:
    """Saturdays and Sundays rest. In the first week they look odd; in the second one only a working Sunday does."""
    rng = np.random.default_rng(7)
    quarter = 15 * MINUTE
    rests = np.arange(21 * 96) // 96 % 7 >= 5
    values = np.where(rests, 0.0, 5.0) + rng.normal(0, 0.1, len(rests))
    # The third Sunday is a working day from noon on.
    values[20 * 96 + 48 :] += 5.0
    both = Channel(SEASONAL, Setting(quarter, longer_ns=(7 * DAY,)))
    residuals = []
    for number, value in enumerate(values.tolist()):
        both.feed(number * quarter, value)
        residuals.append(abs(float(both.followers.memory["residuals"][0, 0, -1])))
    told = np.array(residuals)
    assert told[5 * 96 : 5 * 96 + 96].min() > 1.0
    assert told[7 * 96 : 20 * 96 + 48].max() < 1.0
    assert told[20 * 96 + 48 :].min() > 1.0
    assert both.followers.arrays(ONE)["seasonal_means"].shape[-1] == 24 + 168


def test_window_by_window_and_together_score_alike_where_the_clock_changes() -> None:
    quarter, count = 15 * MINUTE, 30 * 96
    begin_ns = 20_000 * DAY + np.arange(count) * quarter
    x = np.random.default_rng(9).normal(0, 1, (count, 1))
    settings, place = [Setting(quarter, longer_ns=(7 * DAY,))], np.zeros(count, dtype=np.intp)
    together, _ = SEASONAL.followers(settings, 1, civil=CivilTime("Europe/Berlin")).explain(place, begin_ns, x)
    alone = SEASONAL.followers(settings, 1, civil=CivilTime("Europe/Berlin"))
    one_by_one = [alone.explain(ONE, begin_ns[at : at + 1], x[at : at + 1])[0][0] for at in range(count)]
    np.testing.assert_allclose(one_by_one, together, rtol=0, atol=1e-9)
    plain, _ = SEASONAL.followers(settings, 1).explain(place, begin_ns, x)
    assert (plain != together).any()


@pytest.mark.parametrize("kind", [GAP, SLOW_GAP])
def test_a_pause_ends_what_adds_up(kind: ChannelKind) -> None:
    rng = np.random.default_rng(4)
    channel = Channel(kind, Setting(MINUTE))
    for minute in range(500):
        channel.feed(minute * MINUTE, rng.normal())
    for minute in range(500, 520):
        high = channel.feed(minute * MINUTE, 40.0 + minute)
    channel.pause()
    assert channel.feed(520 * MINUTE, 0.0) < high / 3


def test_values_are_thinned_evenly_where_there_is_no_room() -> None:
    values = np.random.default_rng(6).uniform(-1.0, 1.0, 5_000)
    novelty = Novelty(most=50)
    for time, value in enumerate(values.tolist()):
        novelty.add(time * MINUTE, value)
    kept = novelty.memory["values"][0, 0]
    assert novelty.memory["kept"][0, 0] == 50
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == pytest.approx((values.min(), values.max()), abs=0.002 * 2.0)
    assert np.diff(kept).max() < 4 * 2.0 / 50


def test_a_value_that_stands_for_another_was_seen_when_the_later_of_both_was() -> None:
    novelty = Novelty(kept_ns=100 * MINUTE, most=4)
    for time, value in enumerate([0.0, 10.0, 5.0, 5.1, 8.0]):
        novelty.add(time * MINUTE, value)
    assert novelty.memory["values"][0, 0].tolist() == [0.0, 5.0, 8.0, 10.0]
    assert (novelty.memory["seen"][0, 0] / 60).tolist() == [0.0, 3.0, 4.0, 1.0]


def test_after_65_000_numbers_the_past_counts_half_and_is_still_known() -> None:
    numbers = np.random.default_rng(1).exponential(2.0, 140_000)
    surprise = Surprise()
    for number in numbers.tolist():
        surprise.feed(number)
    assert 30_000 < surprise.memory["counts"].sum(dtype=np.int64) < 65_100
    for number in (0.5, 2.0, 5.0, 12.0, 30.0):
        assert surprise.feed(number) == pytest.approx(number / 2.0, abs=0.1, rel=0.15)


def test_a_number_joins_the_past_as_at_most_some_mean_excesses() -> None:
    bounded, free = Surprise(most_excess=32.0), Surprise()
    for number in np.random.default_rng(2).exponential(1.0, 1_000).tolist():
        bounded.feed(number)
        free.feed(number)
    for surprise in (bounded, free):
        surprise.feed(1e6)
    for number in np.random.default_rng(3).exponential(1.0, 200).tolist():
        bounded.feed(number)
        free.feed(number)
    assert bounded.feed(100.0) > 10 * free.feed(100.0)


def test_a_restored_tail_never_has_more_fresh_numbers_than_there_is_room_for() -> None:
    surprise = Surprise()
    for number in range(150):
        surprise.feed(float(number))
    # The counts are one too many, so the next fit is further away than it was.
    kept = surprise.memory.kept(ONE)
    kept["fresh"] = np.array([[95]], dtype=np.uint8)
    kept["recent"] = np.repeat(kept["recent"], 2)[:95]
    surprise.memory.restore(ONE, kept)
    Surprises(surprise.memory.flat, math.inf).refit(ONE)
    assert surprise.memory["fresh"][0, 0] + surprise.memory["fitted"][0, 0] % 100 < 100


def test_a_season_of_years_has_its_parts() -> None:
    hour = 60 * MINUTE
    channel = Channel(SEASONAL, Setting(24 * hour, season_ns=4 * 366 * DAY))
    # The last window waits to be learnt.
    for number in range(4 * 366 + 1):
        channel.feed(number * DAY, 1.0)
    assert channel.followers.arrays(ONE)["seasonal_numbers"].min() >= 8
