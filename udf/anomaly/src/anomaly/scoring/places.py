"""The places of series in a model's followers, and what is remembered there as JSON for a snapshot."""

from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from anomaly.detectors.base import Follower, Followers
from anomaly.models.model import Model
from anomaly.windows.arrays import AnyArray, Key


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

    def find(self, key: Key, version: str | None) -> Follower | None:
        """Return the follower of a series if it has a place and follows by this version of the model."""
        if version != self.version or key not in self._place:
            return None
        return Follower(self._followers, self._place[key])

    def begin(self, key: Key) -> Follower:
        """Give a series a place, and begin it where training left the series."""
        if key not in self._place:
            if self._free:
                self._place[key] = self._free.pop()
            elif len(self._place) == self._capacity:
                self._place[key] = self._place.popitem(last=False)[1]
            else:
                self._place[key] = len(self._place)
        self._followers.begin(np.array([self._place[key]]), np.array([self._model.row(key)]))
        return self[key]

    def forget(self, key: Key) -> None:
        """Take its place from a series, if it has one."""
        if key in self._place:
            self._free.append(self._place.pop(key))


def packed(arrays: Mapping[str, AnyArray]) -> Any:
    """Return arrays as JSON; None where there are none."""
    if not arrays:
        return None
    return {
        name: [array.dtype.str, list(array.shape), b64encode(array.tobytes()).decode()]
        for name, array in arrays.items()
    }


def unpacked(state: Any) -> dict[str, AnyArray]:
    """Return the arrays that `packed` made JSON of.

    Args:
        state: the JSON.

    Returns:
        Arrays by name.

    Raises:
        TypeError: the JSON is of another form.
        ValueError: the JSON is of another form.
    """
    if not isinstance(state, dict):
        raise TypeError(f"{type(state).__name__} instead of arrays by name")
    arrays = {}
    for name, (dtype, shape, text) in state.items():
        arrays[name] = np.frombuffer(b64decode(text, validate=True), dtype=np.dtype(dtype)).reshape(shape)
    return arrays
