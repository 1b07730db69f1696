"""Which fields a window has, and whether it can be scored with those.

A field is whole in a window that has all of its aggregates and, once it is known how many points are usual, at least
half of those: what is cut off (the first window after a start, the edge of a gap) has a deviation that says little.
With `missing: skip` a window needs all fields whole; with `usual` it needs one, and the features of the others are
unknown (NaN). To detectors that look at windows alone, what is unknown is the series' center; those that remember a
feature pass the window by.
"""

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import Bools, Floats


def whole_fields(values: Floats, fields: int) -> Bools:
    """(n, f): which of f fields have all of their aggregates, of (n, d)."""
    return np.asarray(np.isfinite(values).reshape(len(values), fields, -1).all(axis=2))


def scorable(pipeline: Pipeline, whole: Bools) -> Bools:
    """(n,): which windows can be scored, by their whole fields (n, f)."""
    return np.asarray(whole.any(axis=1) if pipeline.missing == "usual" else whole.all(axis=1))


def of_whole(values: Floats, whole: Bools) -> Floats:
    """Aggregates (n, d), NaN where a field (n, f) is not whole."""
    if whole.all():
        return values
    return np.where(np.repeat(whole, values.shape[1] // whole.shape[1], axis=1), values, np.nan)
