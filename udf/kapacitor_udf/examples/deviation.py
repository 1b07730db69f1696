"""How far a field is from its recent mean, for each group: the fast path, for any number of points.

stream|from().measurement('cpu').groupBy('host') @deviation().field('usage').size(60).as('deviation') |httpOut('out')
"""

import json
import math
from collections.abc import Mapping

from kapacitor_udf import INT, STREAM, STRING, UDF, Context, FieldRows, FieldsHandler, Option, run


class Deviation(FieldsHandler):
    """Adds to each point how many standard deviations its `field` is from the mean before it.

    Mean and variance are exponentially weighted, over about `size` points. A group's first point has no deviation, and
    nothing is added to it.
    """

    group_ttl = 3600.0

    def __init__(self, context: Context) -> None:
        self.name: str = context.options["as"]
        self.weight = 2 / (context.options["size"] + 1)
        super().__init__(context, fields=[context.options["field"]], adds={self.name: float})
        self.state = self.groups.state(shape=(2,), dtype=float, fill=math.nan)  # mean and variance

    def add_fields(self, rows: FieldRows) -> Mapping[str, list[float]]:
        """Compute the deviations, and take the values into account.

        Args:
            rows: at least one point.

        Returns:
            A deviation for each point, NaN for the first one of a group.
        """
        state = self.state.values
        deviations = []
        for group, (value,) in zip(rows.groups.tolist(), rows.values.tolist(), strict=True):
            mean, variance = state[group].tolist()
            if math.isnan(mean):  # a new group
                state[group] = value, 0.0
                deviations.append(math.nan)
                continue
            distance = value - mean
            deviations.append(distance / variance**0.5 if variance > 0 else 0.0)
            # West (1979), Updating mean and variance estimates: an improved method.
            step = self.weight * distance
            state[group] = mean + step, (1 - self.weight) * (variance + distance * step)
        return {self.name: deviations}

    def snapshot(self) -> bytes:
        """Return mean and variance of all groups."""
        return json.dumps([[group, *self.state.values[number].tolist()] for group, number in self.groups]).encode()

    def restore(self, data: bytes) -> None:
        """Take up mean and variance of all groups.

        Args:
            data: what `snapshot` returned.
        """
        for group, mean, variance in json.loads(data):
            number = self.groups.number(group)
            self.state.values[number] = mean, variance


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
    name="deviation",
    wants=STREAM,
    provides=STREAM,
    handler=Deviation,
    options=[
        Option("field", STRING, help="the field to look at"),
        Option("size", INT, default=60, check=positive, help="how many points are lately"),
        Option("as", STRING, default="deviation", help="the field for the result"),
    ],
)

if __name__ == "__main__":
    run(udf)
