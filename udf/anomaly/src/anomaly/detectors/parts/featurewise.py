"""Detectors that look at each feature of each series for itself, and remember: the score is that of the most anomalous
feature. A feature that is not known in a window has no part in its score, and passes the window by.

What is remembered of one feature of one series is a `Channel`. Training runs the channels over the history, and the
model's file keeps what they then remember, so serving begins warm. After a break of more than 48 windows, or when time
goes back, what channels hold of the last windows begins anew, and what they learnt stays.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import History
from anomaly.detectors.parts.channel import DAY_NS, Channel, Setting
from anomaly.detectors.parts.learnt import learnt_states, packed, unpacked
from anomaly.detectors.parts.shares import shares
from anomaly.windows.arrays import Floats, Times

# As many as the longest of the channels' means spans.
_BREAK_WINDOWS = 48


class Featurewise:
    """A detector of one kind of channel. settings: of each feature. states: for each row (see `Detector.follow`) what
    its follower remembers."""

    def __init__(self, name: str, kind: type[Channel], settings: Sequence[Setting], states: Sequence[Any]) -> None:
        self._name = name
        self._kind = kind
        self._settings = settings
        self._states = states

    @property
    def adds_up(self) -> bool:
        """Channels do: by leaky sums and means."""
        return True

    def follow(self, row: int, state: Any = None) -> "FeaturewiseFollower":
        """See `Detector.follow`."""
        return FeaturewiseFollower.from_state(self._kind, self._settings, self._states[row] if state is None else state)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Detector.arrays`."""
        first = self._settings[0]
        sides = [setting.side for setting in self._settings]
        return {self._name: packed([first.window_ns, self._states, first.season_ns, sides])}

    @classmethod
    def from_arrays(cls, name: str, kind: type[Channel], arrays: Mapping[str, NDArray[np.generic]]) -> "Featurewise":
        """The inverse of `arrays`. Raises KeyError where it is missing."""
        window_ns, states, *others = unpacked(arrays[name])
        # Models that were made before there were others.
        season_ns, sides = others or (DAY_NS, [0] * len(states[0][1]))
        return cls(name, kind, _settings(window_ns, season_ns, sides), states)


class FeaturewiseFollower:
    """The channels of one series, one for each feature."""

    def __init__(self, channels: Sequence[Channel], window_ns: int, last_ns: Sequence[int | None] = ()) -> None:
        self._channels = channels
        self._window_ns = window_ns
        self._last_ns = list(last_ns) or [None] * len(channels)

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """See `Follower.explain`. A share is the feature's part in the sum of all features' scores."""
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
        """See `Follower.state`."""
        return [self._last_ns.copy(), [channel.state() for channel in self._channels]]

    @classmethod
    def from_state(cls, kind: type[Channel], settings: Sequence[Setting], state: Any) -> "FeaturewiseFollower":
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        last_ns, states = state
        channels = [kind.from_state(setting, channel) for setting, channel in zip(settings, states, strict=True)]
        if len(last_ns) != len(channels):
            raise ValueError(f"{len(last_ns)} times for {len(channels)} features")
        return cls(channels, settings[0].window_ns, last_ns)


def fit(name: str, kind: type[Channel], history: History) -> Featurewise:
    """Runs channels over the history of each series."""
    sides = history.sides or [0] * history.x.shape[1]
    settings = _settings(history.window_ns, history.season_ns or DAY_NS, sides)
    states = learnt_states(
        history, lambda: FeaturewiseFollower([kind(setting) for setting in settings], history.window_ns)
    )
    return Featurewise(name, kind, settings, states)


def _settings(window_ns: int, season_ns: int, sides: Sequence[int]) -> list[Setting]:
    return [Setting(window_ns, side, season_ns) for side in sides]
