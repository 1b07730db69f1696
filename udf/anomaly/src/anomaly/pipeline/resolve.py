"""Resolves the patterns of a pipeline to the names that its source has."""

import json
from collections.abc import Sequence

from anomaly.pipeline.patterns import NamePattern
from anomaly.pipeline.schema import load_schema
from anomaly.pipeline.source_keys import (
    BOOLEAN,
    MOST_TOLD,
    NUMERIC,
    STATES,
    SourceKeys,
    is_reserved,
    is_watched,
    reserved_field,
    told,
)
from anomaly.pipeline.specification import MEASUREMENT, Field, Pipeline
from anomaly.pipeline.validate import SpecError, normalize

# This many measurements are watched together at most, which is also the bound of a list of them.
_MOST_MEASUREMENTS = 64


def resolve(pipeline: Pipeline, keys: SourceKeys) -> Pipeline:
    """Return a pipeline without patterns: fields and tags that have names come first, then those that match, by name.

    A field is taken by the first entry that means it. Patterns mean numeric fields, and tags that InfluxQL can tell
    from a field.

    Args:
        pipeline: the pipeline; without patterns, it is returned as it is.
        keys: the names that its source has.

    Raises:
        SpecError: a pattern means nothing, or all of them together mean too much.
    """
    if not pipeline.patterns:
        return pipeline
    measurements, keys = _measured(pipeline, keys)
    problems = []
    numeric = sorted(
        name for name, types in keys.fields.items() if NUMERIC.intersection(types) and not reserved_field(name)
    )
    tags = sorted(tag for tag in keys.tags if tag not in keys.fields and not is_reserved(tag))
    if pipeline.is_by_measurement:
        # Series have the name of their measurement under it.
        tags = [tag for tag in tags if tag != MEASUREMENT]
    fields = {field.name: field.entry() for field in pipeline.watched}
    grouped = list(pipeline.point_tags)
    for pattern in pipeline.patterns.fields:
        meant = [name for name in numeric if pattern.holds(name)]
        problems += [] if meant else [_nothing("fields", pattern, "numeric fields", numeric)]
        for name in meant:
            fields.setdefault(name, Field.of({"name": name, **pattern.settings}).entry())
    for pattern in pipeline.patterns.tags:
        meant = [tag for tag in tags if pattern.holds(tag)]
        problems += [] if meant else [_nothing("group_by", pattern, "tags", tags)]
        grouped += [tag for tag in meant if tag not in grouped]
    bounds = load_schema()["properties"]
    for key, names in (("fields", list(fields)), ("group_by", grouped)):
        most = bounds[key]["maxItems"]
        if len(names) > most:
            problems.append(
                f"{key}: means {len(names)} names ({told(names)}): at most {most} are possible: leave some out by "
                "`not` or `not_matches`, or split the pipeline"
            )
    if problems:
        raise SpecError([f"pipeline {pipeline.name}: {problem}" for problem in problems])
    resolved = {
        "measurement": measurements or pipeline.measurement,
        "fields": list(fields.values()),
        "group_by": grouped,
    }
    try:
        return normalize([{**pipeline.as_dict(), **resolved}])[0]
    except SpecError as error:
        # Nobody knows here which place in the inventory's list the pipeline has.
        place = f"pipelines[0] {json.dumps(pipeline.name)}"
        problems = [f"pipeline {pipeline.name}{problem.removeprefix(place)}" for problem in error.problems]
        raise SpecError(problems) from None


def meant(pipeline: Pipeline) -> str:
    """Return a sentence that says what the patterns of a pipeline have been resolved to."""
    names = [
        f"measurements {told(pipeline.measurements)}" if len(pipeline.measurements) > 1 else "",
        f"fields {told(pipeline.fields)}",
        f"tags {told(pipeline.point_tags)}" if pipeline.point_tags else "",
    ]
    return f"pipeline {pipeline.name}: its patterns mean the {', the '.join(filter(None, names))}"


def left_out(pipeline: Pipeline, keys: SourceKeys) -> list[str]:
    """Return a sentence for each kind of names that match a pattern and cannot be watched or grouped by.

    Names that a pipeline lists, or leaves out itself by `not` or `not_matches`, are not told.

    Args:
        pipeline: the pipeline, with its patterns.
        keys: the names that its source has.

    Raises:
        SpecError: the pattern of measurements means nothing, or too much.
    """
    _, keys = _measured(pipeline, keys)
    fields = [
        name
        for name in sorted(keys.fields)
        if name not in pipeline.fields and _is_meant(pipeline.patterns.fields, name)
    ]
    kept = [name for name in fields if reserved_field(name)]
    others = [name for name in fields if NUMERIC.isdisjoint(keys.fields[name]) and name not in kept]
    tags = [
        tag for tag in sorted(keys.tags) if tag not in pipeline.point_tags and _is_meant(pipeline.patterns.tags, tag)
    ]
    texts = [name for name in others if BOOLEAN not in keys.fields[name]]
    booleans = [name for name in others if BOOLEAN in keys.fields[name]]
    hidden = [tag for tag in tags if is_reserved(tag)]
    alike = [tag for tag in tags if tag in keys.fields and tag not in hidden]
    measured = [tag for tag in tags if tag == MEASUREMENT and pipeline.is_by_measurement and tag not in alike]
    return [
        f"{key}: {len(names)} {kind}{'s' if len(names) > 1 else ''} {why} left out ({told(names)}): {fix}, or leave "
        f"{'them' if len(names) > 1 else 'it'} out by {_by_not(names)}"
        for key, names, kind, why, fix in (
            ("fields", texts, "field", "of strings", STATES),
            ("fields", booleans, "field", "of booleans", "list what is to count as 0 and 1 by its name"),
            ("fields", kept, "field", "with a reserved name", "rename such a field at the source"),
            ("group_by", hidden, "tag", "with a reserved name", "rename such a tag at the source"),
            ("group_by", alike, "tag", "with the name of a field", "rename one of both at the source"),
            ("group_by", measured, "tag", "with the name that tells measurements apart", "rename it at the source"),
        )
        if names
    ]


def _by_not(names: Sequence[str]) -> str:
    """Return the key that leaves names out, with the names where they are few."""
    return f"`not: [{', '.join(names)}]`" if len(names) <= MOST_TOLD else "`not`"


def _is_meant(patterns: Sequence[NamePattern], name: str) -> bool:
    """Return whether one of the patterns means a name."""
    return any(pattern.holds(name) for pattern in patterns)


def _measured(pipeline: Pipeline, keys: SourceKeys) -> tuple[list[str], SourceKeys]:
    """Return the measurements that a pipeline lists or describes, and the names that they have together.

    Raises:
        SpecError: the pattern means nothing, or too much.
    """
    measurements = list(pipeline.measurements)
    if pipeline.patterns.measurement is not None:
        measurements = _measurements(pipeline, pipeline.patterns.measurement, keys)
    return measurements, keys.of_measurements(measurements) if pipeline.is_by_measurement else keys


def _measurements(pipeline: Pipeline, pattern: NamePattern, keys: SourceKeys) -> list[str]:
    """Return the measurements that a pattern means.

    A measurement that has none of the pipeline's fields is not meant: it would never have a window.

    Raises:
        SpecError: the pattern means nothing, or too much.
    """
    matching = sorted(filter(pattern.holds, keys.measurements))
    meant = [name for name in matching if is_watched(pipeline, keys.measurements[name])]
    problem = ""
    if not matching:
        known = f"{pipeline.database}.{pipeline.retention_policy} has {told(sorted(keys.measurements)) or 'none'}"
        problem = f"means nothing ({known}): correct the pattern"
    elif not meant:
        problem = f"means {told(matching)}, and none of them has a field of `fields`: correct one of both"
    elif len(meant) > _MOST_MEASUREMENTS:
        most = f"at most {_MOST_MEASUREMENTS} are possible"
        problem = f"means {len(meant)} names ({told(meant)}): {most}: narrow it, or split the pipeline"
    if problem:
        raise SpecError([f"pipeline {pipeline.name}: measurement: {pipeline.measured} {problem}"])
    return meant


def changes(before: Pipeline, now: Pipeline) -> list[str]:
    """Return what the patterns of a pipeline mean now and did not mean before, and the other way round.

    Args:
        before: the pipeline as it was resolved before.
        now: the pipeline as it is resolved now.
    """
    sentences = []
    for key, old, new in (
        ("measurement", before.measurements, now.measurements),
        ("fields", before.fields, now.fields),
        ("group_by", before.group_by, now.group_by),
    ):
        sentences += [f"{key} now means {told(sorted(set(new) - set(old)))} as well"] if set(new) - set(old) else []
        sentences += (
            [f"{key} does not mean {told(sorted(set(old) - set(new)))} any more"] if set(old) - set(new) else []
        )
    return sentences


def _nothing(key: str, pattern: NamePattern, kind: str, names: Sequence[str]) -> str:
    known = f"the source has {told(names)}" if names else "the source has none"
    return f"{key}: {pattern} of the {kind} means nothing ({known}): correct the pattern"
