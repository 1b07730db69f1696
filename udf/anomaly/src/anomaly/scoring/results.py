"""The points that are written: the contract of the measurements `score`, `period` and `notice`.

A result's time is the begin of its window or period, so writing the same result twice changes nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly.models.model import Model, Verdict, Verdicts
from anomaly.nanoseconds import MS_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.notices import Notice
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.scoring.wording import period_text, plain, safe_series
from anomaly.windows.arrays import Bools, Ints, Key, Times

if TYPE_CHECKING:
    # A preview of messages, which needs no UDF, does not load the scorer.
    from anomaly.scoring.scorer import ScoredWindow, ScoredWindows

Fields = dict[str, float | int | str | bool]

# Whether the reason of a period is a limit; no tag of a pipeline begins with _.
LIMIT_FIELD = "_limit"
# How an alert names a series whose own name has markup or control characters, or is very long.
SERIES_FIELD = "_series"


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


@dataclass(frozen=True, slots=True)
class ResultColumns:
    """n points of one measurement as columns.

    Attributes:
        pipeline: the pipeline.
        measurement: the measurement.
        keys: the tag values of s series.
        series: each point's series as an index into `keys`, shape (n,).
        times_ns: the points' times, shape (n,).
        fields: values by field, shape (n,), or one value for all points. NaN and None stand for no value.
    """

    pipeline: Pipeline
    measurement: str
    keys: Sequence[Key]
    series: Ints
    times_ns: Times
    fields: dict[str, Any]

    def __len__(self) -> int:
        return len(self.times_ns)

    def part(self, begin: int, end: int) -> "ResultColumns":
        """Return the points from one position up to before another."""
        fields = {
            name: value[begin:end] if isinstance(value, np.ndarray) else value for name, value in self.fields.items()
        }
        return replace(self, series=self.series[begin:end], times_ns=self.times_ns[begin:end], fields=fields)

    def where(self, mask: Bools) -> "ResultColumns":
        """Return the points that `mask`, shape (n,), selects."""
        fields = {name: value[mask] if isinstance(value, np.ndarray) else value for name, value in self.fields.items()}
        return replace(self, series=self.series[mask], times_ns=self.times_ns[mask], fields=fields)

    def __iter__(self) -> Iterator[Result]:
        """Yield the points as objects."""
        columns = [
            column.tolist() if isinstance(column, np.ndarray) else [column] * len(self)
            for column in self.fields.values()
        ]
        rows: Iterator[tuple[Any, ...]] = zip(*columns, strict=True)
        for number, time_ns, values in zip(self.series.tolist(), self.times_ns.tolist(), rows, strict=True):
            fields = {name: value for name, value in zip(self.fields, values, strict=True) if _is_there(value)}
            yield Result(self.measurement, series_tags(self.pipeline, self.keys[number]), time_ns, fields)


def _is_there(value: Any) -> bool:
    # InfluxDB has no NaN: a window may lack the field, and a new series has no range yet.
    return not (value is None or (isinstance(value, float) and math.isnan(value)))


def score_columns(pipeline: Pipeline, scored: "ScoredWindows", suffix: str = "") -> ResultColumns:
    """Describe the scores of windows as columns.

    Args:
        pipeline: the pipeline.
        scored: the windows.
        suffix: as for `results`.
    """
    feedback = None
    if scored.suppressed:
        feedback = np.array([scored.suppressed.get(at) for at in range(len(scored))], dtype=np.object_)
    fields = _score(pipeline, scored.model, scored.verdicts, scored.anomalous.astype(np.int64), feedback)
    return ResultColumns(
        pipeline, f"score{suffix}", scored.keys, scored.series, scored.begin_ns, fields | _shadow(suffix)
    )


def results(
    pipeline: Pipeline, key: Key, scored: "ScoredWindow", suffix: str = "", *, joint: bool | None = None
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
    fields = _score(pipeline, scored.model, scored.verdict, int(scored.anomalous), scored.suppressed)
    known = {name: value for name, value in fields.items() if _is_there(value)}
    yield Result(f"score{suffix}", tags, scored.begin_ns, known | _shadow(suffix))
    for period in scored.periods:
        yield period_result(pipeline, key, period, scored.model, suffix, joint=joint)


def _shadow(suffix: str) -> Fields:
    """Return the field by which alerts tell a shadow's results: a TICKscript does not see the measurement."""
    return {"shadow": True} if suffix else {}


def period_result(
    pipeline: Pipeline, key: Key, period: Period, model: Model, suffix: str = "", *, joint: bool | None = False
) -> Result:
    """Describe a period as a result.

    Args:
        pipeline: the pipeline.
        key: the series.
        period: the period.
        model: the model that scores.
        suffix: as for `results`.
        joint: whether a notice of the whole pipeline tells the silence; None: nobody told it before.
    """
    fields = period_fields(pipeline, key, period, joint=joint) | {"model": model.version} | _shadow(suffix)
    return Result(f"period{suffix}", series_tags(pipeline, key), period.begin_ns, fields)


def _named(tags: dict[str, str]) -> Fields:
    """Return the field by which alerts name a series that they cannot name by its tags."""
    name = safe_series(tags)
    return {} if name is None else {SERIES_FIELD: name}


def notice_result(pipeline: Pipeline, key: Key | None, notice: Notice) -> Result:
    """Describe a notice as a point of the measurement `notice`.

    Args:
        pipeline: the pipeline.
        key: the series; None for all series of the pipeline together.
        notice: the notice.
    """
    tags = {"pipeline": pipeline.name} if key is None else series_tags(pipeline, key)
    return Result("notice", {**tags, "notice": notice.kind}, notice.begin_ns, notice_fields(tags, notice))


def notice_fields(tags: dict[str, str], notice: Notice) -> Fields:
    """Return the fields of a notice.

    Args:
        tags: the tags of its series, or of the pipeline.
        notice: the notice.
    """
    return {
        "begin_ms": notice.begin_ns // MS_NS,
        "end_ms": notice.end_ns // MS_NS,
        "state": notice.state,
        "text": plain(notice.text),
        "count": notice.count,
        **_named(tags),
    }


def late_result(pipeline: Pipeline, key: Key, begin_ns: int, points: int, seen_ns: int) -> Result:
    """Describe a window that a catch-up is to score again as a point of the measurement `late`.

    Args:
        pipeline: the pipeline.
        key: the series.
        begin_ns: the window's begin.
        points: how many of its points were late; 0 if nobody knows.
        seen_ns: when this became known.
    """
    fields: Fields = {"points": points, "seen_ms": seen_ns // MS_NS}
    return Result("late", series_tags(pipeline, key), begin_ns, fields)


def series_tags(pipeline: Pipeline, key: Key) -> dict[str, str]:
    """Return the tags of a series' results."""
    return {"pipeline": pipeline.name, **dict(zip(pipeline.result_tags, key, strict=True))}


def _score(pipeline: Pipeline, model: Model, verdict: Verdict | Verdicts, label: Any, feedback: Any) -> dict[str, Any]:
    """Return the fields of the score of a window, or the columns of those of n windows.

    Args:
        pipeline: the pipeline.
        model: the model that judged.
        verdict: what it says of one window, or of n windows.
        label: 1 for a window that belongs to a period, 0 for others; or shape (n,).
        feedback: the id of the mark that keeps the window out of periods; or shape (n,). None: no mark does.
    """
    fields = {
        "score": verdict.score,
        "threshold": model.threshold(pipeline.periods.open),
        "severity": verdict.severity,
        "label": label,
        "model": model.version,
    }
    if feedback is not None:
        fields["feedback"] = feedback
    parts = (verdict.value, verdict.expected_low, verdict.expected_high, verdict.contribution)
    by_field = (part.T if isinstance(part, np.ndarray) else part for part in parts)
    for name, value, low, high, contribution in zip(pipeline.fields, *by_field, strict=True):
        fields[f"value_{name}"] = value
        fields[f"expected_low_{name}"] = low
        fields[f"expected_high_{name}"] = high
        fields[f"contribution_{name}"] = contribution
    return fields


def period_fields(pipeline: Pipeline, key: Key, period: Period, *, joint: bool | None = False) -> Fields:
    """Return the fields of a period but for the model.

    Args:
        pipeline: the pipeline.
        key: the series.
        period: the period.
        joint: as for `period_result`.
    """
    fields: Fields = {
        "begin_ms": period.begin_ns // MS_NS,
        "end_ms": period.end_ns // MS_NS,
        "state": period.state,
        "peak_score": period.peak_score,
        "peak_severity": period.peak_severity,
        "points": period.points,
        "reason": period.reason,
        "text": period_text(pipeline, period, joint=joint),
        **_named(series_tags(pipeline, key)),
    }
    if period.is_beyond_limit:
        # Limits say nothing of how rare a window is.
        fields[LIMIT_FIELD] = True
    return fields if joint is None or period.reason != NO_DATA else {**fields, "joint": joint}
