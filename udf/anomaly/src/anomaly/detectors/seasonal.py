"""Seasonal residual: how far the last six windows are, on average, from the baseline of this hour; as a surprise.

It finds the usual value at the unusual time, in series that follow the day (UTC) or another season, such as a week or
the cycle of a machine. Up to a day, a season has 24 parts. A longer one is cut into its hours, up to those of a week.
The detector needs several seasons: in a part that is seen for the first time, the baseline of the part before holds,
too, as a fault may be all that the new part has shown. It misses single windows.

Reference: the residual from seasonal means is that of classical decomposition, as in Hyndman and Athanasopoulos,
"Forecasting: Principles and Practice", 3rd edition, section 3.4; its rarity is a surprise
(`anomaly.detectors.parts.surprise`).

Example:
    Noon's value at midnight is within the usual range, and scores high.

    >>> import math
    >>> from anomaly.detectors.parts.channel import Setting
    >>> from anomaly.detectors.seasonal import Seasonal
    >>> ten_minutes = 600_000_000_000
    >>> channel = Seasonal(Setting(ten_minutes))
    >>> swing = [math.sin(at * math.tau / 144) for at in range(6 * 144)]
    >>> scores = [channel.feed(at * ten_minutes, value) for at, value in enumerate(swing)]
    >>> odd = [channel.feed((6 * 144 + at) * ten_minutes, -swing[at]) for at in range(48)]
    >>> max(odd) > 2 * max(scores[2 * 144 :])
    True
"""

import math
from collections import deque
from typing import Any

from anomaly.detectors.parts import featurewise
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.surprise import Surprise
from anomaly.pipeline.detectors import Description

_HOUR_NS = 3_600_000_000_000
_LEAST_PARTS, _MOST_PARTS = 24, 168
# A part's baseline is the mean of a fortnight, and of this many seasons at least; then it follows slowly.
_FORTNIGHT_NS = 14 * 24 * _HOUR_NS
_SEASONS = 4
_AVERAGED = 6


def parts(season_ns: int) -> int:
    """Return into how many parts a season of this length, in nanoseconds, is cut."""
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
        # Number of the season in which each part was seen first; negative where it was not seen.
        self._first = [-1] * self._parts
        self._residuals: deque[float] = deque(maxlen=_AVERAGED)
        self._surprise = Surprise()

    def feed(self, begin_ns: int, value: float) -> float:
        """Score the next window, as `Channel.feed` says."""
        # A far outlier must not move the baseline far.
        value = math.asinh(value)
        season, since_ns = divmod(begin_ns, self._season_ns)
        part = since_ns * self._parts // self._season_ns
        if self._first[part] < 0:
            self._first[part] = season
        self._residuals.append(value - self._baseline(part, value, is_new=season == self._first[part]))
        self._counts[part] = count = min(self._counts[part] + 1.0, self._most)
        self._means[part] += (value - self._means[part]) / count
        residual = math.fsum(self._residuals) / _AVERAGED
        return self._surprise.feed(max(self._side * residual, 0.0) if self._side else abs(residual))

    def _baseline(self, part: int, value: float, *, is_new: bool) -> float:
        """Return the baseline of a part.

        Args:
            part: its number.
            value: the value that is compared with it, and the baseline where nothing was seen.
            is_new: whether this is the first season of the part; then the part before counts where it is nearer.

        Returns:
            The baseline.
        """
        if not self._counts[part]:
            return value
        baseline = self._means[part]
        if is_new and self._counts[part - 1]:
            return min(baseline, self._means[part - 1], key=lambda mean: abs(value - mean))
        return baseline

    def pause(self) -> None:
        """Begin the average anew: windows before and after the missing ones do not belong together."""
        self._residuals.clear()

    def state(self) -> Any:
        """Return what is remembered, for JSON."""
        return [self._means, self._counts, self._first, list(self._residuals), self._surprise.state()]

    @classmethod
    def from_state(cls, setting: Setting, state: Any) -> "Seasonal":
        """Make a channel from a former `state`, as `Channel.from_state` says."""
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


DECLARATION = featurewise.declare(
    Description(
        name="seasonal",
        summary="how far the last six windows are from the baseline of this hour",
        sees="the usual value at the unusual hour (UTC), or at the wrong time of the pipeline's `seasonality`",
        misses="single windows, and much of the first time that it sees an hour",
        remembers="each hour's mean, of 14 days",
        seasonal=True,
    ),
    Seasonal,
)
