"""How templates show numbers, times and names."""

from typing import Any

import pytest

from anomaly.console.filters import FILTERS


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("age", None, "never"),
        ("age", 119.9, "119 s"),
        ("age", 120.0, "2 min"),
        ("age", 7_199.0, "119 min"),
        ("age", 7_200.0, "2 h"),
        ("age", 2 * 86_400.0, "2 d"),
        ("severity", None, "–"),
        ("severity", 87.5, "88"),
        ("level", None, "calm"),
        ("level", 74.9, "calm"),
        ("level", 75.0, "raised"),
        ("level", 87.5, "high"),
        ("moment", "2024-01-01T00:00:00Z", "2024-01-01 00:00:00"),
        ("tags", {}, "only series"),
        ("tags", {"printer": "p1", "hall": "", "floor": "2"}, "printer=p1, floor=2"),
        ("tags", {"printer": "a\nb"}, "printer=a?b"),
    ],
)
def test_a_value_is_shown_as_people_read_it(name: str, value: Any, shown: str) -> None:
    assert FILTERS[name](value) == shown
