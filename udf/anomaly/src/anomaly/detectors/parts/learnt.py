"""What followers remember at the end of training."""

import numpy as np

from anomaly.detectors.base import FeatureHistory, Followers
from anomaly.windows.arrays import AnyArray, Ints

# How many windows of each series' end the follower for unseen series has seen in training.
SHOWN = 2_000
# A series with fewer windows begins as an unseen one: to a follower that knows one value, any other value is new.
ENOUGH = 100


def learn(prefix: str, history: FeatureHistory, followers: Followers) -> dict[str, AnyArray]:
    """Run followers over a history.

    Args:
        prefix: of the followers' arrays.
        history: s series.
        followers: s + 1 places that have seen nothing.

    Returns:
        What the followers remember, as `anomaly.detectors.parts.memory.Learnt` keeps it: row 0 is a follower that has
        seen the end of every series, for series that training has not seen; the others are the series' own.
    """
    ends = shown(history)
    followers.explain(np.zeros(len(ends), dtype=np.intp), history.begin_ns[ends], history.x[ends])
    followers.explain(history.series + 1, history.begin_ns, history.x)
    stored = stored_rows(np.bincount(history.series, minlength=history.series_count))
    places = np.flatnonzero(np.concatenate([[True], stored[1:] > 0]))
    return {f"{prefix}stored": stored, **followers.arrays(places)}


def shown(history: FeatureHistory) -> Ints:
    """Return the indices of the last `SHOWN` windows of each series, one series after the other."""
    order = np.argsort(history.series, kind="stable")
    lengths = np.bincount(history.series, minlength=history.series_count)
    from_end = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(order))
    return order[from_end <= SHOWN]


def stored_rows(lengths: Ints) -> Ints:
    """Return which stored series each row begins as, shape (s + 1,); 0 is the follower for unseen series.

    Args:
        lengths: how many windows each series has, shape (s,).

    Returns:
        Numbers of stored series.
    """
    enough = lengths >= ENOUGH
    return np.concatenate([[0], np.where(enough, np.cumsum(enough), 0)])
