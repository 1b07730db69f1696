"""Members and levels are chosen on files other than those that they are scored on."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from anomaly.detectors.ensemble import MEMBERS
from anomaly.windows.arrays import Floats
from bench.nab.corpus import Series
from bench.nab.structure import LEVELS, compare

LENGTH = 1_200
SILENCE = np.zeros(LENGTH)


def series(number: int) -> Series:
    times = np.arange(LENGTH, dtype=np.int64) * 300
    return Series(f"made/{number}.csv", tuple(map(str, times)), times, np.zeros(LENGTH), ((790, 830),))


def peak(at: int, height: float) -> Floats:
    scores = SILENCE.copy()
    scores[at] = height
    return scores


CORPUS = [series(number) for number in range(6)]


def scores(**given: list[Floats]) -> dict[str, list[Floats]]:
    return {name: given.get(name, [SILENCE] * len(CORPUS)) for name in LEVELS}


def test_the_member_that_sees_is_chosen_and_the_one_that_errs_is_left_out() -> None:
    seeing, erring = [peak(790, 100.0)] * 6, [peak(500, 1e6)] * 6
    with ThreadPoolExecutor(1) as pool:
        found = compare(CORPUS, scores(gap=seeing, seasonal=erring), pool)
    assert found.count == 6 * (np.prod([len(levels) for levels in LEVELS.values()]) - 1)
    assert found.levels["gap"] < np.inf
    assert found.levels["seasonal"] == np.inf
    assert found.score == pytest.approx(100.0, abs=0.5)
    assert found.held_out == pytest.approx((found.score, found.score))


def test_what_only_helps_on_one_half_does_not_carry_over() -> None:
    with ThreadPoolExecutor(1) as pool:
        # Each file's window is seen by one member; the others err there.
        mixed = {
            name: [peak(790 if number % 2 == place else 500, 1e6) for number in range(6)]
            for place, name in enumerate(("gap", "seasonal"))
        }
        found = compare(CORPUS, scores(**mixed), pool)
    assert found.held_out[1] < found.score


def test_a_level_is_tried_for_each_member_of_the_ensemble() -> None:
    assert tuple(LEVELS) == MEMBERS
