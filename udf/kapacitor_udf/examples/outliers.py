"""Outliers in a batch: of each window, the points that lie far from the window's median.

stream|from().measurement('cpu').groupBy('host')|window().period(1m).every(1m)
  @outliers().field('usage').scale(5.0) |httpOut('outliers')
"""

from math import isfinite
from statistics import median

from kapacitor_udf import BATCH, DOUBLE, STRING, UDF, Batch, BatchHandler, BatchSink, Context, Option, Point, run

# Median absolute deviations to standard deviations, for normally distributed values.
NORMAL = 1.4826


class Outliers(BatchHandler[BatchSink]):
    """Emits batches with the points that are more than `scale` robust standard deviations from the median."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.field: str = context.options["field"]
        self.scale: float = context.options["scale"]

    def batch(self, batch: Batch, out: BatchSink) -> None:
        """Emit the batch without its ordinary points; an empty batch says that no point is an outlier.

        Args:
            batch: a window of points.
            out: where to emit.
        """
        # A point that lacks the field costs itself only.
        points = [point for point in batch.points if self._is_number(point)]
        if points:
            values = [point.number(self.field) for point in points]
            middle = median(values)
            spread = NORMAL * median(abs(value - middle) for value in values)
            limit = self.scale * spread
            points = [point for point, value in zip(points, values, strict=True) if abs(value - middle) > limit]
        batch.points = points
        out.batch(batch)

    def _is_number(self, point: Point) -> bool:
        value = point.fields.get(self.field)
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


udf = UDF(
    name="outliers",
    wants=BATCH,
    provides=BATCH,
    handler=Outliers,
    options=[
        Option("field", STRING, help="the field to look at"),
        Option("scale", DOUBLE, default=5.0, help="robust standard deviations that are still ordinary"),
    ],
)

if __name__ == "__main__":
    run(udf)
