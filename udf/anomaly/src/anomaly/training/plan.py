"""Decides before training what the whole history is enough for, so that each fold is fitted as the model itself is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import LONG_WINDOWS
from anomaly.detectors.registry import declaration
from anomaly.detectors.wrappers import context, per_series
from anomaly.models.features import features
from anomaly.models.manifest import ContextRecord, SeriesModelsRecord, TrendsRecord
from anomaly.models.trend import Trend, fit_trend, trends_of
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.training.naming import first_of
from anomaly.windows.arrays import Key
from anomaly.windows.civil import PLAIN, CivilTime
from anomaly.windows.windows import Windows

# This many trends are named in a sentence, and in a manifest.
_MOST_NAMED, _MOST_LISTED = 3, 20


@dataclass(frozen=True)
class TrainingPlan:
    """The decisions that the whole history makes.

    Attributes:
        keys: the series.
        long: whether the history is long, as `FeatureHistory.is_long` says.
        context: which parts of the pipeline's context are used, and why the others are not.
        columns: the names of the context's columns.
        own: which series get a model of their own, shape (s,); None if no series does.
        parameters: the pipeline's parameters, with the context that is used in place of its own.
        trend: how series rise or fall steadily; None where none does.
        trends: of each of them the series, the feature, and by how much it rises in a day, the steepest first.
    """

    keys: tuple[tuple[str, ...], ...]
    long: bool
    context: context.Choice
    columns: tuple[str, ...]
    own: NDArray[np.bool_] | None
    parameters: Mapping[str, Any]
    trend: Trend | None = None
    trends: tuple[tuple[Key, str, float], ...] = ()

    @property
    def periods_ns(self) -> list[int]:
        """The periods of time that the detector knows, such as a day and a week."""
        return [context.PERIODS_NS[kind] for kind in self.context.used if kind in context.PERIODS_NS]

    def lines(self) -> list[str]:
        """Return sentences for people about the parts of the specification that the history is not enough for."""
        lines = [f"the forest does not look at {kind}: {reason}" for kind, reason in self.context.left_out.items()]
        if self.parameters.get("models") == "own":
            number = 0 if self.own is None else int(self.own.sum())
            lines.append(f"{number} of {len(self.keys)} series get a model of their own, the others the pooled one")
        if self.trend is not None:
            named = first_of(
                self.trends,
                _MOST_NAMED,
                lambda trend: f"{trend[1]} of {' '.join(trend[0]) or 'the only series'} by {trend[2]:.3g} a day",
            )
            lines.append(
                f"some features rise or fall steadily, {named}: the model takes that for usual until "
                f"{rfc3339(self.trend.until_ns)}"
            )
        return lines

    def trends_record(self) -> TrendsRecord | None:
        """Return the manifest's section on trends; None where there is none."""
        if self.trend is None:
            return None
        return TrendsRecord(len(self.trends), rfc3339(self.trend.until_ns), self.trends[:_MOST_LISTED])

    def context_record(self) -> ContextRecord:
        """Return the manifest's section on context."""
        return ContextRecord(tuple(self.context.used), dict(self.context.left_out), self.columns)

    def series_models_record(self) -> SeriesModelsRecord:
        """Return the manifest's section on the series that have a detector of their own."""
        own = [False] * len(self.keys) if self.own is None else self.own.tolist()
        return SeriesModelsRecord(
            tuple(key for key, has_own in zip(self.keys, own, strict=True) if has_own),
            tuple(key for key, has_own in zip(self.keys, own, strict=True) if not has_own),
        )


def plan(pipeline: Pipeline, usable: Windows, civil: CivilTime = PLAIN) -> TrainingPlan:
    """Decide what the history is enough for.

    Args:
        pipeline: the pipeline.
        usable: the windows to train on, each series in the order of time.
        civil: the clock on the wall.
    """
    lengths = np.bincount(usable.series, minlength=len(usable.keys))
    long = len(usable) >= LONG_WINDOWS * len(usable.keys)
    owning = pipeline.parameters.get("models") == "own"
    # One series with enough history for a model of its own makes the history of the pooled model a long one.
    long = long or (owning and int(lengths.max()) >= LONG_WINDOWS)
    asked = pipeline.parameters.get("context", ())
    choice = context.choose(asked, usable.series, usable.begin_ns, pipeline.window_ns, is_long=long, civil=civil)
    names = [feature.name for feature in features(pipeline)]
    columns = context.column_names(choice.used, names)
    parameters = {**pipeline.parameters, "context": choice.used}
    own = None
    if owning:
        least_bytes = declaration(pipeline.detector).least_series_bytes(parameters, len(names) + len(columns))
        own = per_series.chosen(lengths, least_bytes)
    trend = fit_trend(features(pipeline), usable, pipeline.window_ns)
    trends = () if trend is None else tuple(trends_of(trend, usable.keys, features(pipeline)))
    return TrainingPlan(usable.keys, long, choice, tuple(columns), own, parameters, trend, trends)
