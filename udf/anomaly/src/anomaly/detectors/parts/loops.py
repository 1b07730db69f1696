# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The loops over windows and channels of the detectors that remember, compiled.

A channel is one feature of one series. Its state is a row in some arrays, and a channel of zeros has seen nothing. A
loop takes n windows of any series, and each of them changes the state that the next window of its series meets.

A channel learns a window when the next one comes, because only then somebody knows whether the window belongs to an
open period. So loops are told before which windows the one before is not to be learnt: `unlearnt`, shape (n,).

The file is Python. Cython compiles it, with the types that the annotations name; where that was not done, Python runs
the same lines, some hundred times slower. Arrays are handled as memoryviews, whose items are plain numbers both ways.
Nothing checks indices on the way: callers check the numbers of channels (`anomaly.detectors.parts.memory`), and every
other index is computed here, or checked when a state is restored.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

try:
    import cython
except ImportError:
    from anomaly.detectors.parts import uncompiled as cython

if cython.compiled:
    from cython.cimports.libc.math import asinh, log
else:
    from math import asinh, log

COMPILED: bool = cython.compiled
if not COMPILED:
    warnings.warn("the compiled loops of detectors are missing: Python does their work, far slower", stacklevel=2)

_DAY_NS = 86_400_000_000_000
# What the detectors' modules need to know of the sizes.
CELLS = 1_401
EVERY = 100
MOST_COUNTED = 65_000
# No more cells than this can hold a number beyond a byte.
BEYOND = MOST_COUNTED // 256
SMALLEST, RATIO = 1e-6, 1.02
MEANS = 48
RESIDUALS = 6

# Cell i > 0 holds numbers in SMALLEST * RATIO ** [i - 1, i); cell 0 holds all below, and the last all above.
_SMALLEST = cython.declare(cython.double, SMALLEST)
_LARGEST = cython.declare(cython.double, SMALLEST * RATIO ** (CELLS - 2))
_PER_CELL = cython.declare(cython.double, 1.0 / math.log(RATIO))
_CELLS = cython.declare(cython.Py_ssize_t, CELLS)
_LAST_CELL = cython.declare(cython.Py_ssize_t, CELLS - 1)
# After this many numbers the tail is fitted anew.
_EVERY = cython.declare(cython.Py_ssize_t, EVERY)
_MOST_COUNTED = cython.declare(cython.Py_ssize_t, MOST_COUNTED)
_BEYOND = cython.declare(cython.Py_ssize_t, BEYOND)
_WORD = cython.declare(cython.Py_ssize_t, 32)
_TAIL = cython.declare(cython.double, 0.02)
_SURPRISE_OF_TAIL = cython.declare(cython.double, -math.log(0.02))
_SMALLEST_EXCESS = cython.declare(cython.double, 1e-3)

# Distances are right to this share of the range, while there is room.
_RESOLUTION = cython.declare(cython.double, 0.002)
# Dropping what is stale costs a walk over all that is kept.
_SWEEP = cython.declare(cython.Py_ssize_t, 100)

# The leaky sum of the value gap: one window later, this share of a window's part is left, and all earlier windows
# together add at most _GAP_MOST: a far outlier must not be heard of long after it is over.
_GAP_KEPT = cython.declare(cython.double, 0.97)
_GAP_MOST = cython.declare(cython.double, 0.1)
# Once a value is back, and in a period, the score is at most this many times the window's own part.
_GAP_TIMES = cython.declare(cython.double, 10.0)

_MEANS = cython.declare(cython.Py_ssize_t, MEANS)
_LATEST = cython.declare(cython.Py_ssize_t, 8)
_BACK = cython.declare(cython.double, 0.5)
# What is over for good shows in fewer windows, which must then be back farther.
_LAST = cython.declare(cython.Py_ssize_t, 3)
_WELL_BACK = cython.declare(cython.double, 0.25)
# Windows of a period tell its level where that is this many deviations of the others away from them.
_APART = cython.declare(cython.double, 2.0)
_FEWEST_OTHERS = cython.declare(cython.Py_ssize_t, 8)
# Two windows are enough after windows of a period, where its level is this many times the usual.
_PLAIN = cython.declare(cython.double, 3.0)
# A window is compared with those up to this many windows before, and a period may have ended up to this many ago.
_LAGS = cython.declare(cython.Py_ssize_t, 36)
_ENDED = cython.declare(cython.Py_ssize_t, 12)
# A period goes on where its end leaves this many times as much unexplained.
_CLEAR = cython.declare(cython.double, 1.25)
_SLOW_KEPT = cython.declare(cython.double, 0.8)
_NAN = cython.declare(cython.double, math.nan)
_INFINITY = cython.declare(cython.double, math.inf)

# The greatest number that a float32 holds.
_MOST_FLOAT = cython.declare(cython.double, 3.4028234663852886e38)
_RESIDUALS = cython.declare(cython.Py_ssize_t, RESIDUALS)
# Two seasons, and a part of a third, do not show yet how much seasons differ.
_SEASONS_UNKNOWN = cython.declare(cython.double, 2.5)
# A single season does not show yet how much longer seasons differ.
_SEASONS_UNSURE = cython.declare(cython.double, 1.5)
# A period may end three windows late, so the fourth one decides, with those before it.
_FOURTH = cython.declare(cython.Py_ssize_t, 4)
# A single window's deviation counts as much as this many mean excesses beyond the usual, for the baseline.
_MOST_TAKEN = cython.declare(cython.double, 16.0)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _cell(number: cython.double) -> cython.Py_ssize_t:
    # A comparison with NaN is false.
    if not number >= _SMALLEST:
        return 0
    if number >= _LARGEST:
        return _LAST_CELL
    return 1 + cython.cast(cython.Py_ssize_t, log(number / _SMALLEST) * _PER_CELL)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _is_pause(begin_ns: cython.longlong, after_ns: cython.longlong, longest_ns: cython.longlong) -> cython.bint:
    """Tell whether windows are missing before a window, or time went back; `after_ns` is 0 before the first window."""
    step_ns: cython.longlong = begin_ns - (after_ns - 1)
    return after_ns != 0 and not 0 < step_ns <= longest_ns


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _ones(word: cython.uint) -> cython.Py_ssize_t:
    """Return how many bits of a word of 32 bits are set."""
    word = word - ((word >> 1) & 0x55555555)
    word = (word & 0x33333333) + ((word >> 2) & 0x33333333)
    word = (word + (word >> 4)) & 0x0F0F0F0F
    word = word + (word >> 8)
    return (word + (word >> 16)) & 0x3F


@cython.final
@cython.cclass
class Surprises:
    """How rare a number is among those before it, for c channels (`anomaly.detectors.parts.surprise`).

    The counts include the numbers since the last fit, whose cells `recent` keeps, so that the counts of the last fit
    are known without a copy of them.

    Most counts are small, and all together are less than MOST_COUNTED. So `low` has a byte for each cell. The few
    cells beyond it have a bit in `marks`, and their high bytes stand in `high`, in the order of the cells. A fit
    works on a copy of a channel's counts.
    """

    low: cython.uchar[:, ::1]
    marks: cython.uint[:, ::1]
    high: cython.uchar[:, ::1]
    marked: cython.uchar[::1]
    work: cython.int[::1]
    recent: cython.ushort[:, ::1]
    fresh: cython.uchar[::1]
    fitted: cython.int[::1]
    top: cython.int[::1]
    beyond: cython.int[::1]
    most_cell: cython.int[::1]
    u: cython.double[::1]
    excess: cython.double[::1]
    edges: cython.double[::1]
    middles: cython.double[::1]
    most_excess: cython.double

    def __init__(self, flat: dict, most_excess: cython.double) -> None:
        self.low = memoryview(flat["counts_low"])
        self.marks = memoryview(flat["counts_marks"])
        self.high = memoryview(flat["counts_high"])
        self.marked = memoryview(flat["counts_marked"])
        self.work = memoryview(np.zeros(CELLS, dtype=np.int32))
        self.recent = memoryview(flat["recent"])
        self.fresh = memoryview(flat["fresh"])
        self.fitted = memoryview(flat["fitted"])
        self.top = memoryview(flat["top"])
        self.beyond = memoryview(flat["beyond"])
        self.most_cell = memoryview(flat["most_cell"])
        self.u = memoryview(flat["u"])
        self.excess = memoryview(flat["excess"])
        self.edges = memoryview(np.array([SMALLEST * RATIO**cell for cell in range(CELLS)]))
        self.middles = memoryview(np.array([SMALLEST * RATIO ** (cell - 0.5) for cell in range(CELLS)]))
        self.most_excess = most_excess

    @cython.ccall
    @cython.nogil
    @cython.exceptval(check=False)
    def rank(self, channel: cython.Py_ssize_t, number: cython.double) -> cython.double:
        """Return the surprise of a number."""
        if self.fitted[channel] == 0:
            return 0.0
        if number > self.u[channel]:
            return _SURPRISE_OF_TAIL + (number - self.u[channel]) / self.excess[channel]
        return -log(max(self._at_least(channel, _cell(number)), _TAIL))

    @cython.ccall
    @cython.nogil
    @cython.exceptval(check=False)
    def learn(self, channel: cython.Py_ssize_t, number: cython.double) -> cython.void:
        """Take a number into account, which then belongs to the past."""
        cell: cython.Py_ssize_t = _cell(number)
        if self.fitted[channel] > 0:
            cell = min(cell, self.most_cell[channel])
        self._count(channel, cell)
        if (self.fitted[channel] + self.fresh[channel] + 1) % _EVERY == 0:
            self.fresh[channel] = 0
            self._load(channel)
            if self._fit(channel):
                self._store(channel)
        else:
            self.recent[channel, self.fresh[channel]] = cell
            self.fresh[channel] += 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _marked_before(self, channel: cython.Py_ssize_t, cell: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Return how many cells before a cell are marked, which is where its high byte stands."""
        at: cython.Py_ssize_t
        number: cython.Py_ssize_t = 0
        for at in range(cell // _WORD):
            number += _ones(self.marks[channel, at])
        if cell % _WORD > 0:
            number += _ones(self.marks[channel, cell // _WORD] & (self._bit(cell) - 1))
        return number

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _bit(self, cell: cython.Py_ssize_t) -> cython.uint:
        """Return a cell's bit in its word of `marks`."""
        return cython.cast(cython.uint, 1) << (cell % _WORD)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _count(self, channel: cython.Py_ssize_t, cell: cython.Py_ssize_t) -> cython.void:
        """Add one to the count of a cell."""
        at: cython.Py_ssize_t
        if self.low[channel, cell] < 255:
            self.low[channel, cell] += 1
            return
        place: cython.Py_ssize_t = self._marked_before(channel, cell)
        if self.marks[channel, cell // _WORD] & self._bit(cell):
            self.high[channel, place] += 1
        elif self.marked[channel] < _BEYOND:
            for at in range(self.marked[channel], place, -1):
                self.high[channel, at] = self.high[channel, at - 1]
            self.high[channel, place] = 1
            self.marked[channel] += 1
            self.marks[channel, cell // _WORD] |= self._bit(cell)
        else:
            # Only counts that nobody counted are as many.
            return
        self.low[channel, cell] = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _load(self, channel: cython.Py_ssize_t) -> cython.void:
        """Copy the counts of a channel to `work`."""
        cell: cython.Py_ssize_t
        at: cython.Py_ssize_t
        place: cython.Py_ssize_t = 0
        for cell in range(_CELLS):
            self.work[cell] = self.low[channel, cell]
        if self.marked[channel] == 0:
            return
        for at in range(self.marks.shape[1]):
            if self.marks[channel, at] == 0:
                continue
            for cell in range(at * _WORD, min((at + 1) * _WORD, _CELLS)):
                if self.marks[channel, at] & self._bit(cell):
                    self.work[cell] += 256 * self.high[channel, place]
                    place += 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _store(self, channel: cython.Py_ssize_t) -> cython.void:
        """Make what is in `work` the counts of a channel."""
        cell: cython.Py_ssize_t
        at: cython.Py_ssize_t
        place: cython.Py_ssize_t = 0
        for at in range(self.marks.shape[1]):
            self.marks[channel, at] = 0
        for cell in range(_CELLS):
            self.low[channel, cell] = self.work[cell] & 255
            if self.work[cell] > 255 and place < _BEYOND:
                self.marks[channel, cell // _WORD] |= self._bit(cell)
                self.high[channel, place] = (self.work[cell] >> 8) & 255
                place += 1
        self.marked[channel] = place

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _at_least(self, channel: cython.Py_ssize_t, cell: cython.Py_ssize_t) -> cython.double:
        """Return the share of the numbers of the last fit in this cell or a higher one, for a cell up to `top`."""
        at: cython.Py_ssize_t
        above: cython.Py_ssize_t = self.beyond[channel]
        top: cython.Py_ssize_t = self.top[channel]
        total: cython.double = self.fitted[channel]
        if cell <= 0:
            return 1.0
        cell = min(cell, top)
        for at in range(cell, top + 1):
            above += self.low[channel, at]
        if self.marked[channel] > 0:
            for at in range(self._marked_before(channel, cell), self._marked_before(channel, top + 1)):
                above += 256 * self.high[channel, at]
        for at in range(self.fresh[channel]):
            if cell <= self.recent[channel, at] <= top:
                above -= 1
        return above / total

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _fit(self, channel: cython.Py_ssize_t) -> cython.bint:
        """Fit the tail to all counts in `work`; tell whether they count half from here on."""
        cell: cython.Py_ssize_t
        total: cython.Py_ssize_t = 0
        for cell in range(_CELLS):
            total += self.work[cell]
        is_half: cython.bint = total >= _MOST_COUNTED
        if is_half:
            total = 0
            for cell in range(_CELLS):
                self.work[cell] //= 2
                total += self.work[cell]
        self.fitted[channel] = total
        above: cython.Py_ssize_t = total
        top: cython.Py_ssize_t = 0
        for cell in range(_CELLS):
            if self.work[cell] > 0:
                above -= self.work[cell]
                top = cell
                if above < _TAIL * total:
                    break
        u: cython.double = self.edges[top]
        excess: cython.double = 0.0
        for cell in range(top + 1, _CELLS):
            if self.work[cell] > 0:
                excess += (self.middles[cell] - u) * self.work[cell]
        if above > 0:
            excess /= above
        excess = max(excess, _SMALLEST_EXCESS * u)
        self.top[channel] = top
        self.beyond[channel] = above
        self.u[channel] = u
        self.excess[channel] = excess
        self.most_cell[channel] = _cell(u + self.most_excess * excess)
        return is_half

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _refit(self, channel: cython.Py_ssize_t) -> cython.void:
        """Fit the tail of a state that was restored, whose fit is not stored."""
        at: cython.Py_ssize_t
        total: cython.Py_ssize_t = 0
        self._load(channel)
        for at in range(self.fresh[channel]):
            self.work[self.recent[channel, at]] -= 1
        for at in range(_CELLS):
            total += self.work[at]
        if self.fresh[channel] > _EVERY - 1 - total % _EVERY:
            # No state that was kept has as many: there would be no room for those until the next fit.
            total += self.fresh[channel]
            for at in range(self.fresh[channel]):
                self.work[self.recent[channel, at]] += 1
            self.fresh[channel] = 0
        self.fitted[channel] = 0
        if total > 0 and self._fit(channel):
            for at in range(self.fresh[channel]):
                self.work[self.recent[channel, at]] += 1
            self._store(channel)

    def refit(self, channels: cython.Py_ssize_t[::1]) -> None:
        """Fit the tails of channels whose state was restored."""
        at: cython.Py_ssize_t
        with cython.nogil:
            for at in range(channels.shape[0]):
                self._refit(channels[at])

    def explain(
        self,
        channels: cython.Py_ssize_t[::1],
        numbers: cython.double[::1],
        surprises: cython.double[::1],
        waiting: cython.double[::1],
        unlearnt: cython.uchar[::1],
    ) -> None:
        """Write the surprises of numbers, each of which waits to be learnt; `waiting` is 0 where no number does."""
        at: cython.Py_ssize_t
        channel: cython.Py_ssize_t
        with cython.nogil:
            for at in range(channels.shape[0]):
                channel = channels[at]
                if waiting[channel] > 0.0 and not unlearnt[at]:
                    self.learn(channel, waiting[channel])
                surprises[at] = self.rank(channel, numbers[at])
                # All numbers up to the smallest are one.
                waiting[channel] = max(numbers[at], 0.5 * _SMALLEST)


@cython.final
@cython.cclass
class Outliers:
    """The outliers that c series have had so far (`anomaly.detectors.wrappers.outliers`).

    A row of `values` has d numbers for each outlier, and `used` says how many of its numbers are used. The last window
    waits in `last`, and is to be learnt if `outside`, its distance to all that was there, is not 0.
    """

    values: cython.float[:, ::1]
    used: cython.uint[::1]
    last: cython.double[:, ::1]
    outside: cython.double[::1]
    features: cython.Py_ssize_t

    def __init__(self, flat: dict) -> None:
        self.values = memoryview(flat["values"])
        self.used = memoryview(flat["used"])
        self.last = memoryview(flat["last"])
        self.outside = memoryview(flat["outside"])
        self.features = self.last.shape[1]

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _count(self, place: cython.Py_ssize_t) -> cython.Py_ssize_t:
        # A restored state may say that a part of an outlier is used.
        return self.used[place] // self.features

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _value(self, place: cython.Py_ssize_t, outlier: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.double:
        # A difference of two float32 would be one in C, and a double in Python.
        return self.values[place, outlier * self.features + at]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _apart(self, place: cython.Py_ssize_t, one: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.double:
        """Return the distance of two outliers, summed over the features."""
        at: cython.Py_ssize_t
        total: cython.double = 0.0
        for at in range(self.features):
            total += abs(self._value(place, one, at) - self._value(place, other, at))
        return total

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _thin(self, place: cython.Py_ssize_t) -> cython.void:
        """Drop the later one of the two closest outliers."""
        one: cython.Py_ssize_t
        other: cython.Py_ssize_t
        count: cython.Py_ssize_t = self._count(place)
        dropped: cython.Py_ssize_t = 1
        least: cython.double = self._apart(place, 0, 1)
        apart: cython.double
        for one in range(2, count):
            for other in range(one):
                apart = self._apart(place, other, one)
                if apart < least:
                    least = apart
                    dropped = one
        for one in range(dropped * self.features, (count - 1) * self.features):
            self.values[place, one] = self.values[place, one + self.features]
        self.used[place] = (count - 1) * self.features

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _learn(self, place: cython.Py_ssize_t) -> cython.void:
        """Remember the window that waits."""
        at: cython.Py_ssize_t
        if (self._count(place) + 1) * self.features > self.values.shape[1]:
            self._thin(place)
        begin: cython.Py_ssize_t = self._count(place) * self.features
        for at in range(self.features):
            self.values[place, begin + at] = min(max(self.last[place, at], -_MOST_FLOAT), _MOST_FLOAT)
        self.used[place] = begin + self.features

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _repeats(self, place: cython.Py_ssize_t, row: cython.Py_ssize_t, x: cython.double[:, ::1]) -> cython.bint:
        """Return whether a window has exactly the several features of the one that waits, as that of a stuck sensor."""
        at: cython.Py_ssize_t
        for at in range(self.features):
            if x[row, at] != self.last[place, at]:
                return False
        return self.features > 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _nearest(
        self, place: cython.Py_ssize_t, row: cython.Py_ssize_t, x: cython.double[:, ::1], distance: cython.double
    ) -> cython.Py_ssize_t:
        """Return the number of the outlier that is nearest to a window; -1 where none is nearer than a distance."""
        outlier: cython.Py_ssize_t
        at: cython.Py_ssize_t
        nearest: cython.Py_ssize_t = -1
        apart: cython.double
        for outlier in range(self._count(place)):
            apart = 0.0
            for at in range(self.features):
                apart += abs(x[row, at] - self._value(place, outlier, at))
                if apart >= distance:
                    break
            if apart < distance:
                distance = apart
                nearest = outlier
        return nearest

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _width(
        self, place: cython.Py_ssize_t, at: cython.Py_ssize_t, low: cython.double, high: cython.double
    ) -> cython.double:
        """Return how wide a column's range from `low` to `high` is when it includes the outliers.

        The farthest one on either side does not count: a single glitch would hide all that comes later.
        """
        outlier: cython.Py_ssize_t
        value: cython.double
        lowest: cython.double = low
        highest: cython.double = high
        # Outliers have features only.
        for outlier in range(self._count(place) if at < self.features else 0):
            value = self._value(place, outlier, at)
            if value < lowest:
                low = lowest
                lowest = value
            elif value < low:
                low = value
            if value > highest:
                high = highest
                highest = value
            elif value > high:
                high = value
        return high - low

    def explain(
        self,
        places: cython.Py_ssize_t[::1],
        x: cython.double[:, ::1],
        distances: cython.double[::1],
        gaps: cython.double[:, ::1],
        relative: cython.double[::1],
        box: cython.double[:, ::1],
        unlearnt: cython.uchar[::1],
        least: cython.double,
        kept: cython.double,
    ) -> None:
        """Lower distances, shape (n,), and their parts by column, shape (n, w), to those to the nearest outliers.

        The first d columns are features; the others' distances stay as they are. The share `kept` of a distance is
        left. `relative`, shape (n,), becomes the greatest distance in units of a column's range so far; `box` has the
        ranges of training, shape (2, w). Windows whose features are farther than `least` from all that was there wait
        to be learnt, and a window that is repeated goes on waiting.
        """
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        nearest: cython.Py_ssize_t
        at: cython.Py_ssize_t
        apart: cython.double
        before: cython.double
        others: cython.double
        gap: cython.double
        low: cython.double
        high: cython.double
        with cython.nogil:
            for row in range(x.shape[0]):
                place = places[row]
                if self.outside[place] > 0.0 and not unlearnt[row] and not self._repeats(place, row, x):
                    self._learn(place)
                self.outside[place] = 0.0
                relative[row] = 0.0
                if distances[row] == 0.0:
                    continue
                before = 0.0
                for at in range(self.features):
                    before += gaps[row, at]
                others = max(0.0, distances[row] - before)
                nearest = self._nearest(place, row, x, before)
                apart = 0.0
                for at in range(x.shape[1]):
                    gap = gaps[row, at]
                    if at < self.features:
                        if nearest >= 0:
                            gap = abs(x[row, at] - self._value(place, nearest, at))
                            gaps[row, at] = max(gap, kept * gaps[row, at])
                        apart += gap
                        self.last[place, at] = x[row, at]
                    if gap > 0.0:
                        low = min(box[0, at], x[row, at])
                        high = max(box[1, at], x[row, at])
                        relative[row] = max(relative[row], gap / self._width(place, at, low, high))
                distances[row] = max(apart, kept * before) + others
                if apart > least:
                    self.outside[place] = apart


@cython.final
@cython.cclass
class Novelties:
    """How far a value is from all values before, for c channels (`anomaly.detectors.parts.novelty`)."""

    values: cython.float[:, ::1]
    seen: cython.uint[:, ::1]
    kept: cython.ushort[::1]
    added: cython.uchar[::1]
    kept_s: cython.longlong
    most: cython.Py_ssize_t

    def __init__(self, flat: dict, kept_s: cython.longlong) -> None:
        self.values = memoryview(flat["values"])
        self.kept = memoryview(flat["kept"])
        self.kept_s = kept_s
        if kept_s:
            self.seen = memoryview(flat["seen"])
            self.added = memoryview(flat["added"])
        self.most = self.values.shape[1]

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _value(self, channel: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.double:
        # A difference of two float32 would be one in C, and a double in Python.
        return self.values[channel, at]

    @cython.ccall
    @cython.nogil
    @cython.exceptval(check=False)
    def gap(self, channel: cython.Py_ssize_t, value: cython.double, side: cython.int) -> cython.double:
        """Measure the distance of a value, which a float32 can hold, to the nearest one before, in ranges."""
        kept: cython.Py_ssize_t = self.kept[channel]
        if kept == 0:
            return 0.0
        low: cython.double = self._value(channel, 0)
        high: cython.double = self._value(channel, kept - 1)
        if side * value < min(side * low, side * high):
            return 0.0
        nearest: cython.double = self._value(channel, self._nearest(channel, value))
        span: cython.double = high - low
        if span > 0.0:
            return abs(nearest - value) / span
        return 1.0 if nearest != value else 0.0

    @cython.ccall
    @cython.nogil
    @cython.exceptval(check=False)
    def nearest(self, channel: cython.Py_ssize_t, value: cython.double) -> cython.double:
        """Return the nearest value before; there must be one."""
        return self._value(channel, self._nearest(channel, value))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _place(self, channel: cython.Py_ssize_t, value: cython.double) -> cython.Py_ssize_t:
        """Return where the value belongs among those that are kept, before equal ones."""
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self.kept[channel]
        middle: cython.Py_ssize_t
        while low < high:
            middle = (low + high) // 2
            if self._value(channel, middle) < value:
                low = middle + 1
            else:
                high = middle
        return low

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _nearest(self, channel: cython.Py_ssize_t, value: cython.double) -> cython.Py_ssize_t:
        """Return the index of the nearest value; there must be one."""
        place: cython.Py_ssize_t = self._place(channel, value)
        if place == self.kept[channel]:
            return place - 1
        if place > 0 and value - self._value(channel, place - 1) < self._value(channel, place) - value:
            return place - 1
        return place

    @cython.ccall
    @cython.nogil
    @cython.exceptval(check=False)
    def add(self, channel: cython.Py_ssize_t, time_s: cython.longlong, value: cython.double) -> cython.void:
        """Remember a value, which a float32 can hold, and that it was seen in this second since 1970."""
        at: cython.Py_ssize_t
        kept: cython.Py_ssize_t
        if self.kept_s > 0:
            self.added[channel] = (self.added[channel] + 1) % _SWEEP
            if self.added[channel] == 0:
                self._forget(channel, time_s - self.kept_s)
        kept = self.kept[channel]
        if kept > 0:
            at = self._nearest(channel, value)
            span: cython.double = self._value(channel, kept - 1) - self._value(channel, 0)
            if abs(self._value(channel, at) - value) <= _RESOLUTION * span:
                if self.kept_s > 0:
                    self.seen[channel, at] = time_s
                return
        if kept == self.most:
            self._thin(channel)
            kept -= 1
        place: cython.Py_ssize_t = self._place(channel, value)
        for at in range(kept, place, -1):
            self.values[channel, at] = self._value(channel, at - 1)
        self.values[channel, place] = value
        if self.kept_s > 0:
            for at in range(kept, place, -1):
                self.seen[channel, at] = self.seen[channel, at - 1]
            self.seen[channel, place] = time_s
        self.kept[channel] = kept + 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _thin(self, channel: cython.Py_ssize_t) -> cython.void:
        """Drop one of the two closest values: the one with the nearer other neighbour, and neither end of the range."""
        at: cython.Py_ssize_t
        kept: cython.Py_ssize_t = self.kept[channel]
        left: cython.Py_ssize_t = 0
        apart: cython.double
        least: cython.double = self._value(channel, 1) - self._value(channel, 0)
        for at in range(1, kept - 1):
            apart = self._value(channel, at + 1) - self._value(channel, at)
            if apart < least:
                least = apart
                left = at
        dropped: cython.Py_ssize_t = left + 1
        if left + 2 == kept or (
            left > 0
            and (
                self._value(channel, left) - self._value(channel, left - 1)
                < self._value(channel, left + 2) - self._value(channel, left + 1)
            )
        ):
            dropped = left
        if self.kept_s > 0:
            # The other one stands for both.
            at = 2 * left + 1 - dropped
            self.seen[channel, at] = max(self.seen[channel, left], self.seen[channel, left + 1])
            for at in range(dropped, kept - 1):
                self.seen[channel, at] = self.seen[channel, at + 1]
        for at in range(dropped, kept - 1):
            self.values[channel, at] = self._value(channel, at + 1)
        self.kept[channel] = kept - 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _forget(self, channel: cython.Py_ssize_t, before_s: cython.longlong) -> cython.void:
        at: cython.Py_ssize_t
        kept: cython.Py_ssize_t = 0
        for at in range(self.kept[channel]):
            if self.seen[channel, at] >= before_s:
                self.values[channel, kept] = self._value(channel, at)
                self.seen[channel, kept] = self.seen[channel, at]
                kept += 1
        self.kept[channel] = kept


@cython.final
@cython.cclass
class Gaps:
    """The value gap of c channels, d of each series (`anomaly.detectors.gap`)."""

    novelties: Novelties
    after_ns: cython.longlong[::1]
    total: cython.double[::1]
    novel: cython.double[::1]
    edge: cython.double[::1]
    last: cython.double[::1]
    side: cython.int[::1]
    longest_ns: cython.longlong

    def __init__(self, flat: dict, settings: list, longest_ns: cython.longlong) -> None:
        self.novelties = Novelties(flat, 0)
        self.last = memoryview(flat["last"])
        self.after_ns = memoryview(flat["after_ns"])
        self.total = memoryview(flat["total"])
        self.novel = memoryview(flat["novel"])
        self.edge = memoryview(flat["edge"])
        self.side = memoryview(np.array([setting.side for setting in settings], dtype=np.int32))
        self.longest_ns = longest_ns

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def feed(
        self, channel: cython.Py_ssize_t, side: cython.int, value: cython.double, unlearnt: cython.bint
    ) -> cython.double:
        """Score the next window, which then waits to be learnt."""
        part: cython.double = self.novelties.gap(channel, value, side)
        before: cython.double = min(_GAP_KEPT * self.total[channel], _GAP_MOST)
        if part > before:
            self.novel[channel] = value
            self.edge[channel] = self.novelties.nearest(channel, value)
        self.last[channel] = value
        score: cython.double = before + part
        if unlearnt or abs(value - self.edge[channel]) < abs(value - self.novel[channel]):
            # What was new is over, or is still new by itself. Parts that stay alike sum up to ten of them.
            score = min(score, _GAP_TIMES * part)
        # What a period has summed up ends with its cause, and opens no other.
        self.total[channel] = score if unlearnt else before + part
        return score

    def explain(
        self,
        place: cython.Py_ssize_t[::1],
        begin_ns: cython.longlong[::1],
        x: cython.double[:, ::1],
        scores: cython.double[:, ::1],
        unlearnt: cython.uchar[::1],
    ) -> None:
        """Write the scores of windows, shape (n, d), of which x has the features as a float32 can hold them."""
        row: cython.Py_ssize_t
        feature: cython.Py_ssize_t
        channel: cython.Py_ssize_t
        with cython.nogil:
            for row in range(x.shape[0]):
                for feature in range(x.shape[1]):
                    if x[row, feature] != x[row, feature]:
                        continue
                    channel = place[row] * x.shape[1] + feature
                    if self.after_ns[channel] != 0 and not unlearnt[row]:
                        self.novelties.add(channel, 0, self.last[channel])
                    if _is_pause(begin_ns[row], self.after_ns[channel], self.longest_ns):
                        # Windows before and after the missing ones do not belong together.
                        self.total[channel] = 0.0
                    self.after_ns[channel] = begin_ns[row] + 1
                    scores[row, feature] = self.feed(channel, self.side[feature], x[row, feature], unlearnt[row])

    def restored(self, channels: cython.Py_ssize_t[::1]) -> None:
        """Do nothing: all of the state is stored."""


@cython.final
@cython.cclass
class SlowGaps:
    """The slow gap of c channels, d of each series (`anomaly.detectors.slow_gap`).

    `filled` counts the values since the last pause, so it says where the rings of values and of means are. `stained` is
    how many of the next means hold a value that is not to be learnt, which is marked in `apart`. Such means are NaN
    once they have been scored.
    """

    novelties: Novelties
    surprises: Surprises
    after_ns: cython.longlong[::1]
    filled: cython.longlong[::1]
    ring: cython.double[:, ::1]
    means: cython.float[:, ::1]
    times_s: cython.uint[:, ::1]
    total: cython.double[::1]
    gaps: cython.double[::1]
    deviation: cython.double[::1]
    stained: cython.uchar[::1]
    apart: cython.uchar[:, ::1]
    unshifted: cython.double[::1]
    side: cython.int[::1]
    longest_ns: cython.longlong

    def __init__(self, flat: dict, settings: list, longest_ns: cython.longlong, kept_s: cython.longlong) -> None:
        self.unshifted = memoryview(np.zeros(MEANS))
        self.novelties = Novelties(flat, kept_s)
        self.surprises = Surprises(flat, math.inf)
        self.after_ns = memoryview(flat["after_ns"])
        self.filled = memoryview(flat["filled"])
        self.ring = memoryview(flat["ring"])
        self.means = memoryview(flat["means"])
        self.times_s = memoryview(flat["times_s"])
        self.total = memoryview(flat["total"])
        self.gaps = memoryview(flat["gaps"])
        self.deviation = memoryview(flat["deviation"])
        self.stained = memoryview(flat["stained"])
        self.apart = memoryview(flat["apart"])
        self.side = memoryview(np.array([setting.side for setting in settings], dtype=np.int32))
        self.longest_ns = longest_ns

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def feed(
        self, channel: cython.Py_ssize_t, side: cython.int, time_s: cython.longlong, value: cython.double
    ) -> cython.double:
        """Score the next window, which then waits to be learnt."""
        number: cython.longlong = self.filled[channel]
        oldest: cython.double = self.ring[channel, number % _MEANS]
        self.ring[channel, number % _MEANS] = value
        self.apart[channel, number % _MEANS] = 0
        self.total[channel] += value
        self.filled[channel] = number + 1
        # Number of the mean that ends with this window.
        number -= _MEANS - 1
        if number < 0:
            return 0.0
        if number > 0:
            self.total[channel] -= oldest
        mean: cython.double = self.total[channel] / _MEANS
        slot: cython.Py_ssize_t = number % (_MEANS + 1)
        self.means[channel, slot] = mean
        self.times_s[channel, slot] = time_s
        self.gaps[channel] = _SLOW_KEPT * self.gaps[channel] + self.novelties.gap(
            channel, self.means[channel, slot], side
        )
        is_over: cython.bint = self._is_over(channel, mean, slot)
        if number >= _MEANS:
            # The first mean that does not overlap with the next one.
            self._add(channel, (number - _MEANS) % (_MEANS + 1))
        return 0.0 if is_over else self.surprises.rank(channel, self.gaps[channel])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def learn(self, channel: cython.Py_ssize_t, is_unlearnt: cython.bint) -> cython.void:
        """Learn the last window, or note that the means which hold it are not to be learnt."""
        number: cython.longlong = self.filled[channel] - _MEANS
        if is_unlearnt and self.filled[channel] > 0:
            self.stained[channel] = _MEANS
            self.apart[channel, (self.filled[channel] - 1) % _MEANS] = 1
        if self.stained[channel] > 0:
            self.stained[channel] -= 1
            if self.stained[channel] == 0:
                # What the means have shown of periods is not heard of once these have left them.
                self.gaps[channel] = 0.0
                self.deviation[channel] = 0.0
            if number >= 0:
                self.means[channel, number % (_MEANS + 1)] = _NAN
        elif number >= 0:
            self.surprises.learn(channel, self.gaps[channel])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _add(self, channel: cython.Py_ssize_t, slot: cython.Py_ssize_t) -> cython.void:
        """Remember a mean, unless it is not to be learnt."""
        # NaN differs from itself.
        if self.means[channel, slot] == self.means[channel, slot]:
            self.novelties.add(channel, self.times_s[channel, slot], self.means[channel, slot])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _is_over(self, channel: cython.Py_ssize_t, mean: cython.double, slot: cython.Py_ssize_t) -> cython.bint:
        """Tell whether what still shows in the mean is over."""
        at: cython.Py_ssize_t
        if self.novelties.kept[channel] == 0:
            return False
        nearest: cython.double = self.novelties.nearest(channel, self.means[channel, slot])
        self.deviation[channel] += (1.0 - _SLOW_KEPT) * (mean - nearest - self.deviation[channel])
        deviation: cython.double = self.deviation[channel]
        total: cython.double = 0.0
        last: cython.double = 0.0
        away: cython.double
        farthest: cython.double = 0.0
        for at in range(_LATEST):
            total += self.ring[channel, (self.filled[channel] - 1 - at) % _MEANS] - nearest
            if at == _LAST - 1:
                last = total
        if self.stained[channel] > 0:
            if self.apart[channel, (self.filled[channel] - 2) % _MEANS] == 0:
                # A period that was closed shows in the mean until it has left it, and would open another one.
                return True
            for at in range(_MEANS):
                away = self.ring[channel, at] - nearest
                farthest = max(farthest, away if mean > nearest else -away)
            if farthest > _BACK * _MEANS * abs(mean - nearest):
                # A single window makes most of it.
                return True
            if self.gaps[channel] > self.surprises.u[channel]:
                story: cython.int = self._story(channel, nearest, mean - nearest)
                if story != 0:
                    return story > 0
            if self._is_period_over(channel, mean - nearest, last / _LAST + nearest):
                return True
        return (
            total * deviation < _BACK * _LATEST * deviation**2 or last * deviation < _WELL_BACK * _LAST * deviation**2
        )

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _story(self, channel: cython.Py_ssize_t, nearest: cython.double, deviation: cython.double) -> cython.int:
        """Tell which story the values support: the open period is over (1), or goes on (-1); 0 where they do not tell.

        In each story the period ended some windows ago, or did not end, and what makes the mean deviate is a shift of
        its windows. Without the shift the values follow their rhythm: each is like the one some windows before. So the
        best story leaves the least difference at its best lag. A shift that is not larger than what is left tells
        nothing. A period goes on only where values have a rhythm, and where its windows make most of the deviation.
        """
        at: cython.Py_ssize_t
        ended: cython.Py_ssize_t
        story: cython.int = 0
        shift: cython.double
        left: cython.double
        going_on: cython.double = 0.0
        first: cython.Py_ssize_t = self.filled[channel] % _MEANS
        # The last window is not marked yet.
        inside: cython.Py_ssize_t = 1
        within: cython.double = self.ring[channel, (first + _MEANS - 1) % _MEANS] - nearest
        for at in range(_MEANS - 1):
            if self.apart[channel, (first + at) % _MEANS] != 0:
                inside += 1
                within += self.ring[channel, (first + at) % _MEANS] - nearest
        for ended in range(_ENDED + 1):
            if ended > 0:
                inside -= ended == 1 or self.apart[channel, (first + _MEANS - ended) % _MEANS] != 0
            if 0 < ended < _LAST:
                continue
            if inside <= 0:
                break
            shift = deviation * _MEANS / inside
            for at in range(_MEANS):
                self.unshifted[at] = self.ring[channel, (first + at) % _MEANS]
                if at < _MEANS - ended and (at == _MEANS - 1 or self.apart[channel, (first + at) % _MEANS] != 0):
                    self.unshifted[at] -= shift
            left = self._without_rhythm()
            if ended == 0:
                going_on = left
                if (
                    abs(shift) > _APART * left
                    and self._spread() > _APART * left
                    and within * deviation > _BACK * _MEANS * deviation**2
                ):
                    story = -1
            elif left < going_on and abs(shift) > _APART * left:
                return 1
            elif left < _CLEAR * going_on:
                story = 0
        return story

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _without_rhythm(self) -> cython.double:
        """Return the mean difference of the unshifted values to those some windows before, at the best lag."""
        at: cython.Py_ssize_t
        lag: cython.Py_ssize_t
        left: cython.double
        least: cython.double = _INFINITY
        for lag in range(1, _LAGS + 1):
            left = 0.0
            for at in range(lag, _MEANS):
                left += abs(self.unshifted[at] - self.unshifted[at - lag])
            least = min(least, left / (_MEANS - lag))
        return least

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _spread(self) -> cython.double:
        """Return the mean difference of the unshifted values to their mean."""
        at: cython.Py_ssize_t
        center: cython.double = 0.0
        spread: cython.double = 0.0
        for at in range(_MEANS):
            center += self.unshifted[at]
        center /= _MEANS
        for at in range(_MEANS):
            spread += abs(self.unshifted[at] - center)
        return spread / _MEANS

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _is_period_over(
        self, channel: cython.Py_ssize_t, deviation: cython.double, latest: cython.double
    ) -> cython.bint:
        """Tell whether a mean deviates because of a period that is over: the latest windows are like those outside it.

        A rhythm shorter than the mean takes windows away from the mean and back, so the mean does not tell it.
        """
        at: cython.Py_ssize_t
        others: cython.Py_ssize_t = 0
        center: cython.double = 0.0
        square: cython.double = 0.0
        away: cython.double
        weight: cython.double = 0.0
        level: cython.double = 0.0
        for at in range(_MEANS):
            if self.apart[channel, at] == 0:
                others += 1
                center += self.ring[channel, at]
                square += self.ring[channel, at] ** 2
        if others < _FEWEST_OTHERS:
            return False
        center /= others
        for at in range(_MEANS):
            if self.apart[channel, at] != 0:
                away = self.ring[channel, at] - center
                # A period may hold windows that are not away, so those that are farther away tell the level.
                if away * deviation > 0.0:
                    weight += abs(away)
                    level += away**2
        if weight == 0.0 or weight < _BACK * _MEANS * abs(deviation):
            return False
        level /= weight
        return level**2 >= _APART**2 * max(square / others - center**2, 0.0) and (
            (latest - center if deviation > 0.0 else center - latest) < _BACK * level
        )

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def pause(self, channel: cython.Py_ssize_t) -> cython.void:
        """Begin the mean anew: windows before and after the missing ones do not belong together."""
        number: cython.longlong
        means: cython.longlong = self.filled[channel] - (_MEANS - 1)
        for number in range(max(means - _MEANS, 0), means):
            self._add(channel, number % (_MEANS + 1))
        self.filled[channel] = 0
        self.stained[channel] = 0
        self.total[channel] = 0.0
        self.gaps[channel] = 0.0
        self.deviation[channel] = 0.0

    def explain(
        self,
        place: cython.Py_ssize_t[::1],
        begin_ns: cython.longlong[::1],
        x: cython.double[:, ::1],
        scores: cython.double[:, ::1],
        unlearnt: cython.uchar[::1],
    ) -> None:
        """Write the scores of windows, shape (n, d), of which x has the features."""
        row: cython.Py_ssize_t
        feature: cython.Py_ssize_t
        channel: cython.Py_ssize_t
        times_s: cython.longlong[::1] = memoryview(
            np.clip(np.asarray(begin_ns) // 1_000_000_000, 0, np.iinfo(np.uint32).max)
        )
        with cython.nogil:
            for row in range(x.shape[0]):
                for feature in range(x.shape[1]):
                    if x[row, feature] != x[row, feature]:
                        continue
                    channel = place[row] * x.shape[1] + feature
                    if self.after_ns[channel] != 0:
                        self.learn(channel, unlearnt[row])
                    if _is_pause(begin_ns[row], self.after_ns[channel], self.longest_ns):
                        self.pause(channel)
                    self.after_ns[channel] = begin_ns[row] + 1
                    scores[row, feature] = self.feed(channel, self.side[feature], times_s[row], x[row, feature])

    def restored(self, channels: cython.Py_ssize_t[::1]) -> None:
        """Compute what is not stored of channels."""
        self.surprises.refit(channels)


@cython.final
@cython.cclass
class Baselines:
    """The baseline of each time of the seasons, for c channels: the mean of each part of each season.

    A channel's parts are those of its first season, and then those of each longer season.

    Args:
        flat: the arrays of the channels.
        settings: what the channels are told, one for each feature.
        most: of how many windows a part's baseline is the mean.
        wall_ns: turns times into those of the clock on the wall, which seasons of whole days follow; None: UTC.
        longer: of each longer season the number of its parts, and `most` of a part.
    """

    means: cython.double[:, ::1]
    numbers: cython.uint[:, ::1]
    first: cython.int[:, ::1]
    last: cython.double[::1]
    last_parts: cython.int[:, ::1]
    last_seasons: cython.int[:, ::1]
    seasons_ns: list
    parts: list
    wall_ns: object
    levels: cython.Py_ssize_t
    first_parts: cython.Py_ssize_t
    most: cython.double[::1]
    in_parts: cython.double[::1]

    def __init__(
        self, flat: dict, settings: list, most: cython.double, wall_ns: object = None, longer: list | None = None
    ) -> None:
        self.means = memoryview(flat["means"])
        self.numbers = memoryview(flat["numbers"])
        self.first = memoryview(flat["first"])
        self.last = memoryview(flat["last"])
        self.last_parts = memoryview(flat["last_parts"])
        self.last_seasons = memoryview(flat["last_seasons"])
        more = longer or []
        self.seasons_ns = [*settings[0].seasons_ns]
        self.first_parts = self.means.shape[1] - sum(count for count, _ in more)
        self.parts = [self.first_parts, *(count for count, _ in more)]
        self.wall_ns = wall_ns
        self.levels = len(self.parts)
        self.most = memoryview(np.array([most, *(each for _, each in more)], dtype=np.float64))
        # How many windows of a part a season has, or a third of those that its mean is of where these are fewer.
        self.in_parts = memoryview(
            np.array(
                [
                    min(max(1.0, season_ns / (parts * settings[0].window_ns)), of_mean / 3.0)
                    for season_ns, parts, of_mean in zip(self.seasons_ns, self.parts, self.most, strict=True)
                ]
            )
        )

    @cython.ccall
    @cython.nogil
    @cython.exceptval(check=False)
    def residual(
        self,
        channel: cython.Py_ssize_t,
        season: cython.int[:, ::1],
        part: cython.Py_ssize_t[:, ::1],
        row: cython.Py_ssize_t,
        value: cython.double,
    ) -> cython.double:
        """Return the deviation of the next window from its baseline; the window then waits to be learnt."""
        level: cython.Py_ssize_t
        # A far outlier must not move the baseline far.
        value = asinh(value)
        residual: cython.double = value - self._baseline(channel, season, part, row, value)
        self.last[channel] = value
        for level in range(self.levels):
            self.last_parts[channel, level] = part[row, level]
            self.last_seasons[channel, level] = season[row, level]
        return residual

    @cython.ccall
    @cython.nogil
    @cython.exceptval(check=False)
    def learn(self, channel: cython.Py_ssize_t, most: cython.double) -> cython.void:
        """Learn the last window, and at most `most` of its deviation."""
        at: cython.Py_ssize_t
        level: cython.Py_ssize_t
        number: cython.double
        deviation: cython.double
        for level in range(self.levels):
            at = self.last_parts[channel, level]
            if self.numbers[channel, at] == 0:
                self.first[channel, at] = self.last_seasons[channel, level]
            number = min(self.numbers[channel, at] + 1.0, self.most[level])
            if self.numbers[channel, at] < self.most[level]:
                self.numbers[channel, at] += 1
            deviation = self.last[channel] - self.means[channel, at]
            # What a part shows first is all that is known of it.
            self.means[channel, at] += deviation if number <= 1.0 else max(min(deviation, most), -most) / number

    @cython.ccall
    @cython.nogil
    @cython.exceptval(check=False)
    def seasons_known(self, channel: cython.Py_ssize_t) -> cython.double:
        """Return about how many seasons before that of the last window have shown its part: 0 where it is new."""
        at: cython.Py_ssize_t = self.last_parts[channel, 0]
        if self.numbers[channel, at] == 0:
            return 0.0
        return self._seasons_before(channel, 0, at, self.last_seasons[channel, 0])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _baseline(
        self,
        channel: cython.Py_ssize_t,
        season: cython.int[:, ::1],
        part: cython.Py_ssize_t[:, ::1],
        row: cython.Py_ssize_t,
        value: cython.double,
    ) -> cython.double:
        """Return the baseline of a window: that of the longest season whose part is known from seasons before.

        A single season need not be like the others: of a part that only one has shown, and of shorter seasons, the
        nearest baseline counts. In the first season, the baseline is the value where nothing was seen, and in the
        part's first season the part before counts where it is nearer.
        """
        at: cython.Py_ssize_t
        level: cython.Py_ssize_t
        nearest: cython.double = _INFINITY
        for level in range(self.levels - 1, 0, -1):
            at = part[row, level]
            if self.numbers[channel, at] > 0 and self.first[channel, at] != season[row, level]:
                nearest = self._nearer(value, self.means[channel, at], nearest)
                if self._seasons_before(channel, level, at, season[row, level]) > _SEASONS_UNSURE:
                    return nearest
        at = part[row, 0]
        if self.numbers[channel, at] == 0:
            return value if nearest == _INFINITY else nearest
        nearest = self._nearer(value, self.means[channel, at], nearest)
        before: cython.Py_ssize_t = at - 1 if at > 0 else self.first_parts - 1
        if self.first[channel, at] == season[row, 0] and self.numbers[channel, before] > 0:
            return self._nearer(value, self.means[channel, before], nearest)
        return nearest

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _nearer(self, value: cython.double, mean: cython.double, nearest: cython.double) -> cython.double:
        """Return the mean, or the one before where that is not farther from the value."""
        return mean if abs(value - mean) < abs(value - nearest) else nearest

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _seasons_before(
        self, channel: cython.Py_ssize_t, level: cython.Py_ssize_t, at: cython.Py_ssize_t, season: cython.longlong
    ) -> cython.double:
        """Return about how many seasons before this one have shown a part that was seen before.

        They are at most those that went by since the first one, and at most those that the part's windows tell.
        """
        return min(season - self.first[channel, at], self.numbers[channel, at] / self.in_parts[level])

    def seasons(self, begin_ns: object) -> tuple:
        """Return the season and the part of windows for each length of a season, shape (n, levels) each."""
        season = np.empty((len(begin_ns), self.levels), dtype=np.int32)
        part = np.empty((len(begin_ns), self.levels), dtype=np.intp)
        wall_ns = begin_ns if self.wall_ns is None else self.wall_ns(begin_ns)
        offset = 0
        for level, (season_ns, parts) in enumerate(zip(self.seasons_ns, self.parts, strict=True)):
            # A machine's cycle does not follow the clock on the wall.
            numbers, since_ns = np.divmod(wall_ns if season_ns % _DAY_NS == 0 else begin_ns, season_ns)
            # Seasons are compared only, so they may be counted modulo 2**32.
            season[:, level] = numbers.astype(np.int32)
            # Nanoseconds of a season of years would overflow.
            unit_ns = 1 if season_ns < 2**55 else 1_000_000
            part[:, level] = offset + np.minimum(since_ns // unit_ns * parts // (season_ns // unit_ns), parts - 1)
            offset += parts
        return memoryview(season), memoryview(part)


@cython.final
@cython.cclass
class Seasonals:
    """The seasonal residual of c channels, d of each series (`anomaly.detectors.seasonal`).

    Args:
        flat: the arrays of the channels.
        settings: what the channels are told, one for each feature.
        longest_ns: the longest step in time between two windows that belong together, nanoseconds.
        most: of how many windows a part's baseline is the mean.
        wall_ns: turns times into those of the clock on the wall (`Baselines`); None: UTC.
        longer: of each longer season the number of its parts, and `most` of a part.
    """

    baselines: Baselines
    surprises: Surprises
    after_ns: cython.longlong[::1]
    residuals: cython.double[:, ::1]
    stained: cython.uchar[::1]
    side: cython.int[::1]
    longest_ns: cython.longlong

    def __init__(
        self,
        flat: dict,
        settings: list,
        longest_ns: cython.longlong,
        most: cython.double,
        wall_ns: object = None,
        longer: list | None = None,
    ) -> None:
        self.baselines = Baselines(flat, settings, most, wall_ns, longer)
        self.surprises = Surprises(flat, math.inf)
        self.after_ns = memoryview(flat["after_ns"])
        self.residuals = memoryview(flat["residuals"])
        self.stained = memoryview(flat["stained"])
        self.side = memoryview(np.array([setting.side for setting in settings], dtype=np.int32))
        self.longest_ns = longest_ns

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def feed(
        self,
        channel: cython.Py_ssize_t,
        side: cython.int,
        season: cython.int[:, ::1],
        part: cython.Py_ssize_t[:, ::1],
        row: cython.Py_ssize_t,
        value: cython.double,
    ) -> cython.double:
        """Score the next window, which then waits to be learnt."""
        at: cython.Py_ssize_t
        for at in range(_RESIDUALS - 1):
            self.residuals[channel, at] = self.residuals[channel, at + 1]
        self.residuals[channel, _RESIDUALS - 1] = self.baselines.residual(channel, season, part, row, value)
        residual: cython.double = self._residual(channel)
        if self._is_over(channel, residual):
            return 0.0
        return self.surprises.rank(channel, self._counting(side, residual))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def learn(self, channel: cython.Py_ssize_t, side: cython.int, is_unlearnt: cython.bint) -> cython.void:
        """Learn the last window; averages that hold a window which is not to be learnt are not counted."""
        if is_unlearnt:
            self.stained[channel] = _RESIDUALS
        else:
            self.baselines.learn(channel, self._most_taken(channel))
        if self.stained[channel] > 0:
            self.stained[channel] -= 1
        else:
            self.surprises.learn(channel, self._counting(side, self._residual(channel)))

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _residual(self, channel: cython.Py_ssize_t) -> cython.double:
        """Return the average of the last residuals."""
        at: cython.Py_ssize_t
        residual: cython.double = 0.0
        for at in range(_RESIDUALS):
            residual += self.residuals[channel, at]
        return residual / _RESIDUALS

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _counting(self, side: cython.int, residual: cython.double) -> cython.double:
        """Return how much of a residual counts."""
        return max(side * residual, 0.0) if side != 0 else abs(residual)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _is_over(self, channel: cython.Py_ssize_t, residual: cython.double) -> cython.bint:
        """Tell whether what still shows in the average of the residuals is over."""
        at: cython.Py_ssize_t
        last: cython.double = 0.0
        for at in range(_RESIDUALS - _LAST + 1, _RESIDUALS):
            last += self.residuals[channel, at]
        if self.stained[channel] > 0 and self._is_period_over(channel, residual, last / (_LAST - 1)):
            return True
        last += self.residuals[channel, _RESIDUALS - _LAST]
        if last * residual < _WELL_BACK * _LAST * residual**2:
            return True
        last += self.residuals[channel, _RESIDUALS - _FOURTH]
        return self.stained[channel] > 0 and ((last if residual > 0.0 else -last) < _FOURTH * self.surprises.u[channel])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _is_period_over(
        self, channel: cython.Py_ssize_t, residual: cython.double, latest: cython.double
    ) -> cython.bint:
        """Tell whether the average deviates because of a period that is over: the latest two are near the baseline.

        Two windows tell nothing unless the level of the period is far from the baseline, as averages go.
        """
        at: cython.Py_ssize_t
        weight: cython.double = 0.0
        level: cython.double = 0.0
        if self.surprises.fitted[channel] == 0:
            return False
        for at in range(_RESIDUALS):
            # Those that are farther away tell the level.
            if self.residuals[channel, at] * residual > 0.0:
                weight += abs(self.residuals[channel, at])
                level += self.residuals[channel, at] ** 2
        if weight == 0.0:
            return False
        level /= weight
        return level > _PLAIN * self.surprises.u[channel] and ((latest if residual > 0.0 else -latest) < _BACK * level)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _most_taken(self, channel: cython.Py_ssize_t) -> cython.double:
        """Return how much of a deviation the baseline learns at most: no more than is halfway usual."""
        if self.surprises.fitted[channel] == 0:
            return _INFINITY
        return self.surprises.u[channel] + _MOST_TAKEN * self.surprises.excess[channel]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def pause(self, channel: cython.Py_ssize_t) -> cython.void:
        """Begin the average anew: windows before and after the missing ones do not belong together."""
        at: cython.Py_ssize_t
        for at in range(_RESIDUALS):
            self.residuals[channel, at] = 0.0
        self.stained[channel] = 0

    def explain(
        self,
        place: cython.Py_ssize_t[::1],
        begin_ns: cython.longlong[::1],
        x: cython.double[:, ::1],
        scores: cython.double[:, ::1],
        unlearnt: cython.uchar[::1],
    ) -> None:
        """Write the scores of windows, shape (n, d), of which x has the features."""
        row: cython.Py_ssize_t
        feature: cython.Py_ssize_t
        channel: cython.Py_ssize_t
        season: cython.int[:, ::1]
        part: cython.Py_ssize_t[:, ::1]
        season, part = self.baselines.seasons(np.asarray(begin_ns))
        with cython.nogil:
            for row in range(x.shape[0]):
                for feature in range(x.shape[1]):
                    if x[row, feature] != x[row, feature]:
                        continue
                    channel = place[row] * x.shape[1] + feature
                    if self.after_ns[channel] != 0:
                        self.learn(channel, self.side[feature], unlearnt[row])
                    if _is_pause(begin_ns[row], self.after_ns[channel], self.longest_ns):
                        self.pause(channel)
                    self.after_ns[channel] = begin_ns[row] + 1
                    scores[row, feature] = self.feed(channel, self.side[feature], season, part, row, x[row, feature])

    def restored(self, channels: cython.Py_ssize_t[::1]) -> None:
        """Compute what is not stored of channels."""
        self.surprises.refit(channels)


@cython.final
@cython.cclass
class SeasonalGaps:
    """The seasonal gap of c channels, d of each series (`anomaly.detectors.seasonal_gap`).

    Args:
        flat: the arrays of the channels.
        settings: what the channels are told, one for each feature.
        most: of how many windows a part's baseline is the mean.
        wall_ns: turns times into those of the clock on the wall (`Baselines`); None: UTC.
        longer: of each longer season the number of its parts, and `most` of a part.
    """

    baselines: Baselines
    novelties: Novelties
    after_ns: cython.longlong[::1]
    residual: cython.float[::1]
    side: cython.int[::1]

    def __init__(
        self, flat: dict, settings: list, most: cython.double, wall_ns: object = None, longer: list | None = None
    ) -> None:
        self.baselines = Baselines(flat, settings, most, wall_ns, longer)
        self.novelties = Novelties(flat, 0)
        self.after_ns = memoryview(flat["after_ns"])
        self.residual = memoryview(flat["residual"])
        self.side = memoryview(np.array([setting.side for setting in settings], dtype=np.int32))

    def explain(
        self,
        place: cython.Py_ssize_t[::1],
        begin_ns: cython.longlong[::1],
        x: cython.double[:, ::1],
        scores: cython.double[:, ::1],
        unlearnt: cython.uchar[::1],
    ) -> None:
        """Write the scores of windows, shape (n, d), of which x has the features."""
        row: cython.Py_ssize_t
        feature: cython.Py_ssize_t
        channel: cython.Py_ssize_t
        season: cython.int[:, ::1]
        part: cython.Py_ssize_t[:, ::1]
        season, part = self.baselines.seasons(np.asarray(begin_ns))
        with cython.nogil:
            for row in range(x.shape[0]):
                for feature in range(x.shape[1]):
                    if x[row, feature] != x[row, feature]:
                        continue
                    channel = place[row] * x.shape[1] + feature
                    if self.after_ns[channel] != 0 and not unlearnt[row]:
                        if self.baselines.seasons_known(channel) > 0:
                            self.novelties.add(channel, 0, self.residual[channel])
                        self.baselines.learn(channel, _INFINITY)
                    self.after_ns[channel] = begin_ns[row] + 1
                    self.residual[channel] = self.baselines.residual(channel, season, part, row, x[row, feature])
                    if self.baselines.seasons_known(channel) > _SEASONS_UNKNOWN:
                        scores[row, feature] = self.novelties.gap(channel, self.residual[channel], self.side[feature])

    def restored(self, channels: cython.Py_ssize_t[::1]) -> None:
        """Do nothing: all of the state is stored."""
