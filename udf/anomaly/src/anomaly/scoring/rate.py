"""The rate of a series' points: what a full window is now, and whether it changed since training.

A writer that slows down from a point each 10 s to one each 30 s makes every window hold less than half of the points
that training saw. Such windows are whole, though; only those at the edges of an outage are not. So a window is measured
by the median of the series' last windows, once some of them are known, and not only by training. The windows between a
change and the moment when it is the median are left out, which are half of LAST_WINDOWS.

A rate that is less than half of training's, or more than twice, is told by a notice, until it is back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.notices import RATE, Notice
from anomaly.scoring.packing import Arrays, document
from anomaly.scoring.packing import text as packed_text
from anomaly.scoring.series_table import SeriesTable
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times
from anomaly.windows.completeness import LEAST_SHARE, Scorable, are_few_points, scorable_windows
from anomaly.windows.series import SeriesWindows

# The median of this many windows is the rate.
LAST_WINDOWS = 12
# The number of windows from which on their median says something.
_ENOUGH = LAST_WINDOWS // 2
# The parts of a state.
_LAST, _ODD = "points", "odd_rates"
# A notice opens beyond these shares of training's number of points, and closes within the others.
_LESS, _MORE = LEAST_SHARE, 1 / LEAST_SHARE
_LESS_AGAIN, _MORE_AGAIN = 0.6, 1.7


def are_as_trained(counts: Floats, trained: Floats) -> Bools:
    """Return which windows, shape (n,), have about as many points as training saw, of each field that they have any of.

    Args:
        counts: points in each window and field, shape (n, f).
        trained: the usual number of points in training, shape (f,) or (n, f).
    """
    return np.asarray(~(are_few_points(counts, trained) | (counts > _MORE * trained)).any(axis=1))


def _medians(last: Floats) -> Floats:
    """Return the medians of the last windows' numbers of points; NaN where too few are known.

    Args:
        last: shape (..., LAST_WINDOWS), 0 where there was no window yet.

    Returns:
        Medians, shape (...).
    """
    ordered, known = np.sort(last, axis=-1), np.count_nonzero(last > 0, axis=-1)
    # What is known is at the end.
    begin = LAST_WINDOWS - np.maximum(known, 1)
    middle = np.stack([begin + (np.maximum(known, 1) - 1) // 2, begin + np.maximum(known, 1) // 2], axis=-1)
    return np.where(known >= _ENOUGH, np.take_along_axis(ordered, middle, axis=-1).mean(axis=-1), np.nan)


def _have_odd(last: Floats, trained: Floats) -> Bools:
    """Return which of s series, shape (s,), have an odd number of points in some of their last windows.

    Args:
        last: the numbers of points, shape (s, f, LAST_WINDOWS).
        trained: the usual number in training, shape (s, f).
    """
    few, many = last < _LESS * trained[:, :, None], last > _MORE * trained[:, :, None]
    return np.asarray(((few | many) & (last > 0)).any(axis=(1, 2)))


class PointRate:
    """The numbers of points in the last windows of one series.

    Args:
        fields: the names of the f fields.
        last: where the numbers are kept, shape (f, LAST_WINDOWS); None: in an array of its own.
        are_odd: whether some of the last windows have an odd number of points.
        odd_since_ns: the begin of the first window since which that is so; None where it is not.
        notice: the notice that is open; None if there is none.

    Attributes:
        are_odd: as above.
        odd_since_ns: likewise.
        notice: likewise.
    """

    def __init__(
        self,
        fields: Sequence[str],
        last: Floats | None = None,
        *,
        are_odd: bool = False,
        odd_since_ns: int | None = None,
        notice: Notice | None = None,
    ) -> None:
        self._fields = tuple(fields)
        # A window without any point of a field says nothing of the field's rate. 0 stands for no window yet.
        self._last: Floats = np.zeros((len(fields), LAST_WINDOWS)) if last is None else last
        self.are_odd = are_odd
        self.odd_since_ns = odd_since_ns
        self.notice = notice

    def take(self, begin_ns: Times, counts: Floats, trained: Floats, *, is_known: bool) -> tuple[Floats, list[Notice]]:
        """Take the next n windows of the series into account.

        Args:
            begin_ns: the windows' begins, shape (n,).
            counts: points in each window and field, shape (n, f).
            trained: the usual number of points in training, shape (f,).
            is_known: whether training has seen the series; other series open no notice.

        Returns:
            The number of points by which each window is measured, shape (n, f); and the notices that opened or closed.
        """
        if self.is_as_trained and are_as_trained(counts, trained).all():
            # What is common is quick: nothing here is measured by anything but training.
            self.remember(counts)
            return np.broadcast_to(trained, counts.shape), []
        measures = np.empty_like(counts)
        notices: list[Notice] = []
        for at in range(len(counts)):
            measures[at] = np.fmin(trained, _medians(self._last))
            self.remember(counts[at : at + 1])
            notices += self.look(int(begin_ns[at]), trained) if is_known else self.end(int(begin_ns[at]))
            self.are_odd = self._has_odd(trained)
        return measures, notices

    @property
    def is_as_trained(self) -> bool:
        """Whether the last windows have as many points as in training, and no notice is open."""
        return not self.are_odd and self.notice is None

    def _has_odd(self, trained: Floats) -> bool:
        """Return whether some of the last windows have an odd number of points."""
        return bool(_have_odd(self._last[None], trained[None])[0])

    def remember(self, counts: Floats) -> None:
        """Remember the numbers of points, shape (n, f), of the next n windows."""
        counts = counts[-LAST_WINDOWS:]
        if counts.all():
            kept = len(counts)
            self._last[:, :-kept] = self._last[:, kept:]
            self._last[:, -kept:] = counts.T
            return
        for field, column in enumerate(counts.T):
            last = np.concatenate([self._last[field], column[column > 0]])
            self._last[field] = last[-LAST_WINDOWS:]

    def look(self, begin_ns: int, trained: Floats) -> Iterable[Notice]:
        """Yield the notice that the window which was remembered last opens or closes."""
        if self._has_odd(trained):
            self.odd_since_ns = begin_ns if self.odd_since_ns is None else self.odd_since_ns
        else:
            self.odd_since_ns = None
        median = _medians(self._last)
        if self.notice is None:
            changed = (median < _LESS * trained) | (median > _MORE * trained)
            if changed.any() and self.odd_since_ns is not None:
                text, count = self._text(changed, median, trained)
                self.notice = Notice(RATE, self.odd_since_ns, begin_ns, "open", text, count)
                yield self.notice
        elif not ((median < _LESS_AGAIN * trained) | (median > _MORE_AGAIN * trained)).any():
            yield Notice(RATE, self.notice.begin_ns, begin_ns, "closed", self.notice.text, self.notice.count)
            # Odd windows before are this notice's: what opens next is another one, with another begin.
            self.notice, self.odd_since_ns = None, None

    def end(self, at_ns: int) -> list[Notice]:
        """Close the open notice of a series of which nobody expects a rate any more.

        Args:
            at_ns: the begin of the series' last window.

        Returns:
            The notice that closed, if one was open.
        """
        notice, self.notice, self.odd_since_ns = self.notice, None, None
        if notice is None:
            return []
        return [Notice(RATE, notice.begin_ns, max(at_ns, notice.end_ns), "closed", notice.text, notice.count)]

    def _text(self, changed: Bools, median: Floats, trained: Floats) -> tuple[str, int]:
        """Return what people read of the `changed` fields, shape (f,), and the number of points now."""
        now = {(float(median[field]), float(trained[field])) for field in np.flatnonzero(changed)}
        if changed.all() and len(now) == 1:
            ((points, usual),) = now
            return f"{points:g} points a window, training saw {usual:g}", int(points)
        field = int(changed.argmax())
        more = f", and {changed.sum() - 1} more fields" if changed.sum() > 1 else ""
        points, usual = float(median[field]), float(trained[field])
        return f"{points:g} points of {self._fields[field]} a window, training saw {usual:g}{more}", int(points)

    def state(self) -> list[Any]:
        """Return the state for JSON."""
        notice = self.notice
        return [
            [[int(count) for count in last[last > 0]] for last in self._last],
            self.are_odd,
            self.odd_since_ns,
            None if notice is None else [notice.begin_ns, notice.end_ns, notice.text, notice.count],
        ]

    @classmethod
    def from_state(cls, fields: Sequence[str], state: Sequence[Any], last: Floats | None = None) -> "PointRate":
        """Go on where `state` was taken.

        Args:
            fields: the names of the f fields.
            state: what `state` returned.
            last: as for `PointRate`.

        Raises:
            TypeError: the state is of other fields.
            ValueError: likewise.
        """
        rate = cls(fields, last)
        numbers, are_odd, odd_since_ns, notice = state
        for field, counts in zip(range(len(fields)), numbers, strict=True):
            if counts:
                rate._last[field, -len(counts) :] = counts
        rate.are_odd = bool(are_odd)
        rate.odd_since_ns = None if odd_since_ns is None else int(odd_since_ns)
        if notice is not None:
            begin_ns, end_ns, text, count = notice
            rate.notice = Notice(RATE, int(begin_ns), int(end_ns), "open", str(text), int(count))
        return rate


class PointRates:
    """The rates of many series as arrays; a `PointRate` is made for one where it is needed.

    Args:
        table: the series.
        fields: the names of the f fields.
    """

    def __init__(self, table: SeriesTable, fields: Sequence[str]) -> None:
        self._fields = tuple(fields)
        self._last: Floats = table.column(np.float64, len(fields), LAST_WINDOWS)
        # What a `PointRate` remembers besides; only notices are objects.
        self._are_odd: Bools = table.column(np.bool_)
        self._is_odd_since: Bools = table.column(np.bool_)
        self._odd_since_ns: Times = table.column(np.int64)
        self._has_notice: Bools = table.column(np.bool_)
        self._notices: dict[int, Notice] = table.objects()

    def take(
        self,
        row: Ints,
        begin_ns: Times,
        counts: Floats,
        trained: Floats,
        is_known: Bools,
        rounds: Sequence[Ints],
    ) -> tuple[Floats, list[tuple[int, Notice]]]:
        """Take the next n windows of many series into account, as `PointRate.take` does those of one.

        Args:
            row: the rows of the windows' series, shape (n,).
            begin_ns: the windows' begins, shape (n,).
            counts: points in each window and field, shape (n, f).
            trained: the usual number of points in training, shape (n, f).
            is_known: whether training has seen the series, shape (n,).
            rounds: positions of windows in parts, each with one window of a series at most, in the order of time.

        Returns:
            The number of points by which each window is measured, shape (n, f); and the notices that opened or closed,
            each with the position of its window.
        """
        measures, notices = trained.copy(), list[tuple[int, Notice]]()
        for part in rounds:
            one = row[part]
            is_told = self._has_notice[one]
            for at in part[is_told].tolist():
                rate = self.of(int(row[at]))
                alone = slice(at, at + 1)
                measures[alone], told = rate.take(
                    begin_ns[alone], counts[alone], trained[at], is_known=bool(is_known[at])
                )
                self.keep(int(row[at]), rate)
                notices += ((at, notice) for notice in told)
            is_odd = ~is_told & (self._are_odd[one] | ~are_as_trained(counts[part], trained[part]))
            odd, others = part[is_odd], part[~is_told]
            measures[odd] = np.fmin(trained[odd], _medians(self._last[row[odd]]))
            self._remember(row[others], counts[others])
            notices += self._look(odd, row[odd], begin_ns, trained, is_known) if len(odd) else ()
        return measures, notices

    def _remember(self, row: Ints, counts: Floats) -> None:
        """Remember the numbers of points, shape (n, f), in the next window of each of n series."""
        last, newest = self._last[row], counts[:, :, None]
        self._last[row] = np.where(newest > 0, np.concatenate([last[:, :, 1:], newest], axis=2), last)

    def _look(
        self, at: Ints, row: Ints, begin_ns: Times, trained: Floats, is_known: Bools
    ) -> Iterable[tuple[int, Notice]]:
        """Yield the notices that windows open, one of a series, at positions `at`, which were remembered last."""
        last, usual = self._last[row], trained[at]
        are_odd = _have_odd(last, usual)
        begins = are_odd & is_known[at] & ~self._is_odd_since[row]
        self._are_odd[row] = are_odd
        self._is_odd_since[row] = are_odd & is_known[at]
        self._odd_since_ns[row[begins]] = begin_ns[at[begins]]
        median = _medians(last)
        changed = ((median < _LESS * usual) | (median > _MORE * usual)).any(axis=1) & self._is_odd_since[row]
        for number in np.flatnonzero(changed).tolist():
            one, window = int(row[number]), int(at[number])
            rate = self.of(one)
            for notice in rate.look(int(begin_ns[window]), usual[number]):
                yield window, notice
            self.keep(one, rate)

    def copy(self, row: Ints) -> Callable[[], None]:
        """Return what puts the rates of series, shape (n,), back to what they are now."""
        columns = (self._last, self._are_odd, self._is_odd_since, self._odd_since_ns, self._has_notice)
        kept = [column[row] for column in columns]
        notices = {one: self._notices[one] for one in row.tolist() if one in self._notices}

        def put_back() -> None:
            for column, values in zip(columns, kept, strict=True):
                column[row] = values
            for one in row.tolist():
                self._notices.pop(one, None)
            self._notices.update(notices)

        return put_back

    def of(self, row: int) -> PointRate:
        """Return the rate of a series, which `keep` takes back."""
        odd_since_ns = int(self._odd_since_ns[row]) if self._is_odd_since[row] else None
        return PointRate(
            self._fields,
            self._last[row],
            are_odd=bool(self._are_odd[row]),
            odd_since_ns=odd_since_ns,
            notice=self._notices.get(row),
        )

    def keep(self, row: int, rate: PointRate) -> None:
        """Keep what a series' rate remembers now."""
        self._are_odd[row] = rate.are_odd
        self._is_odd_since[row] = rate.odd_since_ns is not None
        self._odd_since_ns[row] = rate.odd_since_ns or 0
        self._has_notice[row] = rate.notice is not None
        if rate.notice is None:
            self._notices.pop(row, None)
        else:
            self._notices[row] = rate.notice

    def end(self, row: int, at_ns: int) -> list[Notice]:
        """Close the open notice of a series that is forgotten, as `PointRate.end` does."""
        return self.of(row).end(at_ns)

    def are_usual(self, row: Ints) -> Bools:
        """Return of which series, shape (n,), nothing but the numbers of points matters."""
        return np.asarray(~(self._are_odd[row] | self._is_odd_since[row] | self._has_notice[row]))

    def have_notice(self, row: Ints) -> Bools:
        """Return of which series, shape (n,), a notice is open."""
        return self._has_notice[row]

    def state(self, row: Ints) -> dict[str, AnyArray]:
        """Return what is remembered of the series of some rows, shape (n,), as arrays by name."""
        odd = [[at, self.of(int(row[at])).state()] for at in np.flatnonzero(~self.are_usual(row)).tolist()]
        return {_LAST: self._last[row].astype(np.int32), _ODD: packed_text(odd)}

    def read(self, arrays: Arrays) -> tuple[Floats, dict[int, Sequence[Any]]]:
        """Return what `state` remembers of n series, for `restore`.

        Args:
            arrays: what `state` returned, and perhaps others.

        Returns:
            The numbers of points, shape (n, f, LAST_WINDOWS), and the states of rates that are not usual by position.

        Raises:
            KeyError: the state is of other fields.
            TypeError: likewise.
            ValueError: likewise.
        """
        last, odd = arrays[_LAST].astype(np.float64), {int(at): state for at, state in document(arrays[_ODD])}
        if last.ndim != 3 or last.shape[1:] != (len(self._fields), LAST_WINDOWS):
            raise ValueError(f"the numbers of points have the shape {last.shape} for {len(self._fields)} fields")
        for state in odd.values():
            PointRate.from_state(self._fields, state)
        return last, odd

    def restore(self, row: Ints, read: tuple[Floats, Mapping[int, Sequence[Any]]]) -> None:
        """Go on where `state` was taken.

        Args:
            row: the rows of its n series, shape (n,).
            read: what `read` returned.
        """
        self._last[row], odd = read
        for one in row[~self.are_usual(row)].tolist():
            self.keep(one, PointRate(self._fields, self._last[one]))
        for at, state in odd.items():
            one = int(row[at])
            self.keep(one, PointRate.from_state(self._fields, state, self._last[one]))


def scorable_at_rate(
    pipeline: Pipeline, model: Model, rate: PointRate, windows: SeriesWindows
) -> tuple[Scorable[SeriesWindows], list[Notice]]:
    """Take the next windows of a series into account, and return which are scorable at its rate in training and now.

    Args:
        pipeline: the pipeline, whose `missing` decides how many fields a window needs.
        model: the model, which knows the rate in training.
        rate: the series' rate up to here.
        windows: the windows, by time.

    Returns:
        The scorable windows, and the notices that opened or closed.
    """
    key = windows.key
    measures, notices = rate.take(windows.begin_ns, windows.counts, model.usual_points(key), is_known=model.knows(key))
    return scorable_windows(pipeline, windows, measures, allow_single_points=True), notices
