"""From scores to alarms, and how candidates are chosen on one half and scored on the other."""

import numpy as np
import pytest

from bench.nab.alarms import Policy
from bench.nab.corpus import Series
from bench.nab.detect import run
from bench.nab.evaluate import coverage, evaluate, halves
from bench.nab.floors import periodic, random


def test_nothing_alarms_during_the_hold_off() -> None:
    scores = np.ones(100)
    assert Policy(hold_off=30, fatigue=1.0).alarms(scores, 1.0).tolist() == [0, 30, 60, 90]
    assert Policy(hold_off=30, fatigue=1.0).alarms(scores, 1.01).tolist() == []


def test_fatigue_raises_the_level_and_decays() -> None:
    scores = np.full(400, 1.5)
    alarms = Policy(hold_off=1, fatigue=2.0, decay=100.0).alarms(scores, 1.0)
    # 1 + exp(-t / 100) falls below 1.5 after 69.3 points.
    assert alarms[:2].tolist() == [0, 70]
    scores[10] = 2.0
    assert Policy(hold_off=1, fatigue=2.0, decay=100.0).alarms(scores, 1.0)[:2].tolist() == [0, 10]


def test_what_is_emitted_is_the_score_at_the_alarm() -> None:
    scores = np.array([0.1, 3.0, 2.0, 0.1])
    assert Policy(hold_off=2).emitted(scores, 1.0).tolist() == [0.0, 3.0, 0.0, 0.0]


def made_up(number: int, length: int = 1_200) -> Series:
    rng = np.random.default_rng(number)
    values = rng.normal(0, 1, length) + np.sin(np.arange(length) / 40)
    values[800:810] += 25
    times = np.arange(length, dtype=np.int64) * 300
    return Series(f"made/{number}.csv", tuple(map(str, times)), times, values, ((790, 830),))


CORPUS = [made_up(number) for number in range(6)]


def test_halves_have_all_files_once() -> None:
    for first, second in halves(CORPUS):
        assert sorted([*first, *second]) == list(range(6))
        assert len(first) == len(second) == 3


def test_a_detector_is_better_than_the_floors() -> None:
    scores = [run("ensemble", {"trees": 20, "samples": 64}, series).scores for series in CORPUS]
    evaluation = evaluate(CORPUS, scores, Policy())
    assert evaluation.results["standard"].found == 6
    assert evaluation.results["standard"].score > 90
    assert evaluation.held_out[0] > 90
    assert 0 < evaluation.coverage <= 1
    chance = evaluate(CORPUS, random(CORPUS, 0), Policy())
    assert chance.results["standard"].score < 50
    assert sum(alarm.sum() for alarm in periodic(CORPUS, 100)) == 6 * 12


def test_coverage_is_the_share_of_labelled_points_that_reach_the_level() -> None:
    scores = [np.zeros(len(series)) for series in CORPUS]
    assert coverage(CORPUS, scores, 1.0) == 0
    # Half of the first file's 41 labelled points; what lies outside of the labels does not count.
    scores[0][770:810] = 2.0
    assert coverage(CORPUS, scores, 2.0) == pytest.approx(20 / (6 * 41))
    assert coverage(CORPUS, scores, 2.1) == 0


def test_the_ensembles_forest_is_another_one_than_the_forest_alone() -> None:
    parameters = {"trees": 20, "samples": 64}

    alone, member = (
        run("isolation_forest", parameters, CORPUS[0], as_member=as_member).state_bytes for as_member in (False, True)
    )

    assert member < alone


def test_a_score_does_not_depend_on_the_future() -> None:
    series = CORPUS[0]
    cut = 900
    short = Series(series.name, series.stamps, series.times, series.values.copy(), series.windows)
    short.values[cut:] = 1e6
    for detector in ("ensemble", "isolation_forest"):
        parameters = {"trees": 20, "samples": 64}
        whole, changed = (run(detector, parameters, one).scores for one in (series, short))
        np.testing.assert_array_equal(whole[:cut], changed[:cut])
        assert whole[: series.probation] == pytest.approx(0)
