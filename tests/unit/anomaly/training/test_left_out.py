"""What a training leaves out is told by reason, and with a fix where it is much."""

import pytest

from anomaly.training.left_out import LeftOut
from tests.unit.anomaly.printers import PIPELINE


@pytest.mark.parametrize(
    "left_out, text",
    [
        (LeftOut(0, 0, 0), ""),
        (LeftOut(0, 3, 0), "3 without a field"),
        (
            LeftOut(2, 0, 5),
            "2 with one point of a field, which has no spread, 5 with less than half of the usual points",
        ),
    ],
)
def test_reasons_are_named_with_their_numbers(left_out: LeftOut, text: str) -> None:
    assert str(left_out) == text


def test_much_is_noted_with_a_fix_and_little_is_not() -> None:
    left_out = LeftOut(20, 0, 5)
    note = left_out.note(PIPELINE, 100)
    assert note.startswith(f"25% of the windows are not trained on: {left_out}: for series that report on change write")
    assert left_out.note(PIPELINE, 1000) == ""
    assert LeftOut(0, 0, 25).note(PIPELINE, 100).endswith("25 with less than half of the usual points")
