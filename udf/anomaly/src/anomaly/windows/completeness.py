"""Which windows may be scored, and with which of their fields.

A field is complete in a window that has all of the field's aggregates and, once the usual number of points is known,
at least half of them. A window with fewer points is cut off, as at a start or at the edge of an outage. The caller says
which number is usual: training counts the whole history. Scoring takes the number of training or of the series' last
windows, whichever is less (`anomaly.scoring.rate`), so a series that reports less often than before is still scored.
A field that is filled (`anomaly.windows.fill`) has no points, and is complete.

One point has no spread. Training leaves such windows out; scoring takes what they have, with NaN for the spread.

With `missing: skip` a window needs all fields complete; with `usual` it needs one, and the aggregates of the others
become NaN. A detector that looks at windows alone takes such a feature to be at the series' center, and one that
remembers a feature passes the window by.

`scorable_windows` is the only place that decides this, for serving, training, feedback and catch-up alike.
"""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.pipeline.specification import SPREADS
from anomaly.windows.arrays import Bools, Floats
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

# A field with less than this share of its usual points is cut off.
LEAST_SHARE = 0.5

AnyWindows = TypeVar("AnyWindows", SeriesWindows, Windows)


@dataclass(frozen=True, slots=True)
class Scorable(Generic[AnyWindows]):
    """The scorable windows among n windows of f fields, and why the others are not.

    Attributes:
        windows: the k scorable windows, with NaN in incomplete fields.
        complete: their complete fields, shape (k, f).
        mask: which windows are scorable, shape (n,).
        lacking: which windows lack aggregates of too many fields, shape (n,).
        cut_off: which other windows have too few points, shape (n,).
    """

    windows: AnyWindows
    complete: Bools
    mask: Bools
    lacking: Bools
    cut_off: Bools


def scorable_windows(
    pipeline: Pipeline,
    windows: AnyWindows,
    usual_points: Floats | None = None,
    *,
    allow_single_points: bool = False,
) -> Scorable[AnyWindows]:
    """Return the scorable windows, with NaN in incomplete fields, and the mask (k, f) of complete fields.

    Args:
        pipeline: the pipeline, whose `missing` decides how many fields a window needs.
        windows: n windows, of one series or of several.
        usual_points: the usual number of points in a window of each field, shape (f,) or (n, f); None while it is
            unknown, as before training.
        allow_single_points: whether a field of one point in a window is complete without its spreads.

    Returns:
        The scorable windows, and which windows are not scorable for which reason.
    """
    present = present_fields(windows.values, len(pipeline.fields))
    if allow_single_points and not present.all():
        present = present | _present_points(pipeline, windows)
    complete = present
    if usual_points is not None and pipeline.fill.bound_ns:
        complete = present & ~are_few_points(windows.counts, usual_points)
    elif usual_points is not None:
        complete = present & (windows.counts >= LEAST_SHARE * usual_points)
    lacking, mask = ~_suffices(pipeline, present), _suffices(pipeline, complete)
    kept, complete = windows.where(mask), complete[mask]
    if not complete.all():
        repeated = np.repeat(complete, kept.values.shape[1] // complete.shape[1], axis=1)
        kept = replace(kept, values=np.where(repeated, kept.values, np.nan))
    return Scorable(kept, complete, mask, lacking, ~(mask | lacking))


def are_few_points(counts: Floats, usual_points: Floats) -> Bools:
    """Return which fields, shape (n, f), have some points, but fewer than half of the usual number.

    Args:
        counts: points in each window and field, shape (n, f).
        usual_points: the usual number of points in a window of each field, shape (f,) or (n, f).
    """
    return np.asarray((counts < LEAST_SHARE * usual_points) & (counts > 0))


def present_fields(values: Floats, fields: int) -> Bools:
    """Return which fields have all of their aggregates.

    Args:
        values: aggregates, shape (n, d), NaN where one is missing.
        fields: the number f of fields.

    Returns:
        The mask of fields, shape (n, f).
    """
    return np.asarray(np.isfinite(values).reshape(len(values), fields, -1).all(axis=2))


def _present_points(pipeline: Pipeline, windows: AnyWindows) -> Bools:
    """Return which fields, shape (n, f), are one point with all aggregates that one point has."""
    has_spread = np.array([aggregate in SPREADS for aggregate in pipeline.aggregate])
    if not has_spread.any() or has_spread.all():
        return np.zeros_like(windows.counts, dtype=np.bool_)
    by_field = np.isfinite(windows.values).reshape(*windows.counts.shape, -1)
    return np.asarray(by_field[:, :, ~has_spread].all(axis=2) & (windows.counts == 1))


def _suffices(pipeline: Pipeline, fields: Bools) -> Bools:
    """Return which windows have as many fields, of shape (n, f), as the pipeline's `missing` asks for."""
    return np.asarray(fields.any(axis=1) if pipeline.missing == "usual" else fields.all(axis=1))
