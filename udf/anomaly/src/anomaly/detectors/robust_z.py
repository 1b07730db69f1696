"""Robust z: how many spreads the worst feature is away from its median.

A spread is 1.4826 times training's median absolute deviation. Features come centred and scaled that way
(`anomaly.models.features`), so there is nothing to fit. It finds values far from the baseline, and costs next to
nothing. It misses what lies between modes, what is odd only together or only at this time; heavy tails look anomalous
to it.

Reference: Iglewicz and Hoaglin, "How to Detect and Handle Outliers", ASQC Basic References in Quality Control 16, 1993.

Example:
    The score is that of the feature that is furthest away, on whatever side.

    >>> import numpy as np
    >>> from anomaly.detectors.robust_z import RobustZ
    >>> scores, shares = RobustZ().explain(np.array([[0.5, -0.5], [1.0, -7.0]]))
    >>> scores.tolist(), shares.round(2).tolist()
    ([0.5, 7.0], [[0.5, 0.5], [0.02, 0.98]])
"""

import numpy as np

from anomaly.detectors.base import Memoryless
from anomaly.detectors.declaration import Declaration, Fitted
from anomaly.detectors.parts.shares import shares
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray, Floats


class RobustZ(Memoryless):
    """The detector, which has no state at all."""

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """Score windows; shares go by the squares, as the parts of a distance do."""
        return np.abs(x).max(axis=1), shares(_square(x))

    def arrays(self) -> dict[str, AnyArray]:
        """Return nothing: there is nothing to store."""
        return {}


def _square(x: Floats) -> Floats:
    # Relative to the greatest, so that nothing overflows.
    greatest = np.abs(x).max(axis=1, keepdims=True)
    return np.asarray((x / np.where(greatest > 0, greatest, 1.0)) ** 2)


DECLARATION = Declaration(
    description=Description(
        name="robust_z",
        summary="how many spreads the worst feature is away from its median",
        sees="values far from the median",
        misses="gaps between modes, combinations, time; heavy tails look odd to it",
    ),
    fit=lambda request: Fitted(RobustZ()),
    load=lambda arrays: RobustZ(),
)
