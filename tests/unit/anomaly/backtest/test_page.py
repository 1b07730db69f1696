"""What the pages of backtest and report share."""

from anomaly.backtest.page import END, NOTHING, begin, make_table, table_row

COLUMNS = ("series", "note", "severity")


def test_a_column_that_is_empty_in_all_rows_is_left_out() -> None:
    table = make_table("Periods", COLUMNS, [("p1", NOTHING, "80"), ("p2", NOTHING, NOTHING)], ("series", "note"))

    assert table.columns == ("series", "severity")
    assert table.rows == [("p1", "80"), ("p2", NOTHING)]
    assert table.numbers == {"severity"}


def test_rows_beyond_the_most_are_counted() -> None:
    table = make_table("Periods", ("number",), ((str(number),) for number in range(7)), (), most=3)

    assert (table.rows, table.left_out) == ([("0",), ("1",), ("2",)], 4)


def test_a_row_is_escaped_and_its_numbers_are_aligned() -> None:
    table = make_table("Periods", ("series", "severity"), [("<p>\x00", "80")], ("series",))

    assert table_row("td", table, table.rows[0], "<td>more</td>") == (
        '<tr><td>&lt;p&gt;\N{REPLACEMENT CHARACTER}</td><td class="number">80</td><td>more</td></tr>'
    )
    assert table_row("th", table, table.columns) == (
        '<tr><th scope="col">series</th><th scope="col" class="number">severity</th></tr>'
    )


def test_a_page_has_its_title_and_loads_nothing() -> None:
    page = begin("<b>") + END

    assert "<title>&lt;b&gt;</title>" in page
    assert "<h1>&lt;b&gt;</h1>" in page
    assert "src=" not in page and "<link" not in page and "@import" not in page
