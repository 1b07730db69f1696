"""What a channel, one feature of one series, is told beforehand."""

from dataclasses import dataclass

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """What a channel is told beforehand.

    Attributes:
        window_ns: length of a window, nanoseconds.
        side: 1 if only greater values than the baseline count, -1 if only smaller ones, 0 if both do. Features are
            one-sided already (`anomaly.models.relevance`); sums and means of them are not.
        season_ns: length of the season, nanoseconds.
    """

    window_ns: int
    side: int = 0
    season_ns: int = DAY_NS
