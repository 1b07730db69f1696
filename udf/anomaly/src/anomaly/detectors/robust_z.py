"""Robust z: how many spreads the worst feature is away from its median; a spread is 1.4826 times training's median
absolute deviation. Features come centred and scaled that way (`anomaly.models.features`), so there is nothing to fit.

Sees values far from the usual, and costs next to nothing. Misses what lies between modes, what is odd only together or
only at this time; heavy tails look anomalous to it.
"""

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Memoryless
from anomaly.detectors.parts.shares import shares
from anomaly.windows.arrays import Floats


class RobustZ(Memoryless):
    """Has no state at all."""

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """See `Memoryless.explain`. Shares go by the squares, as the parts of a distance do."""
        return np.abs(x).max(axis=1), shares(_square(x))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """None."""
        return {}


def _square(x: Floats) -> Floats:
    # Relative to the greatest, so that nothing overflows.
    greatest = np.abs(x).max(axis=1, keepdims=True)
    return np.asarray((x / np.where(greatest > 0, greatest, 1.0)) ** 2)
