"""Slow gap: how far the mean over 48 windows lies from all such means before that do not overlap with it.

It finds shifts and drifts that no single window shows. It misses what is short. It is late by a part of its 48 windows.
It scores 0 for the first 48 windows after a pause, and until it knows how rare gaps are.

What is over still shows in the mean. So the score is also 0 once the last eight windows are back, that is, less than
half as far from the nearest mean as all 48 were lately.

Reference: novelty is the distance to the nearest neighbour, as in Ramaswamy, Rastogi and Shim, "Efficient Algorithms
for Mining Outliers from Large Data Sets", SIGMOD 2000; here of a moving average, and as a surprise
(`anomaly.detectors.parts.surprise`).

Example:
    A shift by one deviation of the noise scores high in the mean, although no single value is odd.

    >>> import numpy as np
    >>> from anomaly.detectors.parts.channel import Setting
    >>> from anomaly.detectors.slow_gap import SlowGap
    >>> minute = 60_000_000_000
    >>> values = np.random.default_rng(0).normal(0.0, 1.0, 3_000)
    >>> values[2_900:] += 2.0
    >>> channel = SlowGap(Setting(minute))
    >>> scores = [channel.feed(at * minute, value) for at, value in enumerate(values.tolist())]
    >>> max(scores[2_900:]) > 2 * max(scores[1_000:2_900])
    True
"""

from collections import deque
from itertools import islice
from typing import Any

from anomaly.detectors.parts import featurewise
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.novelty import Novelty
from anomaly.detectors.parts.surprise import Surprise
from anomaly.pipeline.detectors import Description

_AVERAGED = 48
_LATEST = 8
_BACK = 0.5
_KEPT = 0.8
# A mean that was not seen for this long and for this many windows is new again; what comes each fortnight is not.
_KEPT_NS = 17 * 86_400_000_000_000
_KEPT_WINDOWS = 5_000


class SlowGap:
    """One feature of one series."""

    __slots__ = ("_deviation", "_gaps", "_means", "_novelty", "_side", "_surprise", "_total", "_values")

    def __init__(self, setting: Setting) -> None:
        self._side = setting.side
        self._novelty = Novelty(_kept_ns(setting.window_ns))
        self._surprise = Surprise()
        self._gaps = 0.0
        # How far the means were lately from the nearest earlier ones.
        self._deviation = 0.0
        self._values: deque[float] = deque()
        self._total = 0.0
        # Means that overlap with the next one: (begin, mean).
        self._means: deque[tuple[int, float]] = deque()

    def feed(self, begin_ns: int, value: float) -> float:
        """Score the next window, as `Channel.feed` says."""
        self._values.append(value)
        self._total += value
        if len(self._values) < _AVERAGED:
            return 0.0
        if len(self._values) > _AVERAGED:
            self._total -= self._values.popleft()
        mean = self._total / _AVERAGED
        self._gaps = _KEPT * self._gaps + self._novelty.gap(mean, self._side)
        is_over = self._is_over(mean)
        self._means.append((begin_ns, mean))
        if len(self._means) > _AVERAGED:
            self._novelty.add(*self._means.popleft())
        surprise = self._surprise.feed(self._gaps)
        return 0.0 if is_over else surprise

    def _is_over(self, mean: float) -> bool:
        """Tell whether what still shows in the mean is over."""
        nearest = self._novelty.nearest(mean)
        if nearest is None:
            return False
        self._deviation += (1.0 - _KEPT) * (mean - nearest - self._deviation)
        latest = sum(islice(reversed(self._values), _LATEST)) / _LATEST
        return (latest - nearest) * self._deviation < _BACK * self._deviation**2

    def pause(self) -> None:
        """Begin the mean anew: windows before and after the missing ones do not belong together."""
        for begin_ns, mean in self._means:
            self._novelty.add(begin_ns, mean)
        self._means.clear()
        self._values.clear()
        self._total = self._gaps = self._deviation = 0.0

    def state(self) -> Any:
        """Return what is remembered, for JSON."""
        return [
            self._gaps,
            self._deviation,
            list(self._values),
            self._total,
            list(self._means),
            self._novelty.state(),
            self._surprise.state(),
        ]

    @classmethod
    def from_state(cls, setting: Setting, state: Any) -> "SlowGap":
        """Make a channel from a former `state`, as `Channel.from_state` says."""
        slow = cls(setting)
        gaps, deviation, values, total, means, novelty, surprise = state
        slow._gaps, slow._deviation, slow._total = float(gaps), float(deviation), float(total)
        slow._values = deque(float(value) for value in values)
        slow._means = deque((int(begin_ns), float(mean)) for begin_ns, mean in means)
        slow._novelty = Novelty.from_state(novelty, _kept_ns(setting.window_ns))
        slow._surprise = Surprise.from_state(surprise)
        return slow


def _kept_ns(window_ns: int) -> int:
    return max(_KEPT_NS, _KEPT_WINDOWS * window_ns)


DECLARATION = featurewise.declare(
    Description(
        name="slow_gap",
        summary="how far the mean over 48 windows lies from all such means before",
        sees="shifts and drifts that no single window shows",
        misses="what is shorter than some windows; is silent for 48 windows after a pause",
        remembers="means of 48 windows, of 17 days or 5,000 windows",
    ),
    SlowGap,
)
