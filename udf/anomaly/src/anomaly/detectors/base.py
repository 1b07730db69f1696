"""The interface of a fitted detector, and the history that it is fitted to.

A detector has a part that all series share and that training fits once (`Detector`: arrays in the model's file). Its
other part follows many series and may remember what it saw of each (`Followers`): arrays over series, in which a series
has a place. A detector that looks at each window alone is `Memoryless`. Serving hands over the windows of thousands of
series that close together, training and backtests thousands of windows of each series, and all get equal scores.

Code that trains imports scikit-learn and joblib inside its functions. Code that serves imports numpy only.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from anomaly.nanoseconds import DAY_NS
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times
from anomaly.windows.civil import PLAIN, CivilTime

# A history with this many windows of each series tells how rare a score is; a shorter one does not.
LONG_WINDOWS = 1_000
# How often a window counts that feedback confirms as usual.
_CONFIRMED_WEIGHT = 5


@dataclass(frozen=True)
class FeatureHistory:
    """The n windows of s series that a detector is fitted to, each series in the order of time.

    Attributes:
        x: features, shape (n, d), in units of the series' scale from its center, NaN where a feature is unknown.
        series: number of each window's series, shape (n,), from 0 to s - 1.
        series_count: s; some series may have no window here.
        begin_ns: begins of the windows, shape (n,), nanoseconds since 1970.
        window_ns: length of a window, nanoseconds.
        is_long: whether the whole history, of which this may be a part, has `LONG_WINDOWS` of each series.
        confirmed_usual: windows that feedback confirms as usual although they look odd, shape (n,); None for none.
        sides: for each feature 1 (only greater values count), -1 (only smaller ones) or 0 (both); None: 0 for all.
        seasons_ns: lengths of the seasons, nanoseconds, in ascending order.
        per_series: series that get a model for themselves, shape (s,); None for none.
        civil: the clock on the wall, by which seasons of whole days and times of day go.
        field: the number of each feature's field, shape (d,); None: each feature is a field by itself.
        counted_whole: features of which all deviations count, shape (d,); None: of all of them.
    """

    x: Floats
    series: Ints
    series_count: int
    begin_ns: Times
    window_ns: int
    is_long: bool
    confirmed_usual: Bools | None = None
    sides: tuple[int, ...] | None = None
    seasons_ns: tuple[int, ...] = (DAY_NS,)
    per_series: Bools | None = None
    civil: CivilTime = PLAIN
    field: Ints | None = None
    counted_whole: Bools | None = None

    @property
    def unconfirmed(self) -> Floats:
        """Features of the windows that feedback does not mention, shape (k, d); all windows where it mentions all."""
        if self.confirmed_usual is None or self.confirmed_usual.all():
            return self.x
        return self.x[~self.confirmed_usual]

    @property
    def weighted(self) -> Floats:
        """Features of all windows, shape (m, d), in which windows that feedback confirms as usual are repeated.

        Such windows are few, and a detector that learns from a sample of the history must not miss them.
        """
        if self.confirmed_usual is None:
            return self.x
        return np.concatenate([self.x, *[self.x[self.confirmed_usual]] * (_CONFIRMED_WEIGHT - 1)])

    @property
    def filled(self) -> "FeatureHistory":
        """A copy in which unknown features are at the series' center."""
        return replace(self, x=filled(self.x))

    def where(self, mask: Bools) -> "FeatureHistory":
        """Select windows.

        Args:
            mask: which windows to keep, shape (n,).

        Returns:
            A history of these windows and all series.
        """
        confirmed = None if self.confirmed_usual is None else self.confirmed_usual[mask]
        return replace(
            self, x=self.x[mask], series=self.series[mask], begin_ns=self.begin_ns[mask], confirmed_usual=confirmed
        )

    def of(self, series: int) -> tuple[Times, Floats]:
        """Select one series.

        Args:
            series: its number.

        Returns:
            The begins, shape (k,), and features, shape (k, d), of its windows.
        """
        mask = self.series == series
        return self.begin_ns[mask], self.x[mask]


class Followers(Protocol):
    """A detector on up to `capacity` series, whose states are arrays; a place is the index of a series.

    A follower that learns takes a window into account when the next one of its series comes, because only then somebody
    knows whether the window belongs to an open period, from which nothing is learnt.
    """

    @property
    def bytes_per_series(self) -> int:
        """How many bytes a series takes; 0 where nothing is remembered."""
        ...

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        """Score the next n windows of any series.

        Args:
            place: places of the windows' series, shape (n,). A series may have many windows, in the order of time.
            begin_ns: begins of the windows, shape (n,), nanoseconds since 1970.
            x: features, shape (n, d), NaN where a feature is unknown.
            unlearnt: before which windows the series' window before is not to be learnt, shape (n,); None: all are
                learnt.

        Returns:
            Scores, shape (n,), from 0 on and unbounded above; and each feature's share of its window's score, shape
            (n, d), whose rows sum to 1.

        Raises:
            IndexError: a place does not exist.
            ValueError: the arrays do not fit each other, or the detector.
        """
        ...

    def begin(self, place: Ints, row: Ints) -> None:
        """Begin places where training left series. A place must be begun before its first window.

        Args:
            place: the places, shape (k,), each of them once.
            row: of each the series' number in training plus 1, or 0 for a series that training has not seen.

        Raises:
            IndexError: a place does not exist.
        """
        ...

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        """Return what the series at places remember as compact arrays by name; none where nothing is remembered.

        Args:
            place: the places, shape (k,).
        """
        ...

    def restore(self, place: Ints, arrays: Mapping[str, AnyArray]) -> None:
        """Replace what the series at places remember. Nothing is changed where the arrays do not fit.

        Args:
            place: places that were begun, shape (k,), each of them once.
            arrays: what `arrays` returned of k series, and perhaps others.

        Raises:
            IndexError: a place does not exist.
            KeyError: an array is missing.
            ValueError: an array is of another type, shape or size.
        """
        ...


class WeighingFollowers(ABC):
    """Followers whose scores add windows up, and which also tell how rare each window is by itself."""

    @abstractmethod
    def weigh(
        self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Score the next n windows of any series, as `Followers.explain` does.

        Args:
            place: as for `Followers.explain`, shape (n,).
            begin_ns: likewise, shape (n,).
            x: likewise, shape (n, d).
            unlearnt: likewise, shape (n,).

        Returns:
            Scores, shape (n,), shares, shape (n, d), and surprises, shape (n,): of each window -ln of the probability
            of such a window by itself, which periods add up.
        """


class Detector(Protocol):
    """A fitted detector, as serving needs it."""

    @property
    def adds_up(self) -> bool:
        """Whether a score already tells what the last windows tell together.

        Where it does not, periods add up windows with middling scores (`anomaly.scoring.periods`). Where it does, they
        add up what `WeighingFollowers` tell, and nothing of other followers.
        """
        ...

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> Followers:
        """Make followers. Places that no series has take no memory.

        Args:
            capacity: how many series they follow at most.
            civil: the clock on the wall.
        """
        ...

    def arrays(self) -> dict[str, AnyArray]:
        """Return the detector as plain arrays by name, from which its declaration's `load` makes an equal one."""
        ...


class Memoryless(ABC):
    """A detector that looks at each window alone."""

    @property
    def adds_up(self) -> bool:
        """False: a score is about one window."""
        return False

    @abstractmethod
    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """Score windows.

        Args:
            x: features, shape (n, d), all known.

        Returns:
            Scores, shape (n,), and shares, shape (n, d), as `Followers.explain` returns them.
        """

    def explain_incomplete(self, x: Floats) -> tuple[Floats, Floats]:
        """Score windows that may lack features, shape (n, d), NaN where one is unknown, as `explain` does."""
        return self.explain(filled(x))

    @abstractmethod
    def arrays(self) -> dict[str, AnyArray]:
        """Return the detector as plain arrays by name."""

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> Followers:
        """Make followers, which are alike for all series and remember nothing."""
        return _MemorylessFollowers(self)


class _MemorylessFollowers:
    def __init__(self, detector: Memoryless) -> None:
        self._detector = detector

    @property
    def bytes_per_series(self) -> int:
        return 0

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        return self._detector.explain_incomplete(x)

    def begin(self, place: Ints, row: Ints) -> None:
        pass

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        return {}

    def restore(self, place: Ints, arrays: Mapping[str, AnyArray]) -> None:
        pass


class Follower:
    """A detector on one series, fed with the series' windows in the order of time.

    Attributes:
        followers: the detector on several series.

    Args:
        followers: as above.
        place: the series' place.
    """

    def __init__(self, followers: Followers, place: int) -> None:
        self.followers = followers
        self._place = np.array([place], dtype=np.intp)

    def places(self, count: int) -> Ints:
        """Return the series' place `count` times."""
        return np.repeat(self._place, count)

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """Score the next n windows of the series, as `Followers.explain` does."""
        return self.followers.explain(self.places(len(x)), begin_ns, x)

    def arrays(self) -> dict[str, AnyArray]:
        """Return what is remembered of the series."""
        return self.followers.arrays(self._place)

    def restore(self, arrays: Mapping[str, AnyArray]) -> None:
        """Replace what is remembered, as `Followers.restore` does."""
        self.followers.restore(self._place, arrays)


def follow(detector: Detector, row: int, civil: CivilTime = PLAIN) -> Follower:
    """Make a follower of one series alone.

    Args:
        detector: the detector.
        row: the series' number in training plus 1, or 0 for a series that training has not seen.
        civil: the clock on the wall.

    Returns:
        The follower, which begins where training left the series.
    """
    followers = detector.followers(1, civil)
    followers.begin(np.array([0]), np.array([row]))
    return Follower(followers, 0)


def filled(x: Floats) -> Floats:
    """Put unknown features at the series' center.

    Args:
        x: features, shape (n, d), NaN where a feature is unknown.

    Returns:
        Features, shape (n, d), 0 instead of NaN; `x` itself where all are known.
    """
    unknown = np.isnan(x)
    return np.where(unknown, 0.0, x) if unknown.any() else x
