"""The baseline of each time of the seasons: the mean of the windows in a part of a season, of a fortnight or more.

A season of a day or less has 24 parts; a longer one has its hours, up to those of a week. A part's baseline is the mean
of the windows in it, and follows slowly after a fortnight, or after four seasons where that is more.

In a part that is seen for the first time, the baseline of the part before holds, too, as a fault may be all that the
new part has shown. `anomaly.detectors.parts.loops.Baselines` computes it.
"""

from typing import Any

import numpy as np

from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.memory import MemoryField
from anomaly.nanoseconds import HOUR_NS
from anomaly.pipeline.season import season_parts
from anomaly.windows.civil import PLAIN, CivilTime

_FORTNIGHT_NS = 14 * 24 * HOUR_NS
_SEASONS = 4


def fields(setting: Setting) -> tuple[MemoryField, ...]:
    """Return what is remembered of the baselines of a channel.

    Args:
        setting: what the channel is told.

    Returns:
        The fields.
    """
    count = sum(map(season_parts, setting.seasons_ns))
    return (
        # Each part's baseline, the number of windows in it, and the season in which it was seen first.
        MemoryField("means", np.float64, count),
        MemoryField("numbers", np.uint32, count),
        MemoryField("first", np.int32, count),
        # The last window, which waits to be learnt: its value, and its part and season for each length of a season.
        MemoryField("last", np.float64),
        MemoryField("last_parts", np.int32, len(setting.seasons_ns), most=count - 1),
        MemoryField("last_seasons", np.int32, len(setting.seasons_ns)),
    )


def arguments(setting: Setting, civil: CivilTime) -> tuple[Any, ...]:
    """Return the last arguments of `anomaly.detectors.parts.loops.Baselines`, from `most` on.

    Args:
        setting: what the channels are told.
        civil: the clock on the wall.

    Returns:
        `most`; with `wall_ns` and `longer` where there is another clock than UTC, or more than one season.
    """
    most = [_windows_of_mean(season_ns, setting.window_ns) for season_ns in setting.seasons_ns]
    longer = [*zip(map(season_parts, setting.seasons_ns), most, strict=True)][1:]
    # One season of UTC, the default, needs neither of the two.
    return (most[0],) if civil is PLAIN and not longer else (most[0], civil.wall_ns, longer)


def _windows_of_mean(season_ns: int, window_ns: int) -> float:
    """Return of how many windows a part's baseline is the mean."""
    # A season has at most one window in a part that is shorter than a window. A window may be longer than a season.
    between_ns = max(window_ns, min(season_ns, season_parts(season_ns) * window_ns))
    return max(_FORTNIGHT_NS, _SEASONS * max(season_ns, window_ns)) / between_ns
