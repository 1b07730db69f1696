"""What followers remember at the end of training, series by series, and how it is kept in the model's file."""

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Follower, History

# What the follower for unseen series has seen of each series in training.
SHOWN = 2_000
# A series with fewer windows begins as one that training has not seen: to one value, any other is new.
ENOUGH = 100


def learnt_states(history: History, new: Callable[[], Follower]) -> list[Any]:
    """The states of followers after the history, by row (see `Detector.follow`): of one that has seen the end of every
    series' history, for series that training has not seen, then of each series' own."""
    anyone = new()
    states = []
    for series in range(history.count):
        begin_ns, x = history.of(series)
        follower = new()
        follower.explain(begin_ns, x)
        anyone.explain(begin_ns[-SHOWN:], x[-SHOWN:])
        states.append(follower.state() if len(x) >= ENOUGH else None)
    unseen = anyone.state()
    return [unseen, *(unseen if state is None else state for state in states)]


def packed(states: Any) -> NDArray[np.uint8]:
    """States, or anything else that JSON can say, as an array of bytes."""
    return np.frombuffer(zlib.compress(json.dumps(states, separators=(",", ":")).encode()), dtype=np.uint8)


def unpacked(array: NDArray[np.generic]) -> Any:
    """The inverse of `packed`."""
    return json.loads(zlib.decompress(array.tobytes()))
