"""Which values are measurements: what is beyond a field's `valid` is the code of a broken sensor.

Such a value is taken for a missing one, before windows are made of the points: by the UDF as points arrive, and by
training, backtest and catch-up as they read the points. So it is neither scored nor trained on anywhere.

In InfluxDB an invalid value replaces what the same point had before, and is replaced in its turn. So the UDF writes
INVALID for it, which is a value until the points of a window are known, and none after that.
"""

from collections.abc import Mapping

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import Bools, Floats, Key

# No field holds it, as points with such values are refused.
INVALID = np.inf
# The bounds of this many series are kept.
_MOST_SERIES = 100_000


class Validity:
    """Says which values of a pipeline's series are invalid.

    Args:
        pipeline: the pipeline.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._row = {name: row for row, name in enumerate(pipeline.sources)}
        self._bounds: dict[Key, tuple[Floats, Floats]] = {}

    def beyond(self, key: Key, values: Floats) -> Bools:
        """Return which values of points of a series are invalid, shape (n, k).

        Args:
            key: the series.
            values: what the points have of the k source fields, shape (n, k), NaN where a point lacks a field.
        """
        low, high = self.bounds(key)
        return np.asarray((values < low) | (values > high))

    def bounds(self, key: Key) -> tuple[Floats, Floats]:
        """Return the least and the greatest value that can be of each source field of a series, shape (k,) each."""
        if key not in self._bounds:
            if len(self._bounds) >= _MOST_SERIES:
                self._bounds.clear()
            low, high = np.full(len(self._row), -np.inf), np.full(len(self._row), np.inf)
            for field in self._pipeline.watched_of(key):
                if field.valid is not None:
                    low[self._row[field.name]], high[self._row[field.name]] = field.valid.low, field.valid.high
            self._bounds[key] = low, high
        return self._bounds[key]

    def described(self, key: Key, examples: Mapping[int, float]) -> str:
        """Return for people which fields of a series have values that are invalid.

        Args:
            key: the series.
            examples: such a value of each of them, by the source field's place.
        """
        valid = {field.name: field for field in self._pipeline.watched_of(key)}
        names = self._pipeline.sources
        return "; ".join(
            f"{names[place]} is {value:g}, which is not a measurement (valid is {valid[names[place]].valid})"
            for place, value in sorted(examples.items())
        )


def measured(values: Floats) -> Floats:
    """Return values of any shape with NaN for INVALID."""
    invalid = values == INVALID
    return np.where(invalid, np.nan, values) if invalid.any() else values


def validity_of(pipeline: Pipeline) -> Validity | None:
    """Return what knows a pipeline's valid values; None if every value is one."""
    return Validity(pipeline) if pipeline.has_valid else None
