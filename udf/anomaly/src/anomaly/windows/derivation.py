"""The values of watched fields, made of the points of a window before they are aggregated.

What a pipeline watches need not be what InfluxDB holds. Serving, training, backtest and catch-up call this module with
the points of whole windows, so a field means the same everywhere.

A *rate* is the increase of a counter for each unit of time. It is computed from the points of one window alone:

- Two consecutive points of one source (equal tags) make a *step*. Its rate is the increase over the time between them.
- A step down is a reset (a restart, an overflow). How much was counted meanwhile is unknown, so its rate is unknown.
- A series may have several sources, such as a host's network interfaces. Its value at a time at which a source ends a
  step is the sum of the rates of all of its sources at that time. A source has the rate of its first step before it,
  and that of its last step after it, as sources do not write at the same moments. Where one of them is unknown, the
  sum is.
- A value counts, in the mean, as much as the time since the one before. So the mean is the increase of the window for
  each unit of time, however irregularly points come.

The step from one window to the next is left out: nothing has to be remembered, and a late point changes its own window
only. A window needs two points of a source.

An *expression* is computed at each point, from the fields that this point has. Where the point lacks one of them, or
where the expression divides by zero, it has no value. With a rate, each name stands for the rate of that counter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.pipeline import Field, Pipeline
from anomaly.pipeline.expression import Expression
from anomaly.windows.arrays import Bools, Floats, Ints, Times, changes

# What tells two points of one time apart: a hash of all of a point's tags.
Identities = NDArray[np.uint64]

# A window of many sources that write at different moments is looked at, at this many pairs of a source and a moment.
_MOST_PAIRS = 1 << 20


@dataclass(frozen=True, slots=True)
class WindowPoints:
    """The m points of n windows, by window, then by time.

    Attributes:
        window: each point's window, shape (m,), ascending.
        times: the points' times in nanoseconds, shape (m,).
        identities: hashes of the points' tags, shape (m,). No two points of a window share time and identity.
        values: one row for each source field, shape (k, m), NaN where a point lacks it.
    """

    window: Ints
    times: Times
    identities: Identities
    values: Floats


@dataclass(frozen=True, slots=True)
class Derived:
    """The values of f watched fields at m points.

    Attributes:
        values: one row for each watched field, shape (f, m), NaN where a point has no value of it.
        weights: how much each value counts in a mean, shape (f, m); None: all alike.
    """

    values: Floats
    weights: Floats | None


class Derivation:
    """Makes the values of watched fields from those of the fields in InfluxDB.

    Args:
        watched: the f watched fields.
        sources: the names of the k fields in InfluxDB that they are made of, in the order of their rows.
    """

    def __init__(self, watched: Sequence[Field], sources: Sequence[str]) -> None:
        self._watched = tuple(watched)
        self._row = {name: row for row, name in enumerate(sources)}

    @property
    def fields(self) -> int:
        """The number f of watched fields."""
        return len(self._watched)

    def __call__(self, points: WindowPoints) -> Derived:
        """Derive the values of all fields at the points of n windows.

        Args:
            points: the points, with k rows of values.

        Returns:
            The values, and their weights.
        """
        values = np.empty((self.fields, len(points.times)))
        weights = np.ones_like(values) if any(field.rate is not None for field in self._watched) else None
        for number, field in enumerate(self._watched):
            rows = [points.values[self._row[name]] for name in field.sources]
            if field.rate_ns is not None and weights is not None:
                rates = [_rate(points, row, field.rate_ns) for row in rows]
                rows = [row for row, _ in rates]
                weights[number] = np.max([seconds for _, seconds in rates], axis=0)
            values[number] = rows[0] if field.expression is None else _expressed(field, rows)
        return Derived(values, weights)


def _expressed(field: Field, rows: Sequence[Floats]) -> Floats:
    """Return the values of an expression, shape (m,), NaN where it has none, from the `rows` of the field's sources."""
    with np.errstate(all="ignore"):
        value = Expression.of(field.expression or "").value(dict(zip(field.sources, rows, strict=True)), np.float64)
    return np.asarray(np.where(np.isfinite(value), value, np.nan))


def _rate(points: WindowPoints, counter: Floats, unit_ns: int) -> tuple[Floats, Floats]:
    """Return a counter's rates, shape (m,), NaN where there is none, and the time in seconds that each stands for.

    Args:
        points: the points of n windows.
        counter: the counter's values, shape (m,), NaN where a point has none.
        unit_ns: the unit of time.
    """
    rates, seconds = np.full(len(counter), np.nan), np.zeros(len(counter))
    known = np.flatnonzero(~np.isnan(counter))
    if not len(known):
        return rates, seconds
    window, times, identities = points.window[known], points.times[known], points.identities[known]
    order = np.lexsort((times, identities, window))
    is_first = changes(window[order], identities[order])
    step, step_rates = _steps(times[order], counter[known][order], is_first, unit_ns)
    # The times of each window, numbered together; the first point of each.
    moment = np.cumsum(changes(window, times)) - 1
    first_point = np.flatnonzero(changes(moment))
    has_step = np.zeros(len(first_point), dtype=np.bool_)
    has_step[moment[order][step]] = True
    if not len(step):
        return rates, seconds
    if np.count_nonzero(is_first) == np.count_nonzero(changes(window)):
        at, window_rates = moment[order][step], step_rates[step]
    else:
        at, window_rates = _summed(window[order], moment[order], is_first, step_rates, has_step)
    of_moment, of_value = window[first_point], window[first_point[at]]
    before = np.where(changes(of_value), np.searchsorted(of_moment, of_value), np.roll(at, 1))
    place = known[first_point[at]]
    rates[place] = window_rates
    seconds[place] = (times[first_point[at]] - times[first_point[before]]) / 1e9
    return rates, seconds


def _steps(times: Times, counter: Floats, is_first: Bools, unit_ns: int) -> tuple[Ints, Floats]:
    """Return where steps end, and the rate of the step that ends at each point, NaN at first ones and resets.

    Args:
        times: the points' times, shape (m,), source by source.
        counter: the counter's values, shape (m,).
        is_first: which points are the first of a source, shape (m,).
        unit_ns: the unit of time.
    """
    increase, passed = np.diff(counter, prepend=np.nan), np.diff(times, prepend=times[0])
    ends = ~is_first
    rates = np.full(len(counter), np.nan)
    with np.errstate(all="ignore"):
        np.divide(increase * unit_ns, passed, out=rates, where=ends & (increase >= 0))
    return np.flatnonzero(ends), rates


def _summed(window: Ints, moment: Ints, is_first: Bools, rates: Floats, has_step: Bools) -> tuple[Ints, Floats]:
    """Return the moments at which the sources of a window are looked at, and the sum of their rates there.

    Args:
        window: the points' windows, shape (m,), by window, source and time.
        moment: the numbers of the points' times, shape (m,), which ascend with window and time.
        is_first: which points are the first of a source in a window, shape (m,).
        rates: the rate of the step that ends at each point, shape (m,).
        has_step: at which moments a step ends, shape (moments,).
    """
    begins = np.flatnonzero(is_first)
    ends = np.append(begins[1:], len(window))
    moves = ends - begins > 1
    begins, ends = begins[moves], ends[moves]
    of_source = window[begins]
    # The moments of each window, thinned evenly where a window has too many pairs.
    moments = np.flatnonzero(has_step)
    of_moment = np.empty(len(has_step), dtype=np.intp)
    of_moment[moment] = window
    of_moment = of_moment[moments]
    sources = np.bincount(of_source, minlength=int(window[-1]) + 1)
    many = np.bincount(of_moment, minlength=len(sources))
    stride = np.maximum(-(-sources * many // _MOST_PAIRS), 1)
    rank = np.arange(len(moments)) - np.searchsorted(of_moment, of_moment)
    # The last moment of a window stays, so that the time of the others counts.
    kept = (many[of_moment] - 1 - rank) % stride[of_moment] == 0
    moments, of_moment = moments[kept], of_moment[kept]
    totals = np.zeros(len(moments))
    source = np.cumsum(is_first) - 1
    keys = source * np.int64(len(has_step) + 1) + moment
    first_source = np.searchsorted(of_source, of_moment)
    each = sources[of_moment]
    bounds = np.flatnonzero(changes((np.cumsum(each) - 1) // _MOST_PAIRS))
    for first, last in zip(bounds, np.append(bounds[1:], len(moments)), strict=True):
        part = slice(first, last)
        at = np.repeat(np.arange(last - first), each[part])
        number = np.arange(len(at)) - np.repeat(np.cumsum(each[part]) - each[part], each[part])
        one = first_source[part][at] + number
        sought = source[begins[one]] * np.int64(len(has_step) + 1) + moments[part][at]
        place = np.clip(np.searchsorted(keys, sought), begins[one] + 1, ends[one] - 1)
        totals[part] = np.bincount(at, rates[place], minlength=last - first)
    return moments, totals


def derivation_of(pipeline: Pipeline) -> Derivation | None:
    """Return what makes the values of a pipeline's fields; None where they are those of the points."""
    return Derivation(pipeline.watched, pipeline.sources) if pipeline.is_derived else None
