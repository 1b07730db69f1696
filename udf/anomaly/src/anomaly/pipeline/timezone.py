"""Time zones by their IANA names.

The rules come out of the package `tzdata`, whose version is locked, and never from the machine. So the controller, each
host and the image agree on when a clock changes.
"""

from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

UTC = "UTC"
_PACKAGE = "tzdata"


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
        raise ValueError(f"{name!r} is not a time zone: write an IANA name, such as Europe/Berlin")
    with resources.files(_PACKAGE).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
