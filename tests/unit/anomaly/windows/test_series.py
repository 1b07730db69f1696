"""The windows of one series."""

import numpy as np

from anomaly.windows.series import SeriesWindows

WINDOWS = SeriesWindows(
    ("p1",), np.array([0, 10, 20]), np.array([[1.0], [2.0], [3.0]]), np.array([[5.0], [6.0], [7.0]])
)


def test_a_mask_selects_windows_with_all_that_they_have() -> None:
    chosen = WINDOWS.where(np.array([True, False, True]))

    assert (chosen.key, len(chosen)) == (("p1",), 2)
    assert chosen.begin_ns.tolist() == [0, 20]
    assert chosen.values.tolist() == [[1.0], [3.0]]
    assert chosen.counts.tolist() == [[5.0], [7.0]]


def test_a_full_mask_copies_nothing() -> None:
    assert WINDOWS.where(np.ones(3, dtype=bool)) is WINDOWS
