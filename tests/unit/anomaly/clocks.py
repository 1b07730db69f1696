"""Days in Berlin around the changes of its clock in 2024: day 0 has 25 hours in autumn, and 23 hours in spring."""

from datetime import datetime, timedelta
from typing import Any

from anomaly.nanoseconds import SECOND_NS
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.timezone import timezone

ZONE = "Europe/Berlin"


def daily(**more: Any) -> Pipeline:
    """Return a pipeline whose windows are days in Berlin."""
    plain = {"name": "daily", "database": "d", "measurement": "m", "fields": ["a"], "window": "1d", "timezone": ZONE}
    return normalize([{**plain, **more}])[0]


def autumn(day: int) -> int:
    """Return the begin of a day, counted from the one of 25 hours."""
    return _midnight(10, 27, day)


def spring(day: int) -> int:
    """Return the begin of a day, counted from the one of 23 hours."""
    return _midnight(3, 31, day)


def _midnight(month: int, day: int, later: int) -> int:
    midnight = datetime(2024, month, day, tzinfo=timezone(ZONE)) + timedelta(days=later)
    return int(midnight.timestamp()) * SECOND_NS
