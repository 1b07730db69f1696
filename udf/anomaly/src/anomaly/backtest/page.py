"""What the pages of backtest and report share: their begin with the style sheet, and tables.

Texts of the database are escaped here and in `drawing`, and nowhere else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from importlib import resources
from itertools import compress
from typing import Any

from anomaly.backtest.drawing import visible

# The most rows of a table of a page.
MOST_ROWS = 200
NOTHING = "-"
_NUMBER = ' class="number"'
END = "</body>\n</html>\n"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page, with cells as text.

    Attributes:
        title: the heading.
        columns: the names of the columns.
        numbers: the columns that are aligned to the right.
        rows: the cells.
        left_out: how many rows are not shown.
        periods: the periods of the rows, if a reader may mark them.
    """

    title: str
    columns: tuple[str, ...]
    numbers: frozenset[str]
    rows: list[tuple[str, ...]]
    left_out: int = 0
    periods: tuple[Mapping[str, Any], ...] = ()


def begin(title: str) -> str:
    """Return a page up to its title, which is a text.

    Args:
        title: the title.
    """
    style = resources.files("anomaly.backtest").joinpath("report.css").read_text(encoding="utf-8")
    shown = escape(visible(title))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{shown}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<h1>{shown}</h1>"
    )


def make_table(
    title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], words: tuple[str, ...], most: int = MOST_ROWS
) -> Table:
    """Make a table, without columns that are empty in all rows.

    Args:
        title: the heading.
        columns: the names of the columns.
        rows: the cells.
        words: the columns that are aligned to the left.
        most: how many rows are shown.
    """
    cells = list(rows)
    filled = [any(row[index] != NOTHING for row in cells) for index in range(len(columns))]
    columns = tuple(compress(columns, filled))
    shown = [tuple(compress(row, filled)) for row in cells[:most]]
    return Table(title, columns, frozenset(columns) - set(words), shown, len(cells[most:]))


def table_row(tag: str, table: Table, row: tuple[str, ...], more: str = "") -> str:
    """Return a row of an HTML table.

    Args:
        tag: `th` for the names of the columns, `td` for cells.
        table: the table.
        row: the texts.
        more: further cells, as HTML.
    """
    opening = '<th scope="col"' if tag == "th" else "<td"
    cells = (
        f"{opening}{_NUMBER if name in table.numbers else ''}>{escape(visible(cell))}</{tag}>"
        for cell, name in zip(row, table.columns, strict=True)
    )
    return f"<tr>{''.join(cells)}{more}</tr>"
