"""The first of many things are named, and the others counted."""

import pytest

from anomaly.training.naming import first_of


@pytest.mark.parametrize(
    ("things", "sentence"),
    [((1,), "#1"), ((1, 2), "#1, #2"), ((1, 2, 3), "#1, #2, and 1 more"), ((1, 2, 3, 4), "#1, #2, and 2 more")],
)
def test_two_are_named_and_the_others_counted(things: tuple[int, ...], sentence: str) -> None:
    assert first_of(things, 2, lambda thing: f"#{thing}") == sentence
