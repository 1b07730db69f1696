"""What a channel, one feature of one series, is told beforehand."""

from dataclasses import dataclass

from anomaly.nanoseconds import DAY_NS


@dataclass(frozen=True, slots=True)
class Setting:
    """What a channel is told beforehand.

    Attributes:
        window_ns: length of a window, nanoseconds.
        side: 1 if only greater values than the baseline count, -1 if only smaller ones, 0 if both do. Features are
            one-sided already (`anomaly.models.relevance`); sums and means of them are not.
        season_ns: length of the season, nanoseconds; of several, the shortest one.
        longer_ns: lengths of the longer seasons, nanoseconds, in ascending order.
    """

    window_ns: int
    side: int = 0
    season_ns: int = DAY_NS
    longer_ns: tuple[int, ...] = ()

    @property
    def seasons_ns(self) -> tuple[int, ...]:
        """Lengths of all seasons, nanoseconds, in ascending order."""
        return self.season_ns, *self.longer_ns
