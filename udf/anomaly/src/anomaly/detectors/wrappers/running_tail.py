"""Running tail: how rare a score is among those of the same series so far, learnt as it goes.

It is for a detector that looks at each window alone and was trained on a short history: what such a history shows once
may be usual, or the rarest of a year. So the past of each series decides, from the hold-out of training on, and a
change that stays becomes usual. How far a single score can move the tail is bounded, so a lasting fault does not make
such faults usual.
"""

from collections.abc import Callable

import numpy as np

from anomaly.detectors.base import FeatureHistory, Memoryless
from anomaly.detectors.declaration import Arrays
from anomaly.detectors.parts import surprise
from anomaly.detectors.parts.learnt import shown, taught
from anomaly.detectors.parts.loops import Surprises
from anomaly.detectors.parts.memory import Learnt, Memory, MemoryField, marks
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times
from anomaly.windows.civil import PLAIN, CivilTime

_PREFIX = "running_tail_"
# How far one score can move the tail, in units of its mean excess (`anomaly.detectors.parts.surprise`).
_MOST_EXCESS = 32.0
# The last score waits until the next one tells whether it is to be learnt.
FIELDS = (MemoryField("waiting", np.float64), *surprise.FIELDS)


class RunningTail:
    """A detector whose scores are ranked.

    Args:
        inner: the detector that gives the scores.
        learnt: what is known of the scores of each row.
    """

    def __init__(self, inner: Memoryless, learnt: Learnt) -> None:
        self.inner = inner
        self._learnt = learnt

    @property
    def adds_up(self) -> bool:
        """False: the tail is about the past, but a score is about one window."""
        return False

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> "RunningTailFollowers":
        """Make followers, as `Detector.followers` says."""
        return RunningTailFollowers(self.inner, capacity, self._learnt)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the inner detector's arrays, and what is known of the scores."""
        return {**self.inner.arrays(), **self._learnt.kept()}


class RunningTailFollowers:
    """The tails of up to `capacity` series."""

    def __init__(self, inner: Memoryless, capacity: int, learnt: Learnt) -> None:
        self._inner = inner
        self._learnt = learnt
        self._tails = ScoreTails(Memory(_PREFIX, FIELDS, capacity, 1))

    @property
    def bytes_per_series(self) -> int:
        """How many bytes a series takes."""
        return self._tails.memory.bytes_per_series

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        """Score windows; a score is a surprise, -ln of a probability."""
        scores, shares = self._inner.explain_incomplete(x)
        return self._tails.rank(place, scores, unlearnt), shares

    def begin(self, place: Ints, row: Ints) -> None:
        """Begin places where training left rows, as `Followers.begin` says."""
        self._tails.begin(place, self._learnt, row)

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        """Return what is known of the scores of the series at places."""
        return self._tails.memory.kept(place)

    def restore(self, place: Ints, arrays: Arrays) -> None:
        """Replace what is known of the scores, as `Followers.restore` says."""
        self._tails.restore(place, arrays)


class ScoreTails:
    """The scores so far of the series in a memory.

    Attributes:
        memory: what the series remember: `FIELDS`, and perhaps more.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._waiting = memory.flat["waiting"]
        self._surprises = Surprises(memory.flat, _MOST_EXCESS)

    def rank(self, place: Ints, scores: Floats, unlearnt: Bools | None = None) -> Floats:
        """Return the surprises of scores, both of shape (n,), which then wait to belong to the past of their series.

        Args:
            place: the places of the series, shape (n,).
            scores: the scores.
            unlearnt: before which of them the one before is not to be learnt, shape (n,); None: all are learnt.
        """
        place, scores = np.array(place, dtype=np.intp), np.array(scores, dtype=np.float64)
        self.memory.check(place)
        surprises = np.zeros(len(scores))
        self._surprises.explain(place, scores, surprises, self._waiting, marks(unlearnt, len(scores)))
        return surprises

    def begin(self, place: Ints, learnt: Learnt, row: Ints) -> None:
        """Let the series at places begin with what training taught rows."""
        self.memory.begin(place, learnt, row)
        self._surprises.refit(self.memory.channels(place))

    def restore(self, place: Ints, arrays: Arrays) -> None:
        """Replace the past of the series at places."""
        self.memory.restore(place, arrays)
        self._surprises.refit(self.memory.channels(place))


def fit(inner: Memoryless, history: FeatureHistory, scores: Floats) -> RunningTail:
    """Learn the tail of each series, as `taught_tails` says.

    Args:
        inner: the detector.
        history: n windows.
        scores: what detectors like `inner` said of these windows without having seen them, shape (n,).

    Returns:
        The detector with its scores ranked.
    """
    tails = ScoreTails(Memory(_PREFIX, FIELDS, history.series_count + 1, 1))
    return RunningTail(inner, taught_tails(history, scores, tails))


def taught_tails(history: FeatureHistory, scores: Floats, tails: ScoreTails) -> Learnt:
    """Learn the tail of each series; feedback does not change it.

    A series with too few windows begins as one that training has not seen, with the scores of all series.

    Args:
        history: n windows of s series.
        scores: what was said of these windows by detectors that have not seen them, shape (n,).
        tails: of s + 1 places that have seen nothing.

    Returns:
        What training taught.
    """
    kept = np.ones(len(scores), dtype=np.bool_) if history.confirmed_usual is None else ~history.confirmed_usual
    history, scores = history.where(kept), scores[kept]
    ends = shown(history)
    tails.rank(np.zeros(len(ends), dtype=np.intp), scores[ends])
    tails.rank(history.series + 1, scores)
    return taught(history, tails.memory)


def load(inner: Callable[[Arrays], Memoryless], arrays: Arrays) -> RunningTail | None:
    """Make a detector from the arrays of an equal one.

    Args:
        inner: makes the detector that gives the scores from its arrays.
        arrays: what `RunningTail.arrays` returned, and perhaps others.

    Returns:
        The detector; None where the arrays hold no tail.
    """
    if f"{_PREFIX}stored" in arrays:
        return RunningTail(inner(arrays), Learnt.from_arrays(_PREFIX, FIELDS, arrays))
    return None
