"""The rate of a series' points: what a full window is now, and whether it changed since training.

A writer that slows down from a point each 10 s to one each 30 s makes every window hold less than half of the points
that training saw. Such windows are whole, though; only those at the edges of an outage are not. So a window is measured
by the median of the series' last windows, once some of them are known, and not only by training. The windows between a
change and the moment when it is the median are left out, which are half of LAST_WINDOWS.

A rate that is less than half of training's, or more than twice, is told by a notice, until it is back.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.notices import RATE, Notice
from anomaly.windows.arrays import Bools, Floats, Times
from anomaly.windows.completeness import LEAST_SHARE, Scorable, scorable_windows
from anomaly.windows.series import SeriesWindows

# The median of this many windows is the rate.
LAST_WINDOWS = 12
# The number of windows from which on their median says something.
_ENOUGH = LAST_WINDOWS // 2
# A notice opens beyond these shares of training's number of points, and closes within the others.
_LESS, _MORE = LEAST_SHARE, 1 / LEAST_SHARE
_LESS_AGAIN, _MORE_AGAIN = 0.6, 1.7


def are_as_trained(counts: Floats, trained: Floats) -> Bools:
    """Return which windows, shape (n,), have about as many points of each field as training saw.

    Args:
        counts: points in each window and field, shape (n, f).
        trained: the usual number of points in training, shape (f,) or (n, f).
    """
    return np.asarray(~((counts < _LESS * trained) | (counts > _MORE * trained)).any(axis=1))


class PointRate:
    """The numbers of points in the last windows of one series.

    Args:
        fields: the names of the f fields.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = tuple(fields)
        # A window without any point of a field says nothing of the field's rate. NaN stands for no window yet.
        self._last: Floats = np.full((len(fields), LAST_WINDOWS), np.nan)
        self._odd_since_ns: int | None = None
        self._notice: Notice | None = None
        self._are_odd = False

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
            measures[at] = np.fmin(trained, self._median())
            self.remember(counts[at : at + 1])
            notices += self._look(int(begin_ns[at]), trained) if is_known else ()
            self._are_odd = bool(self._odd(trained).any())
        return measures, notices

    @property
    def is_as_trained(self) -> bool:
        """Whether the last windows have as many points as in training, and no notice is open."""
        return not self._are_odd and self._notice is None

    def _median(self) -> Floats:
        """Return the median of the last windows, shape (f,); NaN where there are too few."""
        medians = np.full(len(self._fields), np.nan)
        for field, last in enumerate(self._last):
            known = last[~np.isnan(last)]
            if len(known) >= _ENOUGH:
                medians[field] = np.median(known)
        return medians

    def _odd(self, trained: Floats) -> Bools:
        """Return which of the last windows have an odd number of points, shape (f, LAST_WINDOWS)."""
        return np.asarray((self._last < _LESS * trained[:, None]) | (self._last > _MORE * trained[:, None]))

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

    def _look(self, begin_ns: int, trained: Floats) -> Iterable[Notice]:
        """Yield the notice that the window which was remembered last opens or closes."""
        if self._odd(trained).any():
            self._odd_since_ns = begin_ns if self._odd_since_ns is None else self._odd_since_ns
        else:
            self._odd_since_ns = None
        median = self._median()
        if self._notice is None:
            changed = (median < _LESS * trained) | (median > _MORE * trained)
            if changed.any() and self._odd_since_ns is not None:
                text, count = self._text(changed, median, trained)
                self._notice = Notice(RATE, self._odd_since_ns, begin_ns, "open", text, count)
                yield self._notice
        elif not ((median < _LESS_AGAIN * trained) | (median > _MORE_AGAIN * trained)).any():
            yield Notice(RATE, self._notice.begin_ns, begin_ns, "closed", self._notice.text, self._notice.count)
            self._notice = None

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
        notice = self._notice
        return [
            [[int(count) for count in last[~np.isnan(last)]] for last in self._last],
            self._are_odd,
            self._odd_since_ns,
            None if notice is None else [notice.begin_ns, notice.end_ns, notice.text, notice.count],
        ]

    @classmethod
    def from_state(cls, fields: Sequence[str], state: Sequence[Any]) -> "PointRate":
        """Go on where `state` was taken. Raises TypeError or ValueError for a state of other fields."""
        rate = cls(fields)
        last, are_odd, odd_since_ns, notice = state
        for field, counts in zip(range(len(fields)), last, strict=True):
            if counts:
                rate._last[field, -len(counts) :] = counts
        rate._are_odd = bool(are_odd)
        rate._odd_since_ns = None if odd_since_ns is None else int(odd_since_ns)
        if notice is not None:
            begin_ns, end_ns, text, count = notice
            rate._notice = Notice(RATE, int(begin_ns), int(end_ns), "open", str(text), int(count))
        return rate


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
