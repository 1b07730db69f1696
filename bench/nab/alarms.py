"""From scores to alarms: a level, a hold-off, and fatigue.

A score that reaches the level is an alarm. For a fixed number of points there is no other alarm, and for a while after
that it takes a higher score: each alarm raises the level by a factor, which decays. Whoever is alarmed once does not
want to hear of it again, and a false alarm costs as much each time it is repeated. All detectors and files have one
policy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Floats


@dataclass(frozen=True)
class Policy:
    """How scores become alarms.

    Attributes:
        hold_off: how many points after an alarm have no other.
        fatigue: the factor by which an alarm raises the level.
        decay: how many points later a raise has fallen to 1/e.
    """

    hold_off: int = 30
    fatigue: float = 3.0
    decay: float = 50.0

    def alarms(self, scores: Floats, level: float) -> NDArray[np.intp]:
        """Find the alarms, each decided from what was before.

        Args:
            scores: shape (n,).
            level: the score from which on there is an alarm.

        Returns:
            Indexes of the alarms, ascending.
        """
        alarms: list[int] = []
        raised, last = 1.0, 0
        for index in np.flatnonzero(scores >= level).tolist():
            if alarms and index < last + self.hold_off:
                continue
            now = 1.0 + (raised - 1.0) * np.exp(-(index - last) / self.decay) if alarms else 1.0
            if scores[index] >= level * now:
                alarms.append(index)
                raised, last = now * self.fatigue, index
        return np.array(alarms, dtype=np.intp)

    def emitted(self, scores: Floats, level: float) -> Floats:
        """Keep the scores of the alarms.

        Args:
            scores: shape (n,).
            level: the score from which on there is an alarm.

        Returns:
            Scores, shape (n,), 0 where there is no alarm.
        """
        emitted = np.zeros(len(scores))
        alarms = self.alarms(scores, level)
        emitted[alarms] = scores[alarms]
        return emitted
