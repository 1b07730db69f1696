"""Seasonal gap: how far a window's deviation from the baseline of its hour lies from all such deviations before.

It finds a single window whose value is usual, but not at this time of the day or of another season. What lasts for some
windows within the range of earlier deviations is left to `anomaly.detectors.seasonal`, which has such baselines, too
(`anomaly.detectors.parts.baseline`). It says nothing of an hour before the fourth season that has it: what two or three
days tell of how much days differ is too little, and a period, whose windows are not learnt, would last for the day.
Where there are several seasons, this is about the shortest one.

Deviations are of the inverse hyperbolic sine of the values, so that a far outlier moves a baseline, and widens the
range of deviations, by its order of magnitude only. A window is learnt whole.
`anomaly.detectors.parts.loops.SeasonalGaps` computes it.

Reference: novelty is the distance to the nearest neighbour, as in Ramaswamy, Rastogi and Shim, "Efficient Algorithms
for Mining Outliers from Large Data Sets", SIGMOD 2000; here of residuals from seasonal means, as in Hyndman and
Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, section 3.4, in units of their range so far.

Example:
    At six o'clock one window has the value of eighteen o'clock, which is within the usual range, and scores high.

    >>> import numpy as np
    >>> from anomaly.detectors.parts.channel import Setting
    >>> from anomaly.detectors.seasonal_gap import KIND
    >>> ten_minutes, day = 600_000_000_000, 144
    >>> swing = np.sin(np.arange(7 * day) * 2 * np.pi / day)
    >>> swing[6 * day + 36] *= -1
    >>> followers = KIND.followers([Setting(ten_minutes)], capacity=1)
    >>> place, begin_ns = np.zeros(7 * day, dtype=int), np.arange(7 * day) * ten_minutes
    >>> scores, _ = followers.explain(place, begin_ns, swing[:, None])
    >>> int(scores.argmax()) - 6 * day, bool(scores.max() > 10 * np.sort(scores[2 * day :])[-2])
    (36, True)
"""

import numpy as np

from anomaly.detectors.parts import baseline, featurewise, novelty
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.loops import SeasonalGaps
from anomaly.detectors.parts.memory import MemoryField
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray
from anomaly.windows.civil import CivilTime

# Fewer than `gap` keeps: only a residual that is a tenth of the range away from all others is far.
_MOST_RESIDUALS = 64


def _fields(setting: Setting) -> tuple[MemoryField, ...]:
    return (
        *baseline.fields(setting),
        # The last residual, which waits to be learnt.
        MemoryField("residual", np.float32),
        *novelty.fields(_MOST_RESIDUALS, forgets=False),
    )


def _loop(flat: dict[str, AnyArray], settings: list[Setting], longest_ns: int, civil: CivilTime) -> featurewise.Loop:
    loop: featurewise.Loop = SeasonalGaps(flat, settings, *baseline.arguments(settings[0], civil))
    return loop


KIND = featurewise.ChannelKind("seasonal_gap", _fields, _loop)
DECLARATION = featurewise.declare(
    Description(
        name="seasonal_gap",
        summary="how far a window's deviation from the baseline of its hour lies from all such deviations before",
        sees="a single window with the usual value at the unusual hour, or at the wrong time of the `seasonality`",
        misses="what deviates as much as something before; any hour in the first three seasons that have it",
        remembers="each hour's mean, of 14 days; all deviations, thinned",
        feature_bytes=704,
        part_bytes=16,
    ),
    KIND,
)
