"""What a pipeline names, compared with what its source has: measurements, fields and tags.

InfluxDB takes a tag that no point has for an empty one. So a wrong name in `group_by` makes one series of all, and one
in `where` watches nothing or everything, without an error. Training, backtests and the verification ask for the names
that there are, and refuse others.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from anomaly.pipeline.filters import TagCondition
from anomaly.pipeline.hints import hint
from anomaly.pipeline.specification import Pipeline

# The name under which the script hands the UDF whether a point can be read.
READABLE = "_readable"
# The types of fields that patterns mean.
NUMERIC = frozenset({"float", "integer", "unsigned"})
# A field of this type counts as 0 and 1.
BOOLEAN = "boolean"
# The types of fields that pipelines watch.
_WATCHED = NUMERIC | {BOOLEAN}
# What to do with a field of strings: Telegraf, which most people write with, makes numbers of it.
STATES = (
    "write a number for each state at the source, such as by Telegraf's processors.enum, and watch that number with "
    "`aggregate: [min, max]`"
)
# This many names are told of many.
MOST_TOLD = 8


@dataclass(frozen=True, slots=True)
class SourceKeys:
    """The names that a measurement has, or that several have together.

    Attributes:
        fields: the types of each field, by its name; a field has several where shards or measurements differ.
        tags: the names of the tags.
        measurements: the names that each measurement of the retention policy has, for a pipeline of several.
    """

    fields: Mapping[str, Collection[str]] = field(default_factory=dict)
    tags: Collection[str] = ()
    measurements: Mapping[str, "SourceKeys"] = field(default_factory=dict)

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> "SourceKeys":
        """Return the names in a mapping of what the attributes are called, such as one out of JSON."""
        measurements = {name: cls.of(each) for name, each in mapping.get("measurements", {}).items()}
        return cls(mapping.get("fields", {}), mapping.get("tags", ()), measurements)

    def of_measurements(self, names: Iterable[str]) -> "SourceKeys":
        """Return the names that some of the measurements have together."""
        parts = [self.measurements[name] for name in names if name in self.measurements]
        fields: dict[str, set[str]] = {}
        for part in parts:
            for name, types in part.fields.items():
                fields.setdefault(name, set()).update(types)
        return SourceKeys(fields, {tag for part in parts for tag in part.tags}, self.measurements)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been written to the source."""
        return not (self.fields or self.measurements)


def is_reserved(tag: str) -> bool:
    """Return whether InfluxDB keeps a name of a tag for itself."""
    return tag == "time" or tag.startswith("_")


def reserved_field(name: str) -> str:
    """Return why no field of this name can be watched; empty where one can."""
    if name == "time":
        return "is the point's timestamp, not a field: name a field"
    return (
        "is a name that the pipeline's script uses itself: rename the field at its source" if name == READABLE else ""
    )


def source_problems(pipeline: Pipeline, keys: SourceKeys) -> Iterator[str]:
    """Yield a sentence for each name of a pipeline that its source does not have, with what to do."""
    if pipeline.measurements:
        for name in pipeline.measurements:
            if name not in keys.measurements:
                yield _no_measurement(pipeline, name, keys)
    keys = _measured_keys(pipeline, keys)
    if not keys.fields:
        if pipeline.measurements:
            return
        yield (
            f"measurement {pipeline.measured!r} has no fields in {pipeline.database}.{pipeline.retention_policy}: "
            "check `measurement` and `retention_policy`, and that something writes to it"
        )
        return
    for name in pipeline.sources:
        if name not in keys.fields:
            known = ", ".join(sorted(keys.fields))
            yield f"measurement {pipeline.measured!r} has no field {name!r} (it has {known}): check `fields`"
        elif _WATCHED.isdisjoint(keys.fields[name]):
            types = " and ".join(sorted(keys.fields[name]))
            yield f"field {name!r} holds {types}, not numbers: remove it from `fields`, or {STATES}"
    for watched in pipeline.watched:
        if watched.rate is not None and any(set(keys.fields.get(name, ())) == {BOOLEAN} for name in watched.sources):
            yield f"field {watched.name!r} has the rate of booleans, which count nothing: remove its `rate`"
    for tag in pipeline.point_tags:
        if tag not in keys.tags:
            yield _no_tag(pipeline, "group_by", tag, keys)
    for condition in pipeline.where.conditions:
        if condition.tag not in keys.tags and not _is_absence(condition):
            yield _no_tag(pipeline, "where", condition.tag, keys)


def source_notes(pipeline: Pipeline, keys: SourceKeys) -> Iterator[str]:
    """Yield a sentence for each tag that must be absent and may be a typing error, as another one is nearly called so.

    Names such as `device` and `device_name` are both right, so these are not refused.
    """
    keys = _measured_keys(pipeline, keys)
    for condition in pipeline.where.conditions:
        if condition.tag not in keys.tags and _is_absence(condition) and _near(condition.tag, keys):
            yield _no_tag(pipeline, "where", condition.tag, keys)


def booleans(pipeline: Pipeline, keys: SourceKeys) -> frozenset[str]:
    """Return those of a pipeline's fields in InfluxDB that hold booleans and no numbers."""
    if pipeline.measurements:
        keys = keys.of_measurements(pipeline.measurements)
    return frozenset(name for name in pipeline.sources if BOOLEAN in keys.fields.get(name, ()))


def is_watched(pipeline: Pipeline, keys: SourceKeys) -> bool:
    """Return whether a measurement has one of the fields that a pipeline watches, with values that count.

    Args:
        pipeline: the pipeline, whose patterns need not be resolved.
        keys: the names that the measurement has.
    """
    named = any(not _WATCHED.isdisjoint(keys.fields.get(name, ())) for name in pipeline.sources)
    return named or any(
        pattern.holds(name)
        for name, types in keys.fields.items()
        if not NUMERIC.isdisjoint(types)
        for pattern in pipeline.patterns.fields
    )


def told(names: Collection[str]) -> str:
    """Return names for people: the first of them, and how many more there are."""
    shown = ", ".join(list(names)[:MOST_TOLD])
    return shown if len(names) <= MOST_TOLD else f"{shown} and {len(names) - MOST_TOLD} more"


def _no_measurement(pipeline: Pipeline, name: str, keys: SourceKeys) -> str:
    """Return the sentence about a measurement that is not there."""
    known = f"it has {told(sorted(keys.measurements))}" if keys.measurements else "it has none"
    fix = hint(name, keys.measurements, "check `measurement`, and that something writes to it")
    return f"{pipeline.database}.{pipeline.retention_policy} has no measurement {name!r} ({known}): {fix}"


def _measured_keys(pipeline: Pipeline, keys: SourceKeys) -> SourceKeys:
    """Return the names that the measurements of a pipeline have, of those of its source."""
    if pipeline.measurements:
        return keys.of_measurements(pipeline.measurements)
    if pipeline.patterns.measurement is not None:
        return keys.of_measurements(filter(pipeline.patterns.measurement.holds, keys.measurements))
    return keys


def _is_absence(condition: TagCondition) -> bool:
    """Return whether a condition asks for points without a tag, which may be meant before the first point has it."""
    return condition == TagCondition(condition.tag, present=False)


def _near(tag: str, keys: SourceKeys) -> list[str]:
    """Return the tag whose name is close to one that no point has, or nothing."""
    return difflib.get_close_matches(tag, keys.tags, n=1)


def _no_tag(pipeline: Pipeline, key: str, tag: str, keys: SourceKeys) -> str:
    """Return the sentence about a tag that no point has."""
    known = f"it has {', '.join(sorted(keys.tags))}" if keys.tags else "it has no tags"
    close = _near(tag, keys)
    if tag in keys.fields:
        fix = f"{tag!r} is a field: write it as a tag at its source, or name a tag in `{key}`"
    elif close:
        fix = f"did you mean {close[0]!r} in `{key}`?"
    else:
        fix = f"check `{key}`"
    return f"no point of measurement {pipeline.measured!r} has a tag {tag!r} ({known}): {fix}"
