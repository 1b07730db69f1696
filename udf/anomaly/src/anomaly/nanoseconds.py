"""Lengths of time in nanoseconds, the unit of all times and durations here (names that end in `_ns`)."""

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
