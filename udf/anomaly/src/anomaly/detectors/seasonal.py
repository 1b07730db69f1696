"""Seasonal residual: how far the last six windows are, on average, from the baseline of this hour; as a surprise.

It finds the usual value at the unusual time, in series that follow the day or another season, such as a week or the
cycle of a machine. Up to a day, a season has 24 parts. A longer one is cut into its hours, up to those of a week.
Seasons of whole days follow the clock on the wall of the pipeline's `timezone`; others are counted in UTC.
The detector needs several seasons (`anomaly.detectors.parts.baseline`). It misses single windows, which
`anomaly.detectors.seasonal_gap` finds. The score is 0 once the last three windows are back. In a period it is also 0
once the last two are nearer to the baseline than to the level of the period, or the last four are usual on average. A
single far window does not move a baseline far.
`anomaly.detectors.parts.loops.Seasonals` computes it.

A pipeline may name several seasons, such as a day and a week. An hour is then compared with the same hour of the week
once it was seen in an earlier week, and with the same hour of the day until then. So one week of history is enough to
begin, and Sundays are Sundays from the second week on. In that second week the nearer of both counts, as an hour of a
single week is few windows, which noise or a fault may fill.

Reference: the residual from seasonal means is that of classical decomposition, as in Hyndman and Athanasopoulos,
"Forecasting: Principles and Practice", 3rd edition, section 3.4; its rarity is a surprise
(`anomaly.detectors.parts.surprise`).

Example:
    Noon's value at midnight is within the usual range, and scores high.

    >>> import numpy as np
    >>> from anomaly.detectors.parts.channel import Setting
    >>> from anomaly.detectors.seasonal import KIND
    >>> ten_minutes, day = 600_000_000_000, 144
    >>> swing = np.sin(np.arange(7 * day) * 2 * np.pi / day)
    >>> swing[6 * day :] *= -1
    >>> followers = KIND.followers([Setting(ten_minutes)], capacity=1)
    >>> place, begin_ns = np.zeros(7 * day, dtype=int), np.arange(7 * day) * ten_minutes
    >>> scores, _ = followers.explain(place, begin_ns, swing[:, None])
    >>> bool(max(scores[6 * day : 6 * day + 48]) > 2 * max(scores[2 * day : 6 * day]))
    True
"""

import numpy as np

from anomaly.detectors.parts import baseline, featurewise, surprise
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.loops import RESIDUALS, Seasonals
from anomaly.detectors.parts.memory import MemoryField
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray
from anomaly.windows.civil import CivilTime


def _fields(setting: Setting) -> tuple[MemoryField, ...]:
    return (
        # The last residuals, the latest at the end; 0 before the first one after a pause.
        MemoryField("residuals", np.float64, RESIDUALS),
        *baseline.fields(setting),
        # How many of the next averages hold a window that is not to be learnt.
        MemoryField("stained", np.uint8, most=RESIDUALS),
        *surprise.FIELDS,
    )


def _loop(flat: dict[str, AnyArray], settings: list[Setting], longest_ns: int, civil: CivilTime) -> featurewise.Loop:
    loop: featurewise.Loop = Seasonals(flat, settings, longest_ns, *baseline.arguments(settings[0], civil))
    return loop


KIND = featurewise.ChannelKind("seasonal", _fields, _loop)
DECLARATION = featurewise.declare(
    Description(
        name="seasonal",
        summary="how far the last six windows are from the baseline of this hour",
        sees="the usual value at the unusual hour (UTC or `timezone`), or at the wrong time of the `seasonality`",
        misses="single windows, and much of the first time that it sees an hour",
        remembers="each hour's mean, of 14 days",
        feature_bytes=3_072,
        part_bytes=16,
    ),
    KIND,
)
