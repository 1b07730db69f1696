"""Parts of a score as shares of it."""

import numpy as np

from anomaly.detectors.parts.shares import shares, shares_of_known


def test_shares_of_each_row_sum_to_one_and_are_equal_where_nothing_is_odd() -> None:
    found = shares(np.array([[1.0, 3.0], [0.0, 0.0], [1e308, 1e308]]))

    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])


def test_shares_are_of_what_is_known() -> None:
    parts = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    known = np.array([[True, False, True], [False, True, True]])

    np.testing.assert_allclose(shares_of_known(parts, known), [[0.5 / 0.7, 0, 0.2 / 0.7], [0, 0.5, 0.5]])
