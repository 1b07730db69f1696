"""What handlers see: points, batches, and the two kinds of edges."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from ._errors import Rejected

FieldValue = float | int | str | bool


class EdgeType(Enum):
    """What an edge carries. The values are the protocol's numbers."""

    STREAM = 0
    BATCH = 1


STREAM = EdgeType.STREAM
BATCH = EdgeType.BATCH


@dataclass(slots=True)
class Point:
    """One point. `time` is in nanoseconds since the epoch, `name` is the measurement.

    `dimensions` are the tags that Kapacitor groups by, `by_name` whether the measurement is part of the group. `group`
    is Kapacitor's ID of the group; what is emitted is regrouped from the dimensions and tags. A point of a batch has
    only time, group, tags and fields.
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

    def number(self, name: str) -> float:
        """The field `name` as a float. Raises Rejected if it is missing, no number, or not finite.

        A single NaN or infinity would stay in every mean and sum that it gets into.
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


@dataclass(slots=True)
class Batch:
    """The points of one group and window. `tags` are the group's, `tmax` (nanoseconds) is the end of the window."""

    name: str
    tags: dict[str, str]
    points: list[Point]
    tmax: int
    group: str = ""
    by_name: bool = False

    @property
    def dimensions(self) -> Sequence[str]:
        """The tags grouped by: a batch has no others."""
        return sorted(self.tags)
