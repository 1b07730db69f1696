"""Moving average of a field, for each group, which goes on after a restart of Kapacitor where it was.

stream|from().measurement('cpu').groupBy('host') @moving_average().field('usage').size(60).as('mean') |httpOut('mean')
"""

import json
from collections import deque
from collections.abc import Iterable

from kapacitor_udf import INT, STREAM, STRING, UDF, Context, Groups, Option, Point, PointSink, StreamHandler, run

# Kapacitor never tells that a group is gone: one that was quiet for a day is forgotten.
TTL = 86_400.0


class MovingAverage(StreamHandler[PointSink]):
    """Adds the mean of the last `size` values of `field` to each point. A point without the field costs itself only."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.field: str = context.options["field"]
        self.size: int = context.options["size"]
        self.name: str = context.options["as"]
        self.groups: Groups[str, deque[float]] = Groups(self._values, ttl=TTL, counters=context.counters)

    def point(self, point: Point, out: PointSink) -> None:
        """Emit the point with its group's mean.

        Args:
            point: what came.
            out: where to emit.
        """
        value = point.number(self.field)
        values = self.groups[point.group]
        values.append(value)
        point.fields[self.name] = sum(values) / len(values)
        out.point(point)

    def snapshot(self) -> bytes:
        """Return the values of all groups."""
        return json.dumps([[group, list(values)] for group, values in self.groups.items()]).encode()

    def restore(self, data: bytes) -> None:
        """Take up the values of all groups.

        Args:
            data: what `snapshot` returned.
        """
        self.groups.replace((group, self._values(values)) for group, values in json.loads(data))

    def _values(self, values: Iterable[float] = ()) -> deque[float]:
        return deque(values, maxlen=self.size)


def positive(value: int) -> None:
    """Refuse a size below 1.

    Args:
        value: the size that the TICKscript gives.

    Raises:
        ValueError: It is too small.
    """
    if value < 1:
        raise ValueError(f"{value} is too small, expected at least 1")


udf = UDF(
    name="moving_average",
    wants=STREAM,
    provides=STREAM,
    handler=MovingAverage,
    options=[
        Option("field", STRING, help="the field to average"),
        Option("size", INT, default=10, check=positive, help="how many values"),
        Option("as", STRING, default="mean", help="the field for the result"),
    ],
)

if __name__ == "__main__":
    run(udf)
