"""A point's identity: 64 bits that tell it from the other points of its measurement and time.

To InfluxDB two points of one measurement, time and set of tags are the same point, and the later one replaces the
earlier. Kapacitor sends tags in any order, so the identity is the sum of a hash of each tag. Such a hash depends on
nothing but the tag, so an identity may be kept over a restart and read by another process. `_compiled` computes it,
too.

The hash takes the UTF-8 bytes of the key and then of the value, each in words of 8 bytes, little-endian, the last one
filled with zeros. It begins with the key's length, takes the value's length between the two, and multiplies and shifts
after each word, so that each bit of the input changes half of the bits of the result.
"""

from collections.abc import Mapping

_BITS = 2**64 - 1
_FACTOR = 0xD6E8FEB86659FD93
_WORD = 8


def identity(tags: Mapping[str, str]) -> int:
    """Return the identity of a point.

    Args:
        tags: all of its tags; an empty value counts as a missing tag.
    """
    return sum(_tag(key.encode(), value.encode()) for key, value in tags.items() if value) & _BITS


def _tag(key: bytes, value: bytes) -> int:
    return _mixed_text(value, _mixed(_mixed_text(key, _mixed(len(key))) ^ len(value)))


def _mixed_text(text: bytes, into: int) -> int:
    for begin in range(0, len(text), _WORD):
        into = _mixed(into ^ int.from_bytes(text[begin : begin + _WORD], "little"))
    return into


def _mixed(number: int) -> int:
    number ^= number >> 32
    number = number * _FACTOR & _BITS
    number ^= number >> 32
    number = number * _FACTOR & _BITS
    return number ^ number >> 32
