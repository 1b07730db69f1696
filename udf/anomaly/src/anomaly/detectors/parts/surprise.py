"""How rare a number is among those before it: -ln of its tail probability, learnt as it goes.

Up to the 98 % quantile u of the past, the probability is the share of numbers at least as great. Beyond u it goes on as
an exponential with the mean excess of the numbers beyond u. The past is kept as counts in cells that grow with the
number, so that memory does not grow with time. The tail is fitted anew after each 100 numbers; the surprise of the
first `WARM_UP` numbers is 0. After 65,000 numbers the past counts half.

Where the tail belongs to a detector whose scores a fault must not move far, a number joins the past as at most
`most_excess` mean excesses beyond u.

`anomaly.detectors.parts.loops.Surprises` computes it.

Reference: peaks over threshold, Pickands, "Statistical Inference Using Extreme Order Statistics", Annals of Statistics
3 (1), 1975; the exponential is the generalized Pareto distribution of shape 0.
"""

import numpy as np

from anomaly.detectors.parts.loops import BEYOND, CELLS, EVERY
from anomaly.detectors.parts.memory import MemoryField

WARM_UP = 100
# 2,062 bytes: counts and the cells of the numbers since the last fit; then what the fit computes from them.
FIELDS = (
    MemoryField("counts", np.uint16, CELLS, sparse=True, beyond=BEYOND),
    MemoryField("fresh", np.uint8, most=EVERY - 1),
    MemoryField("recent", np.uint16, EVERY - 1, length="fresh", most=CELLS - 1),
    MemoryField("fitted", np.int32, stored=False),
    MemoryField("top", np.int32, stored=False),
    MemoryField("beyond", np.int32, stored=False),
    MemoryField("most_cell", np.int32, stored=False),
    MemoryField("u", np.float64, stored=False),
    MemoryField("excess", np.float64, stored=False),
)
