"""What a task hands its UDF of each point: the fields that the pipeline reads, and all tags.

Kapacitor cannot hand a UDF text that is not UTF-8: one such tag or field ends the task. So the script keeps the fields
that nobody watches away from the UDF, and drops points whose series cannot be read, whose watched fields have such a
text, or that the pipeline's `where` leaves out. InfluxDB drops a point with a text in a field of numbers as well. The
names are data of the script's vars, never part of its text.

Tags stay, because they tell points of one time apart: InfluxDB takes two points with equal tags and times for one.

A lambda fails where a point lacks a field that the lambda names, and so would lose the point. Kapacitor's |eval keeps
the value of a name that a lambda before had, though, where the point has none (expr.go, fillScope). So the lambdas of
`reading` give each name an empty text first. A watched field that a point lacks is an empty text for the UDF, and a tag
that it lacks is an empty text for a condition, as it is in InfluxQL.
"""

from dataclasses import dataclass

from anomaly.pipeline import Pipeline
from anomaly.pipeline.source_keys import READABLE

EMPTY = "''"
# What Go makes of bytes that are not UTF-8, and what is written where such text was repaired before.
_UNREADABLE = "\ufffd"


@dataclass(frozen=True, slots=True)
class Reading:
    """Lambdas of a point, each with the name of its value; a later value replaces an earlier one of its name.

    Attributes:
        lambdas: TICKscript expressions.
        names: the name of each expression's value.
        kept: the names of the values that are handed on as fields.
    """

    lambdas: tuple[str, ...]
    names: tuple[str, ...]
    kept: tuple[str, ...]


def reading(pipeline: Pipeline) -> Reading:
    """Return what the script of a pipeline reads of each point.

    Args:
        pipeline: the pipeline.
    """
    tags, fields = tuple(dict.fromkeys((*pipeline.point_tags, *pipeline.where.tags))), pipeline.sources
    # A field may have any type, and the function takes texts.
    texts = (*map(_reference, tags), *(f"string({_reference(field)})" for field in fields))
    tests = [f"!strContainsAny({text}, '{_UNREADABLE}')" for text in texts]
    for condition in pipeline.where.conditions:
        tests += condition.expressions(_reference(condition.tag), _text, "==")
    readable = " AND ".join(tests) or "TRUE"
    return Reading(
        lambdas=(*(EMPTY for _ in (*tags, *fields)), *map(_reference, fields), readable),
        names=(*tags, *fields, *fields, READABLE),
        kept=(*fields, READABLE),
    )


def _text(value: str) -> str:
    """Return a text as a string of TICKscript, which has one escape (tick/ast/node.go, newString).

    The schema refuses values that end in a backslash, which could not stand before the closing quote.
    """
    escaped = value.replace("'", "\\'")
    return f"'{escaped}'"


def _reference(name: str) -> str:
    """Return the expression of a field or tag; Kapacitor knows one escape in it (tick/ast/node.go, newReference)."""
    quoted = name.replace('"', '\\"')
    return f'"{quoted}"'
