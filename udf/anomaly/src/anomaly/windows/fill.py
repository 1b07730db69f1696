"""Lets the last value of a field stand in windows without points of it, for series that report on change.

A sensor that reports only changes says by its silence that nothing changed. With `fill: previous`, a window that has no
point of a field takes the field's last value, as if it had been reported again at the window's begin. So the mean,
median, minimum, maximum, first, last and sum of the field are that value, and its count is 1. Its stddev and spread are
0, because a value that stands does not vary; InfluxQL's null would keep the window from being scored.

A value stands for a bound of time: in the windows that begin at most that long after the begin of the window in which
it was reported. After that the series has no windows, and is silent. A window with points of a field has the aggregates
of these points, whatever stood before.

`counts` stays 0 where a field is filled. As a field without points has no aggregates otherwise, a field that has
aggregates and no points is a filled one. It is complete however many points are usual, and says nothing of the rate of
the points (`anomaly.windows.completeness`, `anomaly.scoring.rate`).

`fill_windows` is the only place that fills, for the windows that the UDF cuts and for those that InfluxDB answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Key, Times
from anomaly.windows.cut import Cut
from anomaly.windows.series import SeriesWindows

# The window of a value that nobody knows. Differences to any time stay within 64 bits.
LONG_AGO = -(1 << 62)
# What an aggregate of a filled field is where it is not the value itself.
_OF_STANDING = {"stddev": 0.0, "spread": 0.0, "count": 1.0}


@dataclass(frozen=True, slots=True)
class Rule:
    """How windows are filled.

    Attributes:
        cut: how time is cut into windows.
        bound_ns: how long a value stands; a multiple of the window.
        aggregates: the a aggregates of each field.
    """

    cut: Cut
    bound_ns: int
    aggregates: tuple[str, ...]

    @classmethod
    def of(cls, cut: Cut, bound_ns: int, aggregates: Sequence[str]) -> "Rule":
        """Return the rule of a bound of any length, which is shortened to whole windows."""
        return cls(cut, bound_ns // cut.window_ns * cut.window_ns, tuple(aggregates))


class Standing:
    """The last value of each field of some series; a series' place is its number.

    Args:
        fields: the number f of fields.
        capacity: numbers below it have a place.

    Attributes:
        value: the last values, shape (capacity, f), NaN before the first.
        begin_ns: the begins of the windows in which they were reported, shape (capacity, f); LONG_AGO before the first.
    """

    def __init__(self, fields: int, capacity: int) -> None:
        self.value: Floats = np.full((capacity, fields), np.nan)
        self.begin_ns: Times = np.full((capacity, fields), LONG_AGO, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.value)

    def grow(self, capacity: int) -> None:
        """Make place for series with the numbers below `capacity`."""
        more = Standing(self.value.shape[1], capacity - len(self))
        self.value = np.concatenate([self.value, more.value])
        self.begin_ns = np.concatenate([self.begin_ns, more.begin_ns])

    def clear(self, numbers: Ints) -> None:
        """Forget series."""
        self.value[numbers], self.begin_ns[numbers] = np.nan, LONG_AGO

    def last_fill_ns(self, rule: Rule, numbers: Ints | slice = slice(None)) -> Times:
        """Return the begin of the last window that may be filled of some series, shape (n,); long ago for none."""
        cut, begin_ns = rule.cut, self.begin_ns[numbers].max(axis=1)
        if not cut.is_local:
            return np.asarray(begin_ns + rule.bound_ns)
        return cut.at(cut.number(begin_ns) + rule.bound_ns // cut.window_ns)

    def state(self, numbers: Ints) -> dict[str, AnyArray]:
        """Return copies of the columns of some series, as arrays by name, shape (n, f)."""
        return {"standing_value": self.value[numbers], "standing_begin_ns": self.begin_ns[numbers]}

    def restore(self, arrays: Mapping[str, AnyArray]) -> None:
        """Take what `state` returned for the first n numbers; the capacity must be enough."""
        value, begin_ns = arrays["standing_value"], arrays["standing_begin_ns"]
        self.value[: len(value)], self.begin_ns[: len(begin_ns)] = value, begin_ns


STANDING_ARRAYS = tuple(Standing(1, 0).state(np.empty(0, dtype=np.intp)))


@dataclass(frozen=True, slots=True)
class Filled:
    """n windows of any series, by begin and then by number; d features, f fields.

    Attributes:
        number: the series' numbers, shape (n,).
        begin_ns: the windows' begins, shape (n,).
        values: aggregates, field by field, shape (n, d), NaN where one is missing.
        counts: points that have the field, shape (n, f); 0 where the field is filled.
        has_points: which windows have points of their own, shape (n,).
    """

    number: Ints
    begin_ns: Times
    values: Floats
    counts: Floats
    has_points: Bools


def fill_windows(
    rule: Rule,
    standing: Standing,
    windows: Filled,
    last: Floats,
    concerned: Ints,
    from_ns: Times,
    until_ns: Times,
) -> Filled:
    """Fill the fields and the windows that have no points, and remember the last values.

    Args:
        rule: how windows are filled.
        standing: the last values before these windows; afterwards, those after them.
        windows: n windows with points.
        last: the last value of each field in them, shape (n, f), NaN where a window has no point of the field.
        concerned: the s series to fill, ascending; those of `windows` are among them.
        from_ns: the first window of each of them that may be filled, shape (s,), at most its first one in `windows`.
        until_ns: where filling ends, shape (s,): the first window that may not be filled, after the last in `windows`.

    Returns:
        The windows, and those that are filled.
    """
    cut, window_ns = rule.cut, rule.cut.window_ns
    # Entries that values stand after, in nominal time: what stood before each series' first window, and each window.
    number = np.concatenate([concerned, windows.number])
    begin_ns = np.concatenate([cut.nominal(from_ns) - window_ns, cut.nominal(windows.begin_ns)])
    order = np.lexsort((begin_ns, number))
    is_window, row = order >= len(concerned), order - len(concerned)
    number, begin_ns = number[order], begin_ns[order]
    value = np.concatenate([standing.value[concerned], last])[order]
    reported_ns = np.broadcast_to(windows.begin_ns[:, None], last.shape)
    since_ns = np.concatenate([standing.begin_ns[concerned], reported_ns])[order]
    # Each series begins with what stood before, so that nothing is carried over from another series.
    known = ~np.isnan(value) | ~is_window[:, None]
    carried = np.maximum.accumulate(np.where(known, np.arange(len(order))[:, None], 0), axis=0)
    value, since_ns = np.take_along_axis(value, carried, axis=0), np.take_along_axis(since_ns, carried, axis=0)
    known_ns = cut.nominal(since_ns)
    # Fields that a window lacks.
    values, counts = windows.values.reshape(*last.shape, len(rule.aggregates)).copy(), windows.counts
    at = np.flatnonzero(is_window)
    lacking = (counts[row[at]] == 0) & (begin_ns[at, None] - known_ns[at - 1] <= rule.bound_ns)
    if lacking.any():
        entry, field = np.nonzero(lacking)
        values[row[at][entry], field] = _stand(rule, value[at - 1][entry, field])
    # Windows without points: those between an entry and the next one of its series.
    last_of_series = np.ones(len(order), dtype=np.bool_)
    last_of_series[:-1] = number[1:] != number[:-1]
    ends = np.empty(len(order), dtype=np.int64)
    ends[:-1] = begin_ns[1:]
    ends[last_of_series] = cut.nominal(until_ns)
    ends = np.minimum(ends, known_ns.max(axis=1) + rule.bound_ns + window_ns)
    missing = np.maximum((ends - begin_ns) // window_ns - 1, 0)
    entry = np.repeat(np.arange(len(order)), missing)
    offset = np.arange(len(entry)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    filled_ns = begin_ns[entry] + offset * window_ns
    stands = filled_ns[:, None] - known_ns[entry] <= rule.bound_ns
    filled = _stand(rule, np.where(stands, value[entry], np.nan))
    standing.value[concerned], standing.begin_ns[concerned] = value[last_of_series], since_ns[last_of_series]
    together = np.concatenate([windows.number, number[entry]])
    begins = np.concatenate([windows.begin_ns, cut.at(filled_ns // window_ns)])
    order = np.lexsort((together, begins))
    return Filled(
        together[order],
        begins[order],
        np.concatenate([values, filled])[order].reshape(len(order), windows.values.shape[1]),
        np.concatenate([counts, np.zeros((len(filled), last.shape[1]))])[order],
        np.concatenate([windows.has_points, np.zeros(len(filled), dtype=np.bool_)])[order],
    )


class SeriesFiller:
    """Fills the windows of one series, which come part by part.

    Args:
        rule: how windows are filled.
        key: the series.
        standing: the last values of the series before `begin_ns`, at the number 0.
        begin_ns: the first window that may be filled.
    """

    def __init__(self, rule: Rule, key: Key, standing: Standing, begin_ns: int) -> None:
        self._rule = rule
        self._key = key
        self._standing = standing
        self._next_ns = begin_ns

    def add(self, windows: SeriesWindows, last: Floats) -> SeriesWindows:
        """Return the next windows of the series, with those that are filled before and between them.

        Args:
            windows: n windows with points, in the order of time.
            last: the last value of each field in them, shape (n, f), NaN where a window has no point of the field.
        """
        return self._filled(windows, last, self._rule.cut.after(int(windows.begin_ns[-1])))

    def end(self, end_ns: int) -> list[SeriesWindows]:
        """Return the windows that are filled after the last one and before `end_ns`, if there are any."""
        fields = self._standing.value.shape[1]
        nothing = SeriesWindows(
            self._key,
            np.empty(0, dtype=np.int64),
            np.empty((0, fields * len(self._rule.aggregates))),
            np.empty((0, fields)),
        )
        filled = self._filled(nothing, np.empty((0, fields)), max(end_ns, self._next_ns))
        return [filled] if len(filled) else []

    def _filled(self, windows: SeriesWindows, last: Floats, until_ns: int) -> SeriesWindows:
        size = len(windows)
        filled = fill_windows(
            self._rule,
            self._standing,
            Filled(
                np.zeros(size, dtype=np.intp),
                windows.begin_ns,
                windows.values,
                windows.counts,
                np.ones(size, dtype=np.bool_),
            ),
            last,
            np.zeros(1, dtype=np.intp),
            np.array([self._next_ns], dtype=np.int64),
            np.array([until_ns], dtype=np.int64),
        )
        self._next_ns = until_ns
        return SeriesWindows(self._key, filled.begin_ns, filled.values, filled.counts)


def _stand(rule: Rule, value: Floats) -> Floats:
    """Return the aggregates of fields with these last values, with one more dimension than they; NaN stays NaN."""
    aggregates = np.repeat(value[..., None], len(rule.aggregates), axis=-1)
    for column, aggregate in enumerate(rule.aggregates):
        if aggregate in _OF_STANDING:
            aggregates[..., column] = np.where(np.isnan(value), np.nan, _OF_STANDING[aggregate])
    return aggregates
