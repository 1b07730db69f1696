"""State for each group, bounded: Kapacitor never tells that a group is gone, so state that nobody asks for must go.

There are three bounds, all by last use. At most `most` groups are kept, and their keys take at most `most_bytes`;
beyond that, the groups that were quiet for longest are forgotten. A group that was quiet for `ttl` seconds is forgotten
with the next use of any other. Keys are made of tags, so the data decide how long they are; how much a handler keeps
for a group is in its own hands.

Time is the process's own clock, not the points'. A bound is there to give memory back, which is a matter of real time:
one point from the year 2200 must not make all other groups look old, and a backlog or a replay that runs through a week
of data in a minute must not lose them. Only the handler knows what a gap in the data means, and it has the points'
times.
"""

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from ._counters import Counters

K = TypeVar("K", bound=Hashable)
G = TypeVar("G")


MOST_BYTES = 64 * 2**20
"""Bytes of keys by default: 670 bytes for each of 100,000 groups."""


def check_bounds(most: int, most_bytes: int, ttl: float | None) -> None:
    """Refuse bounds that leave nothing.

    Args:
        most: groups.
        most_bytes: bytes of keys.
        ttl: seconds, or None.

    Raises:
        ValueError: A bound is too small; the message names it.
    """
    if most < 1:
        raise ValueError(f"most is {most}, expected at least 1 group")
    if most_bytes < 1:
        raise ValueError(f"most_bytes is {most_bytes}, expected at least 1 byte")
    if ttl is not None and ttl <= 0:
        raise ValueError(f"ttl is {ttl}, expected more than 0 seconds, or None")


def _size(key: Hashable) -> int:
    """Bytes of a key, those of a tuple's items included."""
    return sys.getsizeof(key) + (sum(map(sys.getsizeof, key)) if isinstance(key, tuple) else 0)


class _Entry(Generic[G]):
    """A group's state, and when it was last asked for."""

    __slots__ = ("state", "used")

    def __init__(self, state: G, used: float) -> None:
        self.state = state
        self.used = used


class Groups(Generic[K, G]):
    """State by group, made when it is first asked for: `groups[point.group]`.

    Iterating gives keys, the longest quiet first, and does not count as a use.
    """

    def __init__(
        self,
        make: Callable[[], G],
        *,
        most: int = 100_000,
        most_bytes: int = MOST_BYTES,
        ttl: float | None = None,
        counters: Counters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep no group yet.

        Args:
            make: makes the state of a new group.
            most: the most groups that are kept.
            most_bytes: the most bytes that their keys take in memory; one group is kept, however long its key is.
            ttl: seconds after which a quiet group is forgotten, None for never.
            counters: a Context's, where `groups`, `group_bytes`, `groups_evicted` and `groups_expired` are counted.
            clock: gives seconds.

        Raises:
            ValueError: A bound leaves nothing.
        """
        check_bounds(most, most_bytes, ttl)
        self._make = make
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._ttl = ttl
        self._counters = counters or Counters()
        self._clock = clock
        self._entries: OrderedDict[K, _Entry[G]] = OrderedDict()

    def __getitem__(self, key: K) -> G:
        now = self._clock()
        entry = self._entries.get(key)
        if entry is not None and not self._is_old(entry, now):
            entry.used = now
            self._entries.move_to_end(key)
            self._expire(now)
            return entry.state
        self._expire(now)
        state = self._make()
        self._add(key, state, now)
        return state

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def items(self) -> Iterator[tuple[K, G]]:
        """Iterate over every group and its state, the longest quiet first; `replace` takes the same."""
        return ((key, entry.state) for key, entry in self._entries.items())

    def discard(self, key: K) -> None:
        """Forget a group, if it is kept.

        Args:
            key: the group's key.
        """
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._count(-1, -_size(key))

    def replace(self, items: Iterable[tuple[K, G]]) -> None:
        """Keep these groups and no others, as if each had just been asked for, in this order.

        Args:
            items: every group and its state.
        """
        items = list(items)  # an item that raises while it is made changes nothing
        now = self._clock()
        while self._entries:
            self._forget()
        for key, state in items:
            self._add(key, state, now)

    def expire(self) -> None:
        """Forget what is too old now, e.g. in `tick` of a handler that may get no more data."""
        self._expire(self._clock())

    def _add(self, key: K, state: G, now: float) -> None:
        if key not in self._entries:
            self._count(1, _size(key))
        self._entries[key] = _Entry(state, now)
        self._entries.move_to_end(key)
        while len(self._entries) > self._most or (self._bytes > self._most_bytes and len(self._entries) > 1):
            self._forget()
            self._counters.groups_evicted += 1

    def _expire(self, now: float) -> None:
        while self._entries and self._is_old(next(iter(self._entries.values())), now):
            self._forget()
            self._counters.groups_expired += 1

    def _forget(self) -> None:
        key, _ = self._entries.popitem(last=False)
        self._count(-1, -_size(key))

    def _count(self, groups: int, size: int) -> None:
        self._bytes += size
        self._counters.groups += groups
        self._counters.group_bytes += size

    def _is_old(self, entry: _Entry[G], now: float) -> bool:
        return self._ttl is not None and now - entry.used >= self._ttl
