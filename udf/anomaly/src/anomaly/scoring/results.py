"""The points that are written: the contract of the measurements `score`, `period` and `notice`.

A result's time is the begin of its window or period, so writing the same result twice changes nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.scoring.notices import Notice
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.scoring.scorer import ScoredWindow
from anomaly.windows.arrays import Key

Fields = dict[str, float | int | str | bool]


@dataclass(frozen=True, slots=True)
class Result:
    """One point of the results database.

    Attributes:
        measurement: its measurement.
        tags: its tags.
        time_ns: its time, in nanoseconds since 1970.
        fields: its fields.
    """

    measurement: str
    tags: dict[str, str]
    time_ns: int
    fields: Fields


def results(
    pipeline: Pipeline, key: Key, scored: ScoredWindow, suffix: str = "", *, joint: bool | None = None
) -> Iterator[Result]:
    """Describe a scored window as results.

    Args:
        pipeline: the pipeline.
        key: the series.
        scored: the window.
        suffix: the ending of the measurements' names; with one, the results are a shadow's.
        joint: whether a notice of the whole pipeline told the silence that the window ended; None: nobody told it.

    Yields:
        The window's `score`, then the `period`s that it made known.
    """
    tags = series_tags(pipeline, key)
    # A TICKscript sees fields but not the measurement, so alerts tell a shadow's results by this field.
    shadow: Fields = {"shadow": True} if suffix else {}
    yield Result(f"score{suffix}", tags, scored.begin_ns, _score(pipeline, scored) | shadow)
    for period in scored.periods:
        yield Result(f"period{suffix}", tags, period.begin_ns, _period(period, scored.model, joint=joint) | shadow)


def period_result(pipeline: Pipeline, key: Key, period: Period, model: Model, *, joint: bool = False) -> Result:
    """Describe a period that no window made known as a result.

    Args:
        pipeline: the pipeline.
        key: the series.
        period: the period.
        model: the model that scores.
        joint: whether a notice of the whole pipeline tells the silence.
    """
    return Result("period", series_tags(pipeline, key), period.begin_ns, _period(period, model, joint=joint))


def notice_result(pipeline: Pipeline, key: Key | None, notice: Notice) -> Result:
    """Describe a notice as a point of the measurement `notice`.

    Args:
        pipeline: the pipeline.
        key: the series; None for all series of the pipeline together.
        notice: the notice.
    """
    tags = {"pipeline": pipeline.name} if key is None else series_tags(pipeline, key)
    fields: Fields = {
        "begin_ms": notice.begin_ns // 1_000_000,
        "end_ms": notice.end_ns // 1_000_000,
        "state": notice.state,
        "text": notice.text,
        "count": notice.count,
    }
    return Result("notice", {**tags, "notice": notice.kind}, notice.begin_ns, fields)


def series_tags(pipeline: Pipeline, key: Key) -> dict[str, str]:
    """Return the tags of a series' results."""
    return {"pipeline": pipeline.name, **dict(zip(pipeline.group_by, key, strict=True))}


def _score(pipeline: Pipeline, scored: ScoredWindow) -> Fields:
    verdict, model = scored.verdict, scored.model
    fields: Fields = {
        "score": verdict.score,
        "threshold": model.threshold(pipeline.periods.open),
        "severity": verdict.severity,
        "label": int(scored.anomalous),
        "model": model.version,
    }
    if scored.suppressed is not None:
        fields["feedback"] = scored.suppressed
    for index, name in enumerate(pipeline.fields):
        if not math.isnan(verdict.value[index]):
            fields[f"value_{name}"] = verdict.value[index]
        fields[f"expected_low_{name}"] = verdict.expected_low[index]
        fields[f"expected_high_{name}"] = verdict.expected_high[index]
        fields[f"contribution_{name}"] = verdict.contribution[index]
    return fields


def _period(period: Period, model: Model, *, joint: bool | None) -> Fields:
    fields: Fields = {
        "begin_ms": period.begin_ns // 1_000_000,
        "end_ms": period.end_ns // 1_000_000,
        "state": period.state,
        "peak_score": period.peak_score,
        "peak_severity": period.peak_severity,
        "points": period.points,
        "reason": period.reason,
        "model": model.version,
    }
    return fields if joint is None or period.reason != NO_DATA else {**fields, "joint": joint}
