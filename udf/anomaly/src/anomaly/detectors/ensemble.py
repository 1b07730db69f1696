"""Ensemble: the greatest of several detectors' scores, each in units of its own level, at which it says "anomalous".

The members see different things. The isolation forest knows what training has seen, all features together, and never
forgets: a fault that comes again is found again. The value gap, the slow gap and the seasonal residual look at each
feature for itself, go on learning, and see what is new, what creeps, and what comes at the wrong time of day.

How much history there is decides how they are put together. With `LONG` windows of each series or more, a member's
level is the score that is as rare in windows that were held back as one in `_LEVEL_DAYS` days. With less, a forest does
not know yet what is usual, and rarity is a guess: the forest is left out, and the others have the levels that did best
on the Numenta Anomaly Benchmark, whose histories are short, with one parameter set for all its files.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.calibration import calibrate
from anomaly.detectors.base import Detector, Floats, Follower, Times

LONG = 5_000
_LEVEL_DAYS = 10.0
# With little history, and in the order in which members are kept.
_SHORT_LEVELS = {"gap": 0.04, "slow_gap": 3.5, "seasonal": 10.2}
_FOREST = "isolation_forest"


def members(windows: int) -> tuple[str, ...]:
    """The names of the members with a history of so many windows of each series."""
    return (*_SHORT_LEVELS, _FOREST) if windows >= LONG else tuple(_SHORT_LEVELS)


def levels(names: Sequence[str], held_back: Floats, windows_per_day: float) -> Floats:
    """The members' levels (m,), by their scores (n, m) of windows that were held back."""
    if _FOREST not in names:
        return np.array([_SHORT_LEVELS[name] for name in names])
    severity = 50.0 + 12.5 * np.log10(_LEVEL_DAYS)
    return np.array(
        [
            max(calibrate(scores).score_at(severity, windows_per_day), _SHORT_LEVELS.get(name, 0.0))
            for name, scores in zip(names, held_back.T, strict=True)
        ]
    )


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
