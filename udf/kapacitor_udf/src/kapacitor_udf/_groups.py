"""State for each group, bounded: Kapacitor never tells that a group is gone, so state that nobody asks for must go.

Three bounds, all by last use. At most `most` groups are kept, and their keys take at most `most_bytes`; beyond, those
that were quiet for longest go. And one that was quiet for `ttl` seconds goes with the next use of any other. Keys are
made of tags, so the data decide how long they are; how much a handler keeps for a group is in its own hands.

Time is the process's own clock, not the points'. A bound is there to give memory back, which is a matter of real time:
one point from the year 2200 must not make all other groups look old, and a backlog or a replay that runs through a week
of data in a minute must not lose them. What a gap in the data means to a handler only it can know, and it has the times
of the points.
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
"""Of keys. Of 100,000 groups, each may have 670 bytes."""


def check_bounds(most: int, most_bytes: int, ttl: float | None) -> None:
    """Raises ValueError for bounds that leave nothing."""
    if most < 1:
        raise ValueError(f"most is {most}, expected at least 1 group")
    if most_bytes < 1:
        raise ValueError(f"most_bytes is {most_bytes}, expected at least 1 byte")
    if ttl is not None and ttl <= 0:
        raise ValueError(f"ttl is {ttl}, expected more than 0 seconds, or None")


def _size(key: Hashable) -> int:
    """Bytes of a key; of a tuple, with what is in it."""
    return sys.getsizeof(key) + (sum(map(sys.getsizeof, key)) if isinstance(key, tuple) else 0)


class _Entry(Generic[G]):
    """A group's state, and when it was last asked for."""

    __slots__ = ("state", "used")

    def __init__(self, state: G, used: float) -> None:
        self.state = state
        self.used = used


class Groups(Generic[K, G]):
    """State by group, made by `make()` when it is first asked for: `groups[point.group]`.

    `most_bytes`: of keys, as Python keeps them; one group is kept, however long its key is. `ttl`: seconds, None for
    ever. `counters`: a Context's, where `groups`, `group_bytes` (of keys), `groups_evicted` and `groups_expired` are
    then counted. Iterating gives keys, the longest quiet first, and is no use of them.
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
        """Every group and its state, the longest quiet first: what a snapshot keeps, and `replace` takes."""
        return ((key, entry.state) for key, entry in self._entries.items())

    def replace(self, items: Iterable[tuple[K, G]]) -> None:
        """Keep these and no others, as if each had just been asked for, in this order."""
        items = list(items)  # what raises while they are made leaves all as it was
        now = self._clock()
        while self._entries:
            self._forget()
        for key, state in items:
            self._add(key, state, now)

    def expire(self) -> None:
        """Let go of what is too old now, e.g. in `tick` of a handler that may get no more data."""
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
