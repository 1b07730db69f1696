"""The places of series in a model's followers, and what is remembered there, as arrays for the file of a state."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from anomaly.detectors.base import Follower, Followers
from anomaly.models.model import Model
from anomaly.scoring.packing import Arrays, document, keys_as_arrays, keys_of, part_of, prefixed, text
from anomaly.windows.arrays import AnyArray, Ints, Key

_VERSION, _MEMORY = "version", "memory_"


class Places:
    """The detector on the series of a pipeline. The series that has been quiet longest makes room for a new one.

    Args:
        model: the model.
        most: how many series there may be. There are fewer where the pipeline's `memory` is not enough for them.
    """

    def __init__(self, model: Model, most: int) -> None:
        self.version = model.version
        self._model = model
        size = model.bytes_per_series
        self._capacity = max(1, min(most, model.pipeline.memory_bytes // size)) if size else most
        self._followers = model.followers(self._capacity)
        self._place: OrderedDict[Key, int] = OrderedDict()
        # Places of forgotten series.
        self._free: list[int] = []

    def __contains__(self, key: Key) -> bool:
        """Return whether the series has a place."""
        return key in self._place

    def __getitem__(self, key: Key) -> Follower:
        """Return the follower of a series that has a place."""
        return Follower(self._followers, self.use(key))

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def followers(self) -> Followers:
        """The detector on all series."""
        return self._followers

    def use(self, key: Key) -> int:
        """Return the place of a series that has one."""
        self._place.move_to_end(key)
        return self._place[key]

    @property
    def remembers(self) -> bool:
        """Whether followers remember what a series has shown."""
        return self._followers.bytes_per_series > 0

    @property
    def capacity(self) -> int:
        """How many series there may be."""
        return self._capacity

    def of(self, keys: Sequence[Key]) -> Ints:
        """Return the places of series. Those that have none get one, and begin where training left them.

        Args:
            keys: s different series, at most as many as there may be.

        Returns:
            Their places, shape (s,).
        """
        new = []
        for key in keys:
            if key in self._place:
                self._place.move_to_end(key)
            else:
                new.append(key)
        if new:
            for key in new:
                self._take(key)
            self._followers.begin(self._at(new), self._model.rows(new))
        return self._at(keys)

    def begin(self, key: Key) -> Follower:
        """Begin a series where training left it; it gets a place if it has none."""
        self._take(key)
        self._followers.begin(self._at((key,)), self._model.rows((key,)))
        return self[key]

    def go_back(self, key: Key, before: Arrays) -> None:
        """Let a series remember what it did at a time.

        Args:
            key: the series, which has a place.
            before: what `state` returned of it then; nothing where it had no place.
        """
        if before:
            self._followers.restore(self._at((key,)), part_of(before, _MEMORY))
        else:
            self.begin(key)

    def _at(self, keys: Sequence[Key]) -> Ints:
        return np.fromiter(map(self._place.__getitem__, keys), np.intp, len(keys))

    def _take(self, key: Key) -> None:
        """Give a series a place if it has none."""
        if key in self._place:
            return
        if self._free:
            self._place[key] = self._free.pop()
        elif len(self._place) == self._capacity:
            self._place[key] = self._place.popitem(last=False)[1]
        else:
            self._place[key] = len(self._place)

    def forget(self, key: Key) -> None:
        """Take its place from a series, if it has one."""
        if key in self._place:
            self._free.append(self._place.pop(key))

    @property
    def keys(self) -> list[Key]:
        """The series that have a place, the one that has been quiet longest first."""
        return list(self._place)

    def state(self, keys: Sequence[Key] | None = None) -> dict[str, AnyArray]:
        """Return what is remembered of series as arrays by name; none where nothing is remembered.

        Args:
            keys: the series, those without a place are left out; None: all, in the order of their use.
        """
        keys = self.keys if keys is None else [key for key in keys if key in self._place]
        if not keys or not self._followers.bytes_per_series:
            return {}
        return {
            _VERSION: text(self.version),
            **keys_as_arrays(keys),
            **prefixed(_MEMORY, self._followers.arrays(self._at(keys))),
        }

    def restore(self, arrays: Arrays) -> list[Key]:
        """Go on where `state` was taken; what is remembered of series that the arrays do not name stays.

        Args:
            arrays: what `state` returned. What followers of another model remember does not count.

        Returns:
            The series for which there is no room: of those that have a place or that the arrays name, the ones that
            were used longest ago.

        Raises:
            KeyError: an array is missing. The series that the arrays name then begin where training left them.
            ValueError: the arrays do not fit, with the same outcome.
        """
        if not arrays or document(arrays[_VERSION]) != self.version:
            return []
        keys = keys_of(arrays)
        memory = part_of(arrays, _MEMORY)
        # A state names its series in the order of their use.
        left_out = max(len(keys) - self._capacity, 0)
        if left_out:
            memory = self._newest(memory, len(keys), left_out)
        forgotten, keys = keys[:left_out], keys[left_out:]
        before = self.keys
        for key in keys:
            self._take(key)
            self._place.move_to_end(key)
        place = self._at(keys)
        self._followers.begin(place, self._model.rows(keys))
        self._followers.restore(place, memory)
        return [*(key for key in before if key not in self._place), *forgotten]

    def _newest(self, memory: Arrays, series: int, left_out: int) -> dict[str, AnyArray]:
        """Return what followers remember of the series behind the first `left_out` ones. Raises as `restore`."""
        followers, place = self._model.detector.followers(series), np.arange(series, dtype=np.intp)
        followers.begin(place, np.zeros(series, dtype=np.intp))
        followers.restore(place, memory)
        return followers.arrays(place[left_out:])
