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
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly.models.features import features
from anomaly.models.model import Model
from anomaly.models.reference import BINS, UNKNOWN, Reference, bins
from anomaly.pipeline import Pipeline
from anomaly.scoring.packing import Arrays, document, text
from anomaly.scoring.results import Fields, Result, series_tags
from anomaly.scoring.scorer import ScoredWindow
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Key
from kapacitor_udf import Groups

# Calibration promises one in thousands of windows that reach `periods.close`; one in twenty breaks the promise.
_ABOVE = 0.05
# The share of the horizon's weight that the first judgement needs.
_FILLED = 0.5
# The number of results in a horizon.
_RESULTS = 24
# Windows are counted in chunks of this many.
_AT_A_TIME = 16
_MOST_SERIES = 100_000
# Chi squared of n degrees of freedom exceeds this once in a hundred, by Wilson and Hilferty's cube.
_NORMAL_99 = 2.3263
# The name of the only part of a state.
_SERIES = "series"
# Stands for a number of windows where there are none to divide by.
_NONE = 1e-9


class FadingCounts:
    """Fading counts of one series: in which bins its windows fell, and which reached `periods.close`.

    Attributes:
        counts: the weight of each feature's bins, shape (d, BINS).
        above: the weight of windows that reached `periods.close`.
        weight: the weight of all windows.
        squares: the sum of their squared weights.
    """

    def __init__(self, d: int) -> None:
        self.counts: Floats = np.zeros((d, BINS))
        self.above = 0.0
        self.weight = 0.0
        self.squares = 0.0

    def add(self, number: Ints, above: Bools, fade: float) -> None:
        """Count the next n windows, in the order of time.

        Args:
            number: the windows' bins, shape (n, d), UNKNOWN where a feature is unknown.
            above: which windows reached `periods.close`, shape (n,).
            fade: the factor by which a window's weight falls with each later window.
        """
        n, d = number.shape
        weights = fade ** np.arange(n - 1, -1, -1)
        flat = (np.arange(d) * BINS + number).ravel()
        seen = (number != UNKNOWN).ravel()
        new = np.bincount(flat[seen], np.repeat(weights, d)[seen], minlength=d * BINS).reshape(d, BINS)
        past = fade**n
        self.counts = past * self.counts + new
        self.above = past * self.above + float(weights[above].sum())
        self.weight = past * self.weight + float(weights.sum())
        self.squares = past**2 * self.squares + float((weights**2).sum())

    @property
    def windows(self) -> Floats:
        """The number of equally weighted windows that would say as much of each feature, shape (d,)."""
        return np.asarray(self.counts.sum(axis=1) * (self.weight / self.squares))

    def state(self) -> list[Any]:
        """Return the counts for JSON."""
        return [self.counts.tolist(), self.above, self.weight, self.squares]

    @classmethod
    def from_state(cls, state: Sequence[Any], d: int) -> "FadingCounts":
        """Return the counts that `state` returned. Raises TypeError or ValueError for counts of other features."""
        fading = cls(d)
        counts = np.array(state[0], dtype=np.float64)
        if counts.shape != fading.counts.shape:
            raise ValueError(f"counts of the shape {counts.shape} for {d} features")
        fading.counts = counts
        fading.above, fading.weight, fading.squares = (float(number) for number in state[1:])
        return fading


@dataclass(slots=True)
class _SeriesDrift:
    """The drift of one series.

    Attributes:
        fading: the counts of the windows.
        waiting: windows that are not counted yet, each with its features, shape (d,), and whether it reached
            `periods.close`.
        slot: which of the horizon's results the last window belongs to; None before the first.
    """

    fading: FadingCounts
    waiting: list[tuple[Floats, bool]]
    slot: int | None = None


class DriftMonitor:
    """Follows the drift of a pipeline's series against the model that scores them. Another model starts anew."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._fade = float(np.exp(-pipeline.window_ns / pipeline.drift.horizon_ns))
        self._every_ns = max(pipeline.drift.horizon_ns // _RESULTS // pipeline.window_ns, 1) * pipeline.window_ns
        self._d = len(features(pipeline))
        self._version: str | None = None
        self._series: Groups[Key, _SeriesDrift] = Groups(
            lambda: _SeriesDrift(FadingCounts(self._d), []), most=_MOST_SERIES
        )

    def feed(self, key: Key, scored: ScoredWindow) -> Iterator[Result]:
        """Take the next scored window of a series into account.

        Args:
            key: the series.
            scored: the window; a suppressed one does not count.

        Yields:
            A `drift` result, when it is time for one.
        """
        model = scored.model
        if model.version != self._version:
            self._version = model.version
            self._series.replace(())
        if scored.suppressed is not None:
            return
        series = self._series[key]
        slot = scored.begin_ns // self._every_ns
        if series.slot is not None and slot > series.slot:
            self._count(series, model)
            # A snapshot that was taken while no model was at hand has the slot and no windows.
            if series.fading.weight:
                tags = series_tags(self._pipeline, key)
                yield Result("drift", tags, slot * self._every_ns, self._fields(series.fading, model))
        series.slot = slot
        series.waiting.append((scored.verdict.features, scored.verdict.severity >= self._pipeline.periods.close))
        if len(series.waiting) >= _AT_A_TIME:
            self._count(series, model)

    def _count(self, series: _SeriesDrift, model: Model) -> None:
        if series.waiting:
            x = np.array([seen for seen, _ in series.waiting])
            above = np.array([above for _, above in series.waiting])
            series.fading.add(bins(model.reference.edges, x), above, self._fade)
            series.waiting = []

    def _fields(self, fading: FadingCounts, model: Model) -> Fields:
        found = stability(fading.counts, fading.windows, model.reference)
        limits = self._pipeline.drift.psi + chance(fading.windows, model.reference)
        above = fading.above / fading.weight
        filled = fading.weight * (1.0 - self._fade)
        drifted = filled >= _FILLED and (above >= _ABOVE or bool((found >= limits).any()))
        by_field = found.reshape(len(self._pipeline.fields), -1).max(axis=1)
        return {
            "psi": float(found.max()),
            **{f"psi_{name}": float(psi) for name, psi in zip(self._pipeline.fields, by_field, strict=True)},
            "above": above,
            "filled": filled,
            "drifted": int(drifted),
            "model": model.version,
        }

    def forget(self, key: Key) -> None:
        """Forget a series."""
        self._series.discard(key)

    def state(self, model: Model | None) -> dict[str, AnyArray]:
        """Return the drift of all series as arrays by name; what waits is counted first, if the model is at hand."""
        if model is not None and model.version == self._version:
            for _, series in self._series.items():
                self._count(series, model)
        saved = [[list(key), series.slot, *series.fading.state()] for key, series in self._series.items()]
        return {_SERIES: text([self._version, saved])}

    def restore(self, arrays: Arrays) -> None:
        """Go on where `state` was taken; series that it does not name stay as they are, unless it is of another model.

        Args:
            arrays: what `state` returned, and perhaps others.

        Raises:
            KeyError: the state is of other features.
            TypeError: likewise.
            ValueError: likewise.
        """
        version, saved = document(arrays[_SERIES])
        restored = {
            tuple(key): _SeriesDrift(FadingCounts.from_state(fading, self._d), [], slot) for key, slot, *fading in saved
        }
        kept: list[tuple[Key, _SeriesDrift]] = []
        if version == self._version:
            kept = [(key, series) for key, series in self._series.items() if key not in restored]
        self._version = version
        self._series.replace([*kept, *restored.items()])


def stability(counts: Floats, windows: Floats | float, reference: Reference) -> Floats:
    """Compute the population stability index of each feature against training.

    Args:
        counts: fading counts, shape (d, BINS).
        windows: the number of windows that they are worth, shape (d,) or one for all.
        reference: the distribution in training.

    Returns:
        The index, shape (d,); 0 of a feature that no window had.
    """
    # An empty bin counts as half a window.
    least = 0.5 / np.maximum(windows, _NONE).reshape(-1, 1)
    now = np.maximum(counts / np.maximum(counts.sum(axis=1, keepdims=True), _NONE), least)
    then = np.maximum(reference.shares, least)
    return np.asarray(((now - then) * np.log(now / then)).sum(axis=1))


def chance(windows: Floats | float, reference: Reference) -> Floats:
    """Return the stability index that chance alone exceeds once in a hundred, shape (d,)."""
    freedom = np.maximum(reference.used - 1.0, 1.0)
    spread = 2.0 / (9.0 * freedom)
    chi_squared = freedom * (1.0 - spread + _NORMAL_99 * np.sqrt(spread)) ** 3
    return np.asarray(chi_squared * (1.0 / np.maximum(windows, _NONE) + 1.0 / reference.windows))
