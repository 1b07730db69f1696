"""Detectors that look at each feature of each series for itself, and remember.

A window's score is that of its most anomalous feature. A feature that is unknown in a window has no part in the score,
and its channel does not see the window.

What is remembered of one feature of one series is a `Channel`. Training runs the channels over the history, and the
model's file keeps what they then remember, so serving begins warm. After a break of more than 48 windows, or when time
goes back, the channels begin anew with what they hold of the last windows, and keep what they learnt.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from anomaly.detectors.declaration import Arrays, Declaration, FitRequest, Fitted
from anomaly.detectors.parts.channel import DAY_NS, Channel, Setting
from anomaly.detectors.parts.learnt import learnt_states, packed, unpacked
from anomaly.detectors.parts.shares import shares
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray, Floats, Times

# The longest of the channels' means spans this many windows.
_BREAK_WINDOWS = 48


class Featurewise:
    """A detector of one kind of channel.

    Args:
        name: the detector's name, under which its array is stored.
        kind: the class of its channels.
        settings: of each feature's channel.
        states: what the follower of each row remembers (`Detector.follow`).
    """

    def __init__(self, name: str, kind: type[Channel], settings: Sequence[Setting], states: Sequence[Any]) -> None:
        self._name = name
        self._kind = kind
        self._settings = settings
        self._states = states

    @property
    def adds_up(self) -> bool:
        """True: channels add windows up by leaky sums and means."""
        return True

    def follow(self, row: int, state: Any = None) -> "FeaturewiseFollower":
        """Make a follower for a series, as `Detector.follow` says."""
        return FeaturewiseFollower.from_state(self._kind, self._settings, self._states[row] if state is None else state)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the settings and what the followers remember, as one array."""
        first = self._settings[0]
        sides = [setting.side for setting in self._settings]
        return {self._name: packed([first.window_ns, self._states, first.season_ns, sides])}

    @classmethod
    def from_arrays(cls, name: str, kind: type[Channel], arrays: Arrays) -> "Featurewise":
        """Make a detector from the array of an equal one.

        Args:
            name: the detector's name.
            kind: the class of its channels.
            arrays: what `arrays` returned, and perhaps others.

        Returns:
            The detector.

        Raises:
            KeyError: the array is missing.
            ValueError: the array is of another layout.
        """
        window_ns, states, season_ns, sides = unpacked(arrays[name])
        return cls(name, kind, _settings(window_ns, season_ns, sides), states)


class FeaturewiseFollower:
    """The channels of one series, one for each feature."""

    def __init__(self, channels: Sequence[Channel], window_ns: int, last_ns: Sequence[int | None] = ()) -> None:
        self._channels = channels
        self._window_ns = window_ns
        self._last_ns = list(last_ns) or [None] * len(channels)

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """Score the next windows; a share is the feature's part in the sum of all features' scores."""
        scores = np.zeros(x.shape)
        longest_ns = _BREAK_WINDOWS * self._window_ns
        for row, (begin, values) in enumerate(zip(begin_ns.tolist(), x.tolist(), strict=True)):
            for place, (channel, value) in enumerate(zip(self._channels, values, strict=True)):
                if math.isnan(value):
                    continue
                last_ns = self._last_ns[place]
                if last_ns is not None and not 0 < begin - last_ns <= longest_ns:
                    channel.pause()
                self._last_ns[place] = begin
                scores[row, place] = channel.feed(begin, value)
        return scores.max(axis=1), shares(scores)

    def state(self) -> Any:
        """Return what the channels remember, for JSON."""
        return [self._last_ns.copy(), [channel.state() for channel in self._channels]]

    @classmethod
    def from_state(cls, kind: type[Channel], settings: Sequence[Setting], state: Any) -> "FeaturewiseFollower":
        """Make a follower that goes on from a state.

        Args:
            kind: the class of the channels.
            settings: of each feature's channel.
            state: what `state` returned.

        Returns:
            The follower.

        Raises:
            TypeError: the state is of another form.
            ValueError: the state is of another form, or of another number of features.
        """
        last_ns, states = state
        channels = [kind.from_state(setting, channel) for setting, channel in zip(settings, states, strict=True)]
        if len(last_ns) != len(channels):
            raise ValueError(f"{len(last_ns)} times for {len(channels)} features")
        return cls(channels, settings[0].window_ns, last_ns)


def declare(description: Description, kind: type[Channel]) -> Declaration:
    """Declare the detector of one kind of channel.

    Args:
        description: of the detector.
        kind: the class of its channels.

    Returns:
        Its declaration.
    """
    name = description.name
    return Declaration(
        description=description,
        fit=partial(_fit, name, kind),
        load=partial(Featurewise.from_arrays, name, kind),
    )


def _fit(name: str, kind: type[Channel], request: FitRequest) -> Fitted:
    history = request.history
    sides = history.sides or [0] * history.x.shape[1]
    settings = _settings(history.window_ns, history.season_ns or DAY_NS, sides)
    states = learnt_states(
        history, lambda: FeaturewiseFollower([kind(setting) for setting in settings], history.window_ns)
    )
    return Fitted(Featurewise(name, kind, settings, states))


def _settings(window_ns: int, season_ns: int, sides: Sequence[int]) -> list[Setting]:
    return [Setting(window_ns, side, season_ns) for side in sides]
