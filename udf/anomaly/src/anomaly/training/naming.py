"""Names the first of many things in a sentence, so that a message stays short."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def first_of(things: Sequence[T], most: int, name: Callable[[T], str]) -> str:
    """Return the names of the first things, and how many more there are.

    Args:
        things: the things.
        most: how many are named.
        name: returns the name of one.
    """
    more = f", and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(map(name, things[:most])) + more
