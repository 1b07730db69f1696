"""Outliers: windows beyond all that training has seen, which score low when they return.

A forest that was trained on a short history meets much that is new. What it says of a window never changes, so each
return of a new value would be as anomalous as the first. Here the distance g(x) of the forest's score
(`anomaly.detectors.forest.served`) becomes the distance to the nearest outlier so far, where that is less. A fifteenth
of g is left, so that what came once does not hide what comes again and again. Up to 32 outliers of each series are
remembered. Where they fill their places, the later one of the two closest to each other is dropped.

The score is then ranked among those of the same series so far (`anomaly.detectors.wrappers.running_tail`). A score may
be rare because the series is calm, and the window hardly beyond what was there. So the surprise is multiplied by

    0.5 + 0.5 r / (r + 0.1)

where r is the greatest over the columns of the distance to the nearest of all that was there, in units of the
column's range so far: half of the surprise is left within what was there, and nearly all of it far out. The farthest
outlier on either side does not widen the range, as it may be a glitch.

Residuals of a coupling (`anomaly.detectors.wrappers.coupling`) have such a distance, too. But they are not remembered:
one break of a coupling lies amid others, which would soon be usual.

Windows of an open period are not learnt. Nor is a window of several features that is repeated exactly, until another
one comes: a stuck sensor does so, and its first windows would hide those that make the period. The ensemble has the
forest without this: its member `gap` remembers, and the forest is to find again what comes again.
"""

import numpy as np

from anomaly.detectors.base import FeatureHistory
from anomaly.detectors.declaration import Arrays
from anomaly.detectors.forest.served import IsolationForest
from anomaly.detectors.parts.loops import Outliers
from anomaly.detectors.parts.memory import Learnt, Memory, MemoryField, marks, windows
from anomaly.detectors.wrappers.coupling import Coupled, Coupling, coupling_from_arrays
from anomaly.detectors.wrappers.running_tail import FIELDS, ScoreTails, taught_tails
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times
from anomaly.windows.civil import PLAIN, CivilTime

_PREFIX = "outliers_"
_MOST_OUTLIERS = 32
# An outlier is farther than this from what was there: a share of the series' scale, summed over the features.
_LEAST_DISTANCE = 0.3
# What is left of the distance of a window that is like an outlier before.
_KEPT = 1 / 15
# The weight of the surprise of a window without a distance, and the relative distance that adds half of the rest.
_INSIDE = 0.5
_FAR = 0.1


class OutlierForest:
    """A forest whose outliers are remembered, and whose scores are ranked.

    Args:
        coupling: the residuals that the forest is given beside the features.
        inner: the forest.
        learnt: what is known of each row.
    """

    def __init__(self, coupling: Coupling, inner: IsolationForest, learnt: Learnt) -> None:
        self.coupling = coupling
        self.inner = inner
        self._learnt = learnt

    @property
    def adds_up(self) -> bool:
        """False: a score is about one window."""
        return False

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> "OutlierForestFollowers":
        """Make followers, as `Detector.followers` says."""
        return OutlierForestFollowers(self.coupling, self.inner, capacity, self._learnt)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the arrays of the coupling and of the forest, and what is known of each row."""
        return {**Coupled(self.coupling, self.inner).arrays(), **self._learnt.kept()}


class OutlierForestFollowers:
    """The outliers and the tails of up to `capacity` series.

    Attributes:
        memory: what the series remember.
        tails: the scores among it.
    """

    def __init__(
        self, coupling: Coupling, forest: IsolationForest, capacity: int, learnt: Learnt | None = None
    ) -> None:
        self._coupling = coupling
        self._forest = forest
        self._learnt = learnt
        self.memory = Memory(_PREFIX, _fields(coupling.features), capacity, 1)
        self._outliers = Outliers(self.memory.flat)
        self._box = np.stack([forest.box[:, 0].min(axis=0), forest.box[:, 1].max(axis=0)])
        self.tails = ScoreTails(self.memory)

    @property
    def bytes_per_series(self) -> int:
        """How many bytes a series takes."""
        return self.memory.bytes_per_series

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        """Score windows; a score is a surprise, -ln of a probability."""
        place, _, x = windows(place, begin_ns, self._coupling.apply(x))
        self.memory.check(place)
        parts = self._forest.parts(x)
        relative = np.empty(len(x))
        self._outliers.explain(
            place, x, parts.distance, parts.gaps, relative, self._box, marks(unlearnt, len(x)), _LEAST_DISTANCE, _KEPT
        )
        scores = self.tails.rank(place, parts.paper + parts.distance, unlearnt) * _weight(relative)
        return scores, self._coupling.folded(parts.shares)

    def begin(self, place: Ints, row: Ints) -> None:
        """Begin places where training left rows, as `Followers.begin` says."""
        if self._learnt is not None:
            self.tails.begin(place, self._learnt, row)

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        """Return what the series at places remember."""
        return self.memory.kept(place)

    def restore(self, place: Ints, arrays: Arrays) -> None:
        """Replace what the series at places remember, as `Followers.restore` says."""
        self.tails.restore(place, arrays)


def fit(coupling: Coupling, forest: IsolationForest, history: FeatureHistory, scores: Floats) -> OutlierForest:
    """Learn the tail of each series, as `running_tail.taught_tails` says; there are no outliers yet.

    Args:
        coupling: the residuals that the forest is given beside the features.
        forest: the forest.
        history: n windows.
        scores: what forests like this one said of these windows without having seen them, shape (n,).

    Returns:
        The detector.
    """
    followers = OutlierForestFollowers(coupling, forest, history.series_count + 1)
    return OutlierForest(coupling, forest, taught_tails(history, scores, followers.tails))


def load(arrays: Arrays) -> OutlierForest | None:
    """Make a detector from the arrays of an equal one.

    Args:
        arrays: what `OutlierForest.arrays` returned, and perhaps others.

    Returns:
        The detector; None where the arrays are of another kind.

    Raises:
        KeyError: an array is missing.
        ValueError: the arrays do not fit each other.
    """
    coupling = coupling_from_arrays(arrays)
    if coupling is None or f"{_PREFIX}stored" not in arrays:
        return None
    forest = IsolationForest.from_arrays(arrays)
    return OutlierForest(coupling, forest, Learnt.from_arrays(_PREFIX, _fields(coupling.features), arrays))


def _fields(features: int) -> tuple[MemoryField, ...]:
    most = _MOST_OUTLIERS * features
    return (
        *FIELDS,
        MemoryField("last", np.float64, features),
        MemoryField("outside", np.float64),
        MemoryField("used", np.uint32, most=most),
        MemoryField("values", np.float32, most, length="used"),
    )


def _weight(relative: Floats) -> Floats:
    return np.asarray(_INSIDE + (1.0 - _INSIDE) * relative / (relative + _FAR))
