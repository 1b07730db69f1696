"""Ensemble: the greatest of several detectors' scores, each in units of its own level, at which it says "anomalous".

The members see different things. The isolation forest knows what training has seen, all features together, and with a
long history never forgets: a fault that comes again is found again. The value gap, the slow gap and the seasonal
residual look at each feature for itself, go on learning, and see what is new, what creeps, and what comes at the wrong
time of day.

A member's level is the score that has the severity `_LEVEL` by windows that were held back, and no less than what did
best on the Numenta Anomaly Benchmark, with one parameter set for all its files: a history in which little is new says
little of what is rare.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Detector, Follower
from anomaly.severity.calibration import calibrate
from anomaly.windows.arrays import Floats, Times

# A severity, once in 1,000 days: well beyond where periods open, as how far tails reach there decides who is heard.
_LEVEL = 87.5
_LEAST_LEVELS = {"gap": 0.04, "slow_gap": 3.0, "seasonal": 11.0}
# Of the forest when history is short: its score is then a surprise (`anomaly.detectors.wrappers.running_tail`).
_LEAST_SURPRISE = 16.0
MEMBERS = (*_LEAST_LEVELS, "isolation_forest")


def levels(held_back: Floats, windows_per_day: float, *, long: bool) -> Floats:
    """The members' levels (m,), by their scores (n, m) of windows that were held back, which may be none. long: see
    `History`."""
    least = np.array([*_LEAST_LEVELS.values(), 0.0 if long else _LEAST_SURPRISE])
    if not len(held_back):
        return least
    rare = [calibrate(scores).score_at(_LEVEL, windows_per_day) for scores in held_back.T]
    return np.asarray(np.maximum(rare, least))


class Ensemble:
    """members: fitted, by name. levels: (m,)."""

    def __init__(self, members: Mapping[str, Detector], levels: Floats) -> None:
        self.members = members
        self.levels = levels

    @property
    def adds_up(self) -> bool:
        """Most members do, and runs of windows are theirs to find."""
        return True

    def follow(self, row: int, state: Any = None) -> "EnsembleFollower":
        """See `Detector.follow`."""
        states = [None] * len(self.members) if state is None else state
        return EnsembleFollower(
            [member.follow(row, mine) for member, mine in zip(self.members.values(), states, strict=True)], self.levels
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The members' arrays, their names and their levels."""
        arrays = {name: array for member in self.members.values() for name, array in member.arrays().items()}
        return {**arrays, "ensemble_members": np.array(list(self.members)), "ensemble_levels": self.levels}


class EnsembleFollower:
    """The members on one series."""

    def __init__(self, followers: Sequence[Follower], levels: Floats) -> None:
        self._followers = followers
        self._levels = levels

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """See `Follower.explain`. Shares are those of the member with the greatest score."""
        explained = [follower.explain(begin_ns, x) for follower in self._followers]
        scores = np.stack([score for score, _ in explained], axis=1) / self._levels
        greatest = scores.argmax(axis=1)
        shares = np.stack([share for _, share in explained])[greatest, np.arange(len(x))]
        return scores.max(axis=1), shares

    def state(self) -> Any:
        """See `Follower.state`."""
        return [follower.state() for follower in self._followers]
