"""Ensemble: the greatest of several detectors' scores, each in units of its own level.

The members see different things. The isolation forest knows what training has seen, all features together, and never
forgets. The value gap, the slow gap and the seasonal residual look at each feature for itself, go on learning, and see
what is new, what creeps, and what comes at the wrong time of day. At its level each says "anomalous"; the levels were
chosen on the Numenta Anomaly Benchmark, with one parameter set for all its files, and how rare a score is in a pipeline
is the calibration's to say.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Detector, Floats, Follower, Times


class Ensemble:
    """members: fitted, in the order of MEMBERS."""

    MEMBERS: ClassVar[dict[str, float]] = {"gap": 0.037, "slow_gap": 3.5, "seasonal": 10.2}
    """The members' levels."""

    def __init__(self, members: Sequence[Detector]) -> None:
        self._members = members

    def follow(self, row: int, state: Any = None) -> "EnsembleFollower":
        """See `Detector.follow`."""
        states = [None] * len(self._members) if state is None else state
        return EnsembleFollower(
            [member.follow(row, mine) for member, mine in zip(self._members, states, strict=True)],
            list(self.MEMBERS.values()),
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The members' arrays."""
        return {name: array for member in self._members for name, array in member.arrays().items()}


class EnsembleFollower:
    """The members on one series."""

    def __init__(self, followers: Sequence[Follower], levels: Sequence[float]) -> None:
        self._followers = followers
        self._levels = levels

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """See `Follower.explain`. Shares are those of the member with the greatest score."""
        scores, shares = np.zeros(len(x)), np.empty(x.shape)
        for index, (follower, level) in enumerate(zip(self._followers, self._levels, strict=True)):
            score, share = follower.explain(begin_ns, x)
            score = score / level
            greater = score > scores if index else np.ones(len(x), dtype=np.bool_)
            scores = np.where(greater, score, scores)
            shares[greater] = share[greater]
        return scores, shares

    def state(self) -> Any:
        """See `Follower.state`."""
        return [follower.state() for follower in self._followers]
