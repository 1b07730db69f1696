"""A pipeline as a value: frozen, complete and comparable.

The pipeline's canonical JSON is its specification. The fingerprint is a hash of the keys that change features or
scores; a model is only used for the fingerprint that it was trained for.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from anomaly.nanoseconds import DAY_NS, HOUR_NS
from anomaly.pipeline.bounds import Bounds
from anomaly.pipeline.calendars import HOLIDAY, Calendar
from anomaly.pipeline.detectors import descriptions
from anomaly.pipeline.duration import format_duration, parse_duration
from anomaly.pipeline.expression import Expression
from anomaly.pipeline.filters import TagFilter
from anomaly.pipeline.patterns import (
    EVERY,
    NO_PATTERNS,
    NamePattern,
    Patterns,
    measurement_pattern,
    measurement_text,
    patterns_in,
)
from anomaly.pipeline.result_tags import result_tag
from anomaly.pipeline.size import format_size, parse_size
from anomaly.pipeline.timezone import clock_change_ns, clock_offset_ns, timezones

# A model that was trained with another value of one of these keys is refused. The other keys (name, periods, alerts,
# training range, host) can change without training again.
_FINGERPRINTED = (
    "database",
    "retention_policy",
    "measurement",
    "fields",
    "group_by",
    "where",
    "overrides",
    "window",
    "aggregate",
    "detector",
    "parameters",
    "missing",
    "fill",
    "seasonality",
    "timezone",
    "calendars",
)
# Keys at their default do not enter the fingerprint, so adding a key does not change existing fingerprints.
_FINGERPRINTED_UNLESS = {"missing": "skip", "fill": "none", "seasonality": "1d", "timezone": "UTC"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a pipeline, and which of its values and deviations count.

    Attributes:
        name: the field's name in InfluxDB.
        unit: the unit that people read behind its numbers; None if the pipeline names none.
        direction: one of DIRECTIONS, the side of the baseline on which deviations count.
        min_deviation: the largest deviation from the baseline that does not count, in the field's own unit.
        min_share: likewise, as a share of the baseline; a field has one of both.
        rate: the unit of time of a counter's rate, a duration; None if the field is not a counter.
        expression: the expression of fields in InfluxDB that is watched under this name; None for the field itself.
        limits: the bounds beyond which a window is always anomalous; None for no such bounds.
        valid: the bounds beyond which a value is not a measurement; None if every value is one.
    """

    name: str
    unit: str | None = None
    direction: str = "both"
    min_deviation: float = 0.0
    min_share: float = 0.0
    rate: str | None = None
    expression: str | None = None
    limits: Bounds | None = None
    valid: Bounds | None = None

    @property
    def rate_ns(self) -> int | None:
        """The unit of time of a counter's rate, in nanoseconds; None if the field is not a counter."""
        return None if self.rate is None else parse_duration(self.rate)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the fields in InfluxDB that the field is made of."""
        return (self.name,) if self.expression is None else Expression.of(self.expression).fields

    @property
    def is_derived(self) -> bool:
        """Whether a point's value of the field is something else than what InfluxDB holds."""
        return self.rate is not None or self.expression is not None

    @property
    def least(self) -> str:
        """The largest deviation that does not count, as people write it; empty where every deviation counts."""
        if self.min_share:
            return f"{100 * self.min_share:.12g}%"
        return f"{self.min_deviation:g}" if self.min_deviation else ""

    @property
    def normal_deviation(self) -> str:
        """Which deviations do not count, as a phrase for people; empty where every deviation counts."""
        unit = f" {self.unit}" if self.unit is not None else ""
        of = " of the baseline" if self.min_share else unit
        return f"a deviation of at most {self.least}{of} is normal" if self.least else ""

    def entry(self, *, unit: bool = True, limits: bool = True) -> str | dict[str, Any]:
        """Return the shortest entry of a pipeline's `fields` that means this field.

        Args:
            unit: whether to keep the unit.
            limits: whether to keep the limits.

        Returns:
            The name alone if the field has nothing but defaults, else a mapping.
        """
        more = {
            **({"unit": self.unit} if unit and self.unit is not None else {}),
            **({"direction": self.direction} if self.direction != "both" else {}),
            **({"min_deviation": self.least if self.min_share else self.min_deviation} if self.least else {}),
            **({"rate": self.rate} if self.rate is not None else {}),
            **({"expression": self.expression} if self.expression is not None else {}),
            **({"limits": self.limits.entry()} if limits and self.limits is not None else {}),
            **({"valid": self.valid.entry()} if self.valid is not None else {}),
        }
        # The name of a pattern alone would be one.
        return {"name": self.name, **more} if more or self.name == EVERY else self.name

    def __str__(self) -> str:
        """Return which values and deviations count, for people."""
        unit = f" {self.unit}" if self.unit is not None else ""
        watched = "its increase" if self.expression is None else f"{self.expression}, of the increases"
        rules = [f"{watched} for each {self.rate} is watched"] if self.rate is not None else []
        rules += [f"{self.expression} is watched"] if self.rate is None and self.expression is not None else []
        rules += [f"only what is {self.direction}er than usual counts"] if self.direction != "both" else []
        rules += [self.normal_deviation] if self.least else []
        rules += [f"what is not {self.limits}{unit} is always anomalous"] if self.limits is not None else []
        rules += [f"what is not {self.valid}{unit} is not a measurement"] if self.valid is not None else []
        named = f"{self.name} in{unit}" if unit else self.name
        return f"{named}: {', and '.join(rules)}" if rules else named

    @classmethod
    def of(cls, entry: str | Mapping[str, Any]) -> "Field":
        """Return the field that an entry means.

        Args:
            entry: a name or a mapping, as `entry` returns it.

        Raises:
            KeyError: the mapping has no name.
            TypeError: the entry or a value has another type.
            ValueError: min_deviation is not a number, bounds have not two sides or, as DurationError, rate is not a
                duration.
        """
        return cls(entry) if isinstance(entry, str) else cls(entry["name"]).changed(entry)

    def changed(self, entry: Mapping[str, Any]) -> "Field":
        """Return the field with what a mapping says of it. Raises what `of` raises."""
        changes: dict[str, Any] = {key: entry[key] for key in ("unit", "direction", "expression") if key in entry}
        changes |= {key: Bounds.of(entry[key]) for key in ("limits", "valid") if key in entry}
        if entry.get("rate") is not None:
            changes["rate"] = format_duration(parse_duration(entry["rate"]))
        if "min_deviation" in entry:
            least = entry["min_deviation"]
            is_share = isinstance(least, str)
            changes["min_share"] = float(least.removesuffix("%")) / 100 if is_share else 0.0
            changes["min_deviation"] = 0.0 if is_share else float(least)
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Override:
    """Other rules for the series whose tags meet conditions.

    Attributes:
        where: the conditions.
        fields: what is said of which field: entries of `fields`, with some of OVERRIDDEN.
    """

    where: TagFilter
    fields: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Override":
        """Return the override that an entry of a pipeline's `overrides` means. Raises what `Field.of` raises."""
        fields = []
        for each in entry["fields"]:
            shortest = Field.of(each).entry()
            means = shortest if isinstance(shortest, dict) else {}
            # A key at its default stays: it takes back what the pipeline says of all series.
            fields.append({key: means[key] if key in means else each[key] for key in each})
        return cls(TagFilter.of(entry["where"]), tuple(fields))

    def as_dict(self) -> dict[str, Any]:
        """Return the entry that means this override."""
        return {"where": self.where.as_dict(), "fields": [dict(entry) for entry in self.fields]}

    def __str__(self) -> str:
        """Return the rules for people."""
        rules = [str(Field(entry["name"]).changed(entry)) for entry in self.fields]
        return f"where {', and '.join(map(str, self.where.conditions))}: {'; '.join(rules)}"

    def of_score(self) -> dict[str, Any] | None:
        """Return the entry without limits, which change no score; None if nothing is left."""
        fields = [{key: value for key, value in entry.items() if key != "limits"} for entry in self.fields]
        fields = [entry for entry in fields if len(entry) > 1]
        return {"where": self.where.as_dict(), "fields": fields} if fields else None


@dataclass(frozen=True, slots=True)
class Fill:
    """What a window without points of a series gets.

    Attributes:
        method: `none` for nothing, or `previous` for the series' last values.
        bound: the duration for which the last values hold; None if there is none.
    """

    method: str = "none"
    bound: str | None = None

    @property
    def bound_ns(self) -> int:
        """The duration for which the last values hold, in nanoseconds; 0 if they never do."""
        return 0 if self.bound is None else parse_duration(self.bound)

    def entry(self) -> str | dict[str, str]:
        """Return the value of a pipeline's `fill` that means this."""
        return self.method if self.bound is None else {self.method: self.bound}

    @classmethod
    def of(cls, entry: str | Mapping[str, str]) -> "Fill":
        """Return what a pipeline's `fill` means.

        Args:
            entry: a method or a mapping of it to its bound, as `entry` returns it.

        Raises:
            DurationError: the bound is not a duration.
            ValueError: the mapping does not name exactly one method.
        """
        if isinstance(entry, str):
            return cls(entry)
        ((method, bound),) = entry.items()
        return cls(method, format_duration(parse_duration(bound)))


@dataclass(frozen=True, slots=True)
class Training:
    """The history that a model is trained on, and when the keeper trains unasked.

    Attributes:
        begin: where the history begins, an InfluxQL duration before now or an RFC 3339 time.
        end: where the history ends, likewise.
        every: the age at which a model is trained again, a duration; None for no limit.
        on_drift: whether drift is a reason to train again.
    """

    begin: str
    end: str
    every: str | None = None
    on_drift: bool = False

    @property
    def every_ns(self) -> int | None:
        """The age at which a model is trained again, in nanoseconds; None for no limit."""
        return None if self.every is None else parse_duration(self.every)


@dataclass(frozen=True, slots=True)
class Periods:
    """When a period opens and closes.

    Attributes:
        open: the severity that opens a period, 0 to 100.
        close: the severity below which a period can end, 0 to 100.
        silence: the duration without data that is a period of its own.
        merge: the duration of severities below `close` that ends a period.
        new_level: the duration of a change after which it is the series' new level.
    """

    open: float
    close: float
    silence: str
    merge: str
    new_level: str

    @property
    def silence_ns(self) -> int:
        """The duration without data that is a period, in nanoseconds."""
        return parse_duration(self.silence)

    @property
    def merge_ns(self) -> int:
        """The duration of low severities that ends a period, in nanoseconds."""
        return parse_duration(self.merge)

    @property
    def new_level_ns(self) -> int:
        """The duration of a change after which it is the series' new level, in nanoseconds."""
        return parse_duration(self.new_level)


@dataclass(frozen=True, slots=True)
class Drift:
    """How drift is judged.

    Attributes:
        horizon: the duration before now whose windows are compared with training.
        psi: the population stability index from which a feature has drifted.
    """

    horizon: str
    psi: float

    @property
    def horizon_ns(self) -> int:
        """The duration whose windows are compared with training, in nanoseconds."""
        return parse_duration(self.horizon)


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts of a pipeline.

    Attributes:
        kinds: the kinds that are told, some of ALERT_KINDS.
        topic: the topic whose handlers are told; None for the stack's own.
        info: the peak severity from which a period is INFO.
        warning: the peak severity from which a period is WARNING.
        critical: the peak severity from which a period is CRITICAL.
        age: the age, a duration, from which a result is history that nobody is told of.
    """

    kinds: tuple[str, ...]
    topic: str | None
    info: float
    warning: float
    critical: float
    age: str

    @property
    def age_ns(self) -> int:
        """The age from which a result is history, in nanoseconds."""
        return parse_duration(self.age)


@dataclass(frozen=True)
class Pipeline:
    """One detection job with all defaults filled in. `normalize` and `parse` make checked ones.

    Attributes:
        name: the pipeline's name, which is also its task's.
        database: the source database.
        retention_policy: the source retention policy.
        measurement: the source measurement; empty if there may be several.
        watched: the fields, and which of their values and deviations count.
        group_by: the tags that tell series apart; the first is MEASUREMENT if there may be several measurements.
        where: which points are watched.
        overrides: other rules for some of the series; of two that say something of a field, the later one holds.
        window: the length of a window, a duration.
        aggregate: the functions that make a window's numbers of each field.
        missing: whether a window that lacks a field is skipped (`skip`) or scored without it (`usual`).
        fill: what a window without points of a series gets.
        lateness: the duration after its end for which a window waits for late points.
        future: the duration by which a point may be ahead of the host's clock.
        forget: the duration without points after which the state of a series is dropped.
        memory: the most that the state of all series takes, a size such as `256MiB`.
        detector: the name of the detector.
        parameters: the parameters of the detector.
        seasons: the durations after which the baseline recurs, ascending; none if the detector does not look at them.
        timezone: the IANA name of the time zone whose clock days, weeks and hours follow.
        calendars: times that mean something.
        enabled: whether the task runs.
        kapacitor: the inventory host that runs the task; None for an even spread.
        tickscript: the file name of a custom TICKscript; None for ours.
        training: the history that a model is trained on.
        periods: when a period opens and closes.
        drift: how drift is judged.
        alerts: what is told, and on which topic.
        patterns: descriptions of more fields, tags and measurements, which a deployment resolves.
        measurements: the source measurements, if there may be several; empty for one, and for a pattern.
        booleans: those of the fields in InfluxDB that hold booleans; not a key, but known once the source was asked.
    """

    name: str
    database: str
    retention_policy: str
    measurement: str
    watched: tuple[Field, ...]
    group_by: tuple[str, ...]
    where: TagFilter
    overrides: tuple[Override, ...]
    window: str
    aggregate: tuple[str, ...]
    missing: str
    fill: Fill
    lateness: str
    future: str
    forget: str
    memory: str
    detector: str
    parameters: Mapping[str, Any]
    seasons: tuple[str, ...]
    timezone: str
    calendars: tuple[Calendar, ...]
    enabled: bool
    kapacitor: str | None
    tickscript: str | None
    training: Training
    periods: Periods
    drift: Drift
    alerts: Alerts
    patterns: Patterns = NO_PATTERNS
    measurements: tuple[str, ...] = ()
    booleans: frozenset[str] = frozenset()

    @property
    def is_by_measurement(self) -> bool:
        """Whether there may be several source measurements, so that each is a tag of its series."""
        return bool(self.measurements) or self.patterns.measurement is not None

    @property
    def measured(self) -> str:
        """The source measurements as people read them."""
        if self.patterns.measurement is not None:
            return measurement_text(self.patterns.measurement)
        return ", ".join(self.measurements) or self.measurement

    @property
    def point_tags(self) -> tuple[str, ...]:
        """The tags of points that tell series apart: those of `group_by`, but for the measurement."""
        return self.group_by[1:] if self.is_by_measurement else self.group_by

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that are watched."""
        return tuple(field.name for field in self.watched)

    @cached_property
    def result_tags(self) -> tuple[str, ...]:
        """The names by which results carry the tags of `group_by`, in its order."""
        return tuple(map(result_tag, self.group_by))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The names of the fields in InfluxDB that the watched fields are made of, each once."""
        return tuple(dict.fromkeys(name for field in self.watched for name in field.sources))

    def watched_of(self, key: Sequence[str]) -> tuple[Field, ...]:
        """Return the fields with the rules of one series.

        Args:
            key: the series' tag values, in the order of `group_by`.
        """
        if not self.overrides:
            return self.watched
        tags = dict(zip(self.group_by, key, strict=True))
        changes: dict[str, dict[str, Any]] = {}
        for override in self.overrides:
            if override.where.holds(tags):
                for entry in override.fields:
                    changes.setdefault(entry["name"], {}).update(entry)
        return tuple(field.changed(changes.get(field.name, {})) for field in self.watched)

    @property
    def is_derived(self) -> bool:
        """Whether a field's value at a point is something else than what InfluxDB holds."""
        return any(field.is_derived for field in self.watched)

    @property
    def has_valid(self) -> bool:
        """Whether some values are invalid."""
        overridden = (entry for override in self.overrides for entry in override.fields)
        return any(field.valid is not None for field in self.watched) or any("valid" in entry for entry in overridden)

    @property
    def needs_points(self) -> bool:
        """Whether single points have to be looked at, so that InfluxQL cannot aggregate them."""
        return self.is_derived or self.has_valid or not self.booleans.isdisjoint(self.sources)

    @property
    def window_ns(self) -> int:
        """The window's length in nanoseconds."""
        return parse_duration(self.window)

    @cached_property
    def windows_zone(self) -> str:
        """The time zone by whose clock windows begin: that of `timezone`, or UTC (`begin_by_the_clock`)."""
        return self.timezone if begin_by_the_clock(self.window_ns, self.timezone) else DEFAULT_TIMEZONE

    @property
    def lateness_ns(self) -> int:
        """The duration for which a window waits for late points, in nanoseconds."""
        return parse_duration(self.lateness)

    @property
    def future_ns(self) -> int:
        """The duration by which a point may be ahead of the host's clock, in nanoseconds."""
        return parse_duration(self.future)

    @property
    def forget_ns(self) -> int:
        """The duration without points after which a series is dropped, in nanoseconds."""
        return parse_duration(self.forget)

    @property
    def memory_bytes(self) -> int:
        """The most that the state of all series takes, in bytes."""
        return parse_size(self.memory)

    @property
    def seasonality(self) -> str | list[str] | None:
        """The seasons as people write them: one of them alone without a list; None where there is none."""
        return list(self.seasons) if len(self.seasons) > 1 else next(iter(self.seasons), None)

    @property
    def seasons_ns(self) -> tuple[int, ...]:
        """The seasons in nanoseconds, ascending; a day if the detector does not look at them."""
        return tuple(map(parse_duration, self.seasons or (DEFAULT_SEASONALITY,)))

    @property
    def windows_per_day(self) -> float:
        """The number of windows that a series has in a day."""
        return 86_400e9 / self.window_ns

    @property
    def trains_itself(self) -> bool:
        """Whether the keeper looks after the pipeline's models."""
        return self.enabled and (self.training.every is not None or self.training.on_drift)

    def as_dict(self) -> dict[str, Any]:
        """Return the mapping with all defaults filled in, as `normalize` takes it."""
        new_level = self.periods.new_level
        has_own_level = new_level != format_duration(default_new_level_ns(self.window_ns))
        return {
            "name": self.name,
            "enabled": self.enabled,
            **({} if self.kapacitor is None else {"kapacitor": self.kapacitor}),
            **({} if self.tickscript is None else {"tickscript": self.tickscript}),
            "database": self.database,
            "retention_policy": self.retention_policy,
            "measurement": list(self.measurements) or self.measured,
            "fields": [
                *(field.entry() for field in self.watched),
                *(pattern.entry() for pattern in self.patterns.fields),
            ],
            "group_by": [*self.point_tags, *(pattern.entry() for pattern in self.patterns.tags)],
            **({"where": self.where.as_dict()} if self.where else {}),
            **({"overrides": [override.as_dict() for override in self.overrides]} if self.overrides else {}),
            "window": self.window,
            "aggregate": list(self.aggregate),
            "missing": self.missing,
            "fill": self.fill.entry(),
            "lateness": self.lateness,
            "future": self.future,
            "forget": self.forget,
            "memory": self.memory,
            "detector": self.detector,
            "parameters": dict(self.parameters),
            **({} if self.seasonality is None else {"seasonality": self.seasonality}),
            **({} if self.timezone == DEFAULT_TIMEZONE else {"timezone": self.timezone}),
            **({"calendars": [calendar.entry() for calendar in self.calendars]} if self.calendars else {}),
            "training": {
                "from": self.training.begin,
                "to": self.training.end,
                **({} if self.training.every is None else {"every": self.training.every}),
                "on_drift": self.training.on_drift,
            },
            "periods": {
                "open": self.periods.open,
                "close": self.periods.close,
                "silence": self.periods.silence,
                "merge": self.periods.merge,
                **({"new_level": new_level} if has_own_level else {}),
            },
            "drift": {"horizon": self.drift.horizon, "psi": self.drift.psi},
            "alerts": {
                "kinds": list(self.alerts.kinds),
                **({} if self.alerts.topic is None else {"topic": self.alerts.topic}),
                "info": self.alerts.info,
                "warning": self.alerts.warning,
                "critical": self.alerts.critical,
                "age": self.alerts.age,
            },
        }

    @property
    def live_calendars(self) -> tuple[Calendar, ...]:
        """The calendars that change no score: a running UDF takes up other ones."""
        return tuple(calendar for calendar in self.calendars if calendar.means != HOLIDAY)

    def with_live_calendars(self, calendars: Iterable[Calendar]) -> "Pipeline":
        """Return the pipeline with its own holidays, and with other calendars that change no score."""
        holidays = (calendar for calendar in self.calendars if calendar.means == HOLIDAY)
        return replace(self, calendars=(*holidays, *calendars))

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits of the SHA-256 over the keys that change features or scores."""
        text = canonical_json(_fingerprinted(self.as_dict()))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return a line for each fingerprinted key that differs in another specification.

        Args:
            other: the other specification as a mapping, such as a manifest's.
        """
        here, there = (_FINGERPRINTED_UNLESS | _fingerprinted(mapping) for mapping in (self.as_dict(), other))
        return [
            f"{key}: {json.dumps(there.get(key))} in the model, {json.dumps(here.get(key))} in the pipeline"
            for key in _FINGERPRINTED
            if there.get(key) != here.get(key)
        ]


def _fingerprinted(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a specification that is fingerprinted, without units and limits, which change no score."""
    part = {
        key: mapping[key] for key in _FINGERPRINTED if key in mapping and mapping[key] != _FINGERPRINTED_UNLESS.get(key)
    }
    if "fields" in part:
        part["fields"] = [_scored(entry) for entry in part["fields"]]
    if begin_by_the_clock(parse_duration(part["window"]), part.get("timezone", DEFAULT_TIMEZONE)):
        part["windows"] = "local"
    # Only the holidays among the calendars change scores.
    holidays = [entry for entry in part.pop("calendars", ()) if entry["means"] == HOLIDAY]
    if holidays:
        part["calendars"] = holidays
    overrides = [Override.of(entry).of_score() for entry in part.pop("overrides", ())]
    return {**part, "overrides": kept} if (kept := [each for each in overrides if each is not None]) else part


def _scored(entry: str | Mapping[str, Any]) -> str | dict[str, Any]:
    """Return an entry of `fields` without its unit and its limits, which change no score."""
    pattern = NamePattern.of(entry)
    if pattern is None:
        return Field.of(entry).entry(unit=False, limits=False)
    settings = {key: value for key, value in pattern.settings.items() if key not in {"unit", "limits"}}
    return replace(pattern, settings=settings).entry()


def canonical_json(specification: Pipeline | Mapping[str, Any]) -> str:
    """Return a specification as one line of ASCII with sorted keys: the same for equal pipelines.

    It has no `'`, so it can also stand between the quotes of a TICKscript string (`'''…'''`), which has no escapes of
    its own (kapacitor tick/ast/node.go, newString).
    """
    mapping = specification.as_dict() if isinstance(specification, Pipeline) else specification
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("'", "\\u0027")


def begin_by_the_clock(window_ns: int, zone: str) -> bool:
    """Return whether windows of a length begin by the clock of a time zone.

    They do where they are longer than the changes of the clock, and would begin at other times in UTC. Windows in UTC
    cost less, and a change of the clock that is a multiple of their length leaves all of them whole.

    Args:
        window_ns: the length, which divides a day or is a whole number of days.
        zone: the time zone's IANA name; one that is not known has no such windows.
    """
    if zone == DEFAULT_TIMEZONE or zone not in timezones():
        return False
    return window_ns > clock_change_ns(zone) and clock_offset_ns(zone) % window_ns != 0


def usual_severity(window_ns: int) -> float:
    """Return the severity that one window in twenty reaches: long windows are rare because there are few of them.

    Args:
        window_ns: the length of a window in nanoseconds.
    """
    # A length of 0 is refused later, with the pipeline's other mistakes.
    return 50.0 + 12.5 * math.log10(20.0 * max(window_ns, 1) / 86_400e9)


def default_lateness_ns(window_ns: int) -> int:
    """Return how long a window waits for late points unless the pipeline says so: one window, at most five minutes.

    Args:
        window_ns: the length of a window in nanoseconds.
    """
    return min(window_ns, DEFAULT_MOST_LATENESS_NS)


def build(mapping: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline of a mapping, with defaults filled in. `normalize` and `parse` turn its errors into messages.

    Args:
        mapping: a pipeline as people write it, which the JSON Schema has accepted.

    Raises:
        KeyError: a required key is missing.
        TypeError: a value has another type.
        ValueError: a value is not a number or, as DurationError or SizeError, not a duration or a size.
    """
    window_ns = parse_duration(mapping["window"])
    lateness_ns = parse_duration(mapping["lateness"]) if "lateness" in mapping else default_lateness_ns(window_ns)
    training = mapping.get("training", {})
    periods = mapping.get("periods", {})
    drift = mapping.get("drift", {})
    alerts = mapping.get("alerts", {})
    silence_ns = parse_duration(periods["silence"]) if "silence" in periods else 6 * window_ns
    forget_ns = parse_duration(mapping["forget"]) if "forget" in mapping else max(DEFAULT_FORGET_NS, 4 * silence_ns)
    age_ns = parse_duration(alerts["age"]) if "age" in alerts else max(DEFAULT_AGE_NS, 2 * (window_ns + lateness_ns))
    info = float(alerts.get("info", DEFAULT_INFO))
    warning = float(alerts.get("warning", max(DEFAULT_WARNING, info)))
    close = float(periods.get("close", max(DEFAULT_CLOSE, math.ceil(usual_severity(window_ns)))))
    detector = mapping.get("detector", DEFAULT_DETECTOR)
    description = descriptions().get(detector)
    seasonality = mapping.get("seasonality", DEFAULT_SEASONALITY if description and description.seasonal else ())
    seasons_ns = {parse_duration(each) for each in ([seasonality] if isinstance(seasonality, str) else seasonality)}
    measurement = mapping["measurement"]
    several = measurement_pattern(measurement)
    is_one = isinstance(measurement, str) and several is None
    return Pipeline(
        name=mapping["name"],
        database=mapping["database"],
        retention_policy=mapping.get("retention_policy", "autogen"),
        measurement=measurement if is_one else "",
        watched=tuple(Field.of(entry) for entry in mapping["fields"] if NamePattern.of(entry) is None),
        group_by=(
            *(() if is_one else (MEASUREMENT,)),
            *(entry for entry in mapping.get("group_by", ()) if NamePattern.of(entry) is None),
        ),
        where=TagFilter.of(mapping.get("where", {})),
        overrides=tuple(Override.of(entry) for entry in mapping.get("overrides", ())),
        window=format_duration(window_ns),
        aggregate=tuple(mapping.get("aggregate", DEFAULT_AGGREGATE)),
        missing=mapping.get("missing", DEFAULT_MISSING),
        fill=Fill.of(mapping.get("fill", DEFAULT_FILL)),
        lateness=format_duration(lateness_ns),
        future=format_duration(parse_duration(mapping.get("future", DEFAULT_FUTURE))),
        forget=format_duration(forget_ns),
        memory=format_size(parse_size(mapping.get("memory", DEFAULT_MEMORY))),
        detector=detector,
        parameters={**(description.defaults if description else {}), **mapping.get("parameters", {})},
        seasons=tuple(map(format_duration, sorted(seasons_ns))),
        timezone=mapping.get("timezone", DEFAULT_TIMEZONE),
        calendars=tuple(map(Calendar.of, mapping.get("calendars", ()))),
        enabled=mapping.get("enabled", True),
        kapacitor=mapping.get("kapacitor"),
        tickscript=mapping.get("tickscript"),
        training=Training(
            begin=training.get("from", DEFAULT_FROM),
            end=training.get("to", DEFAULT_TO),
            every=format_duration(parse_duration(training["every"])) if "every" in training else None,
            on_drift=training.get("on_drift", False),
        ),
        periods=Periods(
            open=float(periods.get("open", DEFAULT_OPEN if "close" in periods else max(DEFAULT_OPEN, close + 10.0))),
            close=close,
            silence=format_duration(silence_ns),
            merge=format_duration(parse_duration(periods["merge"]) if "merge" in periods else 6 * window_ns),
            new_level=format_duration(
                parse_duration(periods["new_level"]) if "new_level" in periods else default_new_level_ns(window_ns)
            ),
        ),
        drift=Drift(
            horizon=format_duration(
                parse_duration(drift["horizon"]) if "horizon" in drift else max(DEFAULT_HORIZON_NS, 100 * window_ns)
            ),
            psi=float(drift.get("psi", DEFAULT_PSI)),
        ),
        alerts=Alerts(
            kinds=tuple(alerts.get("kinds", ALERT_KINDS)),
            topic=alerts.get("topic"),
            info=info,
            warning=warning,
            critical=float(alerts.get("critical", DEFAULT_CRITICAL)),
            age=format_duration(age_ns),
        ),
        patterns=Patterns(patterns_in(mapping["fields"]), patterns_in(mapping.get("group_by", ())), several),
        measurements=() if is_one or several else tuple(measurement),
    )


# The tag of series, and of their results, that is the measurement where there may be several.
MEASUREMENT = "measurement"
DIRECTIONS = ("both", "high", "low")
# What an override may say of a field.
OVERRIDDEN = ("min_deviation", "limits", "valid")
# These aggregates measure how much the values of a window differ; SHAPES adds their number. The others measure level.
SPREADS = frozenset({"stddev", "spread"})
SHAPES = SPREADS | {"count"}
# These aggregates are values of the field, which limits are about.
LIMITED = frozenset({"mean", "median", "min", "max", "first", "last"})
DEFAULT_AGGREGATE = ("mean", "stddev")
DEFAULT_MISSING = "skip"
DEFAULT_FILL = "none"
DEFAULT_MOST_LATENESS_NS = 300_000_000_000
DEFAULT_FUTURE = "5m"
DEFAULT_FORGET_NS = 7 * DAY_NS
DEFAULT_MEMORY = "256MiB"
DEFAULT_DETECTOR = "ensemble"
DEFAULT_SEASONALITY = "1d"
DEFAULT_TIMEZONE = "UTC"
DEFAULT_FROM = "24h"
DEFAULT_TO = "0s"
DEFAULT_OPEN = 75.0
DEFAULT_CLOSE = 50.0
# It is a day, so that the course of a day is not drift.
DEFAULT_HORIZON_NS = DAY_NS
DEFAULT_PSI = 0.25
ALERT_KINDS = ("period", "silence", "drift", "clock", "rate", "invalid")
DEFAULT_AGE_NS = HOUR_NS
# A day, so that medians of a change and of training are both of whole days.
DEFAULT_NEW_LEVEL_NS = DAY_NS
_NEW_LEVEL_WINDOWS = 48
# Every period is INFO; a period of once in 1,000 days is WARNING, of once in 10,000 days CRITICAL.
DEFAULT_INFO = 0.0
DEFAULT_WARNING = 87.5
DEFAULT_CRITICAL = 100.0


def default_new_level_ns(window_ns: int) -> int:
    """Return how long a change lasts by default until it is the series' new level, in nanoseconds."""
    return max(DEFAULT_NEW_LEVEL_NS, _NEW_LEVEL_WINDOWS * window_ns)
