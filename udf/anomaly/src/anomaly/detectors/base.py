"""The interface of a detector, and the registry of those there are.

A detector has a half that is shared by all series and fitted once (`Detector`: arrays in the model's file), and a half
for each series, which follows it window by window and may remember what it saw (`Follower`). Detectors that look at one
window alone are `Memoryless`. The streaming path feeds a follower window by window, training and backtests feed it
thousands at once, and both get the same scores.

What trains may import what it likes, in its function only; what serves imports numpy and nothing else.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Floats, Times

# A history of so many windows of each series tells how rare the rare is; a shorter one leaves that to guesses.
LONG_WINDOWS = 1_000
# How often a window counts that people said is usual.
_TOLD = 5


@dataclass(frozen=True)
class History:
    """What a detector is fitted to: n windows of s series, each series in the order of time.

    x: feature vectors (n, d), NaN where a feature is not known. series: (n,), 0 to s - 1; count: s, as some may have no
    window here. begin_ns: (n,), nanoseconds since 1970. window_ns: a window's length. long: whether all the history
    there is, of which this may be a part, has LONG_WINDOWS of each series. told: (n,), windows that look odd and are
    usual, as people said of false alarms; None: none. sides: for each feature, whether only greater (1) or only smaller
    (-1) ones than usual count, or both (0); None: both of all. season_ns: after how long what is usual recurs; None: a
    day. own: (s,), the series that get a model of their own (`anomaly.detectors.wrappers.per_series`); None: none.
    """

    x: Floats
    series: NDArray[np.intp]
    count: int
    begin_ns: Times
    window_ns: int
    long: bool
    told: NDArray[np.bool_] | None = None
    sides: tuple[int, ...] | None = None
    season_ns: int | None = None
    own: NDArray[np.bool_] | None = None

    @property
    def ordinary(self) -> Floats:
        """The feature vectors of windows that are usual without anyone saying so; all, if those are none."""
        return self.x if self.told is None or self.told.all() else self.x[~self.told]

    @property
    def weighted(self) -> Floats:
        """All feature vectors, those of windows that people said are usual _TOLD times: they are few, and what is
        learned from a sample of the history must not miss them."""
        return self.x if self.told is None else np.concatenate([self.x, *[self.x[self.told]] * (_TOLD - 1)])

    @property
    def filled(self) -> "History":
        """The same, with what is not known as usual."""
        return replace(self, x=filled(self.x))

    def where(self, mask: NDArray[np.bool_]) -> "History":
        """The windows that `mask` (n,) selects."""
        told = None if self.told is None else self.told[mask]
        return replace(self, x=self.x[mask], series=self.series[mask], begin_ns=self.begin_ns[mask], told=told)

    def of(self, series: int) -> tuple[Times, Floats]:
        """The begins (k,) and feature vectors (k, d) of one series."""
        mine = self.series == series
        return self.begin_ns[mine], self.x[mine]


class Follower(Protocol):
    """A detector on one series, fed with the series' windows in the order of time."""

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """Of the next n windows, which begin at `begin_ns` (n,) and have the features x (n, d), NaN where one is not
        known: scores (n,), the greater the more anomalous, from 0 on and unbounded above; and shares (n, d) of each
        feature in them, whose rows sum to 1."""
        ...

    def state(self) -> Any:
        """What is remembered of the series, for JSON; None where nothing is."""
        ...


class Detector(Protocol):
    """What serving needs of a fitted detector.

    adds_up: whether a score says what the last windows say together. Where it does not, periods add up windows of which
    each says little (`anomaly.scoring.periods`).
    """

    @property
    def adds_up(self) -> bool:
        """See above."""
        ...

    def follow(self, row: int, state: Any = None) -> Follower:
        """A follower for a series: `row` is its number in training plus 1, or 0 for one that training has not seen. It
        begins as training left the series, or where `state` was taken. Raises KeyError, TypeError or ValueError when
        that does not fit."""
        ...

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The detector as plain arrays, from which `load` makes an equal one."""
        ...


class Memoryless(ABC):
    """A detector that looks at each window alone."""

    @property
    def adds_up(self) -> bool:
        """No."""
        return False

    @abstractmethod
    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """Scores (n,) of feature vectors (n, d), and shares (n, d) of each feature in them."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Detector.arrays`."""

    def follow(self, row: int, state: Any = None) -> Follower:
        """The same for each series."""
        return _Unmindful(self)


class _Unmindful:
    def __init__(self, detector: Memoryless) -> None:
        self._detector = detector

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        return self._detector.explain(filled(x))

    def state(self) -> Any:
        return None


def filled(x: Floats) -> Floats:
    """Feature vectors (n, d), those that are not known (NaN) at the series' center."""
    unknown = np.isnan(x)
    return np.where(unknown, 0.0, x) if unknown.any() else x
