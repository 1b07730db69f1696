"""Seasonal residual: how far the last six windows are, on average, from what is usual at this hour of the day; and how
rare that is.

Sees the usual value at the unusual time, in series that follow the day (UTC), or another season: a week, the cycle of a
machine. Up to a day it has 24 parts; longer, its hours are the parts, up to those of a week. Needs seasons: in a part
that is seen for the first time, what was usual in the part before is, too, as a fault may be all that this one has
shown. Misses single windows.
"""

import math
from collections import deque
from typing import Any

from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.surprise import Surprise

_HOUR_NS = 3_600_000_000_000
_LEAST_PARTS, _MOST_PARTS = 24, 168
# A part's usual value is the mean of a fortnight, and of this many seasons at least, and then follows slowly.
_FORTNIGHT_NS = 14 * 24 * _HOUR_NS
_SEASONS = 4
_AVERAGED = 6


def parts(season_ns: int) -> int:
    """Into how many parts a season is cut."""
    return min(max(season_ns // _HOUR_NS, _LEAST_PARTS), _MOST_PARTS)


class Seasonal:
    """One feature of one series."""

    __slots__ = ("_counts", "_first", "_means", "_most", "_parts", "_residuals", "_season_ns", "_side", "_surprise")

    def __init__(self, setting: Setting) -> None:
        self._side = setting.side
        self._season_ns = setting.season_ns
        self._parts = parts(setting.season_ns)
        kept_ns = max(_FORTNIGHT_NS, _SEASONS * setting.season_ns)
        self._most = max(1.0, kept_ns / (self._parts * setting.window_ns))
        self._means = [0.0] * self._parts
        self._counts = [0.0] * self._parts
        # The season in which each part was seen first; negative: in none.
        self._first = [-1] * self._parts
        self._residuals: deque[float] = deque(maxlen=_AVERAGED)
        self._surprise = Surprise()

    def feed(self, begin_ns: int, value: float) -> float:
        """The score of the next window."""
        # Far outliers must not decide what is usual.
        value = math.asinh(value)
        season, since_ns = divmod(begin_ns, self._season_ns)
        part = since_ns * self._parts // self._season_ns
        if self._first[part] < 0:
            self._first[part] = season
        self._residuals.append(value - self._usual(part, value, new=season == self._first[part]))
        self._counts[part] = count = min(self._counts[part] + 1.0, self._most)
        self._means[part] += (value - self._means[part]) / count
        residual = math.fsum(self._residuals) / _AVERAGED
        return self._surprise.feed(max(self._side * residual, 0.0) if self._side else abs(residual))

    def _usual(self, part: int, value: float, *, new: bool) -> float:
        """What is usual in a part; where that is new, what is nearest to the value. Itself, where nothing was seen."""
        if not self._counts[part]:
            return value
        usual = self._means[part]
        if new and self._counts[part - 1]:
            return min(usual, self._means[part - 1], key=lambda mean: abs(value - mean))
        return usual

    def pause(self) -> None:
        """Windows are missing: the average begins anew."""
        self._residuals.clear()

    def state(self) -> Any:
        """For JSON."""
        return [self._means, self._counts, self._first, list(self._residuals), self._surprise.state()]

    @classmethod
    def from_state(cls, setting: Setting, state: Any) -> "Seasonal":
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        seasonal = cls(setting)
        means, counts, first, residuals, surprise = state
        if not len(means) == len(counts) == len(first) == seasonal._parts:
            raise ValueError(
                f"{len(means)} means, {len(counts)} counts, {len(first)} seasons for {seasonal._parts} parts of one"
            )
        seasonal._means, seasonal._counts = [float(mean) for mean in means], [float(count) for count in counts]
        seasonal._first = [int(season) for season in first]
        seasonal._residuals.extend(float(residual) for residual in residuals)
        seasonal._surprise = Surprise.from_state(surprise)
        return seasonal
