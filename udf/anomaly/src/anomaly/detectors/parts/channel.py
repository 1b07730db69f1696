"""One feature of one series, followed by a detector that remembers: the interface, and its settings."""

from dataclasses import dataclass
from typing import Any, Protocol, Self

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


class Channel(Protocol):
    """One feature of one series. Features are scaled (`anomaly.models.features`)."""

    def __init__(self, setting: Setting) -> None: ...

    def feed(self, begin_ns: int, value: float) -> float:
        """Score the next window, which then belongs to the past.

        Args:
            begin_ns: its begin, nanoseconds since 1970.
            value: its feature.

        Returns:
            A score of 0 or more, from what was before and the window itself.
        """
        ...

    def pause(self) -> None:
        """Take notice that windows are missing between the last and the next."""
        ...

    def state(self) -> Any:
        """Return what is remembered, for JSON."""
        ...

    @classmethod
    def from_state(cls, setting: Setting, state: Any) -> Self:
        """Make a channel that goes on from a state.

        Args:
            setting: what the former channel was told.
            state: what its `state` returned.

        Returns:
            The channel.

        Raises:
            TypeError: the state is of another form.
            ValueError: the state is of another form.
        """
        ...
