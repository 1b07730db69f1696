"""Bounds of a field's values, and how they are written."""

import math

import pytest

from anomaly.pipeline import Bounds


@pytest.mark.parametrize(
    ("entry", "bounds", "text"),
    [
        ([0, 90], Bounds(0.0, 90.0), "0 to 90"),
        ([None, 90], Bounds(-math.inf, 90.0), "at most 90"),
        ([-40, None], Bounds(-40.0, math.inf), "at least -40"),
    ],
)
def test_bounds_are_read_and_written_and_said(entry: list[float | None], bounds: Bounds, text: str) -> None:
    assert Bounds.of(entry) == bounds
    assert bounds.entry() == entry
    assert str(bounds) == text
