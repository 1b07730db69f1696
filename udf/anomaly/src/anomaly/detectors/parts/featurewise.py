"""Detectors that look at each feature of each series for itself, and remember.

A window's score is that of its most anomalous feature. A feature that is unknown in a window has no part in the score,
and its channel does not see the window.

What is remembered of one feature of one series is a channel: a row in the arrays of a `Memory`. Training runs the
channels over the history, and the model's file keeps what they then remember, so serving begins warm. A window within
an open period is not learnt. After a break of more than 48 windows, or when time goes back, the channels begin anew
with what they hold of the last windows, and keep what they learnt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from anomaly.detectors.declaration import Arrays, Declaration, FitRequest, Fitted
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.learnt import learn
from anomaly.detectors.parts.loops import MEANS
from anomaly.detectors.parts.memory import Learnt, Marks, Memory, MemoryField, marks, windows
from anomaly.detectors.parts.shares import shares
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times
from anomaly.windows.civil import PLAIN, CivilTime


class Loop(Protocol):
    """A loop of `anomaly.detectors.parts.loops` over the channels of a memory."""

    def explain(self, place: Ints, begin_ns: Times, x: Floats, scores: Floats, unlearnt: Marks) -> None:
        """Write the channels' scores of windows, shape (n, d); 1 in `unlearnt` is before what is not to be learnt."""
        ...

    def restored(self, channels: Ints) -> None:
        """Compute what is not stored of channels."""
        ...


@dataclass(frozen=True)
class ChannelKind:
    """One kind of channel, of which a detector is made.

    Attributes:
        name: the detector's name.
        fields: what a channel remembers, by what it is told.
        loop: makes the loop of a memory's flat arrays, the features' settings, the longest step in time between two
            windows that belong together, nanoseconds, and the clock on the wall.
    """

    name: str
    fields: Callable[[Setting], tuple[MemoryField, ...]]
    loop: Callable[[dict[str, AnyArray], list[Setting], int, CivilTime], Loop]

    def memory(self, settings: Sequence[Setting], capacity: int) -> Memory:
        """Make the memory of `capacity` series whose features have these settings."""
        return Memory(f"{self.name}_", self._fields(settings), capacity, len(settings))

    def followers(
        self,
        settings: Sequence[Setting],
        capacity: int,
        learnt: Learnt | None = None,
        civil: CivilTime = PLAIN,
    ) -> "FeaturewiseFollowers":
        """Make followers.

        Args:
            settings: of each feature's channel.
            capacity: the number of places.
            learnt: what training taught each row; None: nothing.
            civil: the clock on the wall.

        Returns:
            The followers.
        """
        return FeaturewiseFollowers(self, settings, capacity, learnt, civil)

    def learnt(self, settings: Sequence[Setting], arrays: Arrays) -> Learnt:
        """Make what training taught of a model's arrays. Raises KeyError where an array is missing."""
        return Learnt.from_arrays(f"{self.name}_", self._fields(settings), arrays)

    def _fields(self, settings: Sequence[Setting]) -> tuple[MemoryField, ...]:
        return (MemoryField("after_ns", np.int64), *self.fields(settings[0]))


class Featurewise:
    """A detector of one kind of channel.

    Args:
        kind: the kind of its channels.
        settings: of each feature's channel.
        learnt: what training taught each row.
    """

    def __init__(self, kind: ChannelKind, settings: Sequence[Setting], learnt: Learnt) -> None:
        self._kind = kind
        self._settings = settings
        self._learnt = learnt

    @property
    def adds_up(self) -> bool:
        """True: channels add windows up by leaky sums and means."""
        return True

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> "FeaturewiseFollowers":
        """Make followers, as `Detector.followers` says."""
        return self._kind.followers(self._settings, capacity, self._learnt, civil)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the settings and what training taught."""
        first, name = self._settings[0], self._kind.name
        return {
            f"{name}_settings": np.array([first.window_ns, *first.seasons_ns], dtype=np.int64),
            f"{name}_sides": np.array([setting.side for setting in self._settings], dtype=np.int8),
            **self._learnt.kept(),
        }

    @classmethod
    def from_arrays(cls, kind: ChannelKind, arrays: Arrays) -> "Featurewise":
        """Make a detector from the arrays of an equal one.

        Args:
            kind: the kind of its channels.
            arrays: what `arrays` returned, and perhaps others.

        Returns:
            The detector.

        Raises:
            KeyError: an array is missing.
            ValueError: an array is of another layout.
        """
        window_ns, *seasons_ns = arrays[f"{kind.name}_settings"].tolist()
        settings = _settings(window_ns, seasons_ns, arrays[f"{kind.name}_sides"].tolist())
        return cls(kind, settings, kind.learnt(settings, arrays))


class FeaturewiseFollowers:
    """The channels of up to `capacity` series, one for each feature.

    Attributes:
        memory: what the channels remember.
    """

    def __init__(
        self,
        kind: ChannelKind,
        settings: Sequence[Setting],
        capacity: int,
        learnt: Learnt | None = None,
        civil: CivilTime = PLAIN,
    ) -> None:
        self.memory = kind.memory(settings, capacity)
        self._loop = kind.loop(self.memory.flat, list(settings), MEANS * settings[0].window_ns, civil)
        self._features = len(settings)
        self._learnt = learnt

    @property
    def bytes_per_series(self) -> int:
        """How many bytes a series takes."""
        return self.memory.bytes_per_series

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        """Score windows; a share is the feature's part in the sum of all features' scores."""
        if x.shape[1] != self._features:
            raise ValueError(f"{x.shape[1]} features instead of {self._features}")
        place, begin_ns, x = windows(place, begin_ns, x)
        self.memory.check(place)
        scores = np.zeros(x.shape)
        self._loop.explain(place, begin_ns, x, scores, marks(unlearnt, len(x)))
        return scores.max(axis=1), shares(scores)

    def begin(self, place: Ints, row: Ints) -> None:
        """Begin places where training left rows, as `Followers.begin` says."""
        if self._learnt is None:
            self.memory.check(place)
            self.memory.clear(place)
        else:
            self.memory.begin(place, self._learnt, row)
            self._loop.restored(self.memory.channels(place))

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        """Return what the series at places remember."""
        return self.memory.kept(place)

    def restore(self, place: Ints, arrays: Arrays) -> None:
        """Replace what the series at places remember, as `Followers.restore` says."""
        self.memory.restore(place, arrays)
        self._loop.restored(self.memory.channels(place))


def declare(description: Description, kind: ChannelKind) -> Declaration:
    """Declare the detector of one kind of channel.

    Args:
        description: of the detector.
        kind: the kind of its channels.

    Returns:
        Its declaration.
    """
    return Declaration(
        description=description,
        fit=partial(_fit, kind),
        load=partial(Featurewise.from_arrays, kind),
    )


def _fit(kind: ChannelKind, request: FitRequest) -> Fitted:
    history = request.history
    sides = history.sides or [0] * history.x.shape[1]
    settings = _settings(history.window_ns, history.seasons_ns, sides)
    followers = kind.followers(settings, history.series_count + 1, civil=history.civil)
    return Fitted(Featurewise(kind, settings, learn(history, followers)))


def _settings(window_ns: int, seasons_ns: Sequence[int], sides: Sequence[int]) -> list[Setting]:
    season_ns, *longer_ns = seasons_ns
    return [Setting(window_ns, side, season_ns, tuple(longer_ns)) for side in sides]
