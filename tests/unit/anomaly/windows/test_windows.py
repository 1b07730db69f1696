"""The windows of many series as columns."""

import numpy as np

from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows


def part(name: str, first: int, count: int) -> SeriesWindows:
    begin_ns = np.arange(first, first + count)
    values = np.array([[0.5 * number, -0.5 * number] for number in begin_ns.tolist()])
    return SeriesWindows((name,), begin_ns, values, np.full((count, 1), 6.0))


def test_series_are_put_together_and_taken_apart() -> None:
    parts = [part("b", 10, 3), part("a", 11, 2)]

    windows = Windows.of_series(parts)

    assert windows.keys == (("b",), ("a",))
    assert windows.series.tolist() == [0, 0, 0, 1, 1]
    assert windows.begin_ns.tolist() == [10, 11, 12, 11, 12]
    for one, again in zip(parts, windows.by_series(), strict=True):
        assert again.key == one.key
        for name in ("begin_ns", "values", "counts"):
            np.testing.assert_array_equal(getattr(again, name), getattr(one, name))


def test_windows_are_taken_in_the_order_that_is_asked_for() -> None:
    windows = Windows.of_series([part("b", 10, 3), part("a", 11, 2)])

    taken = windows.take(np.array([4, 0]))

    assert (taken.keys, taken.series.tolist(), taken.begin_ns.tolist()) == (windows.keys, [1, 0], [12, 10])
    assert taken.values.tolist() == [[6.0, -6.0], [5.0, -5.0]]


def test_a_full_mask_copies_nothing() -> None:
    windows = Windows.of_series([part("b", 10, 3), part("a", 11, 2)])

    assert windows.where(np.ones(5, dtype=np.bool_)) is windows
    assert windows.where(windows.begin_ns == 11).series.tolist() == [0, 1]
