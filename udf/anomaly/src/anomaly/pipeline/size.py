"""Sizes in bytes as people write them: an integer with one of KiB, MiB, GiB, such as `256MiB`.

Source: IEC 80000-13, binary prefixes.
"""

import re

_UNITS = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}
_SIZE = re.compile(r"([0-9]+)(KiB|MiB|GiB)")


class SizeError(ValueError):
    """A text that is not a size in bytes."""


def parse_size(text: str) -> int:
    """Return the bytes of a size.

    Args:
        text: an integer with a unit, such as `256MiB`.

    Raises:
        SizeError: the text is not such a size.
    """
    size = _SIZE.fullmatch(text)
    if size is None:
        raise SizeError(f"{text!r} is not a size: write an integer and one of KiB, MiB, GiB, such as 256MiB")
    return int(size.group(1)) * _UNITS[size.group(2)]


def format_size(size: int) -> str:
    """Return the shortest notation of a size that loses nothing.

    Args:
        size: bytes, a multiple of 1024.

    Raises:
        SizeError: the size is not a multiple of 1024.
    """
    for unit, factor in _UNITS.items():
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    if size == 0:
        return "0KiB"
    raise SizeError(f"{size} bytes are not a multiple of 1KiB")
