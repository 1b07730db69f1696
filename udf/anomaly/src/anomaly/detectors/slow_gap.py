"""Slow gap: how far the mean over 48 windows lies from all such means before that do not overlap with it.

It finds shifts and drifts that no single window shows. It misses what is short. It is late by a part of its 48 windows.
It scores 0 for the first 48 windows after a pause, and until it knows how rare gaps are. It also scores 0 for 60
windows after a change of the clock, because a day of 25 hours has another mean than all days before.

What is over still shows in the mean. So the score is also 0 once the last eight windows are back, that is, less than
half as far from the nearest mean as all 48 were lately, or once the last three are less than a quarter as far. Where
windows of a period are most of what shows, it is 0 once the last three are nearer to the other windows than to those.

A rhythm shorter than 48 windows takes windows away from the mean and back, so in an open period the detector also
compares two stories: the period goes on, or it ended three to twelve windows ago. In each of them the windows of the
period are shifted by what makes the mean deviate. The better story is the one whose windows, without that shift, are
more like those some windows before, at the best lag. If a single window makes most of the deviation, the score is 0.
When a period has been closed, it is 0 until the period's windows have left the mean.
`anomaly.detectors.parts.loops.SlowGaps` computes it.

Reference: novelty is the distance to the nearest neighbour, as in Ramaswamy, Rastogi and Shim, "Efficient Algorithms
for Mining Outliers from Large Data Sets", SIGMOD 2000; here of a moving average, and as a surprise
(`anomaly.detectors.parts.surprise`).

Example:
    A shift by one deviation of the noise scores high in the mean, although no single value is odd.

    >>> import numpy as np
    >>> from anomaly.detectors.parts.channel import Setting
    >>> from anomaly.detectors.slow_gap import KIND
    >>> minute = 60_000_000_000
    >>> values = np.random.default_rng(0).normal(0.0, 1.0, 3_000)
    >>> values[2_900:] += 2.0
    >>> followers = KIND.followers([Setting(minute)], capacity=1)
    >>> place, begin_ns = np.zeros(3_000, dtype=int), np.arange(3_000) * minute
    >>> scores, _ = followers.explain(place, begin_ns, values[:, None])
    >>> bool(max(scores[2_900:]) > 2 * max(scores[1_000:2_900]))
    True
"""

import numpy as np

from anomaly.detectors.parts import featurewise, novelty, surprise
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.loops import MEANS, SlowGaps
from anomaly.detectors.parts.memory import Marks, MemoryField
from anomaly.nanoseconds import DAY_NS, SECOND_NS
from anomaly.pipeline.detectors import Description
from anomaly.pipeline.timezone import clock_change_ns
from anomaly.windows.arrays import AnyArray, Floats, Ints, Times
from anomaly.windows.civil import CivilTime

_MOST_MEANS = 384
# This many windows after a change of the clock, neither the means nor how far they were lately from others know of it.
_SETTLES = MEANS + 12
# A mean that was not seen for this long and for this many windows is new again; what comes each fortnight is not.
_KEPT_NS = 17 * DAY_NS
_KEPT_WINDOWS = 5_000


def _kept_ns(setting: Setting) -> int:
    return max(_KEPT_NS, _KEPT_WINDOWS * setting.window_ns)


def _fields(setting: Setting) -> tuple[MemoryField, ...]:
    return (
        MemoryField("filled", np.int64, most=2**62),
        # The last values and their sum.
        MemoryField("ring", np.float64, MEANS),
        MemoryField("total", np.float64),
        # The means that overlap with the next one, and that one; with the seconds since 1970 at which they begin.
        MemoryField("means", np.float32, MEANS + 1),
        MemoryField("times_s", np.uint32, MEANS + 1),
        MemoryField("gaps", np.float64),
        # How far the means were lately from the nearest earlier ones.
        MemoryField("deviation", np.float64),
        # How many of the next means hold a value that is not to be learnt; 1 for each of the last values that is one.
        MemoryField("stained", np.uint8, most=MEANS),
        MemoryField("apart", np.uint8, MEANS),
        *novelty.fields(_MOST_MEANS, forgets=True),
        *surprise.FIELDS,
    )


def _loop(flat: dict[str, AnyArray], settings: list[Setting], longest_ns: int, civil: CivilTime) -> featurewise.Loop:
    loop: featurewise.Loop = SlowGaps(flat, settings, longest_ns, _kept_ns(settings[0]) // SECOND_NS)
    window_ns, change_ns = settings[0].window_ns, clock_change_ns(civil.name)
    # The clock may never change, as in UTC. Windows that do not follow it stay as they were after a change.
    follows_clock = change_ns > 0 and change_ns % window_ns == 0
    return _Settling(loop, civil, _SETTLES * window_ns) if follows_clock else loop


class _Settling:
    """A loop that scores 0 for a while after each change of the clock, as its means hold windows from before it.

    Args:
        loop: the loop.
        civil: the clock on the wall.
        span_ns: how long it does: a mean, and the windows before it that tell how far means lately were from others.
    """

    def __init__(self, loop: featurewise.Loop, civil: CivilTime, span_ns: int) -> None:
        self._loop = loop
        self._civil = civil
        self._span_ns = span_ns

    def explain(self, place: Ints, begin_ns: Times, x: Floats, scores: Floats, unlearnt: Marks) -> None:
        """Write the channels' scores, as `Loop.explain` says."""
        self._loop.explain(place, begin_ns, x, scores, unlearnt)
        scores[self._civil.changed(begin_ns, self._span_ns)] = 0.0

    def restored(self, channels: Ints) -> None:
        """Compute what is not stored of channels."""
        self._loop.restored(channels)


KIND = featurewise.ChannelKind("slow_gap", _fields, _loop)
DECLARATION = featurewise.declare(
    Description(
        name="slow_gap",
        summary="how far the mean over 48 windows lies from all such means before",
        sees="shifts and drifts that no single window shows",
        misses=(
            "what is shorter than some windows; is silent for 48 windows after a pause or a period, and for 60 after a "
            "change of the clock"
        ),
        remembers="means of 48 windows, of 17 days or 5,000 windows",
        feature_bytes=6_144,
    ),
    KIND,
)
