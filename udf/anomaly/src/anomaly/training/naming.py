"""Names the first of many things in a sentence, so that a message stays short."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def first_of(items: Sequence[T], most: int, name: Callable[[T], str]) -> str:
    """Return the names of the first items, and how many more there are.

    Args:
        items: what is named.
        most: how many are named.
        name: returns the name of one.
    """
    more = f", and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(map(name, items[:most])) + more
