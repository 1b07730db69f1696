"""Numbers with what they count."""

import pytest

from anomaly.counted import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 windows"), (1, "1 window"), (2, "2 windows"), (12_345, "12,345 windows")]
)
def test_one_is_not_several(number: int, text: str) -> None:
    assert counted(number, "window") == text


def test_several_may_have_a_name_of_their_own() -> None:
    assert (counted(1, "series", "series"), counted(2, "entry", "entries")) == ("1 series", "2 entries")
