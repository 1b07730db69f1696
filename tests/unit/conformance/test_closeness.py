"""What tests of conformance take for one value."""

import math
from typing import Any

import pytest

from tests.conformance.closeness import is_close


@pytest.mark.parametrize(
    ("value", "expected", "close"),
    [
        (1.0, 1.0, True),
        (1000.0 + 9e-7, 1000.0, True),
        (1000.0 + 2e-6, 1000.0, False),
        (9e-10, 0.0, True),
        (2e-9, 0.0, False),
        (0.5 + 9e-10, 0.5, True),
        (-1.0, 1.0, False),
        (3, 3.0, True),
        (4, 3, False),
        ("open", "open", True),
        ("open", "closed", False),
        (True, True, True),
        (None, "open", False),
        (math.inf, math.inf, True),
        (math.inf, 1.0, False),
        (math.nan, 1.0, False),
        (1.0, math.nan, False),
    ],
)
def test_floats_are_close_and_all_else_is_equal(value: Any, expected: Any, *, close: bool) -> None:
    assert is_close(value, expected) is close
    assert (
        value == (pytest.approx(expected, rel=1e-9, abs=1e-9) if isinstance(expected, float) else expected)
    ) is close
