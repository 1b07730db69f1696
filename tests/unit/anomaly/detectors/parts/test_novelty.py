"""How far a value is from all values before: exact to its resolution, thinned, and forgotten in time."""

import numpy as np
import pytest

from anomaly.detectors.parts import novelty as novelty_parts
from anomaly.detectors.parts.loops import Novelties
from anomaly.detectors.parts.memory import Memory
from anomaly.nanoseconds import DAY_NS, MINUTE_NS


class Novelty:
    """The past values of one channel."""

    def __init__(self, kept_ns: int = 0, most: int = 384) -> None:
        self.memory = Memory("", novelty_parts.fields(most, forgets=True), 1, 1)
        self._novelties = Novelties(self.memory.flat, kept_ns // 1_000_000_000)

    def gap(self, value: float, side: int = 0) -> float:
        return float(self._novelties.gap(0, float(np.float32(value)), side))

    def add(self, time_ns: int, value: float) -> None:
        self._novelties.add(0, time_ns // 1_000_000_000, float(np.float32(value)))


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
    novelty = Novelty(17 * DAY_NS)
    for value in (0.0, 1.0, 5.0):
        novelty.add(0, value)
    for minute in range(1, 20 * 1440):
        novelty.add(minute * MINUTE_NS, minute % 2)
    assert novelty.gap(5.0) == pytest.approx(4.0)
    assert novelty.gap(1.0) == 0.0


def test_values_are_thinned_evenly_where_there_is_no_room() -> None:
    values = np.random.default_rng(6).uniform(-1.0, 1.0, 5_000)
    novelty = Novelty(most=50)
    for time, value in enumerate(values.tolist()):
        novelty.add(time * MINUTE_NS, value)
    kept = novelty.memory["values"][0, 0]
    assert novelty.memory["kept"][0, 0] == 50
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == pytest.approx((values.min(), values.max()), abs=0.002 * 2.0)
    assert np.diff(kept).max() < 4 * 2.0 / 50


def test_a_value_that_stands_for_another_was_seen_when_the_later_of_both_was() -> None:
    novelty = Novelty(kept_ns=100 * MINUTE_NS, most=4)
    for time, value in enumerate([0.0, 10.0, 5.0, 5.1, 8.0]):
        novelty.add(time * MINUTE_NS, value)
    assert novelty.memory["values"][0, 0].tolist() == [0.0, 5.0, 8.0, 10.0]
    assert (novelty.memory["seen"][0, 0] / 60).tolist() == [0.0, 3.0, 4.0, 1.0]
