"""InfluxQL's aggregates of many windows at once, computed from their raw points with numpy.

The semantics are those of influxdb 1.12.4, query/call_iterator.go and query/functions.go: an aggregate looks at the
points of a window that have the field; `stddev` of one value is null; of values that share a time, `first` and `last`
take the greatest. InfluxDB keeps one value for a series, a field and a time, the last one written, so a point that is
written again replaces the fields that it has and leaves the others.

A result that is not a finite number is NaN, as InfluxDB cannot answer it either.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anomaly.windows.arrays import Floats, Ints, Times, changes
from anomaly.windows.derivation import Derivation, Identities, WindowPoints
from anomaly.windows.validity import measured


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The aggregates of n windows; d features, f fields.

    Attributes:
        values: aggregates, shape (n, d), field by field, NaN where InfluxQL answers null or no row.
        counts: points that have the field, shape (n, f).
        replaced: the number of points that a later point of the same series and time replaced.
    """

    values: Floats
    counts: Floats
    replaced: int


def aggregate_windows(
    window: Ints,
    times: Times,
    identities: Identities,
    values: Floats,
    names: Sequence[str],
    derivation: Derivation | None = None,
) -> Aggregated:
    """Compute the aggregates of n windows from their m points.

    Args:
        window: each point's window, shape (m,): the numbers 0 to n - 1, each at least once.
        times: the points' times in nanoseconds, shape (m,).
        identities: hashes of the points' tags, shape (m,).
        values: one row for each field, shape (f, m), in the order of arrival, NaN where a point lacks the field and
            INVALID where it has no measurement of it; with a derivation, one row for each of the fields that it reads.
        names: the aggregates, keys of AGGREGATES.
        derivation: makes the values of the watched fields; None: they are those of the points.

    Returns:
        The aggregates of the windows, in the order of their numbers.
    """
    if ((window[1:] < window[:-1]) | ((window[1:] == window[:-1]) & (times[1:] < times[:-1]))).any():
        order = np.lexsort((times, window))
        window, times, identities, values = window[order], times[order], identities[order], values[:, order]
    new_time = changes(window, times)
    replaced = 0
    if not new_time.all():
        # Sorting by identity is rare: few pipelines merge series that write at the same nanosecond.
        order = np.lexsort((identities, times, window))
        new_point = new_time | changes(identities[order])
        times, identities, values = times[order], identities[order], values[:, order]
        if not new_point.all():
            replaced = int(len(window) - np.count_nonzero(new_point))
            values = _last_known(values, np.flatnonzero(new_point))
            window, times, identities = window[new_point], times[new_point], identities[new_point]
            new_time = new_time[new_point]
    values = measured(values)
    weights = None
    if derivation is not None:
        derived = derivation(WindowPoints(window, times, identities, values))
        values, weights = derived.values, derived.weights
    points = _Points(values, np.flatnonzero(changes(window)), np.flatnonzero(new_time), weights)
    with np.errstate(all="ignore"):
        columns = np.stack([AGGREGATES[name](points) for name in names], axis=1)
    columns[~np.isfinite(columns)] = np.nan
    fields, features, windows = columns.shape
    flat = columns.reshape(fields * features, windows).T
    return Aggregated(np.ascontiguousarray(flat), np.ascontiguousarray(points.count.T), replaced)


def _last_known(values: Floats, begins: Ints) -> Floats:
    """Return the last value that is not NaN of each run of columns, shape (f, runs), NaN where a run has none."""
    positions = np.where(np.isnan(values), -1, np.arange(values.shape[1]))
    last = np.maximum.reduceat(positions, begins, axis=1)
    return np.where(last < 0, np.nan, np.take_along_axis(values, last.clip(min=0), axis=1))


class _Points:
    """The points of n windows, sorted by window and time, and what several aggregates need of them.

    Args:
        values: one row for each field, shape (f, m), NaN where a point lacks the field.
        begins: each window's first point, shape (n,).
        time_begins: the first point of each run that shares window and time.
        weights: how much each value counts in a mean, shape (f, m); None: all alike.
    """

    def __init__(self, values: Floats, begins: Ints, time_begins: Ints, weights: Floats | None = None) -> None:
        self.values = values
        self.weights = weights
        self.begins = begins
        self.time_begins = time_begins
        self.unknown = np.isnan(values)
        self.has_unknown = bool(self.unknown.any())

    @cached_property
    def lengths(self) -> Ints:
        """How many points each window has, shape (n,)."""
        return np.diff(self.begins, append=self.values.shape[1])

    @cached_property
    def count(self) -> Floats:
        """How many points have the field, shape (f, n)."""
        if self.has_unknown:
            return np.add.reduceat((~self.unknown).astype(np.float64), self.begins, axis=1)
        return np.broadcast_to(self.lengths.astype(np.float64), (len(self.values), len(self.lengths)))

    @cached_property
    def sum(self) -> Floats:
        """The sums, shape (f, n), 0 where no point has the field."""
        return self.reduce(np.add, 0.0)

    @cached_property
    def mean(self) -> Floats:
        """The means, shape (f, n), NaN where no point has the field."""
        return self.sum / self.count

    @cached_property
    def min(self) -> Floats:
        """The minima, shape (f, n), infinite where no point has the field."""
        return self.reduce(np.minimum, np.inf)

    @cached_property
    def max(self) -> Floats:
        """The maxima, shape (f, n), infinite where no point has the field."""
        return self.reduce(np.maximum, -np.inf)

    @cached_property
    def greatest_at_each_time(self) -> tuple[Floats, Ints]:
        """The greatest value of each time, shape (f, k), NaN where none is known, and each window's first of them."""
        if len(self.time_begins) == self.values.shape[1]:
            return self.values, self.begins
        greatest = np.fmax.reduceat(self.values, self.time_begins, axis=1)
        return greatest, np.searchsorted(self.time_begins, self.begins)

    def reduce(self, function: np.ufunc, neutral: float) -> Floats:
        """Reduce the known values of each window, shape (f, n); `neutral` stands for unknown ones."""
        values = np.where(self.unknown, neutral, self.values) if self.has_unknown else self.values
        return np.asarray(function.reduceat(values, self.begins, axis=1))


def _mean(points: _Points) -> Floats:
    if points.weights is None:
        return points.mean
    weights = np.where(points.unknown, np.nan, points.weights)
    weighted = _Points(points.values * weights, points.begins, points.time_begins)
    return weighted.sum / _Points(weights, points.begins, points.time_begins).sum


def _sum(points: _Points) -> Floats:
    return np.where(points.count > 0, points.sum, np.nan)


def _count(points: _Points) -> Floats:
    return np.where(points.count > 0, points.count, np.nan)


def _min(points: _Points) -> Floats:
    return points.min


def _max(points: _Points) -> Floats:
    return points.max


def _spread(points: _Points) -> Floats:
    return points.max - points.min


def _stddev(points: _Points) -> Floats:
    # The second sum corrects what rounding the mean costs (Chan, Golub and LeVeque 1983, the corrected two-pass).
    deviations = points.values - np.repeat(points.mean, points.lengths, axis=1)
    centred = _Points(deviations, points.begins, points.time_begins)
    squared = _Points(deviations**2, points.begins, points.time_begins)
    variance = (squared.sum - centred.sum**2 / points.count) / np.where(points.count > 1, points.count - 1, np.nan)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _median(points: _Points) -> Floats:
    window = np.repeat(np.arange(len(points.lengths)), points.lengths)
    medians = np.full(points.count.shape, np.nan)
    for field, (values, counts) in enumerate(zip(points.values, points.count.astype(np.intp), strict=True)):
        # NaN sorts behind all numbers of its window.
        ordered = values[np.lexsort((values, window))]
        has_any = counts > 0
        middle = points.begins[has_any] + counts[has_any] // 2
        upper = ordered[middle]
        lower = np.where(counts[has_any] % 2, upper, ordered[middle - 1])
        medians[field, has_any] = lower + (upper - lower) / 2
    return medians


def _first(points: _Points) -> Floats:
    values, begins = points.greatest_at_each_time
    if points.has_unknown:
        beyond = values.shape[1]
        positions = np.where(np.isnan(values), beyond, np.arange(beyond))
        first = np.minimum.reduceat(positions, begins, axis=1)
        known = first < beyond
        return np.where(known, np.take_along_axis(values, np.where(known, first, 0), axis=1), np.nan)
    return values[:, begins]


def _last(points: _Points) -> Floats:
    values, begins = points.greatest_at_each_time
    return _last_known(values, begins)


AGGREGATES: Mapping[str, Callable[[_Points], Floats]] = {
    "mean": _mean,
    "stddev": _stddev,
    "min": _min,
    "max": _max,
    "median": _median,
    "spread": _spread,
    "count": _count,
    "first": _first,
    "last": _last,
    "sum": _sum,
}
