"""Rules that JSON Schema cannot express: between keys, and about names that would be ambiguous in the results.

Each check yields findings: the key, its value, and what is wrong with what to write instead.
"""

import math
from collections.abc import Iterator
from datetime import datetime

from anomaly.pipeline.detectors import descriptions, seasonal_detectors
from anomaly.pipeline.duration import DurationError, format_duration, parse_duration
from anomaly.pipeline.specification import DEFAULT_SEASONALITY, SHAPES, Pipeline, usual_severity
from anomaly.pipeline.state import most_series, series_bytes

Finding = tuple[str, object, str]

# A tag and a field with one name cannot be told apart by name in InfluxQL.
RESULT_FIELDS = frozenset(
    "score threshold severity label model feedback begin_ms end_ms state peak_score peak_severity points reason psi "
    "above filled drifted shadow history joint".split()
)
RESULT_FIELD_PREFIXES = ("value_", "expected_low_", "expected_high_", "contribution_", "psi_")

# Kapacitor aligns windows to Go's zero time, 0001-01-01 (window.go: time.Truncate), InfluxQL's GROUP BY time() to 1970.
# Both cut alike only where the window divides the distance between the two.
_ZERO_TIME_TO_EPOCH_NS = 719_162 * 86_400_000_000_000
_MIN_WINDOW_NS = 1_000_000
_MIN_HORIZON_WINDOWS = 24
_DAY_NS = 86_400_000_000_000
_MIN_SEASON_WINDOWS = 4
_MIN_EVERY_NS = 60_000_000_000
_MAX_LATENESS_NS = 3_600_000_000_000
_MIN_FUTURE_NS = 1_000_000_000
_MAX_FUTURE_NS = _DAY_NS
_MAX_FORGET_NS = 366 * _DAY_NS
_MIN_MEMORY = 2**23
_MIN_SERIES = 10
_MAX_MEMORY = 2**36


def check(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield all findings of one pipeline."""
    yield from _window(pipeline)
    yield from _names(pipeline)
    yield from _fields(pipeline)
    yield from _parameters(pipeline)
    yield from _seasonality(pipeline)
    yield from _training(pipeline)
    yield from _periods(pipeline)
    yield from _clock(pipeline)
    yield from _state(pipeline)
    yield from _drift(pipeline)
    yield from _alerts(pipeline)


def _window(pipeline: Pipeline) -> Iterator[Finding]:
    window_ns = pipeline.window_ns
    if window_ns < _MIN_WINDOW_NS:
        yield "window", pipeline.window, "is shorter than 1ms: write a longer one, such as 10s"
    elif _ZERO_TIME_TO_EPOCH_NS % window_ns:
        yield (
            "window",
            pipeline.window,
            "is cut at other places by InfluxQL than by Kapacitor: write one that divides a day, such as 10s, 15m, 1d",
        )


def _names(pipeline: Pipeline) -> Iterator[Finding]:
    # Source: influxdb 1.12.4, services/meta/data.go, ValidName.
    for key, name in (("database", pipeline.database), ("retention_policy", pipeline.retention_policy)):
        if name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
            yield key, name, "cannot be a name in InfluxDB: write the name of one that exists"
    for tag in pipeline.group_by:
        if tag in pipeline.fields:
            yield (
                "group_by",
                tag,
                "is also in fields: a series is told apart by a tag, not by a field; remove it from one of them",
            )
        if tag == "pipeline":
            yield (
                "group_by",
                tag,
                "is the tag that the results carry the pipeline's name in: rename the tag at its source",
            )
        elif tag == "notice":
            yield "group_by", tag, "is the tag that notices carry their kind in: rename the tag at its source"
        elif tag in RESULT_FIELDS or tag.startswith(RESULT_FIELD_PREFIXES):
            yield (
                "group_by",
                tag,
                "is a field of the results, and InfluxQL could not tell the two apart: rename the tag at its source",
            )
        elif tag == "time" or tag.startswith("_"):
            yield "group_by", tag, "is a name that InfluxDB keeps for itself: name a tag"
    for field in pipeline.fields:
        if field == "time":
            yield "fields", field, "is the point's timestamp, not a field: name a field"
    for field in sorted({field for field in pipeline.fields if pipeline.fields.count(field) > 1}):
        yield "fields", field, "is there more than once: name each once"
    if "count" in pipeline.aggregate and len(pipeline.aggregate) == 1:
        yield "aggregate", "count", "alone says nothing about the values: add another, such as [count, mean, stddev]"


def _fields(pipeline: Pipeline) -> Iterator[Finding]:
    for index, field in enumerate(pipeline.watched):
        if field.direction != "both" and SHAPES.issuperset(pipeline.aggregate):
            yield (
                f"fields[{index}].direction",
                field.direction,
                f"cannot be told from {', '.join(pipeline.aggregate)}: add one that says where they are, such as mean",
            )


def _parameters(pipeline: Pipeline) -> Iterator[Finding]:
    known = descriptions()[pipeline.detector].parameters
    for name, value in pipeline.parameters.items():
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            yield f"parameters.{name}", value, f"is no parameter of {pipeline.detector} ({has}): remove it"
    if "time_of_day" in pipeline.parameters.get("context", ()) and pipeline.window_ns >= _DAY_NS:
        yield "parameters.context", "time_of_day", f"is the same in all windows of {pipeline.window}: remove it"


def _seasonality(pipeline: Pipeline) -> Iterator[Finding]:
    seasonality = pipeline.seasonality
    if seasonality is None:
        return
    if pipeline.detector not in seasonal_detectors():
        able = " or ".join(seasonal_detectors())
        yield "seasonality", seasonality, f"is nothing that {pipeline.detector} looks at: remove it, or choose {able}"
    elif seasonality != DEFAULT_SEASONALITY and pipeline.season_ns < _MIN_SEASON_WINDOWS * pipeline.window_ns:
        least = f"{_MIN_SEASON_WINDOWS} windows ({pipeline.window} each)"
        yield "seasonality", seasonality, f"is shorter than {least}, which show no course of it: write more"


def _training(pipeline: Pipeline) -> Iterator[Finding]:
    begin, begin_ok = _time(pipeline.training.begin)
    end, end_ok = _time(pipeline.training.end)
    if not begin_ok:
        yield (
            "training.from",
            pipeline.training.begin,
            "is no such time: write a duration before now (24h) or an RFC 3339 time",
        )
    if not end_ok:
        yield (
            "training.to",
            pipeline.training.end,
            "is no such time: write a duration before now (0s) or an RFC 3339 time",
        )
    if isinstance(begin, int) and isinstance(end, int) and begin <= end:
        yield (
            "training.from",
            pipeline.training.begin,
            f"is not before training.to ({pipeline.training.end}): both are durations before now",
        )
    if isinstance(begin, datetime) and isinstance(end, datetime) and begin >= end:
        yield "training.from", pipeline.training.begin, f"is not before training.to ({pipeline.training.end})"


def _time(text: str) -> tuple[int | datetime | None, bool]:
    try:
        return parse_duration(text), True
    except DurationError:
        pass
    try:
        return datetime.fromisoformat(text.upper()), True
    except ValueError:
        return None, False


def _periods(pipeline: Pipeline) -> Iterator[Finding]:
    periods = pipeline.periods
    if periods.close >= periods.open:
        yield "periods.close", periods.close, f"is not below periods.open ({periods.open:g}): write a lower severity"
    usual = usual_severity(pipeline.window_ns)
    if periods.close < usual:
        yield (
            "periods.close",
            periods.close,
            f"is reached by one window of {pipeline.window} in twenty, which ends no period: write {math.ceil(usual)}",
        )
    if periods.silence_ns < 2 * pipeline.window_ns:
        yield (
            "periods.silence",
            periods.silence,
            f"is shorter than two windows ({pipeline.window} each): write at least twice the window",
        )
    if periods.merge_ns % pipeline.window_ns:
        yield "periods.merge", periods.merge, f"is not a multiple of the window: write one of {pipeline.window}"


def _clock(pipeline: Pipeline) -> Iterator[Finding]:
    if pipeline.lateness_ns > _MAX_LATENESS_NS:
        yield (
            "lateness",
            pipeline.lateness,
            (
                "is longer than 1h, and each window waits that long for its score: write at most 1h; catch-up scores "
                "windows whose points come later"
            ),
        )
    if pipeline.future_ns < _MIN_FUTURE_NS:
        yield (
            "future",
            pipeline.future,
            "is shorter than 1s, by which the clocks of two hosts may differ: write at least 1s, such as 5m",
        )
    elif pipeline.future_ns > _MAX_FUTURE_NS:
        yield (
            "future",
            pipeline.future,
            "is longer than 1d, and one wrong clock would make the right ones late for that long: write at most 1d",
        )


def _state(pipeline: Pipeline) -> Iterator[Finding]:
    periods = pipeline.periods
    least_ns = 2 * periods.silence_ns
    if pipeline.forget_ns < least_ns:
        yield (
            "forget",
            pipeline.forget,
            (
                f"is shorter than twice periods.silence ({periods.silence}), so series that only pause would be "
                f"dropped: write at least {format_duration(least_ns)}"
            ),
        )
    elif pipeline.forget_ns > max(_MAX_FORGET_NS, 2 * least_ns):
        yield (
            "forget",
            pipeline.forget,
            "is longer than 366d, after which a series is a new one: write at most 366d",
        )
    if pipeline.memory_bytes < _MIN_MEMORY:
        yield "memory", pipeline.memory, "is less than 8MiB, which holds few series: write at least 8MiB"
    elif pipeline.memory_bytes > _MAX_MEMORY:
        yield "memory", pipeline.memory, "is more than 64GiB: write at most that, or split the pipeline"
    elif most_series(pipeline) < _MIN_SERIES:
        each = -(-series_bytes(pipeline) // 2**10)
        yield (
            "memory",
            pipeline.memory,
            (
                f"holds the state of {most_series(pipeline)} series ({each}KiB each): write at least "
                f"{-(-_MIN_SERIES * each // 2**10)}MiB"
            ),
        )


def _drift(pipeline: Pipeline) -> Iterator[Finding]:
    if pipeline.drift.horizon_ns < _MIN_HORIZON_WINDOWS * pipeline.window_ns:
        yield (
            "drift.horizon",
            pipeline.drift.horizon,
            f"is shorter than {_MIN_HORIZON_WINDOWS} windows ({pipeline.window} each), which say little: write more",
        )
    every_ns = pipeline.training.every_ns
    if every_ns is not None and every_ns < _MIN_EVERY_NS:
        yield "training.every", pipeline.training.every, "is shorter than 1m, less than a training may take: write 1d"


def _alerts(pipeline: Pipeline) -> Iterator[Finding]:
    alerts = pipeline.alerts
    for key, value, upper, limit in (
        ("info", alerts.info, "warning", alerts.warning),
        ("warning", alerts.warning, "critical", alerts.critical),
    ):
        if value > limit:
            yield f"alerts.{key}", value, f"is above alerts.{upper} ({limit:g}): write at most that"
    known_ns = pipeline.window_ns + pipeline.lateness_ns
    if alerts.age_ns < known_ns:
        yield (
            "alerts.age",
            alerts.age,
            (
                f"is shorter than a window and its lateness, so nobody would be told anything: write at least "
                f"{format_duration(known_ns)}"
            ),
        )
