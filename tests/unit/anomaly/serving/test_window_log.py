"""The log of closed windows: what it gives back, and what it drops."""

import numpy as np

from anomaly.serving.window_log import WindowLog
from anomaly.windows.assembler import Closed

ROWS = 50
# A closing of ROWS windows takes less than twice this.
SIZE = 3_000


def closed(begin_ns: int, numbers: list[int]) -> Closed:
    """Windows of one feature and field that close together; the value of each is 100 times its begin and its number."""
    n = len(numbers)
    values = np.array([[100.0 * begin_ns + number] for number in numbers])
    none = np.zeros(n, dtype=np.bool_)
    return Closed(np.array(numbers), np.full(n, begin_ns), values, np.ones((n, 1)), none, none, n, 0)


def given(log: WindowLog, *numbers: int) -> list[tuple[str, int, float, int]]:
    keys = [(f"series-{number}",) for number in numbers]
    windows, closed_ns = log.of(np.array(numbers), keys)
    return [
        (windows.keys[series][0], begin_ns, value, clock)
        for series, begin_ns, (value,), clock in zip(
            windows.series.tolist(), windows.begin_ns.tolist(), windows.values.tolist(), closed_ns.tolist(), strict=True
        )
    ]


def test_it_gives_the_windows_of_the_series_that_are_asked_for_in_their_order() -> None:
    log = WindowLog(1 << 20)
    log.add(closed(1, [3, 5, 8]), 11)
    log.add(closed(2, [3, 8]), 12)
    assert given(log, 8, 3) == [
        ("series-3", 1, 103.0, 11),
        ("series-8", 1, 108.0, 11),
        ("series-3", 2, 203.0, 12),
        ("series-8", 2, 208.0, 12),
    ]
    assert given(log, 4, 9) == []


def test_it_drops_the_oldest_closings_beyond_its_bound() -> None:
    log = WindowLog(4 * SIZE)
    for begin_ns in range(100):
        log.add(closed(begin_ns, list(range(ROWS))), begin_ns)
    begins = [begin_ns for _, begin_ns, _, _ in given(log, 7)]
    assert begins == list(range(100 - len(begins), 100))
    assert 2 <= len(begins) <= 4


def test_windows_of_a_series_that_is_forgotten_are_not_those_of_the_next_one_with_its_number() -> None:
    log = WindowLog(1 << 20)
    log.add(closed(1, [3, 5]), 11)
    log.forget(np.array([3]))
    log.add(closed(2, [3, 5]), 12)
    assert given(log, 3, 5) == [("series-5", 1, 105.0, 11), ("series-3", 2, 203.0, 12), ("series-5", 2, 205.0, 12)]


def test_what_was_dropped_does_not_change_which_windows_are_forgotten() -> None:
    log = WindowLog(4 * SIZE)
    for begin_ns in range(20):
        log.add(closed(begin_ns, list(range(ROWS))), begin_ns)
    log.forget(np.array([3]))
    log.add(closed(20, list(range(ROWS))), 20)
    assert [begin_ns for _, begin_ns, _, _ in given(log, 3)] == [20]
