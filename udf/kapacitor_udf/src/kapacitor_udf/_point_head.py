"""Point heads: what the points of one series have in common, encoded once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ._wire import encode_head


@dataclass(frozen=True, slots=True, eq=False)
class PointHead:
    """What the points of one series have in common. Make it once and keep it; `PointSink.rows` emits points with it.

    Attributes:
        name: the measurement.
        tags: values by name.
        dimensions: the tags that Kapacitor groups by.
        encoded: the library's own.
    """

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    dimensions: Sequence[str] = ()
    encoded: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Encode the head.

        Raises:
            TypeError: A value is of a type that cannot be sent; the message names it.
            ValueError: A value cannot be encoded; the message names it.
        """
        object.__setattr__(self, "encoded", encode_head(self.name, self.tags, self.dimensions))
