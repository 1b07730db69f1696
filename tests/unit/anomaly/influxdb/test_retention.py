"""Which results are old, and what is asked of InfluxDB; tests/conformance/test_retention.py has a real one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from anomaly.influxdb.retention import expiry_ns, gaps_between, kept_ranges
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, Mark
from anomaly.windows.cut import cut

DAY = 86_400_000_000_000
SECOND = 1_000_000_000


def time_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("now", "days", "expiry"),
    [
        # 2024-01-01 was a Monday.
        ("2024-03-31T00:00:00", 90, "2024-01-01T00:00:00"),
        ("2024-03-30T23:59:59", 90, "2023-12-25T00:00:00"),
        ("2024-04-06T12:00:00", 90, "2024-01-01T00:00:00"),
        ("2024-01-15T00:00:00", 14, "2024-01-01T00:00:00"),
    ],
)
def test_whole_weeks_from_monday_on_are_old(now: str, days: int, expiry: str) -> None:
    assert expiry_ns(time_ns(now), days) == time_ns(expiry)


def test_nothing_younger_than_the_days_is_old() -> None:
    for hour in range(24 * 15):
        now_ns = time_ns("2024-06-01T00:00:00") + hour * 3600 * SECOND
        assert 90 * DAY <= now_ns - expiry_ns(now_ns, 90) < 97 * DAY


def test_windows_that_reach_into_a_false_alarm_are_kept() -> None:
    marks = [
        Mark(FALSE_ALARM, 500, 600, {}, ""),
        Mark(MAINTENANCE, 0, 50, {}, ""),
        Mark(FALSE_ALARM, 100, 200, {"printer": "b"}, ""),
    ]
    assert kept_ranges(marks, cut(10)) == [(100, 200), (500, 600)]


@pytest.mark.parametrize(
    ("kept", "gaps"),
    [
        ([], [(None, 1000)]),
        ([(100, 200)], [(None, 100), (200, 1000)]),
        ([(100, 200), (150, 180), (200, 300)], [(None, 100), (300, 1000)]),
        ([(100, 200), (900, 1100)], [(None, 100), (200, 900)]),
        ([(1000, 1100)], [(None, 1000)]),
    ],
)
def test_what_is_between_is_deleted(kept: list[tuple[int, int]], gaps: list[tuple[int | None, int]]) -> None:
    assert list(gaps_between(kept, 1000)) == gaps
