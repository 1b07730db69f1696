"""Names the series that have no scorable window, and says why.

A series without a scorable window is silent by mistake: nothing is known of it, and nothing is told. Training and
backtest name such series, those with most windows first, and at most as many as people read.
`anomaly.windows.completeness` decides which windows are scorable; this module puts its decision into words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly.counted import counted
from anomaly.pipeline import Field, Pipeline
from anomaly.pipeline.specification import SPREADS
from anomaly.windows.arrays import Floats, Key, groups
from anomaly.windows.windows import Windows

# This many series are named in a sentence, and in a document.
_MOST_NAMED, MOST_LISTED = 5, 20


@dataclass(frozen=True, slots=True)
class UnscoredSeries:
    """One series without a scorable window.

    Attributes:
        key: the series.
        windows: how many windows it has.
        reason: why none of them is scorable, for people.
    """

    key: Key
    windows: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return the entry for JSON."""
        return {"series": list(self.key), "windows": self.windows, "reason": self.reason}


def unscored_series(pipeline: Pipeline, windows: Windows, scorable: Windows) -> list[UnscoredSeries]:
    """Return the series of which no window is scorable, those with most windows first.

    Args:
        pipeline: the pipeline.
        windows: all windows.
        scorable: the scorable windows among them, with the same keys.
    """
    unscored = np.bincount(scorable.series, minlength=len(windows.keys)) == 0
    chosen = np.flatnonzero(unscored[windows.series])
    entries = []
    for part in groups(windows.series[chosen]):
        rows = chosen[part]
        reason = reason_of(pipeline, windows.values[rows], windows.counts[rows])
        entries.append(UnscoredSeries(windows.keys[windows.series[rows[0]]], len(rows), reason))
    return ranked(entries)


def ranked(series: Iterable[UnscoredSeries]) -> list[UnscoredSeries]:
    """Return series with most windows first."""
    return sorted(series, key=lambda each: (-each.windows, each.key))


def reason_of(pipeline: Pipeline, values: Floats, counts: Floats) -> str:
    """Return why no window of a series is scorable.

    Args:
        pipeline: the pipeline.
        values: the aggregates of its windows, shape (n, d).
        counts: the points of each field in them, shape (n, f).
    """
    lacks = ~np.isfinite(values).reshape(len(values), len(pipeline.fields), -1)
    for number, field in enumerate(pipeline.fields):
        points = counts[:, number]
        if not lacks[:, number].any(axis=1).all():
            continue
        if not points.any():
            return _no_value(pipeline, pipeline.watched[number])
        spreads = [name for name in pipeline.aggregate if name in SPREADS]
        if spreads and points.max() <= 1:
            return f"each window has at most one point of {field}, which has no {spreads[0]}"
        columns = np.flatnonzero(lacks[:, number].all(axis=0))
        names = ", ".join(pipeline.aggregate[column] for column in columns) or "all aggregates"
        return f"no window has the {names} of {field}"
    if lacks.any(axis=(1, 2)).all():
        return "no window has all fields at once"
    return f"its windows have at most {counts.max():g} points, less than half of the usual number"


def _no_value(pipeline: Pipeline, field: Field) -> str:
    """Return why no window has a value of a field, of which the windows may have points."""
    valid = " valid" if pipeline.has_valid else ""
    if field.rate is not None:
        return f"no window has two{valid} points of one source for the rate of {field.name}"
    if field.expression is not None:
        return f"no point has a{valid} value of {field.name} ({field.expression})"
    return f"no window has a{valid} point of {field.name}"


def named(unscored: Sequence[UnscoredSeries]) -> str:
    """Return the names and reasons of some series for a sentence, and how many more there are."""
    names = [
        f"{', '.join(each.key) or 'the series'} ({counted(each.windows, 'window')}: {each.reason})"
        for each in unscored[:_MOST_NAMED]
    ]
    more = len(unscored) - _MOST_NAMED
    return "; ".join(names) + (f"; and {more} more" if more > 0 else "")


def listed(unscored: Sequence[UnscoredSeries]) -> dict[str, Any]:
    """Return the series for a document, of bounded length."""
    return {"count": len(unscored), "series": [each.to_json() for each in unscored[:MOST_LISTED]]}


def advice(pipeline: Pipeline) -> str:
    """Return what people can do for series that no window can be scored of; rates are not filled."""
    has_rate = any(field.rate is not None for field in pipeline.watched)
    fixes = ["`aggregate: [last]`"] if SPREADS.intersection(pipeline.aggregate) else []
    fixes += ["a longer `window`"] if has_rate else []
    fixes += [] if pipeline.fill.bound_ns or has_rate else ["`fill: {previous: 1h}`"]
    written = f"for series that report on change write {' or '.join(fixes)}" if fixes else "give `fill` a longer bound"
    return f"{written}, or watch them in a pipeline of their own"
