"""What a score is worth that looks at no data: random numbers with the same hold-off, and alarms at regular intervals.

NAB's windows are a tenth of the data, and a false detection costs a ninth of a missed window: firing now and then at
nothing is not worth 0. A detector has to be compared with these, not with 0.
"""

from collections.abc import Sequence

import numpy as np

from anomaly.windows.arrays import Floats
from bench.nab.corpus import Series

DRAWS = 5
INTERVALS = range(100, 1_001, 50)


def random(corpus: Sequence[Series], draw: int) -> list[Floats]:
    """Uniform random scores, (n,) for each series; each draw has its own, the same each time."""
    generator = np.random.default_rng(draw)
    return [generator.random(len(series)) for series in corpus]


def periodic(corpus: Sequence[Series], interval: int) -> list[Floats]:
    """1 at each `interval`th point, else 0; (n,) for each series."""
    return [(np.arange(len(series)) % interval == 0).astype(np.float64) for series in corpus]
