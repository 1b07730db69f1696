"""The log of raw points keeps every point until it is taken, whatever grows or is compacted meanwhile."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.windows.point_log import GONE, PointLog, bytes_per_point, restored


def append(log: PointLog, begin: int, count: int) -> None:
    times = np.arange(begin, begin + count, dtype=np.int64)
    values = np.stack([times * 0.5, np.full(count, np.nan)], axis=1)
    log.append(times % 7, times, times.astype(np.uint64), values)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 9)), max_size=12))
def test_every_point_is_there_until_it_is_taken(steps: list[tuple[int, int]]) -> None:
    log, expected, sent = PointLog(2), [], 0
    for count, modulus in steps:
        append(log, sent, count)
        expected += list(range(sent, sent + count))
        sent += count

        rows = np.flatnonzero((log.times != GONE) & (log.times % modulus == 0))
        times, identities, values = log.take(rows)
        log.compact()

        assert times.tolist() == [time for time in expected if time % modulus == 0]
        assert identities.tolist() == times.tolist()
        assert values[0].tolist() == (times * 0.5).tolist()
        assert np.isnan(values[1]).all()
        expected = [time for time in expected if time % modulus]
        assert len(log) == len(expected)
        assert log.times[log.times != GONE].tolist() == expected
        assert log.numbers[log.times != GONE].tolist() == [time % 7 for time in expected]


def test_the_log_is_as_it_was_after_a_restart() -> None:
    log = PointLog(2)
    append(log, 0, 3_000)
    log.take(np.arange(1_000))

    state = log.state()
    again = restored(2, state).state()

    assert state["point_time_ns"].tolist() == list(range(1_000, 3_000))
    assert all(np.array_equal(state[name], again[name], equal_nan=name == "point_values") for name in state)


def test_the_log_takes_little_more_than_its_points() -> None:
    log = PointLog(2)
    for begin in range(0, 100_000, 1_000):
        append(log, begin, 1_000)
        if begin >= 10_000:
            log.take(np.flatnonzero(log.times < begin - 10_000))
            log.compact()
    assert len(log) < 12_000
    assert log.allocated_bytes <= 4 * len(log) * bytes_per_point(2)
