"""Times in nanoseconds as people read them."""

import pytest

from anomaly.nanoseconds import DAY_NS, SECOND_NS, rfc3339


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (SECOND_NS - 1, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (19_782 * DAY_NS + 86_399_999_999_999, "2024-02-29T23:59:59Z"),
    ],
)
def test_a_time_is_cut_to_its_second(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text
