"""NAB's scoring: on hand-made series, and by its properties. Against NAB's own figures: `make bench-nab`."""

import math

import numpy as np
import pytest

from bench.nab.corpus import Series
from bench.nab.scoring import PROFILES, CorpusScorer, Profile

STANDARD = PROFILES["standard"]


def series(*windows: tuple[int, int], length: int = 1_000) -> Series:
    times = np.arange(length, dtype=np.int64) * 300
    return Series("made/up.csv", tuple(map(str, times)), times, np.zeros(length), windows)


def detections(*indexes: int, length: int = 1_000) -> np.ndarray:
    scores = np.zeros(length)
    scores[list(indexes)] = 1.0
    return scores


def score(one: Series, *indexes: int, profile: Profile = STANDARD) -> float:
    return CorpusScorer([one]).at([detections(*indexes)], 1.0, profile).score


@pytest.mark.parametrize("profile", PROFILES.values())
def test_nothing_is_0_and_the_begin_of_each_window_is_100(profile: Profile) -> None:
    one = series((300, 399), (600, 650))
    assert score(one, profile=profile) == 0
    assert score(one, 300, 600, profile=profile) == pytest.approx(100)


def test_late_detections_are_worth_less_and_only_the_best_counts() -> None:
    one = series((300, 399))
    early, late, last = score(one, 310), score(one, 350), score(one, 399)
    assert 100 > early > late > last > 50
    assert score(one, 350, 310, 399) == pytest.approx(early)
    # In the middle: 2 / (1 + exp(-2.5)) - 1 of the same at the begin, over a miss that costs as much as it is worth.
    worth = (2 / (1 + math.exp(-2.5)) - 1) / (2 / (1 + math.exp(-5)) - 1)
    assert late == pytest.approx(100 * (worth + 1) / 2)


def test_false_detections_cost_more_the_farther_behind_a_window_they_are() -> None:
    one = series((500, 599), length=2_000)
    scorer = CorpusScorer([one])

    def cost(index: int) -> float:
        both = [detections(500, index, length=2_000)]
        return 100 - scorer.at(both, 1.0, STANDARD).score

    assert 0 < cost(610) < cost(650) < cost(800) < cost(1_500)
    assert cost(1_500) == pytest.approx(100 * 0.11 / 2)
    # Before the first window there is none to be late for.
    assert cost(499) == pytest.approx(100 * 0.11 / 2)


def test_the_profiles_weigh() -> None:
    one = series((300, 399), (600, 650))
    low_fp, low_fn = PROFILES["reward_low_FP_rate"], PROFILES["reward_low_FN_rate"]
    assert 100 - score(one, 300, 600, 200, profile=low_fp) == pytest.approx(2 * (100 - score(one, 300, 600, 200)))
    assert score(one, 300, profile=low_fn) == pytest.approx(50)


def test_the_probationary_period_does_not_count() -> None:
    one = series((300, 399))
    assert one.probation == 150
    assert score(one, 3, 149, 300) == pytest.approx(100)
    assert series(length=100_000).probation == 750


def test_the_best_threshold_is_found_and_ties_fall_together() -> None:
    one = series((300, 399))
    scores = np.zeros(1_000)
    scores[[300, 200, 201, 700]] = [0.9, 0.7, 0.7, 0.95]
    best = CorpusScorer([one]).best([scores], STANDARD)
    assert (best.threshold, best.found, best.false) == (0.9, 1, 1)
    assert CorpusScorer([one]).at([scores], 0.7, STANDARD).false == 3
    assert CorpusScorer([one]).at([scores], 0.8, STANDARD).score == best.score


def test_one_threshold_for_all_series() -> None:
    loud, quiet = series((300, 399)), series((300, 399))
    best = CorpusScorer([loud, quiet]).best([detections(300) * 0.9, detections(300) * 0.3], STANDARD)
    assert best.score == pytest.approx(100)
    assert best.threshold == pytest.approx(0.3)


def test_nothing_is_best_where_all_detections_are_false() -> None:
    best = CorpusScorer([series((300, 399))]).best([detections(200, 500)], STANDARD)
    assert (best.score, best.threshold, best.false) == (0, np.inf, 0)


def test_gains_add_up_to_the_score() -> None:
    corpus = [series((300, 399)), series((200, 250), (500, 520)), series()]
    scores = [detections(320, 700), detections(240, 251, 510), detections(999)]
    scorer = CorpusScorer(corpus)
    for profile in PROFILES.values():
        gains, perfect = scorer.gains(scores, profile), scorer.perfect(profile)
        assert 100 * gains.sum() / perfect.sum() == pytest.approx(scorer.at(scores, 1.0, profile).score)
