"""What followers remember at the end of training."""

from typing import Protocol

import numpy as np

from anomaly.detectors.base import FeatureHistory, Followers
from anomaly.detectors.parts.memory import Learnt, Memory
from anomaly.windows.arrays import Ints

# How many windows of each series' end the follower for unseen series has seen in training.
SHOWN = 2_000
# A series with fewer windows begins as an unseen one: to a follower that knows one value, any other value is new.
ENOUGH = 100


class RememberingFollowers(Followers, Protocol):
    """Followers that keep all that they remember in one memory."""

    @property
    def memory(self) -> Memory:
        """What the followers remember."""
        ...


def learn(history: FeatureHistory, followers: RememberingFollowers) -> Learnt:
    """Run followers over a history.

    Args:
        history: s series.
        followers: s + 1 places that have seen nothing.

    Returns:
        What the followers remember: row 0 is a follower that has seen the end of every series, for series that training
        has not seen; the others are the series' own.
    """
    ends = shown(history)
    followers.explain(np.zeros(len(ends), dtype=np.intp), history.begin_ns[ends], history.x[ends])
    followers.explain(history.series + 1, history.begin_ns, history.x)
    return taught(history, followers.memory)


def shown(history: FeatureHistory) -> Ints:
    """Return the indices of the last `SHOWN` windows of each series, one series after the other."""
    order = np.argsort(history.series, kind="stable")
    lengths = np.bincount(history.series, minlength=history.series_count)
    from_end = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(order))
    return order[from_end <= SHOWN]


def taught(history: FeatureHistory, memory: Memory) -> Learnt:
    """Take what followers remember after a history; series with fewer than `ENOUGH` windows begin as unseen ones.

    Args:
        history: s series.
        memory: s + 1 places: place 0 has seen the end of every series, and place i + 1 has seen series i.

    Returns:
        What training taught each row.
    """
    enough = np.bincount(history.series, minlength=history.series_count) >= ENOUGH
    stored = np.concatenate([[0], np.where(enough, np.cumsum(enough), 0)])
    return memory.learnt(stored, np.flatnonzero(np.concatenate([[True], enough])))
