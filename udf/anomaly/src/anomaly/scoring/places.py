"""The places of series in a model's followers, and what is remembered there, as arrays for the file of a state."""

from collections import OrderedDict

import numpy as np

from anomaly.detectors.base import Follower, Followers
from anomaly.models.model import Model
from anomaly.scoring.packing import Arrays, document, keys_as_arrays, keys_of, part_of, prefixed, text
from anomaly.windows.arrays import AnyArray, Key

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
        self._followers = model.detector.followers(self._capacity)
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
    def followers(self) -> Followers:
        """The detector on all series."""
        return self._followers

    def use(self, key: Key) -> int:
        """Return the place of a series that has one."""
        self._place.move_to_end(key)
        return self._place[key]

    def begin(self, key: Key) -> Follower:
        """Give a series a place, and begin it where training left the series."""
        self._take(key)
        self._followers.begin(np.array([self._place[key]]), np.array([self._model.row(key)]))
        return self[key]

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

    def state(self) -> dict[str, AnyArray]:
        """Return what is remembered of all series as arrays by name; none where nothing is remembered."""
        if not self._place or not self._followers.bytes_per_series:
            return {}
        place = np.fromiter(self._place.values(), np.intp, len(self._place))
        return {
            _VERSION: text(self.version),
            **keys_as_arrays(list(self._place)),
            **prefixed(_MEMORY, self._followers.arrays(place)),
        }

    def restore(self, arrays: Arrays) -> None:
        """Go on where `state` was taken; what is remembered of series that the arrays do not name stays.

        Args:
            arrays: what `state` returned. What followers of another model remember does not count.

        Raises:
            KeyError: an array is missing. The series that the arrays name then begin where training left them.
            ValueError: the arrays do not fit, or there is no room for all of these series, with the same outcome.
        """
        if not arrays or document(arrays[_VERSION]) != self.version:
            return
        keys = keys_of(arrays)
        if len(keys) > self._capacity:
            raise ValueError(f"the pipeline's memory has room for {self._capacity} series instead of {len(keys)}")
        for key in keys:
            self._take(key)
            self._place.move_to_end(key)
        place = np.array([self._place[key] for key in keys], dtype=np.intp)
        self._followers.begin(place, np.array([self._model.row(key) for key in keys], dtype=np.intp))
        self._followers.restore(place, part_of(arrays, _MEMORY))
