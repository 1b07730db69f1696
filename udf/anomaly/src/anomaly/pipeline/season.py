"""Into how many parts a season is cut, each of which has a baseline of its own."""

from anomaly.nanoseconds import HOUR_NS

# A season has as many parts as a day has hours, and a long one those of a week at most.
LEAST_PARTS, _MOST_PARTS = 24, 168


def season_parts(season_ns: int) -> int:
    """Return into how many parts a season is cut.

    Args:
        season_ns: its length in nanoseconds.
    """
    return min(max(season_ns // HOUR_NS, LEAST_PARTS), _MOST_PARTS)
