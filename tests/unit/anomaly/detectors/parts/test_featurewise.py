"""The channels of each feature: what each kind sees and forgives, on hand-made series."""

import math

import numpy as np
import pytest

from anomaly.detectors.gap import KIND as GAP
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.featurewise import ChannelKind
from anomaly.detectors.seasonal import KIND as SEASONAL
from anomaly.detectors.slow_gap import KIND as SLOW_GAP
from anomaly.nanoseconds import DAY_NS, MINUTE_NS
from anomaly.windows.civil import CivilTime

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


def test_the_value_gap_sees_a_new_value_and_forgives_it_when_it_comes_again() -> None:
    gap = Channel(GAP, Setting(MINUTE_NS))
    usual = [gap.feed(minute * MINUTE_NS, math.sin(minute)) for minute in range(2_000)]
    first = gap.feed(2_000 * MINUTE_NS, 1.5)
    for minute in range(2_001, 2_200):
        gap.feed(minute * MINUTE_NS, math.sin(minute))
    again = gap.feed(2_200 * MINUTE_NS, 1.5)
    assert first > 5 * np.quantile(usual[1_000:], 0.99)
    assert again < first / 20


def test_the_slow_gap_sees_a_shift_that_the_value_gap_does_not() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, 4_000)
    shift = np.where(np.arange(4_000) < 3_000, 0.0, 1.5)
    gap, slow = Channel(GAP, Setting(MINUTE_NS)), Channel(SLOW_GAP, Setting(MINUTE_NS))
    both = [
        (gap.feed(minute * MINUTE_NS, value), slow.feed(minute * MINUTE_NS, value))
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
    slow = Channel(SLOW_GAP, Setting(MINUTE_NS))
    said = np.array([slow.feed(minute * MINUTE_NS, value) for minute, value in enumerate(values.tolist())])
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
    seasonal, gap = Channel(SEASONAL, Setting(MINUTE_NS)), Channel(GAP, Setting(MINUTE_NS))
    said, novel = np.array(
        [
            (seasonal.feed(int(minute) * MINUTE_NS, value), gap.feed(int(minute) * MINUTE_NS, value))
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
    seasonal = Channel(SEASONAL, Setting(MINUTE_NS))
    said = np.array([seasonal.feed(minute * MINUTE_NS, value) for minute, value in enumerate(values.tolist())])
    assert said[23 * 60 :].max() < 1.5 * said[: 23 * 60].max()


@pytest.mark.parametrize(("season_ns", "seen"), [(DAY_NS, False), (70 * MINUTE_NS, True)])
def test_a_season_may_be_the_cycle_of_a_machine(season_ns: int, seen: bool) -> None:
    rng = np.random.default_rng(3)
    minutes = np.arange(4 * 1440 + 45)
    values = 3.0 * np.sin(minutes * (2 * np.pi / 70)) + rng.normal(0, 0.1, len(minutes))
    # The last half hour comes half a cycle too early.
    values[-30:] = values[-65:-35]
    seasonal = Channel(SEASONAL, Setting(MINUTE_NS, season_ns=season_ns))
    said = np.array([seasonal.feed(int(minute) * MINUTE_NS, value) for minute, value in enumerate(values.tolist())])
    assert (said[-30:].max() > 1.5 * said[1440:-30].max()) == seen


def test_a_week_has_its_hours() -> None:
    hour = 60 * MINUTE_NS
    weekly = Channel(SEASONAL, Setting(hour, season_ns=7 * DAY_NS))
    for number in range(168 * 3):
        # From Friday to Sunday all is still.
        weekly.feed(number * hour, 0.0 if number // 24 % 7 in (1, 2, 3) else 5.0)
    means = weekly.followers.arrays(ONE)["seasonal_means"][0, 0]
    assert len(means) == 168
    assert [round(mean, 2) for mean in means[::24]] == pytest.approx([2.31, 0, 0, 0, 2.31, 2.31, 2.31])


def test_with_a_day_and_a_week_an_hour_is_that_of_the_day_until_it_was_seen_in_a_week() -> None:
    """Saturdays and Sundays rest. In the first week they look odd; in the second one only a working Sunday does."""
    rng = np.random.default_rng(7)
    quarter = 15 * MINUTE_NS
    rests = np.arange(21 * 96) // 96 % 7 >= 5
    values = np.where(rests, 0.0, 5.0) + rng.normal(0, 0.1, len(rests))
    # The third Sunday is a working day from noon on.
    values[20 * 96 + 48 :] += 5.0
    both = Channel(SEASONAL, Setting(quarter, longer_ns=(7 * DAY_NS,)))
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
    quarter, count = 15 * MINUTE_NS, 30 * 96
    begin_ns = 20_000 * DAY_NS + np.arange(count) * quarter
    x = np.random.default_rng(9).normal(0, 1, (count, 1))
    settings, place = [Setting(quarter, longer_ns=(7 * DAY_NS,))], np.zeros(count, dtype=np.intp)
    together, _ = SEASONAL.followers(settings, 1, civil=CivilTime("Europe/Berlin")).explain(place, begin_ns, x)
    alone = SEASONAL.followers(settings, 1, civil=CivilTime("Europe/Berlin"))
    one_by_one = [alone.explain(ONE, begin_ns[at : at + 1], x[at : at + 1])[0][0] for at in range(count)]
    np.testing.assert_allclose(one_by_one, together, rtol=0, atol=1e-9)
    plain, _ = SEASONAL.followers(settings, 1).explain(place, begin_ns, x)
    assert (plain != together).any()


@pytest.mark.parametrize("kind", [GAP, SLOW_GAP])
def test_a_pause_ends_what_adds_up(kind: ChannelKind) -> None:
    rng = np.random.default_rng(4)
    channel = Channel(kind, Setting(MINUTE_NS))
    for minute in range(500):
        channel.feed(minute * MINUTE_NS, rng.normal())
    for minute in range(500, 520):
        high = channel.feed(minute * MINUTE_NS, 40.0 + minute)
    channel.pause()
    assert channel.feed(520 * MINUTE_NS, 0.0) < high / 3


def test_a_season_of_years_has_its_parts() -> None:
    hour = 60 * MINUTE_NS
    channel = Channel(SEASONAL, Setting(24 * hour, season_ns=4 * 366 * DAY_NS))
    # The last window waits to be learnt.
    for number in range(4 * 366 + 1):
        channel.feed(number * DAY_NS, 1.0)
    assert channel.followers.arrays(ONE)["seasonal_numbers"].min() >= 8
