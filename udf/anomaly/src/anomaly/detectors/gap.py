"""Value gap: how far a value lies from all values before, summed over the last minutes.

It finds what never was: values beyond the range, and values between the modes. It misses what was there once, such as
the usual value at an unusual time, or a fault that comes again and opened no period when it came first.

The sum is leaky: one window later, 0.97 of a window's part is left, and all earlier windows together add at most 0.1.
It ends where windows are missing, and after a window that a change of the clock made longer or shorter. Once a value is
back, nearer to the values before than to what was new, the score is at most ten times the window's own part: what is
over shows no longer. In a period, the sum itself is at most that, so what a period has summed up opens no other.
`anomaly.detectors.parts.loops.Gaps` computes it.

Reference: novelty is the distance to the nearest neighbour, as in Ramaswamy, Rastogi and Shim, "Efficient Algorithms
for Mining Outliers from Large Data Sets", SIGMOD 2000; here of one feature, in units of its range so far.

Example:
    A value that was never seen scores high once; when it comes again outside of a period, it is usual.

    >>> import numpy as np
    >>> from anomaly.detectors.gap import KIND
    >>> from anomaly.detectors.parts.channel import Setting
    >>> minute = 60_000_000_000
    >>> followers = KIND.followers([Setting(minute)], capacity=1)
    >>> place, begin_ns = np.zeros(6, dtype=int), np.array([0, 1, 2, 3, 4, 90]) * minute
    >>> scores, _ = followers.explain(place, begin_ns, np.array([[0.0, 1.0, 0.0, 1.0, 4.0, 4.0]]).T)
    >>> scores.round(2).tolist()
    [0.0, 1.0, 0.0, 0.1, 3.09, 0.0]
"""

import numpy as np

from anomaly.detectors.parts import featurewise, novelty
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.loops import Gaps
from anomaly.detectors.parts.memory import MemoryField
from anomaly.detectors.parts.odd import Forgetting
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray
from anomaly.windows.civil import PLAIN, CivilTime

_MOST_VALUES = 384


def _fields(setting: Setting) -> tuple[MemoryField, ...]:
    return (
        MemoryField("total", np.float64),
        # The last value that was new, and the nearest one before it: between the two is what tells that it is over.
        MemoryField("novel", np.float64),
        MemoryField("edge", np.float64),
        # The last value, which waits to be learnt.
        MemoryField("last", np.float64),
        *novelty.fields(_MOST_VALUES, forgets=False),
    )


def _loop(flat: dict[str, AnyArray], settings: list[Setting], longest_ns: int, civil: CivilTime) -> featurewise.Loop:
    loop: featurewise.Loop = Gaps(flat, settings, longest_ns)
    return loop if civil is PLAIN else Forgetting(loop, civil, flat["total"])


KIND = featurewise.ChannelKind("gap", _fields, _loop)
DECLARATION = featurewise.declare(
    Description(
        name="gap",
        summary="how far a value lies from all values before",
        sees="values that never were, beyond the range and between the modes",
        misses="the usual value at the wrong time; what came before and opened no period",
        remembers="all values, thinned",
        feature_bytes=2_048,
    ),
    KIND,
)
