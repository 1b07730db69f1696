"""Arrays are cut into runs and groups."""

import numpy as np

from anomaly.windows.arrays import changes, groups, rounds


def test_an_entry_that_differs_in_any_column_begins_a_run() -> None:
    numbers, times = np.array([1, 1, 1, 2, 2, 1]), np.array([5, 5, 6, 6, 6, 6])

    assert changes(numbers).tolist() == [True, False, False, True, False, True]
    assert changes(numbers, times).tolist() == [True, False, True, True, False, True]
    assert changes(numbers[:0]).tolist() == []


def test_a_group_has_the_positions_of_its_label_in_their_order() -> None:
    assert [group.tolist() for group in groups(np.array([3, 0, 3, 7, 0]))] == [[1, 4], [0, 2], [3]]
    assert groups(np.array([], dtype=np.intp)) == []


def test_rounds_have_each_label_once_and_its_entries_in_order() -> None:
    labels = np.array([7, 3, 7, 7, 3, 5])

    found = [part.tolist() for part in rounds(labels)]

    assert found == [[0, 1, 5], [2, 4], [3]]
    assert rounds(np.empty(0, dtype=np.intp)) == []
