"""Context: causal columns beside the features, by which a detector of single windows sees time.

For each feature x there are columns from the windows of the same series before:

- *difference*: x minus that of the window before. It shows a jump within the usual range.
- *deviation*: x minus the median of the 24 windows before, in units of their spread (1.4826 times the median absolute
  deviation, at least a tenth of the series' scale). It shows a shift within the usual range.
- *lag*: x of the window before, and of the one before that. They show usual values in an unusual order.

Two kinds are about the window's begin, as sine and cosine, so that midnight is not an edge:

- *time_of_day* and *time_of_week*, by the clock on the wall of the pipeline's `timezone`. They show the usual value at
  the wrong time. They are used only where the history has seen each hour of the day, or of the week, in two of them or
  more: else all unseen times would look odd.

"Windows before" are those that were scored, with at most five missing between two. They are unknown after a longer
pause, when time goes back, and for a series that training has not seen. Until enough windows were seen, a second
detector scores the window, which sees the window alone. Its scores are as great, and no value has to be made up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from anomaly.detectors.base import Detector, FeatureHistory, Followers, filled
from anomaly.detectors.declaration import Arrays
from anomaly.detectors.parts.memory import Learnt, Memory, MemoryField
from anomaly.detectors.parts.shares import shares
from anomaly.nanoseconds import HOUR_NS
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times
from anomaly.windows.civil import PLAIN, CivilTime

_PREFIX = "context_"
_KINDS = f"{_PREFIX}kinds"
_PLAIN = "plain_"
# The period of each kind that is about time.
PERIODS_NS = {"time_of_day": 24 * HOUR_NS, "time_of_week": 7 * 24 * HOUR_NS}
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


def choose(
    asked: Sequence[str],
    series: Ints,
    begin_ns: Times,
    window_ns: int,
    *,
    is_long: bool,
    civil: CivilTime = PLAIN,
) -> Choice:
    """Choose the kinds of context that a history has enough windows for.

    Args:
        asked: the kinds that the pipeline asks for.
        series: number of each window's series, shape (n,).
        begin_ns: begins of the windows, shape (n,), nanoseconds since 1970, each series in the order of time.
        window_ns: length of a window, nanoseconds.
        is_long: whether the history is long (`FeatureHistory.is_long`).
        civil: the clock on the wall.

    Returns:
        What to use, and why the rest is left out.
    """
    if not is_long:
        return Choice((), dict.fromkeys(asked, "the history has less than 1,000 windows of each series"))
    left_out = {}
    for kind in asked:
        unseen = kind in PERIODS_NS and _unseen(kind, civil.wall_ns(begin_ns), window_ns)
        scattered = kind in _REACH and _scattered(kind, series, begin_ns, window_ns)
        if reason := unseen or scattered:
            left_out[kind] = reason
    return Choice(tuple(kind for kind in asked if kind not in left_out), left_out)


def _unseen(kind: str, wall_ns: Times, window_ns: int) -> str:
    """Say which hours a history has not seen often enough; return an empty text where it has seen all of them."""
    period_ns, slot_ns = PERIODS_NS[kind], max(HOUR_NS, window_ns)
    slots = -(-period_ns // slot_ns)
    seen = np.unique(wall_ns // period_ns * slots + wall_ns % period_ns // slot_ns)
    often = int((np.bincount(seen % slots, minlength=slots) >= 2).sum())
    if often == slots:
        return ""
    hours = "hours" if slot_ns == HOUR_NS else "windows"
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

    def pasts(self, capacity: int, civil: CivilTime = PLAIN) -> "Pasts":
        """Return the pasts of `capacity` series of which nothing was seen, by the clock on the wall `civil`."""
        return Pasts(self, capacity, civil)

    def along(self, history: FeatureHistory) -> tuple[Floats, Bools]:
        """Extend all windows of a history.

        Args:
            history: n windows.

        Returns:
            What `Pasts.extend` returns, in the order of the history.
        """
        return self.pasts(history.series_count, history.civil).extend(history.series, history.begin_ns, history.x)

    def __call__(self, wall_ns: Times, rows: Floats, at: Ints) -> Floats:
        """Compute the columns of n windows.

        Args:
            wall_ns: begins of these windows by the clock on the wall, shape (n,) (`CivilTime.wall_ns`).
            rows: features of these windows, and of the `reach` windows before each of them, shape (m, d), NaN where
                unknown.
            at: the windows' places in `rows`, shape (n,), `reach` or greater.

        Returns:
            Features and columns, shape (n, d + k), NaN where they need an unknown feature.
        """
        x = rows[at]
        parts = [x]
        for kind in self.kinds:
            if kind == "difference":
                parts.append(self._counted(x - rows[at - 1]))
            elif kind == "deviation":
                parts.append(self._counted(_deviation(rows, at)))
            elif kind == "lag":
                parts += [rows[at - lag] for lag in (1, 2)]
            else:
                angle = wall_ns % PERIODS_NS[kind] / PERIODS_NS[kind] * (2 * np.pi)
                parts.append(_CIRCLE * np.stack([np.sin(angle), np.cos(angle)], axis=1))
        return np.concatenate(parts, axis=1)

    def _counted(self, column: Floats) -> Floats:
        return np.where(self.sides * column < 0.0, 0.0, column)


def _deviation(rows: Floats, at: Ints) -> Floats:
    """Compute deviations of windows at n places in rows, shape (m, d), from the windows before each of them."""
    deviation = np.empty((len(at), rows.shape[1]))
    if not len(at):
        return deviation
    before = sliding_window_view(rows, _REACH["deviation"], axis=0)
    for begin in range(0, len(at), _CHUNK):
        part = at[begin : begin + _CHUNK]
        last = before[part - _REACH["deviation"]]
        middle = np.median(last, axis=2)
        spread = _MAD_TO_SIGMA * np.median(np.abs(last - middle[:, :, None]), axis=2)
        deviation[begin : begin + _CHUNK] = (rows[part] - middle) / np.maximum(spread, _SMALLEST_SPREAD)
    return deviation


class Pasts:
    """The last windows of up to `capacity` series.

    Attributes:
        columns: the columns that need them.
        memory: of each series the begin of its last window, and the last rows of features since the last pause.

    Args:
        columns: the columns that need them.
        capacity: the number of places.
        civil: the clock on the wall.
    """

    def __init__(self, columns: Columns, capacity: int, civil: CivilTime = PLAIN) -> None:
        self.columns = columns
        self._civil = civil
        self.memory = _memory(columns, capacity)

    def extend(self, place: Ints, begin_ns: Times, x: Floats) -> tuple[Floats, Bools]:
        """Compute the columns of windows, which then belong to the past.

        The columns that need an unknown feature are put at their center.

        Args:
            place: places of the windows' series, shape (n,), each series in the order of time.
            begin_ns: begins of the windows, shape (n,), nanoseconds since 1970.
            x: features, shape (n, d), NaN where a feature is unknown.

        Returns:
            Features, NaN where one is unknown, and columns, shape (n, d + k); and which windows have enough windows
            before them, shape (n,).
        """
        self.memory.check(place)
        extended = np.empty((len(x), len(self.columns.whose)))
        known = np.empty(len(x), dtype=np.bool_)
        if not len(x):
            return extended, known
        reach = self.columns.reach
        after_ns, kept, rows = self.memory["after_ns"][:, 0], self.memory["kept"][:, 0], self._rows
        order = np.argsort(place, kind="stable")
        place, begin_ns, x = place[order], begin_ns[order], x[order]
        is_first = np.diff(place, prepend=-1) != 0
        before_ns = np.where(is_first, after_ns[place] - 1, np.roll(begin_ns, 1))
        anew = _apart(begin_ns - before_ns, self.columns.window_ns) & ~(is_first & (after_ns[place] == 0))
        # A stretch is a series' windows without a pause. The rows before it are those of the past, if it goes on.
        begins = np.flatnonzero(is_first | anew)
        of_stretch = np.cumsum(is_first | anew) - 1
        past = np.where(anew[begins], 0, kept[place[begins]].astype(np.intp))
        laid_out = np.full((len(x) + reach * len(begins), x.shape[1]), np.nan)
        at = np.arange(len(x)) + reach * (of_stretch + 1)
        laid_out[at] = x
        since_end = np.arange(reach, 0, -1)
        goes_on = since_end <= past[:, None]
        lead = at[begins][:, None] - since_end
        laid_out[lead[goes_on]] = rows[place[begins]][goes_on]
        columns = self.columns(self._civil.wall_ns(begin_ns), laid_out, at)
        columns[:, self.columns.width :] = filled(columns[:, self.columns.width :])
        extended[order] = columns
        number = np.arange(len(x)) - begins[of_stretch] + past[of_stretch]
        known[order] = number >= reach
        last = np.flatnonzero(np.diff(place, append=-1))
        after_ns[place[last]] = begin_ns[last] + 1
        kept[place[last]] = np.minimum(number[last] + 1, reach)
        rows[place[last]] = laid_out[at[last][:, None] - np.arange(reach - 1, -1, -1)]
        return extended, known

    @property
    def _rows(self) -> Floats:
        """The last rows, shape (capacity, reach, d), the latest at the end; a view."""
        rows = np.asarray(self.memory["rows"], dtype=np.float64).reshape(-1, _depth(self.columns), self.columns.width)
        return rows[:, _depth(self.columns) - self.columns.reach :]


def _memory(columns: Columns, capacity: int) -> Memory:
    return Memory(_PREFIX, _fields(columns), capacity, 1)


def _fields(columns: Columns) -> tuple[MemoryField, ...]:
    return (
        MemoryField("after_ns", np.int64),
        MemoryField("kept", np.uint8, most=columns.reach),
        MemoryField("rows", np.float64, _depth(columns) * columns.width),
    )


def _depth(columns: Columns) -> int:
    # A field has at least one number.
    return max(columns.reach, 1)


class Contextual:
    """A detector that sees context, and one that scores windows of whose past too little is known.

    Neither of the two remembers anything.

    Attributes:
        columns: the columns.
        plain: the detector that sees d features.
        full: the detector that sees d features and k columns.

    Args:
        columns: as above.
        plain: as above.
        full: as above.
        learnt: the past of each row.
    """

    def __init__(self, columns: Columns, plain: Detector, full: Detector, learnt: Learnt) -> None:
        self.columns = columns
        self.plain = plain
        self.full = full
        self._learnt = learnt

    @property
    def adds_up(self) -> bool:
        """True where columns come from windows before: one odd window shows in the columns of those after it, too."""
        return self.columns.reach > 0

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> "ContextualFollowers":
        """Make followers, as `Detector.followers` says."""
        return ContextualFollowers(
            self.columns.pasts(capacity, civil),
            self.plain.followers(capacity, civil),
            self.full.followers(capacity, civil),
            self._learnt,
        )

    def arrays(self) -> dict[str, AnyArray]:
        """Return both detectors' arrays, the columns' settings, and the past of each series."""
        columns = self.columns
        return {
            _KINDS: np.array(columns.kinds),
            f"{_PREFIX}settings": np.array([columns.width, columns.window_ns], dtype=np.int64),
            f"{_PREFIX}sides": columns.sides.astype(np.int8),
            **self._learnt.kept(),
            **{f"{_PLAIN}{name}": array for name, array in self.plain.arrays().items()},
            **self.full.arrays(),
        }


class ContextualFollowers:
    """Up to `capacity` series with their pasts."""

    def __init__(self, pasts: Pasts, plain: Followers, full: Followers, learnt: Learnt) -> None:
        self._pasts = pasts
        self._plain = plain
        self._full = full
        self._learnt = learnt

    @property
    def bytes_per_series(self) -> int:
        """How many bytes a series' past takes."""
        return self._pasts.memory.bytes_per_series

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        """Score windows; a feature's share includes its columns', and time's share is spread as the rest."""
        whose = self._pasts.columns.whose
        extended, known = self._pasts.extend(place, begin_ns, x)
        scores, parts = np.empty(len(x)), np.empty(x.shape)
        for followers, mask, features in ((self._full, known, extended), (self._plain, ~known, x)):
            if mask.any():
                scores[mask], share = followers.explain(place[mask], begin_ns[mask], features[mask])
                parts[mask] = shares(share @ whose[: share.shape[1]])
        return scores, parts

    def begin(self, place: Ints, row: Ints) -> None:
        """Begin places where training left rows, as `Followers.begin` says."""
        self._pasts.memory.begin(place, self._learnt, row)
        self._plain.begin(place, row)
        self._full.begin(place, row)

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        """Return the pasts of the series at places."""
        return self._pasts.memory.kept(place)

    def restore(self, place: Ints, arrays: Arrays) -> None:
        """Replace the pasts of the series at places, as `Followers.restore` says."""
        self._pasts.memory.restore(place, arrays)


def learnt(columns: Columns, history: FeatureHistory) -> Learnt:
    """Take the past of each series at the end of a history.

    Args:
        columns: the columns that need it.
        history: s series.

    Returns:
        An empty past for a series that training has not seen, then each series'.
    """
    pasts = columns.pasts(history.series_count + 1, history.civil)
    pasts.extend(history.series + 1, history.begin_ns, history.x)
    every = np.arange(history.series_count + 1)
    return pasts.memory.learnt(every, every)


def is_in(arrays: Arrays) -> bool:
    """Tell whether arrays are those of a detector that sees context."""
    return _KINDS in arrays


def load(arrays: Arrays, inner: Callable[[Arrays], Detector]) -> Contextual:
    """Make a detector from the arrays of an equal one.

    Args:
        arrays: what `Contextual.arrays` returned, and perhaps others.
        inner: makes each of the two detectors from its arrays.

    Returns:
        The detector.

    Raises:
        KeyError: an array is missing.
        ValueError: an array does not fit.
    """
    plain = {name.removeprefix(_PLAIN): array for name, array in arrays.items() if name.startswith(_PLAIN)}
    width, window_ns = arrays[f"{_PREFIX}settings"].tolist()
    columns = Columns(arrays[_KINDS].tolist(), width, window_ns, arrays[f"{_PREFIX}sides"].tolist())
    past = Learnt.from_arrays(_PREFIX, _fields(columns), arrays)
    return Contextual(columns, inner(plain), inner(arrays), past)
