"""State for each group, bounded: Kapacitor never tells that a group is gone, so state that nobody asks for must go.

Two bounds, both by last use. At most `most` groups are kept; one more, and the one that was quiet for longest goes. And
one that was quiet for `ttl` seconds goes with the next use of any other.

Time is the process's own clock, not the points'. A bound is there to give memory back, which is a matter of real time:
one point from the year 2200 must not make all other groups look old, and a backlog or a replay that runs through a week
of data in a minute must not lose them. What a gap in the data means to a handler only it can know, and it has the times
of the points.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from ._counters import Counters

K = TypeVar("K", bound=Hashable)
G = TypeVar("G")


def check_bounds(most: int, ttl: float | None) -> None:
    """Raises ValueError for bounds that leave nothing."""
    if most < 1:
        raise ValueError(f"most is {most}, expected at least 1 group")
    if ttl is not None and ttl <= 0:
        raise ValueError(f"ttl is {ttl}, expected more than 0 seconds, or None")


class _Entry(Generic[G]):
    """A group's state, and when it was last asked for."""

    __slots__ = ("state", "used")

    def __init__(self, state: G, used: float) -> None:
        self.state = state
        self.used = used


class Groups(Generic[K, G]):
    """State by group, made by `make()` when it is first asked for: `groups[point.group]`.

    `ttl`: seconds, None for ever. `counters`: a Context's, where `groups`, `groups_evicted` and `groups_expired` are
    then counted. Iterating gives keys, the longest quiet first, and is no use of them.
    """

    def __init__(
        self,
        make: Callable[[], G],
        *,
        most: int = 100_000,
        ttl: float | None = None,
        counters: Counters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_bounds(most, ttl)
        self._make = make
        self._most = most
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
        self._counters.groups -= len(self._entries)
        self._entries.clear()
        for key, state in items:
            self._add(key, state, now)

    def expire(self) -> None:
        """Let go of what is too old now, e.g. in `tick` of a handler that may get no more data."""
        self._expire(self._clock())

    def _add(self, key: K, state: G, now: float) -> None:
        if key not in self._entries:
            self._counters.groups += 1
        self._entries[key] = _Entry(state, now)
        self._entries.move_to_end(key)
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)
            self._counters.groups -= 1
            self._counters.groups_evicted += 1

    def _expire(self, now: float) -> None:
        while self._entries and self._is_old(next(iter(self._entries.values())), now):
            self._entries.popitem(last=False)
            self._counters.groups -= 1
            self._counters.groups_expired += 1

    def _is_old(self, entry: _Entry[G], now: float) -> bool:
        return self._ttl is not None and now - entry.used >= self._ttl
