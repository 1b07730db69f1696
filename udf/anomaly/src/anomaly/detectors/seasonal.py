"""Seasonal residual: how far the last six windows are, on average, from what is usual at this hour of the day; and how
rare that is.

Sees the usual value at the unusual time, in series that follow the day (UTC). Needs days: an hour that was not seen yet
says nothing. Misses single windows.
"""

import math
from collections import deque
from typing import Any

from anomaly.detectors.channel import Setting
from anomaly.detectors.surprise import Surprise

_HOUR_NS = 3_600_000_000_000
_HOURS = 24
# An hour's usual value is the mean of this many days, and then follows slowly.
_DAYS = 14
_AVERAGED = 6


class Seasonal:
    """One feature of one series."""

    __slots__ = ("_counts", "_means", "_most", "_residuals", "_side", "_surprise")

    def __init__(self, setting: Setting) -> None:
        self._side = setting.side
        self._most = max(1.0, _DAYS * _HOUR_NS / setting.window_ns)
        self._means = [0.0] * _HOURS
        self._counts = [0.0] * _HOURS
        self._residuals: deque[float] = deque(maxlen=_AVERAGED)
        self._surprise = Surprise()

    def feed(self, begin_ns: int, value: float) -> float:
        """The score of the next window."""
        # Far outliers must not decide what is usual.
        value = math.asinh(value)
        hour = begin_ns // _HOUR_NS % _HOURS
        count = self._counts[hour]
        self._residuals.append(value - self._means[hour] if count else 0.0)
        self._counts[hour] = count = min(count + 1.0, self._most)
        self._means[hour] += (value - self._means[hour]) / count
        residual = math.fsum(self._residuals) / _AVERAGED
        return self._surprise.feed(max(self._side * residual, 0.0) if self._side else abs(residual))

    def pause(self) -> None:
        """Windows are missing: the average begins anew."""
        self._residuals.clear()

    def state(self) -> Any:
        """For JSON."""
        return [self._means, self._counts, list(self._residuals), self._surprise.state()]

    @classmethod
    def from_state(cls, setting: Setting, state: Any) -> "Seasonal":
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        seasonal = cls(setting)
        means, counts, residuals, surprise = state
        if len(means) != _HOURS or len(counts) != _HOURS:
            raise ValueError(f"{len(means)} means, {len(counts)} counts for {_HOURS} hours")
        seasonal._means, seasonal._counts = [float(mean) for mean in means], [float(count) for count in counts]
        seasonal._residuals.extend(float(residual) for residual in residuals)
        seasonal._surprise = Surprise.from_state(surprise)
        return seasonal
