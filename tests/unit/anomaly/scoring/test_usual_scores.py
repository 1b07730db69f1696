"""What scores are usual for a series after a change: the edges of each rule, on windows of ten minutes."""

from typing import Any

import numpy as np
import pytest

from anomaly.models.model import Verdict, Verdicts
from anomaly.nanoseconds import DAY_NS, HOUR_NS, MINUTE_NS
from anomaly.scoring.periods import Rules
from anomaly.scoring.series_table import SeriesTable
from anomaly.scoring.usual_scores import HOURS, UsualScores

W = 10 * MINUTE_NS
RULES = Rules(window_ns=W, open=70, close=50, evidence=1e9, merge_ns=3 * W, silence_ns=9 * W, new_level_ns=DAY_NS)
A, B = 0, 1
ROW = np.array([A])
DAY = 144


def made(rules: Rules = RULES, most: int = 10) -> UsualScores:
    table = SeriesTable(10)
    table.rows([("a",), ("b",)])
    return UsualScores(table, rules, most)


def run(scores: UsualScores, first: int, length: int, score: float = 4.0, row: int = A) -> bool:
    """Feed anomalous windows from a number on, and return whether the last one belongs to a run that recurs."""
    return [scores.feed(row, number * W, score) for number in range(first, first + length)][-1]


def severity(scores: UsualScores, number: int, score: float, row: int = A) -> tuple[float, float]:
    """Return the severity and the surprise, by usual scores, of a window of severity 80 and surprise 6."""
    verdict = Verdict(score, 80.0, 6.0, (1.0,), (0.0,), (2.0,), (1.0,), features=np.zeros(1))
    lowered = scores.lowered(
        np.array([row]), np.array([number * W]), Verdicts.of([verdict]), lambda beyond: 10 * beyond
    )
    assert lowered.score.tolist() == [score]
    return float(lowered.severity[0]), float(lowered.surprise[0])


def hourly(**highest: float) -> np.ndarray:
    """Return the highest scores of hours, such as `at_20=4.0`; 0 of others."""
    made_scores = np.zeros(HOURS)
    for name, score in highest.items():
        made_scores[int(name.removeprefix("at_"))] = score
    return made_scores


@pytest.mark.parametrize(
    ("hour", "score", "judged"),
    [
        pytest.param(20, 6.0, (0.0, 0.0), id="a score that is usual"),
        pytest.param(20, 8.0, (20.0, 1.5), id="a score beyond those that are usual"),
        pytest.param(19, 6.0, (0.0, 0.0), id="the hour before"),
        pytest.param(21, 6.0, (0.0, 0.0), id="the hour after"),
        pytest.param(22, 6.0, (80.0, 6.0), id="another hour"),
    ],
)
def test_only_what_is_beyond_usual_scores_counts_at_their_hours(
    hour: int, score: float, judged: tuple[float, float]
) -> None:
    scores = made()

    scores.set(A, hourly(at_20=4.0))

    assert severity(scores, hour * 6, score) == judged
    assert severity(scores, hour * 6, score, row=B) == (80.0, 6.0)


def test_the_hours_before_and_after_midnight_are_neighbours() -> None:
    scores = made()
    scores.set(A, hourly(at_23=4.0))
    assert severity(scores, 0, 6.0) == (0.0, 0.0)


def test_scores_are_added_to_those_that_are_usual_and_set_in_their_place() -> None:
    scores = made()
    scores.set(A, hourly(at_4=4.0))
    scores.add(A, hourly(at_4=2.0, at_12=2.0))
    assert [severity(scores, hour * 6, 3.0)[0] for hour in (4, 12)] == [0.0, 0.0]
    assert severity(scores, 4 * 6, 6.0)[0] == 0.0

    scores.set(A, hourly(at_12=2.0))
    assert [severity(scores, hour * 6, 3.0)[0] for hour in (4, 12)] == [80.0, 0.0]


def test_a_run_recurs_with_the_window_by_which_it_is_half_as_long_as_that_of_the_day_before() -> None:
    scores = made()
    assert not run(scores, 100, 12)
    assert not run(scores, DAY + 100, 12)

    third = range(2 * DAY + 100, 2 * DAY + 107)
    assert [scores.feed(A, number * W, 4.0) for number in third] == [False] * 5 + [True] * 2

    scores.settle(A)
    assert severity(scores, 100, 6.0) == (0.0, 0.0)
    assert severity(scores, 40, 6.0) == (80.0, 6.0)


@pytest.mark.parametrize(
    ("change", "recurs"),
    [
        pytest.param({"first": 2 * DAY + 97}, True, id="half an hour earlier"),
        pytest.param({"first": 2 * DAY + 96}, False, id="earlier"),
        pytest.param({"first": 2 * DAY + 103}, True, id="half an hour later"),
        pytest.param({"first": 2 * DAY + 104}, False, id="later"),
        pytest.param({"score": 6.4}, True, id="more severe by half"),
        pytest.param({"score": 6.5}, False, id="more severe"),
        pytest.param({"score": 2.4}, False, id="less severe"),
        pytest.param({"length": 12}, True, id="as long"),
        pytest.param({"length": 13}, False, id="longer"),
        pytest.param({"first": 3 * DAY + 100}, False, id="two days later"),
        pytest.param({"row": B}, False, id="another series"),
    ],
)
def test_a_run_recurs_where_it_is_like_that_of_the_day_before(change: dict[str, Any], recurs: bool) -> None:
    scores = made()
    run(scores, 100, 12)
    run(scores, DAY + 100, 12)
    assert run(scores, **{"first": 2 * DAY + 100, "length": 12, **change}) is recurs


def test_two_faults_at_one_time_of_day_do_not_recur_and_a_day_without_one_begins_anew() -> None:
    scores = made()
    assert [run(scores, day * DAY + 100, 12) for day in (0, 1, 3, 4, 5)] == [False, False, False, False, True]


def test_half_a_day_may_recur_and_more_may_be_a_level() -> None:
    for length, recurs in ((72, True), (73, False)):
        scores = made()
        run(scores, 0, length)
        run(scores, DAY, length)
        assert run(scores, 2 * DAY, 40) is recurs


def test_what_recurs_has_to_be_told_for_as_long_as_a_level() -> None:
    scores = made(Rules(**{name: getattr(RULES, name) for name in RULES.__slots__} | {"new_level_ns": 3 * DAY_NS}))
    assert [run(scores, day * DAY + 100, 12) for day in range(5)] == [False, False, False, True, True]


def test_windows_of_two_hours_do_not_recur() -> None:
    rules = {name: getattr(RULES, name) for name in RULES.__slots__}
    scores = made(Rules(**{**rules, "window_ns": 2 * HOUR_NS, "merge_ns": 6 * HOUR_NS}))
    begin_ns = np.arange(30) * 2 * HOUR_NS
    assert not any(scores.feed(A, at_ns, 4.0) for at_ns in (0, DAY_NS, 2 * DAY_NS))
    assert scores.stretch(A, begin_ns) == 30
    assert not scores.may_settle(ROW, begin_ns[:1], begin_ns[-1:]).any()


def test_windows_are_judged_one_by_one_while_a_run_may_recur() -> None:
    scores = made()
    run(scores, 100, 12)
    later = np.arange(120, 600)
    # The run of the day after may begin an hour earlier.
    assert scores.stretch(A, later * W) == DAY + 94 - 120
    assert scores.stretch(A, later[200:] * W) == DAY - 6
    for first, last, may_settle in ((120, DAY + 93, False), (120, DAY + 94, True), (DAY + 118, DAY + 200, True)):
        assert scores.may_settle(ROW, np.array([first * W]), np.array([last * W])).tolist() == [may_settle]
    after = np.array([(DAY + 119) * W])
    assert not scores.may_settle(ROW, after, after + W).any()


@pytest.mark.parametrize(("length", "earlier"), [(1, 0), (30, 15), (30, 30), (240, 59), (720, 59)])
def test_a_run_recurs_for_the_first_time_with_the_last_window_of_a_stretch(length: int, earlier: int) -> None:
    rules = Rules(**{name: getattr(RULES, name) for name in RULES.__slots__} | {"window_ns": MINUTE_NS})
    scores, day = made(rules), DAY_NS // MINUTE_NS
    begin_ns = np.arange(3 * day) * MINUTE_NS
    anomalous = {day * number + 200 - earlier * number + at for number in range(3) for at in range(length)}
    first, recurs_in = 0, [False]

    while not any(recurs_in):
        stretch = range(first, first + scores.stretch(A, begin_ns[first:]))
        recurs_in = [at in anomalous and scores.feed(A, int(begin_ns[at]), 4.0) for at in stretch]
        first = stretch.stop

    assert recurs_in.index(True) == len(recurs_in) - 1


def test_runs_are_not_remembered_where_none_may_recur() -> None:
    table = SeriesTable(10)
    table.rows([("a",), ("b",)])
    scores = UsualScores(table, RULES, 10, may_recur=False)

    assert not any(run(scores, day * DAY + 100, 12) for day in range(3))

    assert scores.state(ROW) == {}


def test_runs_of_more_series_than_there_is_room_for_are_not_remembered_until_others_are_old() -> None:
    scores = made(most=1)
    run(scores, 100, 12)
    assert not any(run(scores, day * DAY + 100, 12, row=B) for day in range(3))
    assert [run(scores, day * DAY, 12, row=B) for day in (4, 5, 6)] == [False, False, True]


def test_usual_scores_and_runs_outlive_a_restart() -> None:
    before = made()
    before.set(A, hourly(at_4=4.0))
    run(before, 100, 12, row=B)
    run(before, DAY + 100, 12, row=B)
    rows = np.array([A, B])

    after = made()
    after.restore(rows, after.read(before.state(rows)))

    assert severity(after, 4 * 6, 6.0) == (0.0, 0.0)
    assert run(after, 2 * DAY + 100, 6, row=B)
    assert made().state(rows) == {}
    after.restore(rows, None)
    assert after.state(rows) == {}


def test_a_state_of_a_release_before_has_no_usual_scores() -> None:
    assert made().read({}) == ({}, {})


@pytest.mark.parametrize(
    ("name", "message"),
    [("runs", r"runs of the shapes \(0, 3\) and \(1,\) for 1 rows"), ("usual_scores", r"shape \(0, 24\) for 1 series")],
)
def test_a_state_whose_arrays_do_not_fit_is_refused(name: str, message: str) -> None:
    scores = made()
    scores.set(A, hourly(at_4=4.0))
    run(scores, 100, 1)
    state = scores.state(ROW)
    with pytest.raises(ValueError, match=message):
        scores.read({**state, name: state[name][:0]})


def test_another_model_has_other_scores() -> None:
    scores = made()
    scores.set(A, hourly(at_4=4.0))
    run(scores, 100, 12)
    run(scores, DAY + 100, 12)
    scores.clear()
    assert scores.state(ROW) == {}
    assert not run(scores, 2 * DAY + 100, 12)
