"""The tables of a report."""

import pytest

from anomaly.report.tables import safe_cell


@pytest.mark.parametrize(("cell", "safe"), [("=x", "'=x"), ("@x", "'@x"), ("\tx", "'\tx"), (-1.5, -1.5), ("x", "x")])
def test_no_cell_is_a_formula(cell: str | float, safe: str | float) -> None:
    assert safe_cell(cell) == safe
