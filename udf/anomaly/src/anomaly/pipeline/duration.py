"""Durations in InfluxQL's notation: one or more integers with a unit, such as `10s` or `1h30m`.

Source: InfluxQL specification, "Durations": ns, u or µ, ms, s, m, h, d, w.
"""

import re

from anomaly.nanoseconds import DAY_NS, HOUR_NS, MINUTE_NS, MS_NS, SECOND_NS

_UNITS = {
    "ns": 1,
    "u": 1_000,
    "µ": 1_000,
    "ms": MS_NS,
    "s": SECOND_NS,
    "m": MINUTE_NS,
    "h": HOUR_NS,
    "d": DAY_NS,
    "w": 7 * DAY_NS,
}
# TICKscript does not know `ns`, and no pipeline needs it.
_WRITTEN = ("w", "d", "h", "m", "s", "ms", "u")
_PART = re.compile(r"([0-9]+)(ns|ms|u|µ|s|m|h|d|w)")
_INT64_MAX = 2**63 - 1
_MOST_DIGITS = 19
_MOST_SHOWN = 60


class DurationError(ValueError):
    """A text that is not a duration in InfluxQL's notation."""


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a duration.

    Args:
        text: integers with units, such as `1h30m`.

    Raises:
        DurationError: the text is not such a duration, or is longer than int64 nanoseconds.
    """
    total = 0
    position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            break
        # Python refuses to read integers of thousands of digits.
        digits = part.group(1).lstrip("0") or "0"
        total += (_INT64_MAX + 1 if len(digits) > _MOST_DIGITS else int(digits)) * _UNITS[part.group(2)]
        position = part.end()
    if not text or position != len(text):
        raise DurationError(
            f"{_shortened(text)} is not a duration: write an integer and one of ms, s, m, h, d, w, such as 10s"
        )
    if total > _INT64_MAX:
        raise DurationError(f"{_shortened(text)} is longer than 292 years: write a shorter one")
    return total


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")


def format_duration(nanoseconds: int) -> str:
    """Return the shortest notation with one unit, which InfluxQL and TICKscript both take.

    Args:
        nanoseconds: the duration, such as 90_000_000_000 for `90s`.

    Raises:
        DurationError: the duration is not a multiple of a microsecond.
    """
    for unit in _WRITTEN:
        if nanoseconds and nanoseconds % _UNITS[unit] == 0:
            return f"{nanoseconds // _UNITS[unit]}{unit}"
    if nanoseconds == 0:
        return "0s"
    raise DurationError(f"{nanoseconds} ns is not a multiple of a microsecond")
