"""A pipeline as a value: frozen, complete, comparable, with its canonical JSON and its fingerprint."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anomaly.pipeline.detectors import descriptions
from anomaly.pipeline.duration import format_duration, parse_duration

# Another value of one of these makes other features or other scores, so a model trained with the old value is refused.
# The rest (name, periods, alerts, training range, where it runs) can change without training again.
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
# Of these the default is left out, so that pipelines that do not name them are what they were before there were any.
_FINGERPRINTED_UNLESS = {"missing": "skip", "seasonality": "1d"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field, and which of its deviations count. unit: for people; None: not told. direction: one of DIRECTIONS, the
    side of the usual that matters. min_deviation: how far from the usual is still usual, in the field's own unit."""

    name: str
    unit: str | None = None
    direction: str = "both"
    min_deviation: float = 0.0

    def entry(self, *, unit: bool = True) -> str | dict[str, Any]:
        """As people write it, the shortest: the name alone where nothing else is said. unit: whether to say it."""
        more = {
            **({"unit": self.unit} if unit and self.unit is not None else {}),
            **({"direction": self.direction} if self.direction != "both" else {}),
            **({"min_deviation": self.min_deviation} if self.min_deviation else {}),
        }
        return {"name": self.name, **more} if more else self.name

    def __str__(self) -> str:
        """For people: what counts of it."""
        unit = f" {self.unit}" if self.unit is not None else ""
        rules = [f"only what is {self.direction}er than usual counts"] if self.direction != "both" else []
        rules += [f"what is at most {self.min_deviation:g}{unit} from the usual is usual"] if self.min_deviation else []
        named = f"{self.name} in{unit}" if unit else self.name
        return f"{named}: {', and '.join(rules)}" if rules else named

    @classmethod
    def of(cls, entry: str | Mapping[str, Any]) -> "Field":
        """The inverse of `entry`. Raises KeyError, TypeError or ValueError where it is none."""
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
    """On what to train, and when the trainer does it by itself. start, stop: the range of history, each an InfluxQL
    duration before now or an RFC 3339 time. every: how old a model may become, a duration; None: as old as it likes.
    on_drift: whether drift is a reason."""

    start: str
    stop: str
    every: str | None = None
    on_drift: bool = False

    @property
    def every_ns(self) -> int | None:
        """`every` in nanoseconds."""
        return None if self.every is None else parse_duration(self.every)


@dataclass(frozen=True, slots=True)
class Periods:
    """When a period opens and closes. Severities are 0 to 100, durations in InfluxQL's notation."""

    open: float
    close: float
    silence: str
    merge: str

    @property
    def silence_ns(self) -> int:
        """`silence` in nanoseconds."""
        return parse_duration(self.silence)

    @property
    def merge_ns(self) -> int:
        """`merge` in nanoseconds."""
        return parse_duration(self.merge)


@dataclass(frozen=True, slots=True)
class Drift:
    """How drift is judged. horizon: how far back the distribution of now reaches, a duration. psi: the population
    stability index from which on a feature has drifted."""

    horizon: str
    psi: float

    @property
    def horizon_ns(self) -> int:
        """`horizon` in nanoseconds."""
        return parse_duration(self.horizon)


@dataclass(frozen=True, slots=True)
class Alerts:
    """What is told, to the handlers of which topic, and from which peak severities on. kinds: some of ALERT_KINDS.
    topic: None means the stack's own."""

    kinds: tuple[str, ...]
    topic: str | None
    info: float
    warning: float
    critical: float


@dataclass(frozen=True)
class Pipeline:
    """One detection job. Made by `normalize` or `parse`, which check it; all defaults are filled in."""

    name: str
    database: str
    retention_policy: str
    measurement: str
    watched: tuple[Field, ...]
    group_by: tuple[str, ...]
    window: str
    aggregate: tuple[str, ...]
    missing: str
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
    def season_ns(self) -> int:
        """After how long what is usual recurs, in nanoseconds; a day, where the detector does not look at it."""
        return parse_duration(self.seasonality or DEFAULT_SEASONALITY)

    @property
    def windows_per_day(self) -> float:
        """How many windows a day has, for one series."""
        return 86_400e9 / self.window_ns

    @property
    def trains_itself(self) -> bool:
        """Whether the trainer looks after its models."""
        return self.enabled and (self.training.every is not None or self.training.on_drift)

    def as_dict(self) -> dict[str, Any]:
        """The mapping with all defaults filled in, as `normalize` takes it."""
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
            "detector": self.detector,
            "parameters": dict(self.parameters),
            **({} if self.seasonality is None else {"seasonality": self.seasonality}),
            "training": {
                "from": self.training.start,
                "to": self.training.stop,
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
            },
        }

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits of the SHA-256 over the keys that change features or scores."""
        text = canonical_json(_decisive(self.as_dict()))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """What another specification (a mapping, such as a manifest's) has different, of the fingerprinted keys."""
        mine, theirs = (_FINGERPRINTED_UNLESS | _decisive(mapping) for mapping in (self.as_dict(), other))
        return [
            f"{key}: {json.dumps(theirs.get(key))} in the model, {json.dumps(mine.get(key))} in the pipeline"
            for key in _FINGERPRINTED
            if theirs.get(key) != mine.get(key)
        ]


def _decisive(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """What is fingerprinted of a specification: without units, which change no score."""
    found = {
        key: mapping[key] for key in _FINGERPRINTED if key in mapping and mapping[key] != _FINGERPRINTED_UNLESS.get(key)
    }
    return {**found, "fields": unitless(found["fields"])} if "fields" in found else found


def unitless(fields: Iterable[str | Mapping[str, Any]]) -> list[str | dict[str, Any]]:
    """A specification's `fields` without their units."""
    return [Field.of(entry).entry(unit=False) for entry in fields]


def canonical_json(specification: Pipeline | Mapping[str, Any]) -> str:
    """One line of ASCII, keys sorted, no `'`: the same for equal pipelines, and safe inside TICKscript's '''...'''.

    A triple-quoted TICKscript string has no escapes of its own (kapacitor tick/ast/node.go, newString), so JSON's
    backslashes arrive as they are.
    """
    mapping = specification.as_dict() if isinstance(specification, Pipeline) else specification
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("'", "\\u0027")


def usual_severity(window_ns: int) -> float:
    """The severity that one window in twenty reaches: windows of a day are rare by being few."""
    return 50.0 + 12.5 * math.log10(20.0 * window_ns / 86_400e9)


def build(mapping: Mapping[str, Any]) -> Pipeline:
    """A Pipeline from a mapping whose types are right, with defaults filled in. Raises KeyError, TypeError or
    ValueError (DurationError) where they are not; `normalize` and `parse` turn that into messages."""
    window_ns = parse_duration(mapping["window"])
    training = mapping.get("training", {})
    periods = mapping.get("periods", {})
    drift = mapping.get("drift", {})
    alerts = mapping.get("alerts", {})
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
        detector=detector,
        parameters={**(description.defaults if description else {}), **mapping.get("parameters", {})},
        seasonality=None if seasonality is None else format_duration(parse_duration(seasonality)),
        enabled=mapping.get("enabled", True),
        kapacitor=mapping.get("kapacitor"),
        tickscript=mapping.get("tickscript"),
        training=Training(
            start=training.get("from", DEFAULT_FROM),
            stop=training.get("to", DEFAULT_TO),
            every=format_duration(parse_duration(training["every"])) if "every" in training else None,
            on_drift=training.get("on_drift", False),
        ),
        periods=Periods(
            open=float(periods.get("open", DEFAULT_OPEN if "close" in periods else max(DEFAULT_OPEN, close + 10.0))),
            close=close,
            silence=format_duration(parse_duration(periods["silence"]) if "silence" in periods else 6 * window_ns),
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
        ),
    )


DIRECTIONS = ("both", "high", "low")
# Aggregates that say how much a field's values differ, how many they are; the others say where they are.
SPREADS = frozenset({"stddev", "spread"})
SHAPES = SPREADS | {"count"}
DEFAULT_AGGREGATE = ("mean", "stddev")
DEFAULT_MISSING = "skip"
DEFAULT_DETECTOR = "ensemble"
DEFAULT_SEASONALITY = "1d"
DEFAULT_FROM = "24h"
DEFAULT_TO = "0s"
DEFAULT_OPEN = 75.0
DEFAULT_CLOSE = 50.0
# A day, so that what is usual at some hour is no drift.
DEFAULT_HORIZON_NS = 86_400_000_000_000
DEFAULT_PSI = 0.25
ALERT_KINDS = ("period", "silence", "drift")
# Every period, once in 1,000 days, once in 10,000 days.
DEFAULT_INFO = 0.0
DEFAULT_WARNING = 87.5
DEFAULT_CRITICAL = 100.0
