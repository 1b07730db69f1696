"""The newcomers among the series of a pipeline: how far the warm-up of each is, and the baseline that follows it.

`anomaly.models.newcomers` says what a warm-up is. While it lasts, windows are judged by their deviations from those
before them, and the detector does not see them. At its end the series gets a baseline of its own. The detector begins
as for any series that training has not seen, is shown the windows that the warm-up kept, and goes on from there.

A warm-up keeps at most `_MOST_KEPT` windows, evenly over its time, however many it has. They are a part of the
pipeline's state, so a restart goes on with the warm-up. Another model that still has no baseline of the series takes
the series' own one over.

A backtest brings many windows of one series, and calls `Newcomers.judge`. Serving brings windows of many series, and
calls `Newcomers.judge_together`, which computes with arrays over series what `judge` computes with arrays over windows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from anomaly.models.features import MAD_TO_SIGMA, Feature, Scaling, features
from anomaly.models.model import Model, Verdicts
from anomaly.models.newcomers import (
    BEFORE,
    ENOUGH_BEFORE,
    NewcomerRules,
    deviations,
    medians,
    moving,
    own_baseline,
    stacked,
)
from anomaly.pipeline import Pipeline
from anomaly.scoring.notices import WARM_UP, Notice
from anomaly.scoring.packing import Arrays, keys_as_arrays, keys_of
from anomaly.scoring.places import Places
from anomaly.windows.arrays import AnyArray, Floats, Ints, Key, Times, rounds
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from kapacitor_udf import Groups

# A warm-up keeps at most this many windows: at least ten for each hour of a day. With 256, series that had just warmed
# up opened three times as many false periods as known ones.
_MOST_KEPT = 512
# The scales of this many newcomers are measured at once, which bounds memory.
_AT_ONCE = 128
_NO_ROOM = "`memory` has no room for it: it warms up anew with its next window"


@dataclass(slots=True)
class _Newcomer:
    """What is remembered of a newcomer with d features and f fields.

    Attributes:
        first_ns: the begin of its first window.
        last_ns: the begin of its last window in the warm-up.
        count: how many windows the warm-up had so far.
        stride: one of this many windows is kept.
        is_warm: whether the warm-up is over.
        recent: the last windows, shape (BEFORE, d), NaN where there was none.
        scale: the scales by which deviations are measured now, shape (d,).
        kept_ns: begins of the windows that are kept.
        kept_values: their aggregates, shape (d,) each.
        kept_counts: their points, shape (f,) each.
        own: the series' own baseline after the warm-up; None until it is needed.
        version: the version of the model that the baseline goes with.
    """

    recent: Floats
    scale: Floats
    first_ns: int = 0
    last_ns: int = 0
    count: int = 0
    stride: int = 1
    is_warm: bool = False
    kept_ns: list[int] = field(default_factory=list)
    kept_values: list[Floats] = field(default_factory=list)
    kept_counts: list[Floats] = field(default_factory=list)
    own: Scaling | None = None
    version: str = ""

    def keep(self, begin_ns: int, values: Floats, counts: Floats) -> None:
        """Count a window, and keep it if it is one in `stride`."""
        if self.count == 0:
            self.first_ns = begin_ns
        if self.count % self.stride == 0:
            if len(self.kept_ns) == _MOST_KEPT:
                self.stride *= 2
                del self.kept_ns[1::2], self.kept_values[1::2], self.kept_counts[1::2]
            if self.count % self.stride == 0:
                self.kept_ns.append(begin_ns)
                self.kept_values.append(values)
                self.kept_counts.append(counts)
        self.last_ns = begin_ns
        self.count += 1


class Newcomers:
    """The newcomers of a pipeline.

    Args:
        pipeline: the pipeline. Those beyond its `memory` that have been quiet longest warm up anew.
        notice: is told of each warm-up that begins or ends; None: nobody wants to know.
    """

    def __init__(self, pipeline: Pipeline, notice: Callable[[Key, Notice], None] | None = None) -> None:
        self._pipeline = pipeline
        self._features: list[Feature] = features(pipeline)
        self._notice = notice
        d, f = len(self._features), len(pipeline.fields)
        size = 8 * ((BEFORE + 1) * d + _MOST_KEPT * (1 + d + f))
        self._most = max(1, pipeline.memory_bytes // size)
        self._series: Groups[Key, _Newcomer] = Groups(
            lambda: _Newcomer(np.full((BEFORE, d), np.nan), np.zeros(d)), most=self._most
        )

    @property
    def most(self) -> int:
        """How many newcomers there may be."""
        return self._most

    def judge(self, model: Model, places: Places, windows: SeriesWindows) -> tuple[Verdicts, int]:
        """Judge the next windows of a newcomer.

        Args:
            model: a model with `newcomers` that has no baseline of the series.
            places: the detector on the series of the pipeline.
            windows: at least one window, in the order of time, NaN in incomplete fields.

        Returns:
            The verdicts, and how many of the windows belong to the warm-up, which are the first ones.
        """
        rules, key = _rules(model), windows.key
        series = self._newcomer(key, rules, int(windows.begin_ns[0]))
        number, warming = np.arange(len(windows)), 0
        parts: list[tuple[Ints, Verdicts]] = []
        while not series.is_warm and warming < len(windows):
            length = self._stretch(rules, series, windows.begin_ns[warming:])
            stretch = number[warming : warming + length]
            parts.append((stretch, self._warming(model, rules, series, windows.where(np.isin(number, stretch)))))
            warming += length
            self._after(model, rules, (key,), (series,))
        later = number[warming:]
        if len(later):
            warm = windows.where(number >= warming)
            own, place = self._owns(model, places, (key,), (series,))
            judged = own.judge_many(
                places.followers, 0, place.repeat(len(warm)), warm.begin_ns, warm.values, warm.counts
            )
            parts.append((later, judged))
        return Verdicts.joined(parts), warming

    def judge_together(
        self, model: Model, places: Places, keys: Sequence[Key], windows: Windows
    ) -> tuple[Verdicts, list[Key]]:
        """Judge the next windows of many newcomers, as `judge` does those of one.

        Args:
            model: as for `judge`.
            places: likewise.
            keys: the series of each of the n windows; at most `most` different ones.
            windows: n windows, each series in the order of time, NaN in incomplete fields.

        Returns:
            The verdicts, and the series of each window of a warm-up.
        """
        rules, warming_keys = _rules(model), list[Key]()
        parts: list[tuple[Ints, Verdicts]] = []
        for part in rounds(windows.series):
            newcomers = [
                self._newcomer(keys[at], rules, begin_ns)
                for at, begin_ns in zip(part.tolist(), windows.begin_ns[part].tolist(), strict=True)
            ]
            are_warm = np.array([each.is_warm for each in newcomers], dtype=np.bool_)
            for is_warm in (False, True):
                chosen = np.flatnonzero(are_warm == is_warm)
                if not len(chosen):
                    continue
                at = part[chosen]
                some = [keys[each] for each in at.tolist()]
                chosen_newcomers = [newcomers[each] for each in chosen.tolist()]
                next_windows = windows.take(at)
                if is_warm:
                    judged = self._judge_warm_together(model, places, some, chosen_newcomers, next_windows)
                else:
                    judged = self._warm_up_together(model, some, chosen_newcomers, next_windows)
                    warming_keys += some
                parts.append((at, judged))
        return Verdicts.joined(parts), warming_keys

    def _warm_up_together(
        self, model: Model, keys: Sequence[Key], newcomers: Sequence[_Newcomer], windows: Windows
    ) -> Verdicts:
        """Judge the next window of the warm-up of each of n newcomers, in their order."""
        rules, begins = _rules(model), windows.begin_ns.tolist()
        for newcomer, begin_ns in zip(newcomers, begins, strict=True):
            self._end_pause(newcomer, begin_ns)
        recent = np.stack([each.recent for each in newcomers])
        scale = np.stack([each.scale for each in newcomers])
        verdicts = self._by_those_before(model, rules, windows.values, medians(np.moveaxis(recent, 1, 2)), scale)
        for newcomer, begin_ns, row, points in zip(newcomers, begins, windows.values, windows.counts, strict=True):
            newcomer.recent[:-1] = newcomer.recent[1:]
            newcomer.recent[-1] = row
            # A view would keep the windows of all others.
            newcomer.keep(begin_ns, row.copy(), points.copy())
        self._after(model, rules, keys, newcomers)
        return verdicts

    def _judge_warm_together(
        self, model: Model, places: Places, keys: Sequence[Key], newcomers: Sequence[_Newcomer], windows: Windows
    ) -> Verdicts:
        """Judge the next window of each of n newcomers after their warm-ups, in their order."""
        own, place = self._owns(model, places, keys, newcomers)
        rows = np.arange(len(windows))
        return own.judge_many(places.followers, rows, place, windows.begin_ns, windows.values, windows.counts)

    def _newcomer(self, key: Key, rules: NewcomerRules, begin_ns: int) -> _Newcomer:
        """Return what is remembered of a newcomer, whose next window begins at a time; a new one is told."""
        if key not in self._series and len(self._series) == self._most:
            self.forget(next(iter(self._series)), _NO_ROOM)
        series = self._series[key]
        if series.count == 0:
            self._tell(key, series, begin_ns, "open", _text(rules))
        return series

    def _after(self, model: Model, rules: NewcomerRules, keys: Sequence[Key], newcomers: Sequence[_Newcomer]) -> None:
        """Measure newcomers whose windows were kept, and end the warm-ups that are over."""
        self._measure(model, newcomers)
        for key, series in zip(keys, newcomers, strict=True):
            if rules.is_over(series.count, series.last_ns - series.first_ns + self._pipeline.window_ns):
                series.is_warm = True
                text = f"the series has a baseline of its own, out of {series.count} windows"
                self._tell(key, series, series.last_ns, "closed", text)

    def _end_pause(self, series: _Newcomer, begin_ns: int) -> None:
        """Forget the windows before a pause, or before time went back: they say little of what comes now."""
        if series.count and not 0 < begin_ns - series.last_ns <= BEFORE * self._pipeline.window_ns:
            series.recent[:] = np.nan

    def _stretch(self, rules: NewcomerRules, series: _Newcomer, begin_ns: Times) -> int:
        """Return how many of the next windows, with begins of shape (n,), are judged by one scale and without a pause.

        The scale is measured anew whenever there are twice as many windows, so that it does not depend on how many
        windows come at once.
        """
        window_ns = self._pipeline.window_ns
        until = ENOUGH_BEFORE if series.count < ENOUGH_BEFORE else 1 << series.count.bit_length()
        most = until - series.count
        self._end_pause(series, int(begin_ns[0]))
        steps = np.diff(begin_ns[:most], prepend=series.last_ns if series.count else begin_ns[0])
        pauses = 1 + np.flatnonzero(~((steps[1:] > 0) & (steps[1:] <= BEFORE * window_ns)))
        first_ns = series.first_ns if series.count else int(begin_ns[0])
        counts = series.count + 1 + np.arange(len(steps))
        lasted_ns = begin_ns[:most] - first_ns + window_ns
        is_over = [rules.is_over(*each) for each in zip(counts.tolist(), lasted_ns.tolist(), strict=True)]
        over = np.flatnonzero(is_over)
        return int(min([len(steps), *pauses[:1].tolist(), *(over[:1] + 1).tolist()]))

    def _warming(self, model: Model, rules: NewcomerRules, series: _Newcomer, windows: SeriesWindows) -> Verdicts:
        """Judge the n windows of a stretch of the warm-up, and remember them."""
        scale = np.broadcast_to(series.scale, windows.values.shape)
        past = np.concatenate([series.recent, windows.values])
        level = medians(np.lib.stride_tricks.sliding_window_view(past[:-1], BEFORE, axis=0))
        verdicts = self._by_those_before(model, rules, windows.values, level, scale)
        for begin_ns, values, counts in zip(windows.begin_ns.tolist(), windows.values, windows.counts, strict=True):
            series.keep(begin_ns, values, counts)
        series.recent[:] = past[-BEFORE:]
        return verdicts

    def _by_those_before(
        self, model: Model, rules: NewcomerRules, values: Floats, level: Floats, scale: Floats
    ) -> Verdicts:
        """Judge n windows of warm-ups by those before them.

        Args:
            model: the model.
            rules: its rules for newcomers.
            values: the windows' aggregates, shape (n, d), NaN where one is missing.
            level: the medians of the windows before, shape (n, d), NaN where nobody knows them.
            scale: the scales of each window's series, shape (n, d).

        Returns:
            The verdicts.
        """
        n, d = values.shape
        scaling, width, windows_per_day = model.scaling, len(self._pipeline.aggregate), self._pipeline.windows_per_day
        scale = np.maximum(scale, scaling.scale[0])
        x = deviations(scaling, 0, values, level, scale)
        far = np.where(np.isnan(x), 0.0, np.abs(x))
        severities = rules.calibration.severity(far.max(axis=1), windows_per_day)
        baselines = moving(scaling, 0, np.where(np.isnan(level), values, level), scale)
        by_field = far.reshape(n, -1, width).sum(axis=2)
        known = ~np.isnan(values).reshape(n, -1, width).any(axis=2)
        weights = np.where(by_field.sum(axis=1, keepdims=True) > 0, by_field, known)
        # A window of which nothing is known has no shares.
        total = weights.sum(axis=1, keepdims=True)
        low, high = baselines.expected(np.arange(0, d, width), slice(None))
        return Verdicts(
            # A score that is as rare as the deviation, so that scores and thresholds stay comparable.
            score=model.calibration.scores_at(severities, windows_per_day),
            severity=severities,
            surprise=np.zeros(n),
            value=values[:, ::width],
            expected_low=low,
            expected_high=high,
            contribution=np.divide(weights, total, out=np.full(weights.shape, np.nan), where=total > 0),
            # Drift compares with training, which knows nothing of the series' level.
            features=np.full((n, d), np.nan),
            limit=np.full(n, None, dtype=np.object_),
        )

    def _measure(self, model: Model, newcomers: Iterable[_Newcomer]) -> None:
        """Measure the scales of newcomers anew that have twice as many windows as the last time."""
        by_length: dict[int, list[_Newcomer]] = {}
        for series in newcomers:
            if series.count >= ENOUGH_BEFORE and (series.count == ENOUGH_BEFORE or series.count.bit_count() == 1):
                by_length.setdefault(len(series.kept_values), []).append(series)
        for alike in by_length.values():
            for begin in range(0, len(alike), _AT_ONCE):
                some = alike[begin : begin + _AT_ONCE]
                scales = _scales(model.scaling, np.array([series.kept_values for series in some]))
                for series, scale in zip(some, scales, strict=True):
                    series.scale = scale.copy()

    def _owns(
        self, model: Model, places: Places, keys: Sequence[Key], newcomers: Sequence[_Newcomer]
    ) -> tuple[Model, Ints]:
        """Return the model whose rows are the own baselines of n newcomers, and their places, shape (n,).

        The detector begins as for any series that training has not seen, and is shown what the warm-up kept.
        """
        for series in newcomers:
            if series.own is None or series.version != model.version:
                values, counts = np.array(series.kept_values), np.array(series.kept_counts)
                series.own = own_baseline(model.scaling, self._features, values, counts)
                series.version = model.version
        baselines = stacked([series.own for series in newcomers if series.own is not None])
        # The trends of a model are those of the series that training has seen.
        own = replace(model, scaling=baselines, trend=None)
        for row, (key, series) in enumerate(zip(keys, newcomers, strict=True)):
            if key not in places:
                x = own.scaling.transform(np.array(series.kept_values), row)
                places.begin(key).explain(np.array(series.kept_ns, dtype=np.int64), x)
        return own, places.of(keys)

    def _tell(self, key: Key, series: _Newcomer, at_ns: int, state: str, text: str) -> None:
        if self._notice is not None:
            self._notice(key, Notice(WARM_UP, series.first_ns or at_ns, at_ns, state, text, series.count))

    def forget(self, key: Key, why: str = "the series is forgotten") -> None:
        """Forget a series, and tell the end of a warm-up that was not over.

        Args:
            key: the series.
            why: what people read of it.
        """
        if key in self._series:
            self._end(key, self._series[key], why)
            self._series.discard(key)

    def go_on_with(self, model: Model) -> None:
        """Forget the warm-ups of series that another model judges without one."""
        warming = [key for key, series in self._series.items() if not series.is_warm]
        for key in warming:
            if not model.is_newcomer(key):
                self.forget(key, f"model {model.version} judges the series without one")

    def _end(self, key: Key, series: _Newcomer, why: str) -> None:
        """Tell the end of a warm-up that was not over."""
        if series.count and not series.is_warm:
            text = f"the warm-up ends after {series.count} windows without a baseline: {why}"
            self._tell(key, series, series.last_ns, "closed", text)

    def state(self, keys: Sequence[Key]) -> dict[str, AnyArray]:
        """Return what is remembered of the newcomers among series as arrays by name; none where there is none.

        Args:
            keys: the series.
        """
        key_set = set(keys)
        kept = [(key, newcomer) for key, newcomer in self._series.items() if key in key_set]
        if not kept:
            return {}
        keys, newcomers = zip(*kept, strict=True)
        d, f = len(self._features), len(self._pipeline.fields)
        numbers = [
            [each.first_ns, each.last_ns, each.count, each.stride, each.is_warm, len(each.kept_ns)]
            for each in newcomers
        ]
        return {
            **keys_as_arrays(keys),
            "numbers": np.array(numbers, dtype=np.int64),
            "recent": np.stack([each.recent for each in newcomers]),
            "scale": np.stack([each.scale for each in newcomers]),
            "kept_ns": np.array([at_ns for each in newcomers for at_ns in each.kept_ns], dtype=np.int64),
            "kept_values": np.array([row for each in newcomers for row in each.kept_values]).reshape(-1, d),
            "kept_counts": np.array([row for each in newcomers for row in each.kept_counts]).reshape(-1, f),
        }

    def restore(self, arrays: Arrays) -> None:
        """Go on where `state` was taken; newcomers that it does not name stay as they are.

        Args:
            arrays: what `state` returned; none of a release that knew no newcomers.

        Raises:
            KeyError: an array is missing.
            ValueError: the arrays do not fit each other, or the pipeline.
        """
        if not arrays:
            return
        keys, numbers = keys_of(arrays), arrays["numbers"]
        d, f, kept = len(self._features), len(self._pipeline.fields), int(numbers[:, -1].sum())
        shapes = {
            "numbers": (len(keys), 6),
            "recent": (len(keys), BEFORE, d),
            "scale": (len(keys), d),
            "kept_ns": (kept,),
            "kept_values": (kept, d),
            "kept_counts": (kept, f),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} of newcomers has the shape {arrays[name].shape} instead of {shape}")
        restored = []
        begin = 0
        for at, (key, row) in enumerate(zip(keys, numbers.tolist(), strict=True)):
            first_ns, last_ns, count, stride, is_warm, length = row
            of = slice(begin, begin + length)
            begin += length
            newcomer = _Newcomer(
                arrays["recent"][at].copy(),
                arrays["scale"][at].copy(),
                first_ns,
                last_ns,
                count,
                stride,
                bool(is_warm),
                arrays["kept_ns"][of].tolist(),
                list(arrays["kept_values"][of]),
                list(arrays["kept_counts"][of]),
            )
            restored.append((key, newcomer))
        names = set(keys)
        every = [*((key, each) for key, each in self._series.items() if key not in names), *restored]
        for key, newcomer in every[: -self._most]:
            self._end(key, newcomer, _NO_ROOM)
        self._series.replace(every[-self._most :])


def _rules(model: Model) -> NewcomerRules:
    """Return a model's rules for newcomers."""
    if model.newcomers is None:
        raise ValueError(f"model {model.version} has no rules for newcomers")
    return model.newcomers


def _scales(scaling: Scaling, values: Floats) -> Floats:
    """Return the scales of newcomers, shape (s, d), by their windows' aggregates, shape (s, n, d)."""
    missing = np.asarray(np.isnan(values).all(axis=1))
    values = np.where(missing[:, None], 0.0, values)
    level = np.nanmedian(values, axis=1)
    scale = MAD_TO_SIGMA * np.nanmedian(np.abs(values - level[:, None]), axis=1)
    # The scale of a spread is relative to the typical one.
    typical = np.where(scaling.spread, np.maximum(level, scaling.typical[0]), 1.0)
    return np.where(missing, 0.0, scale / typical)


def _text(rules: NewcomerRules) -> str:
    """Return what people read of a warm-up that begins."""
    return (
        f"training has not seen this series: it warms up for {rules.length}; until then only deviations from its own "
        "last windows open periods"
    )
