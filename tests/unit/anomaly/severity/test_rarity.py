"""What a severity means: how long one series waits for such a window."""

import pytest

from anomaly.severity.rarity import days, once_in


@pytest.mark.parametrize(("severity", "expected"), [(50, 1.0), (62.5, 10.0), (75, 100.0), (37.5, 0.1), (100, 10_000.0)])
def test_twelve_and_a_half_are_ten_times_as_rare(severity: float, expected: float) -> None:
    assert days(severity) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("severity", "words"),
    [(30, "0.6 hours"), (50, "1 days"), (75, "100 days"), (85.7, "718 days"), (86, "2.1 years"), (100, "27 years")],
)
def test_the_wait_is_said_in_the_unit_that_people_would_choose(severity: float, words: str) -> None:
    assert once_in(severity) == words
