"""Reads and formats durations and times.

People write durations as in InfluxQL (``90s``, ``1h30m``, ``500ms``), and times as in RFC 3339. Both become whole
milliseconds, because floats of seconds since 1970 cannot hold a grid of samples exactly.
"""

import re
from datetime import UTC, datetime, timedelta

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+)(ms|s|m|h|d|w)")
_DURATION = re.compile(r"(?:\d+(?:ms|s|m|h|d|w))+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MINUTE_MS, HOUR_MS, DAY_MS = (_UNITS_MS[unit] for unit in ("m", "h", "d"))


def parse_duration(text: str) -> int:
    """Return the milliseconds of an InfluxQL duration such as ``24h``, ``1h30m`` or ``500ms``.

    Raises:
        ValueError: it is not a duration; the message names the value and shows the form.
    """
    if not isinstance(text, str) or not _DURATION.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is not a duration. Fix: a whole number and a unit, as in 90s, 1h30m or 500ms")
    return sum(int(count) * _UNITS_MS[unit] for count, unit in _PART.findall(text.strip()))


def format_duration(ms: int) -> str:
    """Return milliseconds as ``parse_duration`` reads them, without units that are 0, such as ``1h30m``."""
    if ms == 0:
        return "0s"
    parts = []
    rest = abs(ms)
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if ms < 0 else "") + "".join(parts)


def parse_time(text: str) -> int:
    """Return a time in milliseconds since 1970.

    Args:
        text: an RFC 3339 time, a date (its midnight in UTC), or ``now``.

    Raises:
        ValueError: it is not a time, has no zone, or lies before 1970.
    """
    if text == "now":
        return now_ms()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time. Fix: RFC 3339, as in 2026-01-01T00:00:00Z") from error
    if moment.tzinfo is None:
        if "T" in text or " " in text.strip():
            raise ValueError(f"{text!r} has no time zone. Fix: append Z for UTC, or an offset such as +01:00")
        moment = moment.replace(tzinfo=UTC)
    ms = datetime_ms(moment)
    if ms < 0:
        raise ValueError(f"{text!r} lies before 1970-01-01. Fix: a later time")
    return ms


def datetime_ms(moment: datetime) -> int:
    """Return an aware datetime in milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def format_time(ms: int) -> str:
    """Return milliseconds since 1970 as an RFC 3339 time in UTC, with a fraction only if it is not 0."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    form = "%Y-%m-%dT%H:%M:%S" if ms % 1_000 == 0 else f"%Y-%m-%dT%H:%M:%S.{ms % 1_000:03d}"
    return moment.strftime(form) + "Z"


def now_ms() -> int:
    """Return the time of this machine's clock, in milliseconds since 1970."""
    return datetime_ms(datetime.now(UTC))
