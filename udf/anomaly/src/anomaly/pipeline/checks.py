"""Rules that JSON Schema cannot express: between keys, and about names that would be ambiguous in the results.

Each check yields findings: the key, its value, and what is wrong with what to write instead.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from anomaly.nanoseconds import DAY_NS, HOUR_NS, MINUTE_NS, MS_NS, SECOND_NS
from anomaly.pipeline import calendars
from anomaly.pipeline.detectors import descriptions, seasonal_detectors
from anomaly.pipeline.duration import DurationError, format_duration, parse_duration
from anomaly.pipeline.expression import Expression, ExpressionError
from anomaly.pipeline.filters import TagCondition, problems
from anomaly.pipeline.hints import hint
from anomaly.pipeline.result_tags import result_tag
from anomaly.pipeline.source_keys import is_reserved, reserved_field
from anomaly.pipeline.specification import (
    DEFAULT_FROM,
    DEFAULT_SEASONALITY,
    DEFAULT_TIMEZONE,
    LIMITED,
    MEASUREMENT,
    OVERRIDDEN,
    SHAPES,
    Field,
    Pipeline,
    usual_severity,
)
from anomaly.pipeline.state import most_series, series_bytes
from anomaly.pipeline.timezone import ADVICE, clock_change_ns, timezones

Finding = tuple[str, object, str]

_MAX_SOURCES = 64
_MIN_WINDOW_NS = MS_NS
# One longer window in twenty is so rare that no severity is left to open a period at.
_MAX_WINDOW_NS = 77 * DAY_NS
_MAX_PAUSE_NS = 366 * DAY_NS
_MIN_HORIZON_WINDOWS = 24
_WEEK_NS = 7 * DAY_NS
_MIN_SEASON_WINDOWS = 4
_OFFSET = re.compile(r"(UTC|GMT)?[+-][0-9:]+", re.IGNORECASE)
_MIN_EVERY_NS = MINUTE_NS
_LEAST_NEW_LEVEL_WINDOWS = 12
_MAX_LATENESS_NS = HOUR_NS
_MIN_FUTURE_NS = SECOND_NS
_MAX_FUTURE_NS = DAY_NS
_MAX_FORGET_NS = 366 * DAY_NS
_MIN_MEMORY = 2**23
_MIN_SERIES = 10
_MAX_MEMORY = 2**36


def check(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield all findings of one pipeline."""
    expressions = list(_expressions(pipeline))
    yield from expressions
    if expressions:
        # Nobody knows which fields such a pipeline reads.
        return
    yield from _window(pipeline)
    if not 0 < pipeline.window_ns <= _MAX_WINDOW_NS:
        # All that follows is measured in windows.
        return
    too_long = list(_long(pipeline))
    yield from too_long
    if too_long:
        # What follows from them by default is longer than a duration can be.
        return
    yield from _names(pipeline)
    yield from _patterns(pipeline)
    yield from _where(pipeline)
    yield from _fields(pipeline)
    yield from _overrides(pipeline)
    yield from _parameters(pipeline)
    yield from _seasonality(pipeline)
    yield from _timezone(pipeline)
    yield from _calendars(pipeline)
    yield from _training(pipeline)
    yield from _periods(pipeline)
    yield from _fill(pipeline)
    yield from _clock(pipeline)
    yield from _state(pipeline)
    yield from _drift(pipeline)
    yield from _alerts(pipeline)


def _window(pipeline: Pipeline) -> Iterator[Finding]:
    window_ns = pipeline.window_ns
    if window_ns < _MIN_WINDOW_NS:
        yield "window", pipeline.window, "is shorter than 1ms: write a longer one, such as 10s"
    elif window_ns > _MAX_WINDOW_NS:
        yield (
            "window",
            pipeline.window,
            "is longer than 11w, and no severity tells so few windows apart: write at most 11w, such as 1d",
        )
    elif DAY_NS % window_ns and window_ns % DAY_NS:
        yield (
            "window",
            pipeline.window,
            "begins at other times each day: write one that divides a day, such as 10s, or whole days, such as 1d",
        )


def _long(pipeline: Pipeline) -> Iterator[Finding]:
    # Six windows is the default of periods.silence.
    most_ns = max(_MAX_PAUSE_NS, 6 * pipeline.window_ns)
    for key, text, length_ns in (
        ("periods.silence", pipeline.periods.silence, pipeline.periods.silence_ns),
        ("fill.previous", pipeline.fill.bound, pipeline.fill.bound_ns),
    ):
        if length_ns > most_ns:
            yield key, text, f"is longer than {format_duration(most_ns)}: write at most that, such as 1h"


def _names(pipeline: Pipeline) -> Iterator[Finding]:
    # Source: influxdb 1.12.4, services/meta/data.go, ValidName.
    for key, name in (("database", pipeline.database), ("retention_policy", pipeline.retention_policy)):
        if name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
            yield key, name, "cannot be a name in InfluxDB: write the name of one that exists"
    if pipeline.is_by_measurement and MEASUREMENT in pipeline.point_tags:
        yield (
            "group_by",
            MEASUREMENT,
            "is what series have the name of their measurement under, as there may be several: remove it",
        )
    for tag in pipeline.point_tags:
        if tag in pipeline.fields or tag in pipeline.sources:
            yield (
                "group_by",
                tag,
                "is also in fields: a series is told apart by a tag, not by a field; remove it from one of them",
            )
        if result_tag(tag) != tag and result_tag(tag) in pipeline.group_by:
            yield (
                "group_by",
                tag,
                f"is named {result_tag(tag)} in results, as another tag is: remove one, or rename it at its source",
            )
        elif is_reserved(tag):
            yield "group_by", tag, "is a name that InfluxDB keeps for itself: name a tag"
    for field in dict.fromkeys((*pipeline.fields, *pipeline.sources)):
        if wrong := reserved_field(field):
            yield "fields", field, wrong
    for field in sorted({field for field in pipeline.fields if pipeline.fields.count(field) > 1}):
        yield "fields", field, "is there more than once: name each once"
    if len(pipeline.sources) > _MAX_SOURCES:
        most = f"at most {_MAX_SOURCES} are possible; split the pipeline"
        yield "fields", len(pipeline.sources), f"fields of InfluxDB are named by them and their expressions: {most}"
    if "count" in pipeline.aggregate and len(pipeline.aggregate) == 1:
        yield "aggregate", "count", "alone says nothing about the values: add another, such as [count, mean, stddev]"


def _patterns(pipeline: Pipeline) -> Iterator[Finding]:
    if pipeline.patterns.measurement is not None:
        for _, value, wrong in pipeline.patterns.measurement.problems():
            yield "measurement", value, wrong
    for key, patterns in (("fields", pipeline.patterns.fields), ("group_by", pipeline.patterns.tags)):
        for pattern in patterns:
            for below, value, wrong in pattern.problems():
                yield f"{key}.{below}", value, wrong
            if "expression" in pattern.settings:
                yield f"{key}.expression", pattern.settings["expression"], "needs one name: write `name` beside it"
    for pattern in pipeline.patterns.fields:
        yield from _field(pipeline, "fields", Field("").changed({**pattern.settings, "expression": None}))


def _where(pipeline: Pipeline) -> Iterator[Finding]:
    for condition in pipeline.where.conditions:
        if condition.tag in pipeline.fields or condition.tag in pipeline.sources:
            yield "where", condition.tag, "is also in fields: conditions are on tags; remove it from one of them"
        elif is_reserved(condition.tag):
            yield "where", condition.tag, "is a name that InfluxDB keeps for itself: name a tag"
        yield from _condition("where", condition)


def _condition(key: str, condition: TagCondition) -> Iterator[Finding]:
    """Yield what is wrong with a condition of the mapping of tags at a key."""
    for below, value, wrong in problems(condition):
        yield f"{key}.{condition.tag}.{below}", value, wrong


def _fields(pipeline: Pipeline) -> Iterator[Finding]:
    for index, field in enumerate(pipeline.watched):
        yield from _field(pipeline, f"fields[{index}]", field)


def _field(pipeline: Pipeline, key: str, field: Field) -> Iterator[Finding]:
    """Yield what is wrong with a field, or with the fields that a pattern means."""
    if field.direction != "both" and SHAPES.issuperset(pipeline.aggregate):
        yield (
            f"{key}.direction",
            field.direction,
            f"cannot be told from {', '.join(pipeline.aggregate)}: add one that says where they are, such as mean",
        )
    yield from _rules(pipeline, key, field, dict.fromkeys(OVERRIDDEN))
    if field.rate is not None:
        yield from _rate(pipeline, f"{key}.rate", field)


def _expressions(pipeline: Pipeline) -> Iterator[Finding]:
    for index, field in enumerate(pipeline.watched):
        if field.expression is not None:
            try:
                Expression.of(field.expression)
            except ExpressionError as error:
                yield f"fields[{index}].expression", field.expression, str(error)


def _rules(pipeline: Pipeline, key: str, field: Field, said: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with the rules of a field that are `said` at a place."""
    shapes, limits, valid = ", ".join(pipeline.aggregate), field.limits, field.valid
    if field.min_share and "min_deviation" in said and SHAPES.issuperset(pipeline.aggregate):
        yield (
            f"{key}.min_deviation",
            field.least,
            f"is a share of the usual value, which {shapes} does not say: add an aggregate that does, such as mean",
        )
    if limits is not None and "limits" in said and LIMITED.isdisjoint(pipeline.aggregate):
        yield f"{key}.limits", limits.entry(), f"cannot be told from {shapes}: add an aggregate of values, such as max"
    for name, bounds in (("limits", limits), ("valid", valid)):
        if bounds is None or name not in said:
            continue
        if not bounds.low < bounds.high:
            yield f"{key}.{name}", bounds.entry(), "has nothing between its ends: write the lower one first"
        elif math.isinf(bounds.low) and math.isinf(bounds.high):
            yield f"{key}.{name}", bounds.entry(), "bounds nothing: write a number on one side, or remove it"
    if valid is not None and "valid" in said and field.expression is not None:
        yield (
            f"{key}.valid",
            valid.entry(),
            (
                "is about a field of InfluxDB, not about an expression: name the fields of the expression in `fields`, "
                "with valid, or write limits"
            ),
        )
    # A rate has other values than the counter whose values are valid.
    is_said = "limits" in said or "valid" in said
    if is_said and limits is not None and valid is not None and not field.is_derived and valid.low < valid.high:
        if limits.low > valid.high or limits.high < valid.low:
            within = "has nothing in common with it, so every window would be anomalous: write limits within valid"
            yield f"{key}.limits", limits.entry(), f"contradicts valid, {valid.entry()}: it {within}"
            return
        beyond = [*([limits.low] if -math.inf < limits.low < valid.low else [])]
        beyond += [limits.high] if valid.high < limits.high < math.inf else []
        for end in beyond:
            yield (
                f"{key}.limits",
                limits.entry(),
                (
                    f"contradicts valid, {valid.entry()}: a value beyond {end:g} is not a measurement, so it breaks no "
                    "limit; write limits within valid"
                ),
            )


def _overrides(pipeline: Pipeline) -> Iterator[Finding]:
    # A name that a pattern may mean is checked when the pattern is resolved.
    watched = {field.name: field for field in pipeline.watched}
    for index, override in enumerate(pipeline.overrides):
        for condition in override.where.conditions:
            key = f"overrides[{index}].where"
            if condition.tag not in pipeline.group_by and not pipeline.patterns.tags:
                known = ", ".join(pipeline.group_by) or "no tag"
                fix = hint(condition.tag, pipeline.group_by, f"name one of group_by, which has {known}")
                yield key, condition.tag, f"is not a tag that tells the pipeline's series apart: {fix}"
            elif condition.tag == MEASUREMENT and pipeline.measurements:
                yield from _override_of(pipeline, key, condition)
            yield from _condition(key, condition)
        for place, entry in enumerate(override.fields):
            key, name = f"overrides[{index}].fields[{place}]", entry["name"]
            if name not in watched and pipeline.patterns.fields:
                continue
            if name not in watched:
                fix = hint(name, watched, f"name one of {', '.join(watched)}")
                yield f"{key}.name", name, f"is not a field of the pipeline: {fix}"
                continue
            yield from _rules(pipeline, key, watched[name].changed(entry), entry)


def _override_of(pipeline: Pipeline, key: str, condition: TagCondition) -> Iterator[Finding]:
    """Yield what is wrong with the measurements that an override is for, if they make sense by themselves."""
    if not list(problems(condition)) and not any(map(condition.holds, pipeline.measurements)):
        known = f"is none of the pipeline's measurements ({', '.join(pipeline.measurements)})"
        value = condition.entry()
        fix = hint(str(value), pipeline.measurements, "correct it, or remove the override")
        yield f"{key}.{MEASUREMENT}", value, f"{known}: {fix}"


def _rate(pipeline: Pipeline, key: str, field: Field) -> Iterator[Finding]:
    if not 0 < (field.rate_ns or 0) <= DAY_NS:
        yield key, field.rate, "is not a unit of time for a rate: write one of up to 1d, such as 1s"
    if "sum" in pipeline.aggregate:
        yield (
            key,
            field.rate,
            (
                "cannot be summed up over a window's points (aggregate has sum): choose mean, which is the increase of "
                "the window for each unit of time"
            ),
        )


def _parameters(pipeline: Pipeline) -> Iterator[Finding]:
    known = descriptions()[pipeline.detector].parameters
    for name, value in pipeline.parameters.items():
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            yield f"parameters.{name}", value, f"is not a parameter of {pipeline.detector} ({has}): remove it"
    if "time_of_day" in pipeline.parameters.get("context", ()) and pipeline.window_ns >= DAY_NS:
        yield "parameters.context", "time_of_day", f"is the same in all windows of {pipeline.window}: remove it"


def _seasonality(pipeline: Pipeline) -> Iterator[Finding]:
    seasonality = pipeline.seasonality
    if seasonality is None:
        return
    if pipeline.detector not in seasonal_detectors():
        able = " or ".join(seasonal_detectors())
        yield "seasonality", seasonality, f"is nothing that {pipeline.detector} looks at: remove it, or choose {able}"
    elif seasonality != DEFAULT_SEASONALITY and pipeline.seasons_ns[0] < _MIN_SEASON_WINDOWS * pipeline.window_ns:
        least = f"{_MIN_SEASON_WINDOWS} windows ({pipeline.window} each)"
        yield "seasonality", pipeline.seasons[0], f"is shorter than {least}, which show no course of it: write more"
    for shorter, longer in pairwise(pipeline.seasons):
        if parse_duration(longer) % parse_duration(shorter):
            yield (
                "seasonality",
                longer,
                f"is not a multiple of {shorter}, so neither says what the other leaves open: write such as [1d, 1w]",
            )


def _timezone(pipeline: Pipeline) -> Iterator[Finding]:
    name = pipeline.timezone
    if name == DEFAULT_TIMEZONE:
        return
    if name not in timezones():
        # People know the city, and IANA's names begin with the continent.
        in_city = [zone for zone in sorted(timezones()) if zone.rpartition("/")[2].casefold() == name.casefold()]
        otherwise = f"did you mean {in_city[0]}?" if in_city else ADVICE
        fix = hint(name, sorted(timezones()), otherwise, cutoff=0.75)
        if _OFFSET.fullmatch(name):
            # The signs of IANA's names are the other way round.
            fix = f"{ADVICE}; a clock that is always an hour ahead of UTC is Etc/GMT-1"
        yield "timezone", name, f"is not a time zone: {fix}"
    elif (
        pipeline.window_ns < clock_change_ns(name)
        and clock_change_ns(name) % pipeline.window_ns
        and _follows_the_clock(pipeline)
    ):
        change = format_duration(clock_change_ns(name))
        yield (
            "timezone",
            name,
            (
                f"does not go with windows of {pipeline.window}: its clock changes by {change}, after which each of "
                f"them holds other hours of the day, and so may look anomalous: write a window of which {change} is a "
                f"multiple, such as {change}, or one longer than {change}, such as 6h or 1d"
            ),
        )


def _follows_the_clock(pipeline: Pipeline) -> bool:
    """Return whether what is normal depends on the clock of the time zone, and not its calendars alone."""
    by_season = bool(pipeline.seasons) and any(season_ns % DAY_NS == 0 for season_ns in pipeline.seasons_ns)
    return by_season or not {"time_of_day", "time_of_week"}.isdisjoint(pipeline.parameters.get("context", ()))


def _calendars(pipeline: Pipeline) -> Iterator[Finding]:
    if not pipeline.calendars or pipeline.timezone not in timezones():
        return
    week = any(season_ns % _WEEK_NS == 0 for season_ns in pipeline.seasons_ns)
    week = week or "time_of_week" in pipeline.parameters.get("context", ())
    for number, calendar in enumerate(pipeline.calendars):
        key = f"calendars[{number}]"
        for below, value, wrong in calendars.problems(calendar, pipeline.timezone):
            yield f"{key}.{below}" if below else key, value, wrong
        if calendar.means == calendars.HOLIDAY and not week:
            yield (
                f"{key}.means",
                calendar.means,
                "changes nothing, as nothing tells a Sunday from another day: add seasonality: [1d, 1w]",
            )


def _training(pipeline: Pipeline) -> Iterator[Finding]:
    begin, begin_ok = _time(pipeline.training.begin)
    end, end_ok = _time(pipeline.training.end)
    if not begin_ok:
        yield (
            "training.from",
            pipeline.training.begin,
            "is not a time that exists: write a duration before now (24h) or an RFC 3339 time",
        )
    if not end_ok:
        yield (
            "training.to",
            pipeline.training.end,
            "is not a time that exists: write a duration before now (0s) or an RFC 3339 time",
        )
    if isinstance(begin, int) and isinstance(end, int) and begin <= end:
        yield (
            "training.from",
            pipeline.training.begin,
            f"is not before training.to ({pipeline.training.end}): both are durations before now",
        )
    # A training may be asked for another range, so the default is accepted.
    elif (
        isinstance(begin, int)
        and isinstance(end, int)
        and begin - end < pipeline.window_ns
        and pipeline.training.begin != DEFAULT_FROM
    ):
        yield (
            "training.from",
            pipeline.training.begin,
            f"leaves less than a window ({pipeline.window}) to train on: write an earlier time, such as 14d",
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
    least_ns = max(_LEAST_NEW_LEVEL_WINDOWS * pipeline.window_ns, 2 * periods.merge_ns)
    if periods.new_level_ns < least_ns:
        yield (
            "periods.new_level",
            periods.new_level,
            f"is too short to tell a new level from a fault: write at least {format_duration(least_ns)}, better 1d",
        )


def _fill(pipeline: Pipeline) -> Iterator[Finding]:
    fill = pipeline.fill
    if fill.method == "previous" and fill.bound is None:
        yield "fill", fill.method, "does not say how long the last values hold: write such as `{previous: 1h}`"
    elif fill.bound is not None and fill.bound_ns < pipeline.window_ns:
        yield (
            "fill.previous",
            fill.bound,
            f"is shorter than a window ({pipeline.window}), so it fills none: write at least {pipeline.window}",
        )
    counters = [field.name for field in pipeline.watched if field.rate is not None]
    counters += [str(pattern) for pattern in pipeline.patterns.fields if "rate" in pattern.settings]
    if fill.bound is not None and counters:
        why = f'lets the last rate of "{counters[0]}" stand although a counter that is not reported has not counted'
        yield "fill", fill.entry(), f"{why}: write `fill: none`, or watch the counters in a pipeline of their own"


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
    least_ns = 2 * max(pipeline.periods.silence_ns, pipeline.fill.bound_ns)
    if pipeline.forget_ns < least_ns:
        why = (
            f"periods.silence ({pipeline.periods.silence})"
            if pipeline.periods.silence_ns >= pipeline.fill.bound_ns
            else f"fill.previous ({pipeline.fill.bound})"
        )
        yield (
            "forget",
            pipeline.forget,
            (
                f"is shorter than twice {why}, so series that only pause would be dropped: write at least "
                f"{format_duration(least_ns)}"
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
