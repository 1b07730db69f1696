"""Running tail: how rare a score is among those of the same series so far, learnt as it goes.

It is for a detector that looks at each window alone and was trained on a short history: what such a history shows once
may be usual, or the rarest of a year. So the past of each series decides, from the hold-out of training on, and a
change that stays becomes usual. How far a single score can move the tail is bounded, so a lasting fault does not make
such faults usual.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from anomaly.detectors.base import FeatureHistory, Memoryless, filled
from anomaly.detectors.declaration import Arrays
from anomaly.detectors.parts.learnt import ENOUGH, SHOWN, packed, unpacked
from anomaly.detectors.parts.surprise import Surprise
from anomaly.windows.arrays import AnyArray, Floats, Times

_NAME = "running_tail"
# How far one score can move the tail, in units of its mean excess (`Surprise`).
_MOST_EXCESS = 32.0


class RunningTail:
    """A detector whose scores are ranked.

    Args:
        inner: the detector that gives the scores.
        states: what is known of the scores of each row (`Detector.follow`).
    """

    def __init__(self, inner: Memoryless, states: Sequence[Any]) -> None:
        self.inner = inner
        self._states = states

    @property
    def adds_up(self) -> bool:
        """False: the tail is about the past, but a score is about one window."""
        return False

    def follow(self, row: int, state: Any = None) -> "RunningTailFollower":
        """Make a follower for a series, as `Detector.follow` says."""
        past = self._states[row] if state is None else state
        return RunningTailFollower(self.inner, Surprise.from_state(past, _MOST_EXCESS))

    def arrays(self) -> dict[str, AnyArray]:
        """Return the inner detector's arrays, and what is known of the scores."""
        return {**self.inner.arrays(), _NAME: packed(self._states)}


class RunningTailFollower:
    """The tail of one series."""

    def __init__(self, inner: Memoryless, surprise: Surprise) -> None:
        self._inner = inner
        self._surprise = surprise

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """Score the next windows; a score is a surprise, -ln of a probability."""
        scores, shares = self._inner.explain(filled(x))
        return np.array([self._surprise.feed(score) for score in scores.tolist()]), shares

    def state(self) -> Any:
        """Return what is known of the scores, for JSON."""
        return self._surprise.state()


def fit(inner: Memoryless, history: FeatureHistory, scores: Floats) -> RunningTail:
    """Learn the tail of each series; feedback does not change it.

    A series with too few windows begins as one that training has not seen, with the scores of all series.

    Args:
        inner: the detector.
        history: n windows.
        scores: what detectors like `inner` said of these windows without having seen them, shape (n,).

    Returns:
        The detector with its scores ranked.
    """
    kept = np.ones(len(scores), dtype=np.bool_) if history.confirmed_usual is None else ~history.confirmed_usual
    each = [scores[kept & (history.series == series)] for series in range(history.series_count)]
    unseen = _past(np.concatenate([series_scores[-SHOWN:] for series_scores in each]))
    return RunningTail(
        inner, [unseen, *(_past(series_scores) if len(series_scores) >= ENOUGH else unseen for series_scores in each)]
    )


def load(inner: Callable[[Arrays], Memoryless], arrays: Arrays) -> RunningTail | None:
    """Make a detector from the arrays of an equal one.

    Args:
        inner: makes the detector that gives the scores from its arrays.
        arrays: what `RunningTail.arrays` returned, and perhaps others.

    Returns:
        The detector; None where the arrays hold no tail.
    """
    return RunningTail(inner(arrays), unpacked(arrays[_NAME])) if _NAME in arrays else None


def _past(scores: Floats) -> Any:
    surprise = Surprise(_MOST_EXCESS)
    for score in scores.tolist():
        surprise.feed(score)
    return surprise.state()
