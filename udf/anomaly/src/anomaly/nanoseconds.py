"""Times and lengths of time in nanoseconds, the unit of all of them here (names that end in `_ns`)."""

from datetime import UTC, datetime, timedelta

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(time_ns: int) -> str:
    """Return a time in nanoseconds since 1970 as an RFC 3339 time, in UTC, to the second."""
    return (_EPOCH + timedelta(seconds=time_ns // SECOND_NS)).strftime("%Y-%m-%dT%H:%M:%SZ")
