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
from anomaly.models.manifest import ContextRecord, SeriesModelsRecord
from anomaly.pipeline import Pipeline
from anomaly.windows.windows import Windows


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
    """

    keys: tuple[tuple[str, ...], ...]
    long: bool
    context: context.Choice
    columns: tuple[str, ...]
    own: NDArray[np.bool_] | None
    parameters: Mapping[str, Any]

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
        return lines

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


def plan(pipeline: Pipeline, usable: Windows) -> TrainingPlan:
    """Decide what the history is enough for.

    Args:
        pipeline: the pipeline.
        usable: the windows to train on, each series in the order of time.
    """
    lengths = np.bincount(usable.series, minlength=len(usable.keys))
    long = len(usable) >= LONG_WINDOWS * len(usable.keys)
    owning = pipeline.parameters.get("models") == "own"
    # One series with enough history for a model of its own makes the history of the pooled model a long one.
    long = long or (owning and int(lengths.max()) >= LONG_WINDOWS)
    asked = pipeline.parameters.get("context", ())
    choice = context.choose(asked, usable.series, usable.begin_ns, pipeline.window_ns, is_long=long)
    names = [feature.name for feature in features(pipeline)]
    columns = context.column_names(choice.used, names)
    parameters = {**pipeline.parameters, "context": choice.used}
    own = None
    if owning:
        least_bytes = declaration(pipeline.detector).least_series_bytes(parameters, len(names) + len(columns))
        own = per_series.chosen(lengths, least_bytes)
    return TrainingPlan(usable.keys, long, choice, tuple(columns), own, parameters)
