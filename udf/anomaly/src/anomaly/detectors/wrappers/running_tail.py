"""Running tail: how rare a score is among those of the same series so far, learnt as it goes.

For a detector that looks at each window alone and was trained on a short history: what such a history shows once may be
usual, or the rarest of a year. So the past of each series decides, from held-back windows of training on, and a change
that stays becomes usual. How far a single score can move the tail is bounded: a fault that lasts does not make its like
usual.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import History, Memoryless, filled
from anomaly.detectors.parts.learnt import ENOUGH, SHOWN, packed, unpacked
from anomaly.detectors.parts.surprise import Surprise
from anomaly.windows.arrays import Floats, Times

_NAME = "running_tail"
# In units of the tail's mean excess; see `Surprise`.
_MOST_EXCESS = 32.0


class RunningTail:
    """inner: gives the scores. states: for each row (see `Detector.follow`) what is known of them."""

    def __init__(self, inner: Memoryless, states: Sequence[Any]) -> None:
        self.inner = inner
        self._states = states

    @property
    def adds_up(self) -> bool:
        """No: the tail is of the past, but a score is of one window."""
        return False

    def follow(self, row: int, state: Any = None) -> "RunningTailFollower":
        """See `Detector.follow`."""
        past = self._states[row] if state is None else state
        return RunningTailFollower(self.inner, Surprise.from_state(past, _MOST_EXCESS))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Detector.arrays`."""
        return {**self.inner.arrays(), _NAME: packed(self._states)}


class RunningTailFollower:
    """The tail of one series."""

    def __init__(self, inner: Memoryless, surprise: Surprise) -> None:
        self._inner = inner
        self._surprise = surprise

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """See `Follower.explain`. A score is a surprise: -ln of a probability."""
        scores, shares = self._inner.explain(filled(x))
        return np.array([self._surprise.feed(score) for score in scores.tolist()]), shares

    def state(self) -> Any:
        """See `Follower.state`."""
        return self._surprise.state()


def fit(inner: Memoryless, history: History, held_back: Floats) -> RunningTail:
    """held_back: what detectors like `inner` said of the history's windows (n,) without having seen them; what people
    said of windows that look odd is not theirs to say. A series that has too few windows to tell begins as one that
    training has not seen: with the scores of all."""
    kept = np.ones(len(held_back), dtype=np.bool_) if history.told is None else ~history.told
    each = [held_back[kept & (history.series == series)] for series in range(history.count)]
    anyone = _past(np.concatenate([scores[-SHOWN:] for scores in each]))
    return RunningTail(inner, [anyone, *(_past(scores) if len(scores) >= ENOUGH else anyone for scores in each)])


def load(
    inner: Callable[[Mapping[str, NDArray[np.generic]]], Memoryless], arrays: Mapping[str, NDArray[np.generic]]
) -> RunningTail | None:
    """The inverse of `RunningTail.arrays`; None where they hold no tail. inner: makes what gives the scores."""
    return RunningTail(inner(arrays), unpacked(arrays[_NAME])) if _NAME in arrays else None


def _past(scores: Floats) -> Any:
    surprise = Surprise(_MOST_EXCESS)
    for score in scores.tolist():
        surprise.feed(score)
    return surprise.state()
