"""Tables of text fit into a terminal, however narrow it is."""

import pytest

from anomaly.cli.columns import fitted, shortened

ROWS = [("pipeline", "last score", "what"), ("printer", "12s ago", "bed was far above what is expected of it")]


def test_a_table_that_fits_is_as_it_is() -> None:
    assert fitted(ROWS, None) == fitted(ROWS, 200)
    assert fitted(ROWS, 200)[1].endswith("expected of it")


@pytest.mark.parametrize("width", [12, 20, 30, 40, 60, 80])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    assert max(map(len, fitted(ROWS, width))) <= width


def test_the_widest_column_becomes_narrower_first() -> None:
    names, row = fitted(ROWS, 40)

    assert row.startswith("printer   12s ago     bed was far")
    assert row.endswith("…")
    assert names.startswith("pipeline  last score  what")


def test_in_a_very_narrow_terminal_each_cell_has_a_line() -> None:
    assert fitted(ROWS, 24) == ["pipeline    printer", "last score  12s ago", "what        bed was far…"]


@pytest.mark.parametrize(
    ("text", "most", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("abcd", 1, "…"), ("ab", 0, "")]
)
def test_a_text_that_was_cut_off_says_so(text: str, most: int, shown: str) -> None:
    assert shortened(text, most) == shown
