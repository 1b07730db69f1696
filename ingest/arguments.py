"""Types of command-line options: each takes a text, and returns a value or raises ArgumentTypeError with a reason."""

import argparse
import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.times import now_ms, parse_duration, parse_time


def time(text: str) -> int:
    """Read an RFC 3339 time, a date, or ``now``, as milliseconds since 1970."""
    try:
        return parse_time(text)
    except ValueError as error:
        # argparse shows the message of an ArgumentTypeError only.
        raise argparse.ArgumentTypeError(str(error)) from error


def start(text: str) -> int:
    """Read a stream's start as milliseconds since 1970; ``now`` becomes a whole second."""
    return now_ms() // 1_000 * 1_000 if text == "now" else time(text)


def duration(text: str) -> int:
    """Read a duration longer than 0, as milliseconds."""
    try:
        parsed = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if parsed == 0:
        raise argparse.ArgumentTypeError(f"{text!r} lasts no time at all. Fix: a longer one")
    return parsed


def count(smallest: int, largest: int) -> Callable[[str], int]:
    """Return a type for whole numbers.

    Args:
        smallest: the smallest number that is allowed.
        largest: the largest one.
    """

    def parsed(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,20}", text) or not smallest <= int(text) <= largest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {smallest} to {largest}")
        return int(text)

    return parsed


def speed(text: str) -> float | None:
    """Read how many times as fast as the clock data run; ``max`` becomes None."""
    if text == "max":
        return None
    try:
        parsed = float(text)
    except ValueError:
        parsed = 0.0
    if not 0 < parsed <= 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 (1 is real time), and not max")
    return parsed


def zone(text: str) -> tzinfo:
    """Read the name of a time zone in the tz database."""
    try:
        return UTC if text == "UTC" else ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time zone. Fix: one such as Europe/Berlin") from error


def character(text: str) -> str:
    """Read one character; ``tab`` names the tabulator."""
    single = "\t" if text in ("\\t", "tab") else text
    if len(single) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not one character. Fix: one, or tab")
    return single
