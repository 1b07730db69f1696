"""Points, batches and the two kinds of edges: what handlers see.

Both are plain mutable objects: a handler may change what it got and emit it, which is the common case and the cheapest.
Nothing here knows the protocol; `_wire` makes these objects from messages, and messages from them.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from ._errors import Rejected

# Bytes that a list takes for each item, with some room to grow.
_IN_A_LIST = 9

FieldValue = float | int | str | bool


class EdgeType(Enum):
    """The kind of data that an edge carries. The values are the protocol's numbers."""

    STREAM = 0
    BATCH = 1


STREAM: Final = EdgeType.STREAM
BATCH: Final = EdgeType.BATCH


@dataclass(slots=True)
class Point:
    """One point. A point of a batch has a time, a group, tags and fields only.

    Attributes:
        time: nanoseconds since the epoch.
        fields: values by name, of the type that Kapacitor sent; a dict that is given is kept as it is.
        tags: values by name.
        name: the measurement.
        dimensions: the tags that Kapacitor groups by; it groups an emitted point by these anew.
        by_name: whether the measurement is part of the group.
        group: Kapacitor's ID of the group; ignored in an emitted point.
        database: where the point was written to.
        retention_policy: where the point was written to.
    """

    time: int
    fields: dict[str, FieldValue]
    tags: dict[str, str] = field(default_factory=dict)
    name: str = ""
    dimensions: Sequence[str] = ()
    by_name: bool = False
    group: str = ""
    database: str = ""
    retention_policy: str = ""

    if TYPE_CHECKING:
        # A dict of floats is a mapping to values of fields, but it is not a dict of them.
        def __init__(
            self,
            time: int,
            fields: Mapping[str, FieldValue],
            tags: dict[str, str] = ...,
            name: str = "",
            dimensions: Sequence[str] = (),
            by_name: bool = False,
            group: str = "",
            database: str = "",
            retention_policy: str = "",
        ) -> None: ...

    def number(self, name: str) -> float:
        """Return a numeric field as a float.

        A single NaN or infinity would stay in every mean and sum that it gets into, so these are refused, too.

        Args:
            name: the field.

        Returns:
            Its value, always finite.

        Raises:
            Rejected: The field is missing, not a number, or not finite.
        """
        value = self.fields.get(name)
        if type(value) is float:
            if math.isfinite(value):
                return value
            raise Rejected("not finite", f"field {name!r} is {value}, expected a finite number")
        if type(value) is int:
            return float(value)
        if value is None:
            raise Rejected("missing field", f"no field {name!r} among {sorted(self.fields)[:10]}")
        raise Rejected("not a number", f"field {name!r} is {value!r}, expected a number")


def memory(point: Point) -> int:
    """Return about how many bytes a decoded point takes; names of fields and tags are shared by points.

    Args:
        point: as it was decoded.
    """
    parts = (point, point.time, point.fields, point.tags, point.dimensions)
    return sum(map(sys.getsizeof, (*parts, *point.fields.values(), *point.tags.values()))) + _IN_A_LIST


@dataclass(slots=True)
class Batch:
    """The points of one group and window.

    Attributes:
        name: the measurement.
        tags: the group's tags.
        points: the points of the window, in the order in which they came.
        tmax: the end of the window, nanoseconds since the epoch.
        group: Kapacitor's ID of the group; ignored in an emitted batch.
        by_name: whether the measurement is part of the group.
    """

    name: str
    tags: dict[str, str]
    points: list[Point]
    tmax: int
    group: str = ""
    by_name: bool = False

    @property
    def dimensions(self) -> Sequence[str]:
        """The sorted names of the tags that Kapacitor groups by: a batch has no other tags."""
        return sorted(self.tags)
