"""One feature of one series, followed by what remembers it: the interface, and what it is told beforehand."""

from dataclasses import dataclass
from typing import Any, Protocol, Self

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """window_ns: a window's length. side: whether only greater (1) or only smaller (-1) features than usual count, or
    both (0); features themselves are one-sided already (`anomaly.models.relevance`), sums and means of them are not.
    season_ns: after how long what is usual recurs."""

    window_ns: int
    side: int = 0
    season_ns: int = DAY_NS


class Channel(Protocol):
    """One feature of one series. Features are scaled: see `anomaly.models.features`."""

    def __init__(self, setting: Setting) -> None: ...

    def feed(self, begin_ns: int, value: float) -> float:
        """The score of the next window, 0 or greater, from what was before and the window itself."""
        ...

    def pause(self) -> None:
        """Windows are missing between the last and the next."""
        ...

    def state(self) -> Any:
        """What is remembered, for JSON."""
        ...

    @classmethod
    def from_state(cls, setting: Setting, state: Any) -> Self:
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        ...
