"""Rows of series: each series keeps its own, and the one that has been quiet longest makes room."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from anomaly.scoring.series_table import NOWHERE, SeriesTable
from anomaly.windows.arrays import Key


def keys(names: str) -> list[Key]:
    return [(name,) for name in names]


def test_series_keep_their_rows_and_values() -> None:
    table = SeriesTable(5)
    column = table.column(np.float64, 2)
    first = table.rows(keys("abc"))
    column[first] = [[1, 1], [2, 2], [3, 3]]

    again = table.rows(keys("cab"))

    assert again.tolist() == first[[2, 0, 1]].tolist()
    assert column[again, 0].tolist() == [3, 1, 2]
    assert table.find(keys("bd")).tolist() == [first[1], NOWHERE]
    assert table.keys == keys("abc")


def test_a_row_that_is_given_to_another_series_is_empty() -> None:
    table = SeriesTable(3)
    column, objects = table.column(np.int64), table.objects()
    row = table.row(("a",))
    column[row], objects[row] = 7, "rare"

    table.forget(("a",))

    assert ("a",) not in table
    assert table.row(("b",)) == row
    assert (column[row], objects) == (0, {})


def test_the_series_that_has_been_quiet_longest_makes_room() -> None:
    table = SeriesTable(3)
    table.rows(keys("abc"))
    table.rows(keys("ca"))

    rows = table.rows(keys("dca"))

    assert ("b",) not in table
    assert sorted(rows.tolist()) == [0, 1, 2]
    assert len(table) == 3


def test_all_series_are_forgotten_at_once() -> None:
    table = SeriesTable(3)
    column = table.column(np.bool_)
    column[table.rows(keys("ab"))] = True

    table.clear()

    assert len(table) == 0
    assert not column.any()
    assert sorted(table.rows(keys("xyz")).tolist()) == [0, 1, 2]


def test_rows_without_a_series_take_no_memory_after_other_tables_have_gone() -> None:
    def table() -> Any:
        column = SeriesTable(10_000).column(np.float64, 300)
        column[0] = 1.0
        return column

    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    # What was given back to an allocator is given away again, in the first place.
    column = table()
    del column
    before = resident_bytes()
    columns = [table() for _ in range(20)]
    assert resident_bytes() - before < 24e6
    assert all(column[0].all() and not column[1:3].any() for column in columns)
