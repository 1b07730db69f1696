"""How rare a number is among those before it, on exponential numbers, whose tail is known."""

import math

import numpy as np
import pytest

from anomaly.detectors.parts import surprise as surprise_parts
from anomaly.detectors.parts.loops import Surprises
from anomaly.detectors.parts.memory import Memory
from anomaly.detectors.parts.surprise import WARM_UP

ONE = np.array([0])


class Surprise:
    """The past of one number."""

    def __init__(self, most_excess: float = math.inf) -> None:
        self.memory = Memory("", surprise_parts.FIELDS, 1, 1)
        self._surprises = Surprises(self.memory.flat, most_excess)

    def feed(self, number: float) -> float:
        said = float(self._surprises.rank(0, number))
        self._surprises.learn(0, number)
        return said


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
