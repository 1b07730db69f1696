"""Limits: a window that is beyond a field's `limits` is always anomalous, whatever its detector says.

A window is beyond a limit if one of its aggregates that are values of the field is: with `mean` its mean, with `max`
its greatest value. Its severity is 100, and its reason is the limit. Its score stays what the detector said, so that
limits can change without training again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from anomaly.models.model import Verdicts
from anomaly.pipeline import Bounds, Pipeline
from anomaly.pipeline.specification import LIMITED
from anomaly.windows.arrays import Floats, Ints, Key

# The limits of this many series are kept.
_MOST_SERIES = 100_000
_CERTAIN = 100.0

JudgeLimits = Callable[[Sequence[Key], Ints, Floats, Verdicts], Verdicts]


class SeriesLimits:
    """The limits of a pipeline's series.

    Args:
        pipeline: the pipeline, some of whose fields have limits.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._columns = [column for column, name in enumerate(pipeline.aggregate) if name in LIMITED]
        self._series: dict[Key, Floats] = {}

    def judge(self, keys: Sequence[Key], series: Ints, values: Floats, verdicts: Verdicts) -> Verdicts:
        """Return the verdicts on n windows with what their series' limits say.

        Args:
            keys: the tag values of s series.
            series: each window's series as an index into `keys`, shape (n,).
            values: the windows' aggregates, shape (n, d), NaN where a field is incomplete.
            verdicts: what the model says.
        """
        fields = self._pipeline.fields
        low, high = np.moveaxis(np.stack([self._limits(key) for key in keys])[series], 1, 0)
        of_field = values.reshape(len(values), len(fields), -1)[:, :, self._columns]
        above = (of_field > high[:, :, None]).any(axis=2)
        beyond = above | (of_field < low[:, :, None]).any(axis=2)
        rows = np.flatnonzero(beyond.any(axis=1))
        if not len(rows):
            return verdicts
        severity, contribution, limit = verdicts.severity.copy(), verdicts.contribution.copy(), verdicts.limit.copy()
        severity[rows] = _CERTAIN
        contribution[rows] = beyond[rows] / beyond[rows].sum(axis=1, keepdims=True)
        for at in rows.tolist():
            field = int(beyond[at].argmax())
            broken = f"above {high[at, field]:g}" if above[at, field] else f"below {low[at, field]:g}"
            limit[at] = f"{fields[field]} {broken}"
        return replace(verdicts, severity=severity, contribution=contribution, limit=limit)

    def _limits(self, key: Key) -> Floats:
        """Return the limits of the f fields of a series, shape (2, f): the least values, then the greatest."""
        if key not in self._series:
            if len(self._series) >= _MOST_SERIES:
                self._series.clear()
            limits = [field.limits or Bounds() for field in self._pipeline.watched_of(key)]
            self._series[key] = np.array([[each.low for each in limits], [each.high for each in limits]])
        return self._series[key]


def limits_of(pipeline: Pipeline) -> JudgeLimits | None:
    """Return what applies a pipeline's limits to verdicts; None if no field has any."""
    overridden = (entry for override in pipeline.overrides for entry in override.fields)
    has_limits = any(field.limits is not None for field in pipeline.watched) or any(
        "limits" in entry for entry in overridden
    )
    return SeriesLimits(pipeline).judge if has_limits else None
