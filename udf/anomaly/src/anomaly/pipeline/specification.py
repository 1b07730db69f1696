"""A pipeline as a value: frozen, complete and comparable.

The pipeline's canonical JSON is its specification. The fingerprint is a hash of the keys that change features or
scores; a model is only used for the fingerprint that it was trained for.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anomaly.pipeline.detectors import descriptions
from anomaly.pipeline.duration import format_duration, parse_duration
from anomaly.pipeline.size import format_size, parse_size

# A model that was trained with another value of one of these keys is refused. The other keys (name, periods, alerts,
# training range, host) can change without training again.
_FINGERPRINTED = (
    "database",
    "retention_policy",
    "measurement",
    "fields",
    "group_by",
    "window",
    "aggregate",
    "detector",
    "parameters",
    "missing",
    "seasonality",
)
# Keys at their default do not enter the fingerprint, so adding a key does not change existing fingerprints.
_FINGERPRINTED_UNLESS = {"missing": "skip", "seasonality": "1d"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a pipeline, and which of its deviations count.

    Attributes:
        name: the field's name in InfluxDB.
        unit: the unit that people read behind its numbers; None if the pipeline names none.
        direction: one of DIRECTIONS, the side of the baseline on which deviations count.
        min_deviation: the largest deviation from the baseline that does not count, in the field's own unit.
    """

    name: str
    unit: str | None = None
    direction: str = "both"
    min_deviation: float = 0.0

    def entry(self, *, unit: bool = True) -> str | dict[str, Any]:
        """Return the shortest entry of a pipeline's `fields` that means this field.

        Args:
            unit: whether to keep the unit.

        Returns:
            The name alone if the field has nothing but defaults, else a mapping.
        """
        more = {
            **({"unit": self.unit} if unit and self.unit is not None else {}),
            **({"direction": self.direction} if self.direction != "both" else {}),
            **({"min_deviation": self.min_deviation} if self.min_deviation else {}),
        }
        return {"name": self.name, **more} if more else self.name

    def __str__(self) -> str:
        """Return which deviations count, for people."""
        unit = f" {self.unit}" if self.unit is not None else ""
        rules = [f"only what is {self.direction}er than usual counts"] if self.direction != "both" else []
        rules += [f"what is at most {self.min_deviation:g}{unit} from the usual is usual"] if self.min_deviation else []
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
            ValueError: min_deviation is not a number.
        """
        if isinstance(entry, str):
            return cls(entry)
        return cls(
            entry["name"],
            entry.get("unit"),
            entry.get("direction", "both"),
            float(entry.get("min_deviation", 0.0)),
        )


@dataclass(frozen=True, slots=True)
class Training:
    """The history that a model is trained on, and when the trainer trains unasked.

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
    """

    open: float
    close: float
    silence: str
    merge: str

    @property
    def silence_ns(self) -> int:
        """The duration without data that is a period, in nanoseconds."""
        return parse_duration(self.silence)

    @property
    def merge_ns(self) -> int:
        """The duration of low severities that ends a period, in nanoseconds."""
        return parse_duration(self.merge)


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
        measurement: the source measurement.
        watched: the fields, and which of their deviations count.
        group_by: the tags that tell series apart.
        window: the length of a window, a duration.
        aggregate: the functions that make a window's numbers of each field.
        missing: whether a window that lacks a field is skipped (`skip`) or scored without it (`usual`).
        lateness: the duration after its end for which a window waits for late points.
        future: the duration by which a point may be ahead of the host's clock.
        forget: the duration without points after which the state of a series is dropped.
        memory: the most that the state of all series takes, a size such as `256MiB`.
        detector: the name of the detector.
        parameters: the parameters of the detector.
        seasonality: the duration after which the baseline recurs; None if the detector does not look at it.
        enabled: whether the task runs.
        kapacitor: the inventory host that runs the task; None for an even spread.
        tickscript: the file name of a custom TICKscript; None for ours.
        training: the history that a model is trained on.
        periods: when a period opens and closes.
        drift: how drift is judged.
        alerts: what is told, and on which topic.
    """

    name: str
    database: str
    retention_policy: str
    measurement: str
    watched: tuple[Field, ...]
    group_by: tuple[str, ...]
    window: str
    aggregate: tuple[str, ...]
    missing: str
    lateness: str
    future: str
    forget: str
    memory: str
    detector: str
    parameters: Mapping[str, Any]
    seasonality: str | None
    enabled: bool
    kapacitor: str | None
    tickscript: str | None
    training: Training
    periods: Periods
    drift: Drift
    alerts: Alerts

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that are watched."""
        return tuple(field.name for field in self.watched)

    @property
    def window_ns(self) -> int:
        """The window's length in nanoseconds."""
        return parse_duration(self.window)

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
    def season_ns(self) -> int:
        """The season in nanoseconds; a day if the detector does not look at it."""
        return parse_duration(self.seasonality or DEFAULT_SEASONALITY)

    @property
    def windows_per_day(self) -> float:
        """The number of windows that a series has in a day."""
        return 86_400e9 / self.window_ns

    @property
    def trains_itself(self) -> bool:
        """Whether the trainer looks after the pipeline's models."""
        return self.enabled and (self.training.every is not None or self.training.on_drift)

    def as_dict(self) -> dict[str, Any]:
        """Return the mapping with all defaults filled in, as `normalize` takes it."""
        return {
            "name": self.name,
            "enabled": self.enabled,
            **({} if self.kapacitor is None else {"kapacitor": self.kapacitor}),
            **({} if self.tickscript is None else {"tickscript": self.tickscript}),
            "database": self.database,
            "retention_policy": self.retention_policy,
            "measurement": self.measurement,
            "fields": [field.entry() for field in self.watched],
            "group_by": list(self.group_by),
            "window": self.window,
            "aggregate": list(self.aggregate),
            "missing": self.missing,
            "lateness": self.lateness,
            "future": self.future,
            "forget": self.forget,
            "memory": self.memory,
            "detector": self.detector,
            "parameters": dict(self.parameters),
            **({} if self.seasonality is None else {"seasonality": self.seasonality}),
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
    """Return the part of a specification that is fingerprinted, without units, which change no score."""
    part = {
        key: mapping[key] for key in _FINGERPRINTED if key in mapping and mapping[key] != _FINGERPRINTED_UNLESS.get(key)
    }
    return {**part, "fields": unitless(part["fields"])} if "fields" in part else part


def unitless(fields: Iterable[str | Mapping[str, Any]]) -> list[str | dict[str, Any]]:
    """Return a specification's `fields` without their units."""
    return [Field.of(entry).entry(unit=False) for entry in fields]


def canonical_json(specification: Pipeline | Mapping[str, Any]) -> str:
    """Return a specification as one line of ASCII with sorted keys: the same for equal pipelines.

    It has no `'`, so it can also stand between the quotes of a TICKscript string (`'''…'''`), which has no escapes of
    its own (kapacitor tick/ast/node.go, newString).
    """
    mapping = specification.as_dict() if isinstance(specification, Pipeline) else specification
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("'", "\\u0027")


def usual_severity(window_ns: int) -> float:
    """Return the severity that one window in twenty reaches: long windows are rare because there are few of them.

    Args:
        window_ns: the length of a window in nanoseconds.
    """
    return 50.0 + 12.5 * math.log10(20.0 * window_ns / 86_400e9)


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
    seasonality = mapping.get("seasonality", DEFAULT_SEASONALITY if description and description.seasonal else None)
    return Pipeline(
        name=mapping["name"],
        database=mapping["database"],
        retention_policy=mapping.get("retention_policy", "autogen"),
        measurement=mapping["measurement"],
        watched=tuple(Field.of(entry) for entry in mapping["fields"]),
        group_by=tuple(mapping.get("group_by", ())),
        window=format_duration(window_ns),
        aggregate=tuple(mapping.get("aggregate", DEFAULT_AGGREGATE)),
        missing=mapping.get("missing", DEFAULT_MISSING),
        lateness=format_duration(lateness_ns),
        future=format_duration(parse_duration(mapping.get("future", DEFAULT_FUTURE))),
        forget=format_duration(forget_ns),
        memory=format_size(parse_size(mapping.get("memory", DEFAULT_MEMORY))),
        detector=detector,
        parameters={**(description.defaults if description else {}), **mapping.get("parameters", {})},
        seasonality=None if seasonality is None else format_duration(parse_duration(seasonality)),
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
    )


DIRECTIONS = ("both", "high", "low")
# These aggregates measure how much the values of a window differ; SHAPES adds their number. The others measure level.
SPREADS = frozenset({"stddev", "spread"})
SHAPES = SPREADS | {"count"}
DEFAULT_AGGREGATE = ("mean", "stddev")
DEFAULT_MISSING = "skip"
DEFAULT_MOST_LATENESS_NS = 300_000_000_000
DEFAULT_FUTURE = "5m"
DEFAULT_FORGET_NS = 7 * 86_400_000_000_000
DEFAULT_MEMORY = "256MiB"
DEFAULT_DETECTOR = "ensemble"
DEFAULT_SEASONALITY = "1d"
DEFAULT_FROM = "24h"
DEFAULT_TO = "0s"
DEFAULT_OPEN = 75.0
DEFAULT_CLOSE = 50.0
# It is a day, so that the course of a day is not drift.
DEFAULT_HORIZON_NS = 86_400_000_000_000
DEFAULT_PSI = 0.25
ALERT_KINDS = ("period", "silence", "drift", "clock", "rate")
DEFAULT_AGE_NS = 3_600_000_000_000
# Every period is INFO; a period of once in 1,000 days is WARNING, of once in 10,000 days CRITICAL.
DEFAULT_INFO = 0.0
DEFAULT_WARNING = 87.5
DEFAULT_CRITICAL = 100.0
