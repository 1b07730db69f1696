"""Context: what lets a detector of single windows see time.

Of each feature x, causal columns beside it, from the series' own windows before:

- *difference*: x minus that of the window before. A jump within the usual range.
- *deviation*: x minus the median of the 24 windows before, in units of their spread (1.4826 times the median absolute
  deviation, at least a tenth of the series' scale). A shift within the usual range.
- *lag*: x of the window before and of the one before that. The usual values in an unusual order.

And of the window's begin, as sine and cosine, so that midnight is no edge:

- *time_of_day*, *time_of_week* (UTC). The usual value at the wrong time. Only where the history has seen each hour of
  the day, or of the week, in two of them or more: what time has not been seen would all be unusual.

Windows before are those that were scored, with at most five missing between two. After a longer pause, when time goes
back, and for a series that training has not seen, nothing is known of them: until enough were seen, a window is judged
by a second detector, which sees the window alone. Scores are as great, and no value has to be made up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from anomaly.detectors.base import Detector, Follower, History, filled
from anomaly.detectors.parts.learnt import packed, unpacked
from anomaly.detectors.parts.shares import shares
from anomaly.windows.arrays import Floats, Times

NAME = "context"
_PLAIN = "plain_"
_HOUR_NS = 3_600_000_000_000
# Of what is kept of time: its period, and what it is called.
PERIODS_NS = {"time_of_day": 24 * _HOUR_NS, "time_of_week": 7 * 24 * _HOUR_NS}
# How many windows before the own each needs.
_REACH = {"difference": 1, "deviation": 24, "lag": 2}
KINDS = (*_REACH, *PERIODS_NS)
# Windows that are further apart do not belong together; so much silence is a period by default (`periods.silence`).
_APART_WINDOWS = 6
# A kind is used where so many of the history's windows have enough before them.
_MOST = 0.5
_MAD_TO_SIGMA = 1.4826
_SMALLEST_SPREAD = 0.1
# In units of a feature's scale: noon is six of them away from midnight.
_CIRCLE = 3.0
# Medians of so many windows at once, which bounds memory.
_CHUNK = 4_096


@dataclass(frozen=True, slots=True)
class Choice:
    """Which kinds of context a model uses of those that were asked for. left_out: why it does not, by kind."""

    used: tuple[str, ...]
    left_out: Mapping[str, str]


def choose(asked: Sequence[str], series: NDArray[np.intp], begin_ns: Times, window_ns: int, *, long: bool) -> Choice:
    """What a history has enough of: windows that begin at `begin_ns` (n,) of series (n,), each series in the order of
    time. long: see `History`."""
    if not long:
        return Choice((), dict.fromkeys(asked, "the history has less than 1,000 windows of each series"))
    left_out = {}
    for kind in asked:
        unseen = kind in PERIODS_NS and _unseen(kind, begin_ns, window_ns)
        scattered = kind in _REACH and _scattered(kind, series, begin_ns, window_ns)
        if reason := unseen or scattered:
            left_out[kind] = reason
    return Choice(tuple(kind for kind in asked if kind not in left_out), left_out)


def _unseen(kind: str, begin_ns: Times, window_ns: int) -> str:
    """Which hours a history has not seen often enough, in words; empty where it has."""
    period_ns, slot_ns = PERIODS_NS[kind], max(_HOUR_NS, window_ns)
    slots = -(-period_ns // slot_ns)
    seen = np.unique(begin_ns // period_ns * slots + begin_ns % period_ns // slot_ns)
    often = int((np.bincount(seen % slots, minlength=slots) >= 2).sum())
    if often == slots:
        return ""
    hours = "hours" if slot_ns == _HOUR_NS else "windows"
    of, in_two = ("day", "on two days") if kind == "time_of_day" else ("week", "in two weeks")
    return f"of the {slots} {hours} of the {of}, the history has seen {often} {in_two} or more"


def _scattered(kind: str, series: NDArray[np.intp], begin_ns: Times, window_ns: int) -> str:
    """How few windows have enough before them, in words; empty where most have."""
    place = np.arange(len(begin_ns))
    anew = _apart(np.diff(begin_ns, prepend=begin_ns[0]), window_ns) | (np.diff(series, prepend=-1) != 0)
    enough = float((place - np.maximum.accumulate(np.where(anew, place, 0)) >= _REACH[kind]).mean())
    if enough >= _MOST:
        return ""
    return f"{enough:.0%} of the history's windows have {_REACH[kind]} before them without a pause"


def _apart(steps: Times, window_ns: int) -> NDArray[np.bool_]:
    """Which steps (n,) in time, in nanoseconds, are too long for windows to belong together, or go back."""
    return (steps <= 0) | (steps > _APART_WINDOWS * window_ns)


def column_names(kinds: Sequence[str], features: Sequence[str]) -> list[str]:
    """The columns that `kinds` add to those of `features`, by their names."""
    names = []
    for kind in (kind for kind in KINDS if kind in kinds):
        if kind in PERIODS_NS:
            names += [f"sin({kind})", f"cos({kind})"]
        else:
            labels = ("lag 1", "lag 2") if kind == "lag" else (kind,)
            names += [f"{label} of {name}" for label in labels for name in features]
    return names


class Columns:
    """The columns of some kinds, of series whose windows have `width` features. sides: see `History`; differences and
    deviations to the side that does not count are 0."""

    def __init__(self, kinds: Sequence[str], width: int, window_ns: int, sides: Sequence[int] | None = None) -> None:
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)
        self.width = width
        self.window_ns = window_ns
        self.sides = np.array(sides or [0] * width)
        # How many windows before a window its columns come from.
        self.reach = max((_REACH.get(kind, 0) for kind in self.kinds), default=0)
        copies = 1 + sum(2 if kind == "lag" else 1 for kind in self.kinds if kind in _REACH)
        times = 2 * sum(kind in PERIODS_NS for kind in self.kinds)
        # (d + k, d): which feature a column tells of; the time tells of none.
        self.whose: Floats = np.concatenate([np.tile(np.eye(width), (copies, 1)), np.zeros((times, width))])

    def past(self) -> "Past":
        """Of a series of which nothing was seen."""
        return Past(self, None, np.empty((0, self.width)))

    def along(self, history: History) -> tuple[Floats, NDArray[np.bool_]]:
        """What `Past.extend` says of all windows of a history."""
        extended = np.empty((len(history.x), len(self.whose)))
        known = np.empty(len(history.x), dtype=np.bool_)
        for series in range(history.count):
            mine = history.series == series
            extended[mine], known[mine] = self.past().extend(history.begin_ns[mine], history.x[mine])
        return extended, known

    def __call__(self, begin_ns: Times, rows: Floats) -> Floats:
        """The features and columns (n, d + k) of the last n windows, which begin at `begin_ns` (n,), of rows (reach +
        n, d); NaN where they need rows that are."""
        start, n = self.reach, len(begin_ns)
        x = rows[start:]
        parts = [x]
        for kind in self.kinds:
            if kind == "difference":
                parts.append(self._counted(x - rows[start - 1 : start - 1 + n]))
            elif kind == "deviation":
                parts.append(self._counted(_deviation(x, rows[start - _REACH[kind] :])))
            elif kind == "lag":
                parts += [rows[start - lag : start - lag + n] for lag in (1, 2)]
            else:
                angle = begin_ns % PERIODS_NS[kind] / PERIODS_NS[kind] * (2 * np.pi)
                parts.append(_CIRCLE * np.stack([np.sin(angle), np.cos(angle)], axis=1))
        return np.concatenate(parts, axis=1)

    def _counted(self, column: Floats) -> Floats:
        return np.where(self.sides * column < 0.0, 0.0, column)


def _deviation(x: Floats, rows: Floats) -> Floats:
    """Of windows x (n, d), from the windows before each in rows (span + n, d)."""
    before = sliding_window_view(rows[:-1], _REACH["deviation"], axis=0)
    deviation = np.empty(x.shape)
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        middle = np.median(before[part], axis=2)
        spread = _MAD_TO_SIGMA * np.median(np.abs(before[part] - middle[:, :, None]), axis=2)
        deviation[part] = (x[part] - middle) / np.maximum(spread, _SMALLEST_SPREAD)
    return deviation


class Past:
    """The last windows of one series, at most `reach`: rows (k, d), by time, since the last pause."""

    def __init__(self, columns: Columns, last_ns: int | None, rows: Floats) -> None:
        self._columns = columns
        self._last_ns = last_ns
        self._rows = rows

    def extend(self, begin_ns: Times, x: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """The features and columns (n, d + k) of the next windows (n, d), which then belong to the past; and before
        which of them (n,) there were enough.

        A feature that is not known (NaN) is at its center, and so are its columns where they need it.
        """
        extended = np.empty((len(x), len(self._columns.whose)))
        known = np.empty(len(x), dtype=np.bool_)
        if not len(x):
            return extended, known
        last_ns = begin_ns[0] if self._last_ns is None else self._last_ns
        anew = _apart(np.diff(begin_ns, prepend=last_ns), self._columns.window_ns)
        reach = self._columns.reach
        starts = np.flatnonzero(anew | (np.arange(len(x)) == 0)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(x)], strict=True):
            past = self._rows[:0] if anew[start] else self._rows
            none = np.full((reach - len(past), self._columns.width), np.nan)
            extended[start:stop] = self._columns(begin_ns[start:stop], np.concatenate([none, past, x[start:stop]]))
            known[start:stop] = np.arange(stop - start) >= len(none)
            rows = np.concatenate([past, x[start:stop]])
            self._rows = rows[max(0, len(rows) - reach) :]
        self._last_ns = int(begin_ns[-1])
        return filled(extended), known

    def state(self) -> Any:
        """For JSON."""
        return [self._last_ns, [[None if math.isnan(value) else value for value in row] for row in self._rows.tolist()]]

    @classmethod
    def from_state(cls, columns: Columns, state: Any) -> "Past":
        """The inverse of `state`. Raises TypeError or ValueError when it does not fit."""
        last_ns, rows = state
        if len(rows) > columns.reach or any(len(row) != columns.width for row in rows):
            raise ValueError(f"{len(rows)} windows, where {columns.reach} of {columns.width} features are kept")
        kept = np.array(rows, dtype=np.float64).reshape(-1, columns.width)
        return cls(columns, None if last_ns is None else int(last_ns), kept)


class Contextual:
    """A detector that is given columns of the context, and one for windows of whose past too little is known.

    full: sees d features and k columns. plain: sees d features. Neither remembers anything. states: for each row (see
    `Detector.follow`) the past.
    """

    def __init__(self, columns: Columns, plain: Detector, full: Detector, states: Sequence[Any]) -> None:
        self.columns = columns
        self.plain = plain
        self.full = full
        self._states = states

    @property
    def adds_up(self) -> bool:
        """Where the past is looked at: one odd window is seen in the columns of those after it, too."""
        return self.columns.reach > 0

    def follow(self, row: int, state: Any = None) -> "ContextualFollower":
        """See `Detector.follow`."""
        past = Past.from_state(self.columns, self._states[row] if state is None else state)
        return ContextualFollower(self.columns, past, self.plain.follow(row), self.full.follow(row))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Detector.arrays`."""
        columns = self.columns
        described = packed([columns.kinds, columns.width, columns.window_ns, columns.sides.tolist(), self._states])
        plain = {f"{_PLAIN}{name}": array for name, array in self.plain.arrays().items()}
        return {NAME: described, **plain, **self.full.arrays()}


class ContextualFollower:
    """One series with its past."""

    def __init__(self, columns: Columns, past: Past, plain: Follower, full: Follower) -> None:
        self._columns = columns
        self._past = past
        self._plain = plain
        self._full = full

    def explain(self, begin_ns: Times, x: Floats) -> tuple[Floats, Floats]:
        """See `Follower.explain`. The shares of a feature's columns are its own; what the time of a window has in its
        score, is shared out as the rest is."""
        extended, known = self._past.extend(begin_ns, x)
        scores, parts = np.empty(len(x)), np.empty(x.shape)
        for follower, mine, seen in ((self._full, known, extended), (self._plain, ~known, x)):
            if mine.any():
                scores[mine], share = follower.explain(begin_ns[mine], seen[mine])
                parts[mine] = shares(share @ self._columns.whose[: share.shape[1]])
        return scores, parts

    def state(self) -> Any:
        """See `Follower.state`."""
        return self._past.state()


def states(columns: Columns, history: History) -> list[Any]:
    """The past by row (see `Detector.follow`): nothing for a series that training has not seen, then each series' at
    the history's end."""
    pasts = [columns.past()]
    for series in range(history.count):
        begin_ns, x = history.of(series)
        pasts.append(columns.past())
        pasts[-1].extend(begin_ns[-columns.reach - 1 :], x[-columns.reach - 1 :])
    return [past.state() for past in pasts]


def load(
    arrays: Mapping[str, NDArray[np.generic]], inner: Callable[[Mapping[str, NDArray[np.generic]]], Detector]
) -> Contextual:
    """The inverse of `Contextual.arrays`. inner: makes the two detectors from theirs. Raises KeyError where one is
    missing."""
    kinds, width, window_ns, sides, pasts = unpacked(arrays[NAME])
    plain = {name.removeprefix(_PLAIN): array for name, array in arrays.items() if name.startswith(_PLAIN)}
    return Contextual(Columns(kinds, width, window_ns, sides), inner(plain), inner(arrays), pasts)
