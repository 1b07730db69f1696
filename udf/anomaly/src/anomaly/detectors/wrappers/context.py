"""Context: causal columns beside the features, by which a detector of single windows sees time.

For each feature x there are columns from the windows of the same series before:

- *difference*: x minus that of the window before. It shows a jump within the usual range.
- *deviation*: x minus the median of the 24 windows before, in units of their spread (1.4826 times the median absolute
  deviation, at least a tenth of the series' scale). It shows a shift within the usual range.
- *lag*: x of the window before, and of the one before that. They show usual values in an unusual order.

Two kinds are about the window's begin, as sine and cosine, so that midnight is not an edge:

- *time_of_day* and *time_of_week* (UTC). They show the usual value at the wrong time. They are used only where the
  history has seen each hour of the day, or of the week, in two of them or more: else all unseen times would look odd.

"Windows before" are those that were scored, with at most five missing between two. They are unknown after a longer
pause, when time goes back, and for a series that training has not seen. Until enough windows were seen, a second
detector scores the window, which sees the window alone. Its scores are as great, and no value has to be made up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from anomaly.detectors.base import Detector, FeatureHistory, Follower, filled
from anomaly.detectors.declaration import Arrays
from anomaly.detectors.parts.learnt import packed, unpacked
from anomaly.detectors.parts.shares import shares
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times

NAME = "context"
_PLAIN = "plain_"
_HOUR_NS = 3_600_000_000_000
# The period of each kind that is about time.
PERIODS_NS = {"time_of_day": 24 * _HOUR_NS, "time_of_week": 7 * 24 * _HOUR_NS}
# How many windows before a window each kind needs.
_REACH = {"difference": 1, "deviation": 24, "lag": 2}
KINDS = (*_REACH, *PERIODS_NS)
# Windows that are further apart do not belong together; by default such a silence is a period (`periods.silence`).
_APART_WINDOWS = 6
# A kind is used where at least this share of the history's windows has enough windows before it.
_LEAST_SHARE = 0.5
_MAD_TO_SIGMA = 1.4826
_SMALLEST_SPREAD = 0.1
# The circle's radius in units of a feature's scale: noon is six of them away from midnight.
_CIRCLE = 3.0
# Medians are computed for this many windows at once, which bounds memory.
_CHUNK = 4_096
# The parameter of every detector that sees context.
PARAMETER = {
    "description": (
        "What the forest sees of time, besides each window's features: of each feature its difference to the window "
        "before, its deviation from the last windows' median and spread, and those of the two windows before (lag); "
        "the time of day and of week, where the history has seen each hour of it twice."
    ),
    "type": "array",
    "uniqueItems": True,
    "items": {"type": "string", "enum": list(KINDS)},
    "default": [],
    "examples": [["difference", "time_of_day"]],
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the wanted kinds of context a model uses.

    Attributes:
        used: the kinds it uses.
        left_out: why it does not use the others, by kind.
    """

    used: tuple[str, ...]
    left_out: Mapping[str, str]


def choose(asked: Sequence[str], series: Ints, begin_ns: Times, window_ns: int, *, is_long: bool) -> Choice:
    """Choose the kinds of context that a history has enough windows for.

    Args:
        asked: the kinds that the pipeline asks for.
        series: number of each window's series, shape (n,).
        begin_ns: begins of the windows, shape (n,), nanoseconds since 1970, each series in the order of time.
        window_ns: length of a window, nanoseconds.
        is_long: whether the history is long (`FeatureHistory.is_long`).

    Returns:
        What to use, and why the rest is left out.
    """
    if not is_long:
        return Choice((), dict.fromkeys(asked, "the history has less than 1,000 windows of each series"))
    left_out = {}
    for kind in asked:
        unseen = kind in PERIODS_NS and _unseen(kind, begin_ns, window_ns)
        scattered = kind in _REACH and _scattered(kind, series, begin_ns, window_ns)
        if reason := unseen or scattered:
            left_out[kind] = reason
    return Choice(tuple(kind for kind in asked if kind not in left_out), left_out)


def _unseen(kind: str, begin_ns: Times, window_ns: int) -> str:
    """Say which hours a history has not seen often enough; return an empty text where it has seen all of them."""
    period_ns, slot_ns = PERIODS_NS[kind], max(_HOUR_NS, window_ns)
    slots = -(-period_ns // slot_ns)
    seen = np.unique(begin_ns // period_ns * slots + begin_ns % period_ns // slot_ns)
    often = int((np.bincount(seen % slots, minlength=slots) >= 2).sum())
    if often == slots:
        return ""
    hours = "hours" if slot_ns == _HOUR_NS else "windows"
    of, in_two = ("day", "on two days") if kind == "time_of_day" else ("week", "in two weeks")
    return f"of the {slots} {hours} of the {of}, the history has seen {often} {in_two} or more"


def _scattered(kind: str, series: Ints, begin_ns: Times, window_ns: int) -> str:
    """Say how few windows have enough windows before them; return an empty text where most have."""
    place = np.arange(len(begin_ns))
    anew = _apart(np.diff(begin_ns, prepend=begin_ns[0]), window_ns) | (np.diff(series, prepend=-1) != 0)
    enough = float((place - np.maximum.accumulate(np.where(anew, place, 0)) >= _REACH[kind]).mean())
    if enough >= _LEAST_SHARE:
        return ""
    return f"{enough:.0%} of the history's windows have {_REACH[kind]} before them without a pause"


def _apart(steps: Times, window_ns: int) -> Bools:
    """Find the steps in time, shape (n,), nanoseconds, that go back or are too long for windows to belong together."""
    return (steps <= 0) | (steps > _APART_WINDOWS * window_ns)


def column_names(kinds: Sequence[str], features: Sequence[str]) -> list[str]:
    """Name the columns that kinds of context add.

    Args:
        kinds: kinds of context.
        features: the features' names.

    Returns:
        The columns' names, in their order.
    """
    names = []
    for kind in (kind for kind in KINDS if kind in kinds):
        if kind in PERIODS_NS:
            names += [f"sin({kind})", f"cos({kind})"]
        else:
            labels = ("lag 1", "lag 2") if kind == "lag" else (kind,)
            names += [f"{label} of {name}" for label in labels for name in features]
    return names


class Columns:
    """The columns of some kinds of context.

    Attributes:
        kinds: the kinds, in the order of `KINDS`.
        width: d, the number of features of a window.
        window_ns: length of a window, nanoseconds.
        sides: which side counts for each feature (`FeatureHistory.sides`), shape (d,); differences and deviations to
            the other side are 0.
        reach: how many windows before a window its columns come from.
        whose: which feature each of d + k columns tells of, shape (d + k, d); time tells of none.
    """

    def __init__(self, kinds: Sequence[str], width: int, window_ns: int, sides: Sequence[int] | None = None) -> None:
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)
        self.width = width
        self.window_ns = window_ns
        self.sides = np.array(sides or [0] * width)
        self.reach = max((_REACH.get(kind, 0) for kind in self.kinds), default=0)
        copies = 1 + sum(2 if kind == "lag" else 1 for kind in self.kinds if kind in _REACH)
        times = 2 * sum(kind in PERIODS_NS for kind in self.kinds)
        self.whose: Floats = np.concatenate([np.tile(np.eye(width), (copies, 1)), np.zeros((times, width))])

    def past(self) -> "Past":
        """Return the past of a series of which nothing was seen."""
        return Past(self, None, np.empty((0, self.width)))

    def along(self, history: FeatureHistory) -> tuple[Floats, Bools]:
        """Extend all windows of a history.

        Args:
            history: n windows.

        Returns:
            What `Past.extend` returns of each series, in the order of the history.
        """
        extended = np.empty((len(history.x), len(self.whose)))
        known = np.empty(len(history.x), dtype=np.bool_)
        for series in range(history.series_count):
            mask = history.series == series
            extended[mask], known[mask] = self.past().extend(history.begin_ns[mask], history.x[mask])
        return extended, known

    def __call__(self, begin_ns: Times, rows: Floats) -> Floats:
        """Compute the columns of n windows.

        Args:
            begin_ns: begins of these windows, shape (n,), nanoseconds since 1970.
            rows: features of the `reach` windows before them, and theirs, shape (reach + n, d), NaN where unknown.

        Returns:
            Features and columns, shape (n, d + k), NaN where they need an unknown feature.
        """
        first, n = self.reach, len(begin_ns)
        x = rows[first:]
        parts = [x]
        for kind in self.kinds:
            if kind == "difference":
                parts.append(self._counted(x - rows[first - 1 : first - 1 + n]))
            elif kind == "deviation":
                parts.append(self._counted(_deviation(x, rows[first - _REACH[kind] :])))
            elif kind == "lag":
                parts += [rows[first - lag : first - lag + n] for lag in (1, 2)]
            else:
                angle = begin_ns % PERIODS_NS[kind] / PERIODS_NS[kind] * (2 * np.pi)
                parts.append(_CIRCLE * np.stack([np.sin(angle), np.cos(angle)], axis=1))
        return np.concatenate(parts, axis=1)

    def _counted(self, column: Floats) -> Floats:
        return np.where(self.sides * column < 0.0, 0.0, column)


def _deviation(x: Floats, rows: Floats) -> Floats:
    """Compute deviations of x, shape (n, d), from the windows before each in rows, shape (span + n, d)."""
    before = sliding_window_view(rows[:-1], _REACH["deviation"], axis=0)
    deviation = np.empty(x.shape)
    for begin in range(0, len(x), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        middle = np.median(before[part], axis=2)
        spread = _MAD_TO_SIGMA * np.median(np.abs(before[part] - middle[:, :, None]), axis=2)
        deviation[part] = (x[part] - middle) / np.maximum(spread, _SMALLEST_SPREAD)
    return deviation


class Past:
    """The last windows of one series.

    Args:
        columns: the columns that need them.
        last_ns: begin of the last window, nanoseconds since 1970; None where nothing was seen.
        rows: features of the windows since the last pause, at most `reach`, shape (k, d), in the order of time.
    """

    def __init__(self, columns: Columns, last_ns: int | None, rows: Floats) -> None:
        self._columns = columns
        self._last_ns = last_ns
        self._rows = rows

    def extend(self, begin_ns: Times, x: Floats) -> tuple[Floats, Bools]:
        """Compute the columns of the next windows, which then belong to the past.

        An unknown feature is put at its center, and so are the columns that need it.

        Args:
            begin_ns: begins of the windows, shape (n,), nanoseconds since 1970.
            x: features, shape (n, d), NaN where a feature is unknown.

        Returns:
            Features and columns, shape (n, d + k); and which windows have enough windows before them, shape (n,).
        """
        extended = np.empty((len(x), len(self._columns.whose)))
        known = np.empty(len(x), dtype=np.bool_)
        if not len(x):
            return extended, known
        last_ns = begin_ns[0] if self._last_ns is None else self._last_ns
        anew = _apart(np.diff(begin_ns, prepend=last_ns), self._columns.window_ns)
        reach = self._columns.reach
        begins = np.flatnonzero(anew | (np.arange(len(x)) == 0)).tolist()
        for begin, end in zip(begins, [*begins[1:], len(x)], strict=True):
            past = self._rows[:0] if anew[begin] else self._rows
            unseen = np.full((reach - len(past), self._columns.width), np.nan)
            extended[begin:end] = self._columns(begin_ns[begin:end], np.concatenate([unseen, past, x[begin:end]]))
            known[begin:end] = np.arange(end - begin) >= len(unseen)
            rows = np.concatenate([past, x[begin:end]])
            self._rows = rows[max(0, len(rows) - reach) :]
        self._last_ns = int(begin_ns[-1])
        return filled(extended), known

    def state(self) -> Any:
        """Return what is remembered, for JSON."""
        return [self._last_ns, [[None if math.isnan(value) else value for value in row] for row in self._rows.tolist()]]

    @classmethod
    def from_state(cls, columns: Columns, state: Any) -> "Past":
        """Make the past of a former `state`.

        Args:
            columns: the columns that need it.
            state: what `state` returned.

        Returns:
            The past.

        Raises:
            TypeError: the state is of another form.
            ValueError: the state is of another form, or of other columns.
        """
        last_ns, rows = state
        if len(rows) > columns.reach or any(len(row) != columns.width for row in rows):
            raise ValueError(f"{len(rows)} windows, where {columns.reach} of {columns.width} features are kept")
        kept = np.array(rows, dtype=np.float64).reshape(-1, columns.width)
        return cls(columns, None if last_ns is None else int(last_ns), kept)


class Contextual:
    """A detector that sees context, and one that scores windows of whose past too little is known.

    Neither of the two remembers anything.

    Attributes:
        columns: the columns.
        plain: the detector that sees d features.
        full: the detector that sees d features and k columns.
    """

    def __init__(self, columns: Columns, plain: Detector, full: Detector, states: Sequence[Any]) -> None:
        self.columns = columns
        self.plain = plain
        self.full = full
        self._states = states

    @property
    def adds_up(self) -> bool:
        """True where columns come from windows before: one odd window shows in the columns of those after it, too."""
        return self.columns.reach > 0

    def follow(self, row: int, state: Any = None) -> "ContextualFollower":
        """Make a follower for a series, as `Detector.follow` says."""
        past = Past.from_state(self.columns, self._states[row] if state is None else state)
        return ContextualFollower(self.columns, past, self.plain.follow(row), self.full.follow(row))

    def arrays(self) -> dict[str, AnyArray]:
        """Return both detectors' arrays, the columns' settings, and the past of each series."""
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
        """Score the next windows; a feature's share includes its columns', and time's share is spread as the rest."""
        extended, known = self._past.extend(begin_ns, x)
        scores, parts = np.empty(len(x)), np.empty(x.shape)
        for follower, mask, features in ((self._full, known, extended), (self._plain, ~known, x)):
            if mask.any():
                scores[mask], share = follower.explain(begin_ns[mask], features[mask])
                parts[mask] = shares(share @ self._columns.whose[: share.shape[1]])
        return scores, parts

    def state(self) -> Any:
        """Return the past, for JSON."""
        return self._past.state()


def states(columns: Columns, history: FeatureHistory) -> list[Any]:
    """Take the past of each series at the end of a history.

    Args:
        columns: the columns that need it.
        history: s series.

    Returns:
        States by row (`Detector.follow`): an empty past for a series that training has not seen, then each series'.
    """
    pasts = [columns.past()]
    for series in range(history.series_count):
        begin_ns, x = history.of(series)
        pasts.append(columns.past())
        pasts[-1].extend(begin_ns[-columns.reach - 1 :], x[-columns.reach - 1 :])
    return [past.state() for past in pasts]


def load(arrays: Arrays, inner: Callable[[Arrays], Detector]) -> Contextual:
    """Make a detector from the arrays of an equal one.

    Args:
        arrays: what `Contextual.arrays` returned, and perhaps others.
        inner: makes each of the two detectors from its arrays.

    Returns:
        The detector.

    Raises:
        KeyError: an array is missing.
    """
    kinds, width, window_ns, sides, pasts = unpacked(arrays[NAME])
    plain = {name.removeprefix(_PLAIN): array for name, array in arrays.items() if name.startswith(_PLAIN)}
    return Contextual(Columns(kinds, width, window_ns, sides), inner(plain), inner(arrays), pasts)
