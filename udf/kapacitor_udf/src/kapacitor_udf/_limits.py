"""The bounds of one conversation: how much is kept, and for how long anyone is waited for.

Every bound is checked when it is declared, since a bound that makes no sense would show only when it is needed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Self

from ._errors import DeclarationError, check_number

LEAST_SECONDS, MOST_SECONDS = 0.001, 86_400.0
_MOST_POINTS = 10**9
_MOST_BYTES = 2**40
# Protobuf's own limit of a message.
_LARGEST_MESSAGE = 2**31 - 1


def check_tick(seconds: object) -> None:
    """Refuse a handler's `tick_seconds` that makes no sense.

    Args:
        seconds: the value; None for no ticks.

    Raises:
        DeclarationError: It is not a number of the range; the message has value and range.
    """
    if seconds is not None:
        check_number("tick_seconds", seconds, LEAST_SECONDS, MOST_SECONDS)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one conversation with Kapacitor, in points, bytes and seconds.

    Attributes:
        queue_points: points in the queue that make it full.
        queue_bytes: bytes in the queue that make it full.
        patience: seconds that reading pauses for a full queue before arriving data are shed.
        drain: seconds from the end of input to the end of the process.
        heartbeat: seconds after which the process vouches for a busy handler.
        largest_message: bytes of the largest message that is kept.
        largest_batch: bytes that the largest batch may take, as it came and in memory; points of few fields take 5 to
            20 times their bytes on the wire.
        answer: seconds after which Init and Restore are answered although the handler is not ready yet; a snapshot is
            answered empty after five times as many.
        slow: seconds after which a call of the handler that is still running is told.
        longest_init: seconds that importing and making the handler may take before the process gives up and ends.
        longest_restore: seconds that a call of `restore` may take, likewise.
        longest_data: seconds that a call of `point`, `points`, `rows`, `forgotten`, `add_fields` or `batch` may take,
            likewise.
        longest_snapshot: seconds that a call of `snapshot` may take, likewise.
        longest_tick: seconds that a call of `tick` may take, likewise.
    """

    queue_points: int = 20_000
    queue_bytes: int = 64 * 2**20
    patience: float = 2.0
    drain: float = 1.0
    heartbeat: float = 1.0
    largest_message: int = 64 * 2**20
    largest_batch: int = 256 * 2**20
    answer: float = 2.0
    slow: float = 5.0
    longest_init: float = 300.0
    longest_restore: float = 300.0
    longest_data: float = 60.0
    longest_snapshot: float = 60.0
    longest_tick: float = 60.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.type is int:
                most = {"queue_points": _MOST_POINTS, "largest_message": _LARGEST_MESSAGE}.get(each.name, _MOST_BYTES)
                check_number(f"the limit {each.name}", value, 1, most)
            else:
                least = 0.0 if each.name == "patience" else LEAST_SECONDS
                check_number(f"the limit {each.name}", value, least, MOST_SECONDS)

    @classmethod
    def parse(cls, settings: Iterable[str]) -> Self:
        """Make limits of a command line.

        Args:
            settings: each "name=value"; the last one of a name counts.

        Returns:
            The limits; those that are not named are at their defaults.

        Raises:
            DeclarationError: A setting cannot be read or used; the message names it.
        """
        types: dict[str, Any] = {each.name: each.type for each in fields(cls)}
        values: dict[str, Any] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            if name not in types:
                raise DeclarationError(f"the limit {setting!r:.100} is unknown, give NAME=VALUE of: {', '.join(types)}")
            try:
                values[name] = types[name](text)
            except ValueError:
                kind = "an integer" if types[name] is int else "a number"
                raise DeclarationError(f"the limit {name} is {text!r:.100}, expected {kind}") from None
        return cls(**values)
