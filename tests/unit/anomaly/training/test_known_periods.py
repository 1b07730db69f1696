"""What training does with windows that lie in periods that are known."""

import numpy as np

from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import DAY_NS
from anomaly.training.known_periods import in_known_periods
from anomaly.windows.cut import cut
from anomaly.windows.windows import Windows
from tests.unit.anomaly.clocks import ZONE, autumn

MINUTE = 60_000_000_000
# Two series of 20 windows each.
WINDOWS = Windows(
    (("a",), ("b",)),
    np.repeat([0, 1], 20),
    np.tile(np.arange(20) * MINUTE, 2),
    np.zeros((40, 1)),
    np.ones((40, 1)),
)
NONE = np.zeros(40, dtype=np.bool_)


def test_windows_in_periods_of_their_series_are_left_out() -> None:
    # The second period begins within a window.
    periods = [(("a",), TimeRange(2 * MINUTE, 4 * MINUTE)), (("b",), TimeRange(MINUTE // 2, MINUTE))]

    known = in_known_periods(WINDOWS, cut(MINUTE), [*periods, (("gone",), TimeRange(0, 20 * MINUTE))], NONE)

    assert np.flatnonzero(known.excluded).tolist() == [2, 3, 20]
    assert known.record.to_json() == {"left_out": 3, "kept": []}
    (line,) = known.lines()
    assert line.startswith("left out: 3 windows in periods that nobody has marked as a false alarm; mark ")


def test_windows_that_are_marked_as_a_false_alarm_are_trained_on() -> None:
    confirmed = NONE.copy()
    confirmed[:20] = True
    periods = [(key, TimeRange(0, 3 * MINUTE)) for key in WINDOWS.keys]

    known = in_known_periods(WINDOWS, cut(MINUTE), periods, confirmed)

    assert np.flatnonzero(known.excluded).tolist() == [20, 21, 22]


def test_a_series_most_of_which_lies_in_periods_is_trained_on() -> None:
    periods = [(("a",), TimeRange(0, 11 * MINUTE)), (("b",), TimeRange(0, 10 * MINUTE))]

    known = in_known_periods(WINDOWS, cut(MINUTE), periods, NONE)

    assert np.flatnonzero(known.excluded).tolist() == list(range(20, 30))
    assert known.kept == (("a",),)
    assert [line for line in known.lines() if line.startswith("warning: most of the history of a lies in periods")]


def test_without_known_periods_nothing_is_said() -> None:
    known = in_known_periods(WINDOWS, cut(MINUTE), [], NONE)
    assert not known.excluded.any()
    assert not [*known.lines()]


def test_a_period_in_the_last_hour_of_a_day_of_25_hours_is_in_its_window() -> None:
    begins = np.array([autumn(day) for day in range(-2, 3)])
    days = Windows((("a",),), np.zeros(5, np.intp), begins, np.zeros((5, 1)), np.ones((5, 1)))
    periods = [(("a",), TimeRange(autumn(1) - 30 * MINUTE, autumn(1)))]

    known = in_known_periods(days, cut(DAY_NS, ZONE), periods, np.zeros(5, dtype=np.bool_))

    assert np.flatnonzero(known.excluded).tolist() == [2]
