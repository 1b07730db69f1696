"""What a score is worth that sees no data: random numbers with the detectors' hold-off, and regular alarms.

NAB's windows are a tenth of the data, and a false detection costs a ninth of a missed window: alarms now and then at
nothing are worth more than 0. A detector has to be compared with these floors, not with 0.
"""

from collections.abc import Sequence

import numpy as np

from anomaly.windows.arrays import Floats
from bench.nab.corpus import Series

DRAWS = 5
INTERVALS = range(100, 1_001, 50)


def random(corpus: Sequence[Series], draw: int) -> list[Floats]:
    """Draw uniform random scores.

    Args:
        corpus: all series.
        draw: number of the draw, which decides the scores.

    Returns:
        Scores of each series, shape (n,) each.
    """
    generator = np.random.default_rng(draw)
    return [generator.random(len(series)) for series in corpus]


def periodic(corpus: Sequence[Series], interval: int) -> list[Floats]:
    """Make regular alarms.

    Args:
        corpus: all series.
        interval: the distance between two alarms, in points.

    Returns:
        Scores of each series, shape (n,) each: 1 at an alarm, else 0.
    """
    return [(np.arange(len(series)) % interval == 0).astype(np.float64) for series in corpus]
