"""Slow gap: the gap of the mean over 48 windows, to those means that do not overlap with it; and how rare that is.

Sees shifts and drifts that no single window shows. Misses what is short. It is late by a part of its 48 windows, and
says nothing for the first 48 windows after a pause, nor before it knows how rare gaps are.

What is over still shows in the mean. So it also says nothing once the last eight windows are back: less than half as
far from the nearest mean as all 48 were lately.
"""

from collections import deque
from itertools import islice
from typing import Any

from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.novelty import Novelty
from anomaly.detectors.parts.surprise import Surprise

_AVERAGED = 48
_LATEST = 8
_BACK = 0.5
_KEPT = 0.8
# A mean that was not seen for this long, and for so many windows, is new again; what comes each fortnight is not.
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
        # Of the means lately, from the nearest that were seen.
        self._deviation = 0.0
        self._values: deque[float] = deque()
        self._total = 0.0
        # Means that overlap with the next: (begin, mean).
        self._means: deque[tuple[int, float]] = deque()

    def feed(self, begin_ns: int, value: float) -> float:
        """The score of the next window."""
        self._values.append(value)
        self._total += value
        if len(self._values) < _AVERAGED:
            return 0.0
        if len(self._values) > _AVERAGED:
            self._total -= self._values.popleft()
        mean = self._total / _AVERAGED
        self._gaps = _KEPT * self._gaps + self._novelty.gap(mean, self._side)
        over = self._over(mean)
        self._means.append((begin_ns, mean))
        if len(self._means) > _AVERAGED:
            self._novelty.add(*self._means.popleft())
        surprise = self._surprise.feed(self._gaps)
        return 0.0 if over else surprise

    def _over(self, mean: float) -> bool:
        """Whether what shows in the means is over."""
        nearest = self._novelty.nearest(mean)
        if nearest is None:
            return False
        self._deviation += (1.0 - _KEPT) * (mean - nearest - self._deviation)
        latest = sum(islice(reversed(self._values), _LATEST)) / _LATEST
        return (latest - nearest) * self._deviation < _BACK * self._deviation**2

    def pause(self) -> None:
        """Windows are missing: the mean begins anew."""
        for begin_ns, mean in self._means:
            self._novelty.add(begin_ns, mean)
        self._means.clear()
        self._values.clear()
        self._total = self._gaps = self._deviation = 0.0

    def state(self) -> Any:
        """For JSON."""
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
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
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
