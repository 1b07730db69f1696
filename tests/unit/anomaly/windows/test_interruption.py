"""Which windows may lack points that came while nobody took any: cases of one series, in seconds."""

import numpy as np

from anomaly.windows.cut import cut
from anomaly.windows.interruption import Arrivals, Interruption

NEVER = np.iinfo(np.int64).min
WINDOW, LATENESS = 10, 5
SECOND_NS = 1_000_000_000


def touched(interruption: Interruption, *begins: int, number: int = 0, lag: int = 0, live: bool = True) -> list[int]:
    """The begins of the windows that may lack points."""
    many = np.array(begins, dtype=np.int64)
    numbers, lags = np.full(len(many), number), np.full(len(many), lag)
    chosen = interruption.touches(numbers, many, lags, np.full(len(many), live))
    return [int(begin) for begin in many[chosen]]


def resumed(*newest: int, now: int) -> Interruption:
    """Points are taken again after a state with these newest points."""
    interruption = Interruption(cut(WINDOW), LATENESS, np.array(newest, dtype=np.int64))
    interruption.look(now)
    return interruption


def take(interruption: Interruption, number: int, *times: int) -> None:
    interruption.take(np.full(len(times), number), np.array(times, dtype=np.int64))


def test_windows_up_to_the_time_when_points_are_taken_again_may_lack_some() -> None:
    assert touched(resumed(104, now=130), 100, 110, 120, 130, 131, 140) == [100, 110, 120, 130]


def test_the_first_points_count_where_a_writer_is_ahead() -> None:
    interruption = resumed(104, now=130)
    take(interruption, 0, 151, 152)
    take(interruption, 0, 161)
    assert touched(interruption, 130, 140, 150, 160) == [130, 140, 150]


def test_the_first_points_alone_count_in_a_series_that_is_not_live() -> None:
    interruption = resumed(104, now=1_000_000)
    take(interruption, 0, 125)
    assert touched(interruption, 100, 110, 120, 130, live=False) == [100, 110, 120]


def test_a_series_that_began_meanwhile_may_lack_points_around_that_time_only() -> None:
    interruption = resumed(104, now=132)
    take(interruption, 3, 133)
    assert touched(interruption, 100, 110, 120, 130, 140, number=3) == [120, 130]
    assert touched(interruption, 100, 110, 120, 130, 140, number=3, lag=20) == [100, 110, 120, 130]
    assert touched(interruption, 100, 110, 120, 130, 140, number=3, live=False) == []


def test_an_import_that_began_meanwhile_may_lack_points_up_to_the_first_ones_that_were_taken() -> None:
    interruption = Interruption(cut(WINDOW), LATENESS, np.array([104], dtype=np.int64), grace_ns=15)
    interruption.look(1_000_000)
    interruption.take(np.array([3, 3]), np.array([117, 125]), 1_000_001)
    interruption.take(np.array([3]), np.array([131]), 1_000_002)
    interruption.take(np.array([4]), np.array([117]), 1_000_016)
    assert touched(interruption, 100, 110, 120, 130, number=3, live=False) == [100, 110, 120]
    assert touched(interruption, 100, 110, 120, 130, number=3) == []
    assert touched(interruption, 100, 110, 120, 130, number=4, live=False) == []
    interruption.forget(np.array([3]))
    assert touched(interruption, 100, 110, 120, 130, number=3, live=False) == []


def test_a_process_without_a_state_has_series_that_began_meanwhile() -> None:
    assert touched(resumed(now=132), 110, 120, 130, 140) == [120, 130]


def test_a_clock_that_is_set_back_was_wrong_before() -> None:
    interruption = resumed(104, now=1_000_000)
    interruption.look(130)
    interruption.look(500)
    assert touched(interruption, 100, 130, 140, 150) == [100, 130]


def test_a_number_that_is_used_again_is_another_series() -> None:
    interruption = resumed(104, 104, now=130)
    interruption.forget(np.array([0, 7]))
    take(interruption, 0, 300)
    assert touched(interruption, 100, 300) == []
    assert touched(interruption, 100, 300, number=1) == [100]


def test_a_series_without_a_point_in_the_state_is_new() -> None:
    interruption = resumed(NEVER, now=130)
    take(interruption, 0, 300)
    assert touched(interruption, 100, 130, 300) == [130]


def test_without_a_clock_the_state_and_the_first_points_count() -> None:
    interruption = Interruption(cut(WINDOW), LATENESS, np.array([104]))
    take(interruption, 0, 125)
    assert touched(interruption, 100, 120, 130) == [100, 120]


def arrive(arrivals: Arrivals, begin: float, end: float, step: float) -> list[float]:
    """Let points arrive at these seconds, regularly; return when points before them may be lost."""
    late = []
    second = begin
    while second < end:
        if arrivals.arrive(int(second * SECOND_NS)):
            late.append(second)
        second += step
    return late


def test_a_pause_is_long_if_it_is_much_longer_than_those_before() -> None:
    arrivals = Arrivals()
    assert arrive(arrivals, 0, 1_200, 0.5) == []
    assert not arrivals.are_overdue(1_204 * SECOND_NS)
    assert arrivals.are_overdue(1_210 * SECOND_NS)
    assert arrive(arrivals, 1_210, 1_300, 0.5) == [1_210]


def test_the_first_pauses_may_be_long() -> None:
    arrivals = Arrivals()
    assert arrive(arrivals, 0, 100, 20) == []
    assert arrivals.are_overdue(130 * SECOND_NS)


def test_a_source_that_sends_seldom_or_in_bursts_loses_nothing() -> None:
    for minutes in (1, 5, 60):
        arrivals = Arrivals()
        begins = range(0, 200 * minutes * 60, minutes * 60)
        late = [second for begin in begins for second in arrive(arrivals, begin, begin + 2, 0.1)]
        # It takes a few pauses to learn how seldom it sends.
        assert len(late) <= 8, minutes
        assert not late or late[-1] <= begins[8], minutes


def test_an_outage_hides_none_after_it() -> None:
    arrivals = Arrivals()
    arrive(arrivals, 0, 1_200, 0.5)
    late = [arrive(arrivals, begin, begin + 300, 0.5) for begin in range(1_260, 5_000, 360)]
    assert late == [[begin] for begin in range(1_260, 5_000, 360)]


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    arrivals = Arrivals()
    assert arrive(arrivals, 1_000, 1_010, 0.5) == []
    assert arrive(arrivals, 0, 10, 0.5) == []
