"""Whether a series still is as training saw it: each feature's distribution now against the one in training.

Training cuts each feature's values into deciles. Serving counts in which of them each window falls, with a weight that
fades by a factor of e within the pipeline's horizon, and compares the shares by the population stability index, the sum
of (p - q) ln(p / q) over the bins: 0 is equal, 0.1 is little, 0.25 a lot (Siddiqi, "Credit Risk Scorecards", 2006). By
chance the index is as large as chi squared times (1/n + 1/m), with as many degrees of freedom as there are bins less
one (Yurdakul, "Statistical Properties of Population Stability Index", 2018). The limit grows by what chance exceeds
once in a hundred, so few windows raise no alarm.

The other sign is the share of windows that reach `periods.close`, which calibration makes one in thousands.

Edges count as bins of their own, beside those between them, so that a value that never changed is seen to move either
way. Time counts in windows: a gap is not a change. The features come with the verdict, so drift counts exactly what the
detector saw: a field that scoring masked is unknown here, too.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from anomaly.models.features import features
from anomaly.models.model import Model
from anomaly.models.reference import BINS, UNKNOWN, Reference, bins
from anomaly.pipeline import Pipeline
from anomaly.scoring.packing import Arrays, document, keys_as_arrays, keys_of, text
from anomaly.scoring.results import ResultColumns
from anomaly.scoring.scorer import ScoredWindows
from anomaly.scoring.series_table import SeriesTable
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Key, Times, rounds

# Calibration promises one in thousands of windows that reach `periods.close`; one in twenty breaks the promise.
_ABOVE = 0.05
# The share of the horizon's weight that the first judgement needs.
_FILLED = 0.5
# The number of results in a horizon.
RESULTS = 24
_MOST_SERIES = 100_000
# Chi squared of n degrees of freedom exceeds this once in a hundred, by Wilson and Hilferty's cube.
_NORMAL_99 = 2.3263
# The model that a state is of.
_VERSION = "version"
# Stands for a number of windows where there are none to divide by.
_NONE = 1e-9


class DriftMonitor:
    """Follows the drift of a pipeline's series against the model that scores them. Another model starts anew."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._fade = float(np.exp(-pipeline.window_ns / pipeline.drift.horizon_ns))
        self._every_ns = max(pipeline.drift.horizon_ns // RESULTS // pipeline.window_ns, 1) * pipeline.window_ns
        self._d = len(features(pipeline))
        self._version: str | None = None
        self._table = SeriesTable(_MOST_SERIES)
        # The fading weights of each feature's bins, of the windows that reached `periods.close`, and of all windows;
        # the sum of their squares; and which of the horizon's results the last window belongs to.
        self._counts: Floats = self._table.column(np.float64, self._d, BINS)
        self._above: Floats = self._table.column(np.float64)
        self._weight: Floats = self._table.column(np.float64)
        self._squares: Floats = self._table.column(np.float64)
        self._slot: Times = self._table.column(np.int64)

    def feed(self, scored: ScoredWindows) -> Iterator[tuple[Times, ResultColumns]]:
        """Take the next scored windows into account.

        Args:
            scored: the windows, each series in the order of time; suppressed ones do not count.

        Yields:
            `drift` results of the series for which it is time, and the begins of the windows that made them known.
        """
        model = scored.model
        if model.version != self._version:
            self._version = model.version
            self._table.clear()
        if len(scored.keys) > self._table.most:
            raise ValueError(f"{len(scored.keys)} series at once, and there may be {self._table.most}")
        counted = np.ones(len(scored), dtype=np.bool_)
        counted[list(scored.suppressed)] = False
        number = bins(model.reference.edges, scored.verdicts.features)
        above = scored.verdicts.severity >= self._pipeline.periods.close
        slot = scored.begin_ns // self._every_ns
        every = np.flatnonzero(counted)
        for part in rounds(scored.series[every]):
            at = every[part]
            series = scored.series[at]
            row = self._table.rows([scored.keys[one] for one in series.tolist()])
            due = (self._weight[row] > 0) & (slot[at] > self._slot[row])
            if due.any():
                times_ns = slot[at[due]] * self._every_ns
                fields = self._fields(row[due], model)
                yield (
                    scored.begin_ns[at[due]],
                    ResultColumns(self._pipeline, "drift", scored.keys, series[due], times_ns, fields),
                )
            self._slot[row] = slot[at]
            self._count(row, number[at], above[at])

    def _count(self, row: Ints, number: Ints, above: Bools) -> None:
        """Count the next window of each of n series, in whose row it is, by its bins, shape (n, d)."""
        counts = self._counts[row] * self._fade
        window, feature = np.nonzero(number != UNKNOWN)
        counts[window, feature, number[window, feature]] += 1.0
        self._counts[row] = counts
        self._above[row] = self._above[row] * self._fade + above
        self._weight[row] = self._weight[row] * self._fade + 1.0
        self._squares[row] = self._squares[row] * self._fade**2 + 1.0

    def _fields(self, row: Ints, model: Model) -> dict[str, Any]:
        """Return the fields of the results of n series, shape (n,) each."""
        counts, weight = self._counts[row], self._weight[row]
        # The number of equally weighted windows that would say as much of each feature.
        windows = counts.sum(axis=2) * (weight / self._squares[row])[:, None]
        psi = stability(counts, windows, model.reference)
        limits = self._pipeline.drift.psi + chance(windows, model.reference)
        above = self._above[row] / weight
        filled = weight * (1.0 - self._fade)
        drifted = (filled >= _FILLED) & ((above >= _ABOVE) | (psi >= limits).any(axis=1))
        by_field = psi.reshape(len(row), len(self._pipeline.fields), -1).max(axis=2)
        return {
            "psi": psi.max(axis=1),
            **{f"psi_{name}": by_field[:, index] for index, name in enumerate(self._pipeline.fields)},
            "above": above,
            "filled": filled,
            "drifted": drifted.astype(np.int64),
            "model": model.version,
        }

    @property
    def keys(self) -> list[Key]:
        """The series of which the drift is followed."""
        return self._table.keys

    def forget(self, key: Key) -> None:
        """Forget a series."""
        self._table.forget(key)

    def state(self, keys: Sequence[Key] | None = None) -> dict[str, AnyArray]:
        """Return the drift of series as arrays by name.

        Args:
            keys: the series, those of which nothing is known are left out; None: all.
        """
        keys = self._table.keys if keys is None else [key for key in keys if key in self._table]
        row = self._table.find(keys)
        return {
            _VERSION: text(self._version),
            **keys_as_arrays(keys),
            **{name: column[row] for name, column in self._columns.items()},
        }

    @property
    def _columns(self) -> dict[str, AnyArray]:
        """What is remembered of each series, by the names in a state."""
        return {
            "counts": self._counts,
            "above": self._above,
            "weight": self._weight,
            "squares": self._squares,
            "slot": self._slot,
        }

    def restore(self, arrays: Arrays) -> None:
        """Go on where `state` was taken; series that it does not name stay as they are, unless it is of another model.

        Args:
            arrays: what `state` returned, and perhaps others.

        Raises:
            KeyError: the state is of other features.
            TypeError: likewise.
            ValueError: likewise.
        """
        version, keys = document(arrays[_VERSION]), keys_of(arrays)
        for name, column in self._columns.items():
            if arrays[name].shape != (len(keys), *column.shape[1:]):
                raise ValueError(f"{name} of the shape {arrays[name].shape} for {self._d} features")
        if version != self._version:
            self._version = version
            self._table.clear()
        row = self._table.rows(keys)
        for name, column in self._columns.items():
            column[row] = arrays[name]


def stability(counts: Floats, windows: Floats | float, reference: Reference) -> Floats:
    """Compute the population stability index of each feature against training.

    Args:
        counts: fading counts, shape (..., d, BINS).
        windows: the number of windows that they are worth, shape (..., d) or one for all.
        reference: the distribution in training.

    Returns:
        The index, shape (..., d); 0 of a feature that no window had.
    """
    # An empty bin counts as half a window.
    least = 0.5 / np.maximum(windows, _NONE)[..., None]
    now = np.maximum(counts / np.maximum(counts.sum(axis=-1, keepdims=True), _NONE), least)
    then = np.maximum(reference.shares, least)
    return np.asarray(((now - then) * np.log(now / then)).sum(axis=-1))


def chance(windows: Floats | float, reference: Reference) -> Floats:
    """Return the stability index that chance alone exceeds once in a hundred, shape (..., d)."""
    freedom = np.maximum(reference.used - 1.0, 1.0)
    spread = 2.0 / (9.0 * freedom)
    chi_squared = freedom * (1.0 - spread + _NORMAL_99 * np.sqrt(spread)) ** 3
    return np.asarray(chi_squared * (1.0 / np.maximum(windows, _NONE) + 1.0 / reference.windows))
