"""The bounds of one conversation: how much is kept, and for how long anyone is waited for."""

from dataclasses import dataclass


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
        largest_batch: bytes of the largest batch that is kept.
    """

    queue_points: int = 20_000
    queue_bytes: int = 64 * 2**20
    patience: float = 2.0
    drain: float = 1.0
    heartbeat: float = 1.0
    largest_message: int = 64 * 2**20
    largest_batch: int = 256 * 2**20
