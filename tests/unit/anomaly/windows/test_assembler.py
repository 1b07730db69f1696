"""The life of a window, case by case; `test_assembler_model` drives all of them at random."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.windows.arrays import NEVER
from anomaly.windows.assembler import Assembler, Closed, Settings, Taken
from anomaly.windows.point_log import bytes_per_point
from tests.unit.anomaly.windows.reference import aggregate

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
# A host's clock, at the begin of a window.
NOW = 1_790_000_000 * SECOND
SETTINGS = Settings(
    window_ns=10 * SECOND,
    lateness_ns=10 * SECOND,
    future_ns=300 * SECOND,
    fields=1,
    aggregates=("count", "mean"),
    idle_ns=10 * SECOND,
    oldest_ns=7 * DAY,
)


def add(assembler: Assembler, number: int, *seconds: float, now: float | None, value: float = 1.0) -> Taken:
    """Points of one series; seconds count from NOW."""
    return assembler.add(
        np.full(len(seconds), number, dtype=np.intp),
        np.array([NOW + round(second * SECOND) for second in seconds], dtype=np.int64),
        np.full((len(seconds), 1), value),
        np.zeros(len(seconds), dtype=np.uint64),
        None if now is None else NOW + round(now * SECOND),
    )


def close(assembler: Assembler, now: float | None) -> list[tuple[int, float, int]]:
    """The closed windows: series, begin in seconds from NOW, points."""
    return named(assembler.close(None if now is None else NOW + round(now * SECOND)))


def named(closed: Closed) -> list[tuple[int, float, int]]:
    begins = (closed.begin_ns - NOW) / SECOND
    return list(zip(closed.number.tolist(), begins.tolist(), closed.counts[:, 0].astype(int).tolist(), strict=True))


def wait(assembler: Assembler, begin: int, end: int) -> list[tuple[int, float, int, int]]:
    """The windows that close from one second to another without any point: series, begin, points, second."""
    return [(*window, second) for second in range(begin, end + 1) for window in close(assembler, second)]


def write_live(
    assembler: Assembler, begin: int, end: int, number: int = 0, lag: float = 0
) -> list[tuple[int, float, int, float]]:
    """A writer with a point each 2 s; returns (series, begin, points, second of closing)."""
    closed: list[tuple[int, float, int, float]] = []
    for second in range(begin, end, 2):
        add(assembler, number, second, now=second + lag)
        closed += [(*window, second + lag) for window in close(assembler, second + lag)]
    return closed


def restarted(assembler: Assembler) -> Assembler:
    """An assembler that goes on from the other one's state."""
    again = Assembler(assembler.settings)
    again.restore(assembler.state())
    return again


def test_a_point_beyond_end_and_lateness_closes_a_window() -> None:
    assembler = Assembler(SETTINGS)

    assert write_live(assembler, 0, 20) == []
    assert write_live(assembler, 20, 32) == [(0, 0, 5, 20), (0, 10, 5, 30)]


def test_the_windows_of_a_sensor_that_died_close_by_the_clock() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 26)

    assert wait(assembler, 25, 60) == [(0, 10, 5, 30), (0, 20, 3, 40)]


def test_the_clock_closes_in_a_series_that_is_steadily_behind_as_much_later() -> None:
    assembler = Assembler(SETTINGS)
    closed = write_live(assembler, 0, 60, lag=120)

    assert closed == [(0, begin, 5, begin + 20 + 120) for begin in (0, 10, 20, 30)]
    assert wait(assembler, 179, 220) == [(0, 40, 5, 180), (0, 50, 5, 190)]


def test_a_writer_that_sends_once_a_minute_has_whole_windows() -> None:
    assembler = Assembler(SETTINGS)
    closed = []
    for minute in range(0, 300, 60):
        taken = add(assembler, 0, *range(minute, minute + 60, 2), now=minute + 60)
        assert taken.points == 30
        closed += wait(assembler, minute + 60, minute + 119)

    assert [window[1:3] for window in closed] == [(begin, 5) for begin in range(0, 300, 10)]


def test_a_point_within_the_lateness_is_in_its_window() -> None:
    assembler = Assembler(SETTINGS)
    add(assembler, 0, 1, 12, 19.9, 3, now=19.9)

    assert add(assembler, 0, 20, now=20).points == 1
    assert close(assembler, 20) == [(0, 0, 2)]


def test_a_late_point_names_its_window() -> None:
    assembler = Assembler(SETTINGS)
    add(assembler, 3, 1, 2, 21, now=21)
    assert close(assembler, 21) == [(3, 0, 2)]

    taken = add(assembler, 3, 5, 22, 6, -5, now=22)

    assert taken.points == 1
    assert taken.late.number.tolist() == [3, 3]
    assert ((taken.late.begin_ns - NOW) // SECOND).tolist() == [-10, 0]
    assert taken.late.points.tolist() == [1, 2]
    assert len(taken.late) == 3


def test_a_point_ten_minutes_ahead_is_refused_and_the_series_goes_on() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 10)

    taken = add(assembler, 0, 600, 700, now=9)

    assert (taken.points, len(taken.future)) == (0, 2)
    assert taken.future.number.tolist() == [0]
    assert taken.future.time_ns.tolist() == [NOW + 700 * SECOND]
    assert [window[:3] for window in wait(assembler, 9, 40)] == [(0, 0, 5)]


def test_a_series_that_begins_with_the_year_2036_leaves_no_trace() -> None:
    assembler = Assembler(SETTINGS)

    assert len(add(assembler, 0, 10 * 365 * 86_400, now=0).future) == 1
    assert assembler.open_points == 0
    assert write_live(assembler, 0, 32) == [(0, 0, 5, 20), (0, 10, 5, 30)]


def test_a_point_ahead_of_the_clock_closes_nothing_that_is_open() -> None:
    # `future` is 15 minutes, so that a point ten minutes ahead is allowed.
    assembler = Assembler(replace(SETTINGS, future_ns=900 * SECOND))
    add(assembler, 0, 1, 600, 3, now=3)

    assert close(assembler, 3) == []
    assert write_live(assembler, 4, 32) == [(0, 0, 5, 20), (0, 10, 5, 30)]
    assert wait(assembler, 31, 700) == [(0, 20, 5, 40), (0, 30, 1, 50), (0, 600, 1, 620)]


def test_windows_of_two_writers_one_of_them_five_minutes_ahead_are_whole() -> None:
    assembler = Assembler(SETTINGS)
    closed, taken = [], 0
    for second in range(0, 900, 2):
        taken += add(assembler, 0, second, now=second).points
        taken += add(assembler, 0, second + 299, now=second).points
        closed += close(assembler, second)

    assert taken == 900
    assert closed[:29] == [(0, begin, 5) for begin in range(0, 290, 10)]
    assert closed[30:] == [(0, begin, 10) for begin in range(300, 890 - 10, 10)]


def test_a_replay_closes_by_its_own_points_and_ends_by_idleness() -> None:
    assembler = Assembler(SETTINGS)
    closed = []
    year = -365 * 86_400
    for step in range(20):
        add(assembler, 0, *range(year + 10 * step, year + 10 * step + 10, 2), now=step / 100)
        closed += close(assembler, step / 100)

    assert [(begin - year, points) for _, begin, points in closed] == [(10 * step, 5) for step in range(18)]
    assert [window[1:] for window in wait(assembler, 1, 30)] == [(year + 180, 5, 11), (year + 190, 5, 11)]


def test_a_replay_beside_live_series_does_not_hold_them_up() -> None:
    assembler = Assembler(SETTINGS)
    closed = []
    for second in range(0, 60, 2):
        add(assembler, 0, second, now=second)
        add(assembler, 1, second - 40 * 86_400, now=second)
        closed += [(*window, second) for window in close(assembler, second)]

    assert [window for window in closed if window[0] == 0] == [(0, b, 5, b + 20) for b in range(0, 40, 10)]
    assert [window[2:] for window in closed if window[0] == 1] == [(5, b + 20) for b in range(0, 40, 10)]


def test_a_live_series_does_not_become_idle() -> None:
    assembler = Assembler(replace(SETTINGS, window_ns=3600 * SECOND))
    hour = -(NOW // SECOND % 3600)
    add(assembler, 0, hour + 1, now=hour + 1)

    assert [window[3] for window in wait(assembler, hour + 1, hour + 3700)] == [hour + 3610]


def test_a_backlog_behind_live_points_is_closed_in_order() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 30)
    wait(assembler, 29, 1200)

    closed = write_live(assembler, 1200, 1206)
    for begin in range(30, 1200, 10):
        assert add(assembler, 0, *range(begin, begin + 10, 2), now=1206).points == 5
        closed += [(*window, 1206) for window in close(assembler, 1206)]
    assert closed == []

    closed = write_live(assembler, 1206, 1222)
    assert [window[1:] for window in closed] == [(begin, 5, 1210) for begin in range(30, 1190 + 1, 10)] + [
        (1200, 5, 1220)
    ]


def test_a_backlog_that_comes_after_its_time_is_late_and_not_lost() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 30)
    wait(assembler, 29, 1200)
    assert write_live(assembler, 1200, 1222)[-1] == (0, 1200, 5, 1220)

    late = [add(assembler, 0, *range(begin, begin + 10, 2), now=1222).late for begin in range(30, 1200, 10)]

    assert [((one.begin_ns - NOW) // SECOND).tolist() for one in late] == [[begin] for begin in range(30, 1200, 10)]
    assert sum(len(one) for one in late) == 585


def test_history_with_the_newest_first_is_closed_in_order() -> None:
    assembler = Assembler(SETTINGS)
    year = -365 * 86_400
    for number, second in enumerate(range(year + 600, year, -2)):
        assert add(assembler, 0, second - 1, now=number / 100).points == 1
        assert close(assembler, number / 100) == []

    closed = wait(assembler, 3, 30)

    assert [window[1:3] for window in closed] == [(begin, 5) for begin in range(year, year + 600, 10)]
    assert {window[3] for window in closed} == {13}


def test_a_window_behind_the_newest_point_of_one_batch_is_held_back() -> None:
    assembler = Assembler(SETTINGS)
    year = -365 * 86_400
    add(assembler, 0, year + 1, year + 100, year + 51, now=0)

    assert close(assembler, 0) == []
    add(assembler, 0, year + 52, year + 120, now=1)
    assert [(begin - year, points) for _, begin, points in close(assembler, 1)] == [(0, 1), (50, 2), (100, 1)]


def test_late_points_keep_a_series_from_being_idle() -> None:
    assembler = Assembler(SETTINGS)
    year = -365 * 86_400
    add(assembler, 0, year, year + 30, now=0)
    assert len(close(assembler, 0)) == 1

    for second in range(1, 20):
        assert len(add(assembler, 0, year + 1, now=second).late) == 1
        assert close(assembler, second) == []
    assert [window[3] for window in wait(assembler, 20, 40)] == [29]


def test_many_points_are_aggregated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = Assembler(SETTINGS), Assembler(SETTINGS)
    for assembler in (whole, parts):
        for number in range(4):
            add(assembler, number, *range(0, 50 + number, 3), now=55, value=number)

    expected = whole.close(NOW, everything=True)
    monkeypatch.setattr("anomaly.windows.assembler._POINTS_AT_ONCE", 7)
    closed = parts.close(NOW, everything=True)

    assert len(expected) == 4 * 5 + 2
    assert named(closed) == named(expected)
    assert np.array_equal(closed.values, expected.values)


def test_history_older_than_the_catch_up_covers_is_too_old() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 40)

    taken = add(assembler, 0, -6 * 86_400, -8 * 86_400, 1 - 56 * 365 * 86_400, now=40)

    assert (taken.points, len(taken.late), len(taken.too_old)) == (0, 1, 2)
    assert taken.too_old.time_ns.tolist() == [NOW + (1 - 56 * 365 * 86_400) * SECOND]


def test_times_before_1970_are_times() -> None:
    assembler = Assembler(SETTINGS)
    times = np.array([-25, -15, -5, 5], dtype=np.int64) * SECOND
    assembler.add(np.zeros(4, dtype=np.intp), times, np.ones((4, 1)), np.zeros(4, dtype=np.uint64), NOW)

    assert assembler.close(NOW).begin_ns.tolist() == [-30 * SECOND, -20 * SECOND]


@pytest.mark.parametrize("now", [None, NOW])
def test_times_at_the_ends_of_64_bits_are_refused(now: int | None) -> None:
    assembler = Assembler(SETTINGS)
    ends = np.iinfo(np.int64)
    times = np.array([ends.min, ends.min + 1, ends.max, ends.max - 1, NOW], dtype=np.int64)

    taken = assembler.add(np.zeros(5, dtype=np.intp), times, np.ones((5, 1)), np.zeros(5, dtype=np.uint64), now)

    assert (taken.points, len(taken.future), len(taken.too_old)) == (1, 2, 2)
    assert assembler.close(now, everything=True).begin_ns.tolist() == [NOW]


def test_a_clock_that_was_set_back_closes_nothing_twice() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 26)
    assert [window[3] for window in wait(assembler, 25, 30)] == [30]

    # An hour back: the open window waits as long as it would have.
    assert close(assembler, -3570) == []
    assert wait(assembler, -3570, -3550) == [(0, 20, 3, -3560)]


def test_a_process_that_hung_closes_no_window_before_its_points_are_read() -> None:
    assembler = Assembler(SETTINGS)
    for second in range(0, 16, 2):
        add(assembler, 0, second, now=second)
        add(assembler, 1, second, now=second)

    # A minute passes; the points of both series wait in the pipe, and come one series after the other.
    assert close(assembler, 76) == []
    add(assembler, 0, *range(16, 76, 2), now=76)
    assert all(points == 5 for _, _, points in close(assembler, 76))
    taken = add(assembler, 1, *range(16, 76, 2), now=76)
    assert taken.points == 30
    assert all(points == 5 for _, _, points in close(assembler, 76))


def test_a_restart_in_the_middle_of_a_window_loses_none_of_its_points() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 6)
    assembler = restarted(assembler)

    assert write_live(assembler, 6, 32) == [(0, 0, 5, 20), (0, 10, 5, 30)]


def test_an_outage_does_not_close_the_window_that_was_open_at_once() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 6)
    assembler = restarted(assembler)

    assert wait(assembler, 600, 640) == [(0, 0, 3, 616)]


def torn(assembler: Assembler, begin: int, end: int, lag: int = 0) -> list[int]:
    """The begins of the windows of a writer that may lack points."""
    found: list[int] = []
    for second in range(begin, end, 2):
        add(assembler, 0, second, now=second + lag)
        closed = assembler.close(NOW + (second + lag) * SECOND)
        found += ((closed.begin_ns[closed.torn] - NOW) // SECOND).tolist()
    return found


@pytest.mark.parametrize("lag", [0, 12, 120])
def test_windows_around_an_outage_may_lack_points(lag: int) -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, -60, 14, lag=lag)

    found = torn(restarted(assembler), 32, 300, lag=lag)

    # Those that were open in the state, and those until the clock, which is `lag` ahead of the points. One has none.
    assert found == [0, 10, *range(30, 32 + lag + 1, 10)]


def test_windows_of_a_process_that_begins_anew_lack_none() -> None:
    assert torn(Assembler(SETTINGS), 4, 60) == []


def test_windows_around_a_pause_in_which_nothing_arrives_may_lack_points() -> None:
    assembler = Assembler(SETTINGS)
    assert torn(assembler, 0, 604) == []

    found: list[int] = []
    for second in range(604, 664):
        closed = assembler.close(NOW + second * SECOND)
        found += ((closed.begin_ns[closed.torn] - NOW) // SECOND).tolist()
    found += torn(assembler, 664, 900)

    # The one that was open when the pause began was closed by the clock, the other one holds the end of the pause.
    assert found == [600, 660]


def test_a_window_that_closed_before_a_pause_was_noticed_is_told_when_points_arrive_again() -> None:
    assembler = Assembler(replace(SETTINGS, window_ns=2 * SECOND, lateness_ns=2 * SECOND))
    assert torn(assembler, 0, 22) == []
    add(assembler, 1, 20, now=20)
    # A new process takes pauses of up to 25 s for usual, and these windows close within 4 s.
    assert not any(assembler.close(NOW + second * SECOND).torn.any() for second in range(20, 62))

    number, begins = add(assembler, 0, 62, now=62).torn

    assert (number.tolist(), ((begins - NOW) // SECOND).tolist()) == ([0, 1], [20, 20])
    assert not len(add(assembler, 0, 64, now=64).torn[0])


def test_a_series_that_was_silent_before_a_pause_lost_nothing_in_it() -> None:
    assembler = Assembler(replace(SETTINGS, window_ns=2 * SECOND, lateness_ns=2 * SECOND))
    add(assembler, 1, 0, now=0)
    assert torn(assembler, 0, 600) == []
    assert not any(assembler.close(NOW + second * SECOND).torn.any() for second in range(599, 606))

    number, begins = add(assembler, 0, 660, now=660).torn

    assert (number.tolist(), ((begins - NOW) // SECOND).tolist()) == ([0], [598])


def test_pauses_of_an_import_say_nothing() -> None:
    assembler = Assembler(SETTINGS)
    assert torn(assembler, 0, 604, lag=100_000) == []
    assert not len(add(assembler, 0, 664, now=100_664).torn[0])
    assert torn(assembler, 664, 900, lag=100_000) == []


def test_windows_that_an_earlier_process_has_closed_since_its_state_are_left_out() -> None:
    assembler = Assembler(SETTINGS)
    add(assembler, 0, 1, 11, 21, now=22)
    add(assembler, 1, 1, now=22)
    again = restarted(assembler)

    left, begins = again.pass_over(np.array([0]), np.array([NOW + 20 * SECOND]))

    assert (left.tolist(), ((begins - NOW) // SECOND).tolist()) == ([0, 0], [0, 10])
    assert again.closed(np.array([0, 1, 300])).tolist() == [NOW + 20 * SECOND, NEVER, NEVER]
    assert again.open_points == 2
    # What comes for them now is late; the others close as they would have.
    assert len(add(again, 0, 12, 22, now=60).late) == 1
    assert named(again.close(None, everything=True)) == [(1, 0, 1), (0, 20, 2)]


def test_an_older_closing_leaves_nothing_out() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 32)

    left, _ = assembler.pass_over(np.array([0]), np.array([NOW]))

    assert not len(left)
    assert assembler.closed(np.array([0])).tolist() == [NOW + 20 * SECOND]
    assert not len(assembler.pass_over(np.array([], dtype=np.intp), np.array([], dtype=np.int64))[0])


def test_a_process_whose_state_is_gone_may_lack_points_of_its_first_window() -> None:
    assembler = Assembler(SETTINGS)
    assembler.resume()

    assert torn(assembler, 4, 60) == [0]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("layout", lambda array: array + 1, "layout, window in ns and number of fields"),
        ("series_seen", lambda array: array[:-1], "different lengths"),
        ("point_values", lambda array: np.hstack([array, array]), "different lengths"),
        ("point_number", lambda array: array + 5, "points of series that it does not have"),
        ("clock_ns", None, "this version reads"),
    ],
)
def test_a_state_of_another_kind_is_refused_and_nothing_changes(name: str, change: object, message: str) -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 6)
    before = assembler.state()
    broken = dict(before)
    array = broken.pop(name)
    if callable(change):
        broken[name] = change(array)

    with pytest.raises(ValueError, match=message):
        assembler.restore(broken)

    after = assembler.state()
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_the_state_of_other_windows_is_refused() -> None:
    state = Assembler(SETTINGS).state()

    with pytest.raises(ValueError, match="this pipeline's are"):
        Assembler(replace(SETTINGS, window_ns=SECOND)).restore(state)


def test_a_state_may_give_the_series_other_numbers() -> None:
    assembler = Assembler(SETTINGS)
    add(assembler, 3, 1, 2, now=2)
    add(assembler, 90, 4, now=4)
    # The number 200 has never had a point.
    state = assembler.state(np.array([90, 200, 3]))

    assembler = Assembler(SETTINGS)
    assembler.restore(state)

    assert assembler.clock_ns == NOW + 4 * SECOND
    assert named(assembler.close(NOW, everything=True)) == [(0, 0, 1), (2, 0, 2)]


def test_a_forgotten_series_begins_anew() -> None:
    assembler = Assembler(SETTINGS)
    add(assembler, 0, 1, 2, 21, now=21)
    add(assembler, 1, 18, now=21)
    assert close(assembler, 21) == [(0, 0, 2)]

    assert assembler.forget(np.array([0, 999])) == 1
    assert add(assembler, 0, 5, now=21).points == 1
    assert named(assembler.close(NOW, everything=True)) == [(0, 0, 1), (1, 10, 1)]


def test_the_oldest_windows_close_early_when_points_take_too_much_memory() -> None:
    points = 100
    assembler = Assembler(replace(SETTINGS, points_bytes=points * bytes_per_point(1), lateness_ns=200 * SECOND))
    # History of a series, beside a live one.
    add(assembler, 0, *range(-100_000, -100_000 + 190, 2), now=0)
    add(assembler, 1, 0, 1, 2, 3, 4, now=4)
    assert close(assembler, 4) == []
    add(assembler, 1, 5, now=5)

    assert assembler.is_due(NOW + 5 * SECOND)
    closed = assembler.close(NOW + 5 * SECOND)

    assert named(closed) == [(0, begin, 5) for begin in range(-100_000, -100_000 + 60, 10)]
    assert closed.early.all()
    assert assembler.open_points == 71
    assert len(add(assembler, 0, -100_000, now=5).late) == 1
    assert not assembler.is_due(NOW + 5 * SECOND)


def test_a_window_of_points_without_any_number_closes_with_counts_of_zero() -> None:
    assembler = Assembler(SETTINGS)
    add(assembler, 0, 1, 2, now=2, value=math.nan)

    closed = assembler.close(NOW, everything=True)

    assert closed.counts.tolist() == [[0.0]]
    assert np.isnan(closed.values).all()


def test_without_a_clock_windows_close_by_points_alone() -> None:
    assembler = Assembler(SETTINGS)
    add(assembler, 0, 1, 19, 10_000_000, now=None)

    assert close(assembler, None) == [(0, 0, 1), (0, 10, 1)]
    assert not assembler.is_due(None)
    assert named(assembler.close(None, everything=True)) == [(0, 10_000_000, 1)]


@pytest.mark.parametrize(("lag", "is_live"), [(330, True), (331, False)])
def test_a_series_is_live_up_to_two_windows_behind_the_clock_after_future_and_lateness(lag: int, is_live: bool) -> None:
    assembler = Assembler(SETTINGS)
    add(assembler, 0, -lag, now=0)
    assert assembler.live()[0] == is_live


def test_windows_of_many_series_close_in_parts_those_that_wait_longest_first() -> None:
    assembler = Assembler(replace(SETTINGS, series_at_once=2, step_ns=60 * SECOND))
    for number, begin in enumerate([4, 2, 6, 0, 8]):
        add(assembler, number, begin, 10, now=10)

    parts = []
    while assembler.is_due(NOW + 25 * SECOND):
        parts.append(close(assembler, 25))

    assert parts == [[(1, 0, 1), (3, 0, 1)], [(0, 0, 1), (2, 0, 1)], [(4, 0, 1)]]
    assert len(close(assembler, 35)) == 2


def test_nothing_is_due_before_a_window_can_close() -> None:
    assembler = Assembler(SETTINGS)
    write_live(assembler, 0, 6)

    due = [second for second in range(5, 30) if assembler.is_due(NOW + second * SECOND)]

    assert due == list(range(20, 30))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("window_ns", 0, "must be positive"),
        ("fields", 0, "must be positive"),
        ("lateness_ns", -1, "lateness_ns is -1"),
        ("oldest_ns", 1 << 61, "oldest_ns is"),
        ("aggregates", ("mean", "mode"), r"\['mode'\] are unknown: use some of mean"),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **{name: value})  # type: ignore[arg-type]


POINTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 400), st.integers(0, 1), st.floats(-1e3, 1e3)), min_size=1, max_size=60
)


@settings(deadline=None)
@given(
    POINTS,
    st.lists(st.integers(0, 10), min_size=60, max_size=60),
    st.lists(st.integers(0, 60), max_size=10),
    st.booleans(),
)
def test_streaming_is_batch_whatever_the_order_within_the_lateness_and_the_cuts(
    points: list[tuple[int, int, int, float]], delays: list[int], cuts: list[int], restart: bool
) -> None:
    wanted = replace(SETTINGS, window_ns=10, lateness_ns=10, aggregates=("count", "mean", "stddev", "last"))
    # A point of each series and time, that is at most as late as the lateness.
    whole = {(number, time, tag): value for number, time, tag, value in points}
    arrived = sorted(whole.items(), key=lambda item: item[0][1] + delays[hash(item[0]) % 60])
    assembler = Assembler(wanted)
    windows: dict[tuple[int, int], Any] = {}
    for begin, end in pairwise(sorted({0, *cuts, len(arrived)})):
        part = arrived[begin:end]
        taken = assembler.add(
            np.array([key[0] for key, _ in part], dtype=np.intp),
            np.array([key[1] for key, _ in part], dtype=np.int64),
            np.array([[value] for _, value in part]).reshape(-1, 1),
            np.array([key[2] for key, _ in part], dtype=np.uint64),
            None,
        )
        assert taken.points == len(part)
        if restart:
            assembler = restarted(assembler)
        closed = assembler.close(None, everything=end == len(arrived))
        for number, begin_ns, values in zip(closed.number, closed.begin_ns, closed.values, strict=True):
            assert windows.setdefault((int(number), int(begin_ns)), values) is values

    assert set(windows) == {(number, time // 10 * 10) for number, time, _ in whole}
    for (number, begin_ns), values in windows.items():
        samples = sorted(
            (key[1], value) for key, value in whole.items() if key[0] == number and key[1] // 10 * 10 == begin_ns
        )
        expected = [aggregate(samples, name) for name in wanted.aggregates]
        np.testing.assert_allclose(
            values, [math.nan if value is None else value for value in expected], rtol=1e-9, atol=1e-6
        )
