"""From scores to alarms: a level, a hold-off, and fatigue.

A score that reaches the level is an alarm. Nothing else is one for a fixed number of points, and for a while after
that it takes more: each alarm raises the level by a factor, which decays. Whoever is alarmed once does not want to hear
of the same again, and a false alarm costs as much each time it is repeated. The same for all detectors and files.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Floats


@dataclass(frozen=True)
class Policy:
    """hold_off: points after an alarm without another. fatigue: what the level is multiplied by. decay: points in which
    the raise falls to 1/e."""

    hold_off: int = 30
    fatigue: float = 2.0
    decay: float = 75.0

    def alarms(self, scores: Floats, level: float) -> NDArray[np.intp]:
        """The indexes at which scores (n,) raise an alarm, each decided from what was before."""
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
        """Scores (n,) at the alarms, 0 elsewhere."""
        emitted = np.zeros(len(scores))
        alarms = self.alarms(scores, level)
        emitted[alarms] = scores[alarms]
        return emitted
