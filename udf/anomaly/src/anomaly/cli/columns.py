"""Tables of text that fit into a terminal."""

from collections.abc import Collection, Sequence

from anomaly.backtest.report import aligned

_SPACE = 2
# A column is not made narrower than this.
_LEAST = 8


def fitted(rows: Sequence[Sequence[str]], width: int | None, right: Collection[int] = ()) -> list[str]:
    """Return a table as lines that are no longer than a terminal is wide.

    The widest columns are made narrower first. Where that is not enough, each row becomes a paragraph with a line for
    each cell.

    Args:
        rows: the names of the columns, then the cells, with as many in each row.
        width: how many characters a line may have; None: as many as it needs.
        right: the numbers of the columns that are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    spaces = _SPACE * (len(widths) - 1)
    if width is None or sum(widths) + spaces <= width:
        return aligned(rows, right)
    while sum(widths) + spaces > width and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1
    if sum(widths) + spaces <= width:
        return aligned([[shortened(cell, most) for cell, most in zip(row, widths, strict=True)] for row in rows], right)
    names, *cells = rows
    indent = max(map(len, names)) + _SPACE
    lines: list[str] = []
    for row in cells:
        lines += ["", *(shortened(f"{name:{indent}}{cell}", width) for name, cell in zip(names, row, strict=True))]
    return lines[1:]


def shortened(text: str, most: int) -> str:
    """Return a text with at most `most` characters, of which the last tells that it was longer."""
    return text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"[:most]
