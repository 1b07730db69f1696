"""Time zones by their IANA names.

The rules come out of the package `tzdata`, whose version is locked, and never from the machine. So the controller, each
host and the image agree on when a clock changes.
"""

import math
from bisect import bisect_right
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta, tzinfo
from functools import cache
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

from anomaly.nanoseconds import SECOND_NS

UTC = "UTC"
ADVICE = "write an IANA name, such as Europe/Berlin"
"""What to do about a name that is not known."""
_PACKAGE = "tzdata"
# Changes of clocks that are known one by one. A clock keeps what a change brought for a week at least.
_LAST_CHANGE = datetime(2200, 1, 1, tzinfo=UTC_ZONE)
_WEEK_S = 7 * 86_400
# The years whose changes of clocks count. Beyond 2037 nothing is known.
_FIRST, _LAST = datetime(2020, 1, 1, tzinfo=UTC_ZONE), datetime(2037, 12, 31, tzinfo=UTC_ZONE)


@cache
def timezones() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(resources.files(_PACKAGE).joinpath("zones").read_text(encoding="utf-8").split())


@cache
def timezone(name: str) -> ZoneInfo:
    """Return the rules of a time zone.

    Args:
        name: its IANA name, such as Europe/Berlin.

    Raises:
        ValueError: there is no such time zone.
    """
    if name not in timezones():
        raise ValueError(f"{name!r} is not a time zone: {ADVICE}")
    with resources.files(_PACKAGE).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def clock_change_ns(name: str) -> int:
    """Return by how much the clock of a time zone changes, in nanoseconds: what all its changes are multiples of.

    Args:
        name: its IANA name.

    Returns:
        An hour in most places, and 0 where the clock does not change.

    Raises:
        ValueError: the time zone is not known.
    """
    return SECOND_NS * math.gcd(*(later_s - earlier_s for earlier_s, later_s in pairwise(_offsets_s(name))))


@cache
def clock_offset_ns(name: str) -> int:
    """Return what all offsets of a time zone's clock from UTC are multiples of, in nanoseconds.

    Args:
        name: its IANA name.

    Returns:
        An hour in most places, and 0 where the clock always shows UTC.

    Raises:
        ValueError: the time zone is not known.
    """
    return SECOND_NS * math.gcd(*_offsets_s(name))


def _offsets_s(name: str) -> list[int]:
    """Return the offsets of a time zone's clock from UTC in each week that counts, in seconds."""
    zone = timezone(name)
    weeks = ((_LAST - _FIRST) // timedelta(weeks=1)) + 1
    return [offset_at(zone, round((_FIRST + timedelta(weeks=week)).timestamp())) for week in range(weeks)]


@cache
def clock_changes(name: str) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return when the clock of a time zone changes.

    Args:
        name: its IANA name.

    Returns:
        The clock's offset from UTC in 1970; the times of its changes since, ascending, in seconds since 1970, each with
        the offset after it. Offsets are in seconds.

    Raises:
        ValueError: the time zone is not known.
    """
    zone = timezone(name)
    offset_s, changes = offset_at(zone, 0), []
    first_s, last_offset_s = 0, offset_s
    for last_s in range(_WEEK_S, round(_LAST_CHANGE.timestamp()), _WEEK_S):
        before_s, after_s = last_offset_s, offset_at(zone, last_s)
        if before_s != after_s:
            week = range(first_s, last_s)
            change_s = first_s + bisect_right(week, False, key=lambda at_s: offset_at(zone, at_s) != before_s)
            changes.append((change_s, after_s))
        first_s, last_offset_s = last_s, after_s
    return offset_s, tuple(changes)


def offset_at(zone: tzinfo, at_s: int) -> int:
    """Return the offset of a time zone's clock from UTC at a time, in seconds."""
    offset = datetime.fromtimestamp(at_s, zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())
