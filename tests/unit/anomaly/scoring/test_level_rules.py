"""When a change is a new level: the edges of each rule, on a mean and a spread without a model."""

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anomaly.models.features import features, shape
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline import normalize
from anomaly.scoring.levels import Levels, line_through, scatter
from anomaly.scoring.packing import keys_as_arrays
from anomaly.scoring.periods import Rules
from anomaly.scoring.series_table import SeriesTable
from tests.unit.anomaly.clocks import ZONE, autumn, spring

W = 10
# A change is a new level after 10 windows, and may pause for 3.
RULES = Rules(window_ns=W, open=70, close=50, evidence=1e9, merge_ns=3 * W, silence_ns=9 * W, new_level_ns=10 * W)
(PIPELINE,) = normalize(
    [{"name": "p", "database": "d", "measurement": "m", "fields": ["a"], "group_by": ["host"], "window": "10s"}]
)
FEATURES = features(PIPELINE)


def scaling(usual_spread: float = 1.0) -> Any:
    """Return a baseline at 10 that scatters by 1, whose windows have a spread of 1 where they have any.

    Args:
        usual_spread: the median of the spreads of all windows.
    """
    (shaped,) = shape(np.array([[usual_spread]]), np.array([True]), np.array([1.0]))[0].tolist()
    center, scale, typical = ([10.0, shaped], [1.0, 0.1], [np.nan, 1.0])
    return SimpleNamespace(center=np.array([center]), scale=np.array([scale]), typical=np.array([typical]))


SCALING = scaling()
# Without a slope over five windows, so that a level is one.
SWING = (-1.0, 0.5, 0.0, -0.5, 1.0)
A, B, C = 0, 1, 2


def made(memory_bytes: int = 1 << 20, rules: Rules = RULES) -> Levels:
    """Return the levels of the series a, b and c, in the rows A, B and C."""
    table = SeriesTable(100)
    levels = Levels(table, rules, FEATURES, memory_bytes)
    levels.go_on_with("v1")
    table.rows([("a",), ("b",), ("c",)])
    return levels


def feed(levels: Levels, number: int, *, anomalous: bool = True, row: int = A, value: float = 0.0) -> bool:
    return levels.feed(row, number * W, np.array([value, 1.0]), anomalous=anomalous)


def begin_of_the_change(levels: Levels) -> int | None:
    """Return the number of the change's first window, by when it will have lasted; None while there is none."""
    if not levels.are_followed(np.array([A])).any():
        return None
    return levels.stretch(A, np.arange(8, 1_000) * W) - 2


def changed(
    level: float = 20.0, swing: float = 1.0, spread: float = 1.0, calm: tuple[int, ...] = (), slope: float = 0.0
) -> Levels:
    """Return the levels of a series that had ten windows of a change, of which those of some numbers were calm."""
    levels = made()
    for number in range(10):
        value = level + swing * SWING[number % 5] + slope * number
        levels.feed(A, number * W, np.array([value, spread]), anomalous=number not in calm)
    return levels


def settled(levels: Levels, baseline: int | None = 0, *, is_open: bool = True) -> bool:
    return levels.settle(A, SCALING, baseline, is_open=is_open)


def test_a_change_has_lasted_with_the_window_that_ends_after_the_stated_time() -> None:
    levels = made()
    assert [feed(levels, number) for number in range(5, 16)] == [False] * 9 + [True, True]


def test_a_calm_window_begins_no_change_and_ends_none() -> None:
    levels = made()
    assert not feed(levels, 0, anomalous=False)
    assert begin_of_the_change(levels) is None
    feed(levels, 1)
    feed(levels, 2, anomalous=False)
    assert begin_of_the_change(levels) == 1


def test_a_calm_window_does_not_show_a_level() -> None:
    levels = made()
    for number in range(9):
        feed(levels, number)
    assert not feed(levels, 9, anomalous=False)
    assert feed(levels, 10)


@pytest.mark.parametrize(("next_number", "begin"), [(3, 0), (4, 4)])
def test_a_change_pauses_for_three_windows_and_begins_anew_after_more(next_number: int, begin: int) -> None:
    levels = made()
    feed(levels, 0)
    feed(levels, next_number)
    assert begin_of_the_change(levels) == begin


@pytest.mark.parametrize("number", [5, 6])
def test_a_change_begins_anew_where_time_does_not_go_on(number: int) -> None:
    levels = made()
    feed(levels, 4)
    feed(levels, 6)
    feed(levels, number)
    assert begin_of_the_change(levels) == number


def test_windows_are_judged_up_to_the_one_that_may_show_a_level_or_to_where_time_goes_back() -> None:
    levels = made()
    assert levels.stretch(A, np.arange(5) * W) == 5
    assert levels.stretch(A, np.arange(50) * W) == 10
    assert levels.stretch(A, np.array([0, 1, 2, 2, 3]) * W) == 3
    feed(levels, 0)
    assert levels.stretch(A, np.arange(4, 50) * W) == 6


def test_a_series_may_settle_when_its_change_will_have_lasted() -> None:
    levels = made()
    feed(levels, 0)
    rows = np.array([A, B])
    first, last = np.array([4, 4]) * W, np.array([9, 13]) * W
    assert levels.may_settle(rows, first, last).tolist() == [True, True]
    assert levels.may_settle(rows, first, last - W).tolist() == [False, False]


def test_no_more_series_are_followed_than_memory_allows_until_one_is_calm() -> None:
    levels = made(memory_bytes=1)
    feed(levels, 0)
    feed(levels, 0, row=B)
    assert levels.are_followed(np.array([A, B])).tolist() == [True, False]
    feed(levels, 9, anomalous=False)
    feed(levels, 9, row=B)
    assert levels.are_followed(np.array([A, B])).tolist() == [False, True]


# A change keeps up to 256 windows, each with its time and two features of 8 bytes, in a quarter of the memory.
@pytest.mark.parametrize(("memory_bytes", "followed"), [(4 * 2 * 256 * 24 - 1, 1), (4 * 2 * 256 * 24, 2)])
def test_changes_keep_their_windows_in_a_quarter_of_the_memory(memory_bytes: int, followed: int) -> None:
    levels = made(memory_bytes)
    for row in (A, B, C):
        feed(levels, 0, row=row)
    assert levels.are_followed(np.array([A, B, C])).sum() == followed


def test_a_change_takes_about_the_memory_that_is_reckoned_with() -> None:
    changes, windows = 20, 256
    table = SeriesTable(changes)
    table.rows([(str(row),) for row in range(changes)])
    levels = Levels(table, RULES, FEATURES, 2**30)

    tracemalloc.start()
    for number in range(windows):
        for row in range(changes):
            levels.feed(row, number * W, np.array([20.0, 1.0]), 4.0, anomalous=True)
    taken = tracemalloc.get_traced_memory()[0] / changes
    tracemalloc.stop()

    assert taken < 1.5 * windows * 24


def test_a_long_change_keeps_windows_that_are_equally_far_apart() -> None:
    levels = made()
    for number in range(600):
        feed(levels, number, value=float(number))
    state = levels.state(np.array([A]))
    assert state["kept_ns"].tolist() == [number * W for number in range(0, 600, 4)]
    assert state["kept"][:, 0].tolist() == [float(number) for number in range(0, 600, 4)]


def test_later_values_are_judged_as_they_would_be_at_the_old_level() -> None:
    levels = changed()
    values, rows, begins = np.array([[20.0, 1.0], [23.0, 2.0]]), np.array([A, A]), np.array([20, 21]) * W
    assert levels.as_before(rows, begins, values) is values

    assert settled(levels)

    assert levels.have_moved(np.array([A, B])).tolist() == [True, False]
    np.testing.assert_allclose(levels.as_before(rows, begins, values), [[10.0, 1.0], [13.0, 2.0]])
    np.testing.assert_allclose(levels.as_before(np.array([A, B]), begins, values), [[10.0, 1.0], [23.0, 2.0]])


@pytest.mark.parametrize(
    ("change", "is_new"),
    [
        pytest.param({"level": 11.1}, True, id="a level more than one scale above"),
        pytest.param({"level": 10.9}, False, id="a level less than one scale above"),
        pytest.param({"level": 8.9}, True, id="a level more than one scale below"),
        pytest.param({"level": 10.0, "swing": 2.5}, True, id="values that scatter much more"),
        pytest.param({"level": 10.0, "spread": 1.6}, True, id="spreads that are much larger"),
        pytest.param({"level": 10.0, "spread": 0.6}, True, id="spreads that are much smaller"),
        pytest.param({"level": 10.0, "spread": 1.4}, False, id="spreads that are a little larger"),
        pytest.param({"spread": 0.09}, False, id="a sensor that is stuck"),
        pytest.param({"spread": 0.11}, True, id="a sensor that is almost stuck"),
        pytest.param({"calm": (1, 2, 4, 5, 7)}, True, id="half of the windows anomalous"),
        pytest.param({"calm": (1, 2, 4, 5, 7, 8)}, False, id="fewer than half of the windows anomalous"),
    ],
)
def test_a_change_is_a_new_level_when_it_has_moved_far_enough(change: dict[str, Any], is_new: bool) -> None:
    levels = changed(**change)
    settled(levels)
    assert levels.have_moved(np.array([A])).tolist() == [is_new]
    # Whether or not it was one, the change is over.
    assert begin_of_the_change(levels) is None


@pytest.mark.parametrize(
    ("change", "is_over"),
    [
        pytest.param({"level": 10.9}, True, id="one field that has not moved"),
        pytest.param({"level": 10.9, "calm": (1, 2, 4, 5, 7, 8)}, False, id="mostly calm windows"),
        pytest.param({"spread": 0.09}, False, id="a sensor that is stuck"),
    ],
)
def test_a_change_of_one_field_is_over_where_its_level_has_not_moved(change: dict[str, Any], is_over: bool) -> None:
    levels = changed(**change)
    learnt: list[int] = []

    def relearn(begin_ns: np.ndarray, values: np.ndarray) -> np.ndarray:
        learnt.append(len(values))
        return np.arange(len(values), dtype=np.float64)

    settled = levels.settle(A, SCALING, 0, is_open=True, relearn=relearn, close=5.0)

    assert settled is is_over
    assert learnt == ([10] if is_over else [])
    assert highest_usual_score(levels) == (1.5 * 9.0 if is_over else 0.0)
    assert not levels.have_moved(np.array([A])).any()


@pytest.mark.parametrize(("close", "highest"), [(9.0, 1.5 * 9.0), (9.1, 0.0)])
def test_scores_at_a_new_level_are_usual_only_where_they_would_prolong_a_period(close: float, highest: float) -> None:
    levels = changed(level=20.0)

    assert levels.settle(A, SCALING, 0, is_open=True, relearn=lambda begin_ns, _: begin_ns / W, close=close)

    assert highest_usual_score(levels) == highest


@pytest.mark.parametrize(("times", "is_over"), [(23, False), (24, True)])
def test_a_change_that_comes_often_is_over_though_most_windows_are_calm(times: int, is_over: bool) -> None:
    levels = made()
    for number in range(1, 3 * times + 1):
        levels.feed(A, number * W, np.array([20.0, 1.0]), 4.0, anomalous=number % 3 == 1)

    assert settled(levels) is is_over

    assert highest_usual_score(levels) == (1.5 * 4.0 if is_over else 0.0)


def highest_usual_score(levels: Levels) -> float:
    """Return the highest score that is usual for the series a; 0 where none is."""
    state = levels.state(np.array([A]))
    return float(state["usual_scores"].max(initial=0.0)) if "usual_scores" in state else 0.0


@pytest.mark.parametrize(("usual_spread", "is_new"), [(0.0, True), (0.09, True), (0.11, False)])
def test_a_field_that_hardly_moved_in_training_is_at_a_new_level_and_not_stuck(
    usual_spread: float, is_new: bool
) -> None:
    levels = changed(spread=0.0)
    assert levels.settle(A, scaling(usual_spread), 0, is_open=True) is is_new


def test_spreads_of_a_field_that_never_moved_stay_as_they_are_at_its_new_level() -> None:
    levels = changed(spread=0.0)
    levels.settle(A, scaling(0.0), 0, is_open=True)
    assert as_before(levels, 20, 20.0, 0.0) == pytest.approx([10.0, 0.0])
    assert as_before(levels, 21, 20.0, 0.5) == pytest.approx([10.0, 0.5])


def test_a_fault_that_is_over_and_has_an_echo_is_no_new_level_until_it_goes_on() -> None:
    levels = made()
    for number in range(10):
        feed(levels, number, value=20.0 + 0.1 * SWING[number % 5], anomalous=number < 8)

    assert feed(levels, 10, value=20.0)
    assert not settled(levels)
    assert begin_of_the_change(levels) == 0

    # By now most of the last three windows are anomalous.
    assert feed(levels, 11, value=20.0)
    assert settled(levels)


def test_without_an_open_period_there_is_no_new_level() -> None:
    assert not settled(changed(), is_open=False)


def test_a_series_without_a_baseline_learns_its_new_level_itself() -> None:
    levels = changed()
    assert settled(levels, baseline=None)
    assert not levels.have_moved(np.array([A])).any()
    assert not settled(changed(spread=0.0), baseline=None)


def test_values_on_a_line_are_followed_along_it() -> None:
    levels = changed(level=20.0, swing=0.1, slope=2.0)
    assert settled(levels)
    later = levels.as_before(np.array([A]), np.array([30 * W]), np.array([[80.0, 1.0]]))
    assert later[0, 0] == pytest.approx(10.0, abs=0.5)
    assert levels.are_followed(np.array([A])).all()


def follow(levels: Levels, first: int, level: float, slope: float = 0.0, *, anomalous: bool = True) -> bool:
    """Feed ten windows from a number on, and return whether they are a new level."""
    for number in range(first, first + 10):
        value = level + slope * (number - first) + 0.1 * SWING[number % 5]
        feed(levels, number, value=value, anomalous=anomalous)
    return settled(levels)


def as_before(levels: Levels, number: int, value: float, spread: float = 1.0) -> list[float]:
    """Return a window's mean and spread as they would be at the old level."""
    (row,) = levels.as_before(np.array([A]), np.array([number * W]), np.array([[value, spread]])).tolist()
    return [float(each) for each in row]


@pytest.mark.parametrize("higher", [0.0, 4.0])
def test_a_calm_series_on_a_line_has_its_line_measured_anew(higher: float) -> None:
    levels = made()
    assert follow(levels, 0, 20.0, 2.0)

    assert not follow(levels, 30, 80.0 + higher, 2.0, anomalous=False)

    # The line goes through the middle of both.
    assert as_before(levels, 34, 88.0 + higher)[0] == pytest.approx(10.0, abs=0.2)
    assert as_before(levels, 64, 148.0 + 2 * higher)[0] == pytest.approx(10.0, abs=0.2)


def test_a_calm_series_keeps_its_line_while_it_pauses() -> None:
    levels = made()
    assert follow(levels, 0, 20.0, 2.0)
    before = as_before(levels, 50, 120.0)

    assert not follow(levels, 30, 80.0, anomalous=False)

    assert as_before(levels, 50, 120.0) == before
    assert levels.are_followed(np.array([A])).all()


def hidden(level: float, slope: float) -> np.ndarray:
    """Return ten values that rise along a line around a level, which a wave hides from a look at them alone."""
    number = np.arange(10)
    return np.asarray(level + slope * (number - 4.5) + 1.2 * np.sin(number * 2 * np.pi / 10))


def change_to(levels: Levels, first: int, values: np.ndarray, *, calm: int = 0, is_open: bool = True) -> bool:
    """Feed ten windows from a number on, the first ones calm, and return whether they are a new level."""
    for number, value in enumerate(values.tolist()):
        feed(levels, first + number, value=value, anomalous=number >= calm)
    return settled(levels, is_open=is_open)


def slope_of(levels: Levels) -> float:
    """Return how much a series rises with each window."""
    return (as_before(levels, 1_000, 0.0)[0] - as_before(levels, 1_100, 0.0)[0]) / 100


@pytest.mark.parametrize(("apart", "slope"), [(15, 10.0 / 15), (25, 10.0 / 25), (26, 0.0)])
def test_two_new_levels_soon_after_each_other_are_a_line_that_a_rhythm_hides(apart: int, slope: float) -> None:
    levels = made()
    assert follow(levels, 0, 20.0)

    assert change_to(levels, apart, hidden(30.0, slope))

    assert levels.are_followed(np.array([A])).all() == (slope > 0.0)
    assert slope_of(levels) == pytest.approx(slope, rel=0.05)


def test_two_equal_levels_are_no_line() -> None:
    levels = made()
    assert follow(levels, 0, 20.0)

    change_to(levels, 15, hidden(20.0, 0.0))

    assert slope_of(levels) == 0.0


@pytest.mark.parametrize("rise", [0.0, -0.667, 3.0])
def test_two_new_levels_are_no_line_where_the_second_does_not_rise_as_they_do(rise: float) -> None:
    levels = made()
    assert follow(levels, 0, 20.0)

    assert change_to(levels, 15, hidden(30.0, rise))

    assert slope_of(levels) != pytest.approx(10.0 / 15, rel=0.2)


@pytest.mark.parametrize(("calm", "is_measured"), [(10, True), (6, True), (5, False)])
def test_a_line_is_measured_anew_while_fewer_than_half_of_the_windows_are_anomalous(
    calm: int, is_measured: bool
) -> None:
    levels = made()
    assert follow(levels, 0, 20.0, 2.0)

    assert not change_to(levels, 30, hidden(100.0, 2.5), calm=calm, is_open=False)

    assert slope_of(levels) == pytest.approx(70.0 / 30 if is_measured else 2.0, rel=0.1)


@pytest.mark.parametrize(("spread", "judged_as"), [(1.4, 1.4), (0.7, 0.7), (1.6, 1.0), (0.6, 1.0)])
def test_spreads_count_as_before_where_they_have_grown_or_shrunk_by_half(spread: float, judged_as: float) -> None:
    levels = changed(level=20.0, spread=spread)
    assert settled(levels)
    assert as_before(levels, 20, 20.0, spread) == pytest.approx([10.0, judged_as])


def test_levels_of_another_model_are_forgotten() -> None:
    levels = changed()
    settled(levels)
    feed(levels, 20)
    levels.go_on_with("v1")
    assert levels.have_moved(np.array([A])).all()
    levels.go_on_with("v2")
    assert not levels.have_moved(np.array([A])).any()
    assert begin_of_the_change(levels) is None


def test_levels_and_changes_outlive_a_restart() -> None:
    before = changed()
    settled(before)
    for number in range(20, 25):
        feed(before, number, row=B, value=float(number))
        feed(before, number + 3, row=C, value=-float(number))
    rows = np.array([A, B, C])
    state = {**before.state(rows), **keys_as_arrays([("a",), ("b",), ("c",)])}

    after = made()
    after.restore(rows, after.read(state))

    values, begins = np.array([[20.0, 1.0]]), np.array([30 * W])
    np.testing.assert_array_equal(
        after.as_before(np.array([A]), begins, values), before.as_before(np.array([A]), begins, values)
    )
    assert after.have_moved(rows).tolist() == [True, False, False]
    assert after.are_followed(rows).tolist() == [False, True, True]
    assert after.state(rows).keys() == before.state(rows).keys()
    for name, array in before.state(rows).items():
        np.testing.assert_array_equal(after.state(rows)[name], array)
    assert [feed(after, number, row=B) for number in range(25, 31)] == [False] * 4 + [True] * 2
    assert made().state(rows) == {}


def test_the_windows_of_a_change_are_taken_for_anomalous_where_a_state_of_before_does_not_tell() -> None:
    before = made()
    for number in range(11):
        feed(before, number, value=20.0 + 0.1 * SWING[number % 5], anomalous=number not in (8, 9))
    state = before.state(np.array([A]))
    del state["kept_anomalous"]

    after = made()
    after.restore(np.array([A]), after.read({**state, **keys_as_arrays([("a",)])}))

    assert not settled(before)
    assert settled(after)


def test_a_state_that_does_not_tell_of_each_window_is_refused() -> None:
    levels = made()
    feed(levels, 0)
    state = levels.state(np.array([A]))

    damaged = {**state, "kept_anomalous": state["kept_anomalous"][1:], **keys_as_arrays([("a",)])}

    with pytest.raises(ValueError, match=r"levels keep \(1,\) windows, and of \(0,\) whether they are anomalous"):
        made().read(damaged)


def test_the_scatter_of_values_is_that_of_a_normal_distribution_with_their_median_deviation() -> None:
    assert scatter(np.array([3.0, 5.0, 4.0, 100.0, 2.0])) == pytest.approx(1.4826, abs=1e-4)


@pytest.mark.parametrize(
    ("values", "slope", "rest"),
    [
        pytest.param([5.0, 7.0, 9.0, 11.0, 13.0, 15.0], 0.2, [5.0] * 6, id="a line of an even number of windows"),
        pytest.param([5.0, 7.0, 9.0, 11.0, 13.0], 0.2, [5.0] * 5, id="a line of an odd number of windows"),
        pytest.param([5.0, 3.0, 1.0, -1.0], -0.2, [5.0] * 4, id="a line that falls"),
        pytest.param([5.0, 5.0, 5.0, 5.0], 0.0, [5.0] * 4, id="a level"),
        pytest.param([4.0, 6.0, 4.0, 7.0], 0.0, [4.0, 6.0, 4.0, 7.0], id="values that scatter more than they rise"),
    ],
)
def test_the_slope_of_a_line_is_exact_and_what_scatters_has_none(
    values: list[float], slope: float, rest: list[float]
) -> None:
    found_slope, found_rest = line_through(np.array(values), np.arange(len(values)) * W, 1.0)
    assert found_slope == pytest.approx(slope)
    np.testing.assert_allclose(found_rest, rest, atol=1e-12)


@pytest.mark.parametrize(
    ("rise", "scale", "is_line"),
    [
        pytest.param(2.5, 0.4, False, id="they scatter more than in training"),
        pytest.param(2.5, 0.5, True, id="they scatter as in training"),
        pytest.param(2.5, 1.6, True, id="training scattered like noise"),
        pytest.param(2.5, 1.8, False, id="training scattered more than noise, so it may have had a rhythm"),
        pytest.param(1.0, 0.5, False, id="they rise by less than two deviations"),
    ],
)
def test_noise_that_rises_is_a_line_where_training_had_no_rhythm(rise: float, scale: float, is_line: bool) -> None:
    noise = np.random.default_rng(1).normal(size=60)
    slope, _ = line_through(noise + rise * np.arange(60) / 60, np.arange(60) * W, scale)
    assert (slope != 0.0) is is_line


# Days by a clock: a change is a new level after 10 of them, and may pause for 3.
DAILY = replace(
    RULES, window_ns=DAY_NS, merge_ns=3 * DAY_NS, silence_ns=9 * DAY_NS, new_level_ns=10 * DAY_NS, zone=ZONE
)


def test_ten_days_are_a_new_level_even_if_one_has_23_hours() -> None:
    levels = made(rules=DAILY)
    days = np.array([spring(day) for day in range(-5, 9)])

    assert levels.may_settle(np.array([A, A]), days[[0, 0]], days[[8, 9]]).tolist() == [False, True]
    assert levels.stretch(A, days) == 10
    lasted = [levels.feed(A, day, np.array([0.0, 1.0]), anomalous=True) for day in days[:10].tolist()]
    assert lasted == [False] * 9 + [True]


def test_a_change_may_pause_for_three_days_even_if_one_has_25_hours() -> None:
    levels = made(rules=DAILY)
    values = np.array([10.0, 1.0])

    for day in (-1, 0, 1):
        levels.feed(A, autumn(day), values, anomalous=day == -1)
    levels.feed(A, autumn(2), values, anomalous=True)

    # The change that began with day -1 will have lasted for ten days with day 8.
    assert levels.stretch(A, np.array([autumn(day) for day in range(3, 20)])) == 6
