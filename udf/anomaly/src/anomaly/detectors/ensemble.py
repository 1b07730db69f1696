"""Ensemble: the greatest of several detectors' scores, each in units of its own level, at which it says "anomalous".

The members see different things. The isolation forest knows what training has seen, all features together, and never
forgets: a fault that comes again is found again. The value gap, the slow gap and the seasonal residual look at each
feature for itself, go on learning, and see what is new, what creeps, and what comes at the wrong time of day.

How much history there is decides their levels. With a long one, a member's level is the score that is as rare in
windows that were held back as one in `_LEVEL_DAYS` days. With a short one rarity is a guess; the levels are those that
did best on the Numenta Anomaly Benchmark, whose histories are short, with one parameter set for all its files.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.calibration import calibrate
from anomaly.detectors.base import Detector, Floats, Follower, Times

# Well beyond where periods open: how far tails reach there decides who is heard.
_LEVEL_DAYS = 1000.0
# With a short history; and the least with a long one, as a day in which little is new says little of what is rare.
_LEVELS = {"gap": 0.04, "slow_gap": 3.0, "seasonal": 11.0}
# Of the forest, whose score is then a surprise (`anomaly.detectors.running_tail`).
_SHORT_FOREST_LEVEL = 16.0
MEMBERS = (*_LEVELS, "isolation_forest")


def levels(held_back: Floats, windows_per_day: float, *, long: bool) -> Floats:
    """The members' levels (m,), by their scores (n, m) of windows that were held back. long: see `History`."""
    if not long:
        return np.array([*_LEVELS.values(), _SHORT_FOREST_LEVEL])
    severity = 50.0 + 12.5 * np.log10(_LEVEL_DAYS)
    rare = [calibrate(scores).score_at(severity, windows_per_day) for scores in held_back.T]
    return np.maximum(rare, [*_LEVELS.values(), 0.0])


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
