"""A small number for each group, so that a handler can keep its state of all groups in arrays.

Kapacitor never tells that a group is gone. So groups are forgotten when they were quiet for long, or when there are too
many, the longest quiet first. That happens between micro-batches only, so a number means one group for as long as a
handler looks at it; until then there may be as many groups too many as one micro-batch brought. A number that has
become free is given to the next new group, and what handlers keep under it is set back first.
"""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ._counters import Counters
from ._groups import MOST_BYTES, check_bounds
from ._loops import split
from ._varint import frame

K = TypeVar("K", str, tuple[str, ...])

_FIRST_CAPACITY = 64
# Looking for quiet groups takes time. So this share of all groups makes room at once, and groups that are too old are
# looked for no more often than after this share of their time.
_PART = 0.1


class GroupState:
    """What a handler keeps for each group: `values[number]` is that of one group.

    Attributes:
        values: shape (capacity, *shape); a larger array replaces it when there are more groups, so take it anew for
            each micro-batch.
    """

    def __init__(self, capacity: int, shape: Sequence[int], dtype: npt.DTypeLike, fill: object) -> None:
        self._fill = fill
        self.values = np.full((capacity, *shape), fill, dtype)

    def grow(self, capacity: int) -> None:
        """Make room for more groups.

        Args:
            capacity: groups.
        """
        grown = np.full((capacity, *self.values.shape[1:]), self._fill, self.values.dtype)
        grown[: len(self.values)] = self.values
        self.values = grown

    def reset(self, number: int) -> None:
        """Forget what was kept under a number.

        Args:
            number: of a group that is new.
        """
        self.values[number] = self._fill


class GroupNumbers(ABC, Generic[K]):
    """Groups and their numbers, bounded as `Groups` is. Iterating gives the key and the number of each group.

    Attributes:
        numbers: the number of each group that is kept, by its encoded key.
    """

    def __init__(
        self,
        *,
        most: int,
        most_bytes: int = MOST_BYTES,
        ttl: float | None = None,
        counters: Counters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know no group yet.

        Args:
            most: the most groups that are kept.
            most_bytes: the most bytes that their encoded keys take in memory.
            ttl: seconds after which a group without points is forgotten, None for never.
            counters: a Context's, where `groups`, `group_bytes`, `groups_evicted` and `groups_expired` are counted.
            clock: gives seconds.

        Raises:
            ValueError: A bound leaves nothing.
        """
        check_bounds(most, most_bytes, ttl)
        self.numbers: dict[bytes, int] = {}
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._ttl = ttl
        self._counters = counters or Counters()
        self._clock = clock
        self._names: list[bytes | None] = []  # None: the number is free
        self._free: list[int] = []
        self._seen = np.zeros(_FIRST_CAPACITY)
        self._looked = clock()
        self._states: list[GroupState] = []

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[tuple[K, int]]:
        for name, number in self.numbers.items():
            yield self._decoded(name), number

    def key(self, number: int) -> K:
        """Return the key of a group.

        Args:
            number: the group's number.

        Raises:
            KeyError: No group has this number.
        """
        return self._decoded(self._name(number))

    def number(self, key: K) -> int:
        """Return the number of a group, a new one if it is not kept; e.g. to restore a snapshot.

        Args:
            key: the group's key.
        """
        name = self._encoded(key)
        found = self.numbers.get(name)
        return self.add(name) if found is None else found

    def forget(self, number: int) -> None:
        """Forget a group. Its number is given to a new group, but not before the handler's method has returned.

        Args:
            number: the group's number.

        Raises:
            KeyError: No group has this number.
        """
        name = self._name(number)
        del self.numbers[name]
        self._names[number] = None
        self._free.append(number)
        self._count(-1, -sys.getsizeof(name))

    def state(self, shape: Sequence[int], dtype: npt.DTypeLike, fill: object) -> GroupState:
        """Make an array with a place for each group.

        Args:
            shape: of what is kept for one group.
            dtype: of what is kept.
            fill: what a new group begins with.

        Returns:
            The state, which grows with the number of groups.
        """
        state = GroupState(len(self._seen), shape, dtype, fill)
        self._states.append(state)
        return state

    def add(self, name: bytes) -> int:
        """Give a number to a new group.

        Args:
            name: its encoded key.
        """
        if self._free:
            number = self._free.pop()
            self._names[number] = name
        else:
            number = len(self._names)
            self._names.append(name)
            if number == len(self._seen):
                self._grow()
        for state in self._states:
            state.reset(number)
        self.numbers[name] = number
        self._seen[number] = self._clock()
        self._count(1, sys.getsizeof(name))
        return number

    def used(
        self, numbers: npt.NDArray[np.int64], tell: Callable[[npt.NDArray[np.int64]], object] | None = None
    ) -> None:
        """Note that groups had points, and forget those whose time is over.

        Args:
            numbers: the groups of a micro-batch, shape (n,); one may be there several times.
            tell: called with the numbers, shape (m,), that are about to be forgotten, if there are any.
        """
        now = self._clock()
        self._seen[numbers] = now
        expired: list[int] = []
        if self._ttl is not None and now - self._looked >= self._ttl * _PART:
            self._looked = now
            expired = [number for number in self._quiet_first() if now - self._seen[number] >= self._ttl]
        self._counters.groups_expired += self._forget(expired, tell)
        if len(self.numbers) > self._most or (self._bytes > self._most_bytes and len(self.numbers) > 1):
            self._counters.groups_evicted += self._forget(self._most_quiet(1 - _PART), tell)

    def _forget(self, numbers: list[int], tell: Callable[[npt.NDArray[np.int64]], object] | None) -> int:
        """Forget groups that their handler has not forgotten when it is told. Returns how many these are."""
        if numbers and tell is not None:
            tell(np.array(numbers))
        kept = [number for number in numbers if self._names[number] is not None]
        for number in kept:
            self.forget(number)
        return len(kept)

    def _most_quiet(self, share: float) -> list[int]:
        """The groups to forget so that this share of the bounds is left; one group always stays."""
        groups, size = len(self.numbers), self._bytes
        forgotten = []
        for number in self._quiet_first()[:-1]:
            if groups <= self._most * share and size <= self._most_bytes * share:
                break
            forgotten.append(number)
            groups -= 1
            size -= sys.getsizeof(self._name(number))
        return forgotten

    def _quiet_first(self) -> list[int]:
        kept = np.fromiter(self.numbers.values(), np.int64, len(self.numbers))
        order = np.argsort(self._seen[kept], kind="stable")
        return [int(number) for number in kept[order]]

    def _name(self, number: int) -> bytes:
        name = self._names[number] if 0 <= number < len(self._names) else None
        if name is None:
            raise KeyError(f"no group has the number {number}")
        return name

    def _count(self, groups: int, size: int) -> None:
        self._bytes += size
        self._counters.groups += groups
        self._counters.group_bytes += size

    def _grow(self) -> None:
        capacity = 2 * len(self._seen)
        seen = np.zeros(capacity)
        seen[: len(self._seen)] = self._seen
        self._seen = seen
        for state in self._states:
            state.grow(capacity)

    @staticmethod
    @abstractmethod
    def _encoded(key: K) -> bytes:
        """The name of a key, which no other key has."""

    @staticmethod
    @abstractmethod
    def _decoded(name: bytes) -> K:
        """The key of a name."""


class GroupIDs(GroupNumbers[str]):
    """Numbers of Kapacitor's groups. A group's key is Kapacitor's ID of it."""

    @staticmethod
    def _encoded(key: str) -> bytes:
        return key.encode()

    @staticmethod
    def _decoded(name: bytes) -> str:
        return name.decode()


class TagNumbers(GroupNumbers[tuple[str, ...]]):
    """Numbers of combinations of tag values. A group's key holds the value of each wanted tag, "" if it is missing.

    A name is the length of each value in UTF-8, as protobuf writes numbers, and the value; `_compiled` makes it, too.
    """

    @staticmethod
    def _encoded(key: tuple[str, ...]) -> bytes:
        return b"".join(frame(value.encode()) for value in key)

    @staticmethod
    def _decoded(name: bytes) -> tuple[str, ...]:
        return tuple(value.decode() for value in split(name))
