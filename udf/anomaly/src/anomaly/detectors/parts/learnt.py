"""What followers remember at the end of training, series by series, and how the model's file keeps it."""

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import FeatureHistory, Follower
from anomaly.windows.arrays import AnyArray

# How many windows of each series' end the follower for unseen series has seen in training.
SHOWN = 2_000
# A series with fewer windows begins as an unseen one: to a follower that knows one value, any other value is new.
ENOUGH = 100


def learnt_states(history: FeatureHistory, new: Callable[[], Follower]) -> list[Any]:
    """Run followers over a history.

    Args:
        history: s series.
        new: makes a follower that has seen nothing.

    Returns:
        States by row (`Detector.follow`): first of a follower that has seen the end of every series, for series that
        training has not seen; then of each series' own follower.
    """
    for_unseen = new()
    states = []
    for series in range(history.series_count):
        begin_ns, x = history.of(series)
        follower = new()
        follower.explain(begin_ns, x)
        for_unseen.explain(begin_ns[-SHOWN:], x[-SHOWN:])
        states.append(follower.state() if len(x) >= ENOUGH else None)
    unseen = for_unseen.state()
    return [unseen, *(unseen if state is None else state for state in states)]


def packed(states: Any) -> NDArray[np.uint8]:
    """Pack states, or anything else that JSON can say, into an array of bytes."""
    return np.frombuffer(zlib.compress(json.dumps(states, separators=(",", ":")).encode()), dtype=np.uint8)


def unpacked(array: AnyArray) -> Any:
    """Unpack what `packed` made."""
    return json.loads(zlib.decompress(array.tobytes()))
