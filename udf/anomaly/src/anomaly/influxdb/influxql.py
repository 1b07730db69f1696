"""The training query: the windows of a pipeline, out of InfluxDB by InfluxQL; and what other queries are made of.

Text only; `anomaly.influx` sends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anomaly.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Column:
    """One selected column: `aggregate` of `field`, named `alias` in the answer."""

    field: str
    aggregate: str
    alias: str


def identifier(name: str) -> str:
    """`name` as a quoted InfluxQL identifier. Source: influxql.QuoteIdent escapes newline, backslash, double quote."""
    return '"' + name.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'


def literal(text: str) -> str:
    """`text` as an InfluxQL string. Source: influxql.QuoteString escapes newline, backslash, single quote."""
    return "'" + text.replace("\\", "\\\\").replace("\n", "\\n").replace("'", "\\'") + "'"


def columns(pipeline: Pipeline) -> list[Column]:
    """All columns in the query's order: every aggregate of every field, then the number of points of every field.

    Aliases are numbers (`a0`, `c0`), so that a field of any name cannot collide with another's alias. Counts serve to
    leave out windows that are cut off (`features.enough_points`).
    """
    pairs = [(field, aggregate) for field in pipeline.fields for aggregate in pipeline.aggregate]
    selected = [Column(field, aggregate, f"a{index}") for index, (field, aggregate) in enumerate(pairs)]
    return selected + [Column(field, "count", f"c{index}") for index, field in enumerate(pipeline.fields)]


def source(pipeline: Pipeline) -> str:
    """The measurement with its database and retention policy."""
    return ".".join(map(identifier, (pipeline.database, pipeline.retention_policy, pipeline.measurement)))


def training_query(pipeline: Pipeline, begin_ns: int, end_ns: int, key: Sequence[str] | None = None) -> str:
    """Every non-empty window of [begin_ns, end_ns), series by series, rows by time; of one series if `key` names it.

    The bounds must be window edges, or the first and last window would be cut off; raises ValueError if they are not.
    """
    for name, bound in (("begin", begin_ns), ("end", end_ns)):
        if bound % pipeline.window_ns:
            raise ValueError(f"{name} {bound} is not an edge of a {pipeline.window} window")
    selected = ", ".join(f"{c.aggregate}({identifier(c.field)}) AS {identifier(c.alias)}" for c in columns(pipeline))
    return (
        f"SELECT {selected} FROM {source(pipeline)} WHERE {between(begin_ns, end_ns)}{of_series(pipeline, key)}"
        f" GROUP BY time({pipeline.window}){by_tags(pipeline)} fill(none)"
    )


def field_keys_query(pipeline: Pipeline) -> str:
    """The source's fields and their types."""
    # SHOW FIELD KEYS takes a database by ON and a measurement without one.
    measurement = f"{identifier(pipeline.retention_policy)}.{identifier(pipeline.measurement)}"
    return f"SHOW FIELD KEYS ON {identifier(pipeline.database)} FROM {measurement}"


def results_query(
    measurement: str, fields: Sequence[str], pipeline: str, begin_ns: int, end_ns: int, model: str | None = None
) -> str:
    """Fields of a pipeline's results in [begin_ns, end_ns), series by series; of one model's only, if it is named."""
    selected = ", ".join(map(identifier, fields))
    of_model = f""" AND "model" = {literal(model)}""" if model is not None else ""
    return (
        f'SELECT {selected} FROM {identifier(measurement)} WHERE "pipeline" = {literal(pipeline)}'
        f" AND time >= {begin_ns} AND time < {end_ns}{of_model} GROUP BY *"
    )


def extent_query(pipeline: Pipeline, fields: Sequence[str], *, newest: bool) -> str:
    """The newest (or oldest) point that has any of `fields`."""
    selected = ", ".join(map(identifier, fields))
    return f"SELECT {selected} FROM {source(pipeline)} ORDER BY time {'DESC' if newest else 'ASC'} LIMIT 1"


def between(begin_ns: int, end_ns: int) -> str:
    """The condition [begin_ns, end_ns)."""
    return f"time >= {begin_ns} AND time < {end_ns}"


def of_series(pipeline: Pipeline, key: Sequence[str] | None) -> str:
    """More conditions: only one series; none if `key` is None."""
    # A tag that a series does not have equals ''.
    pairs = () if key is None else zip(pipeline.group_by, key, strict=True)
    return "".join(f" AND {identifier(tag)} = {literal(value)}" for tag, value in pairs)


def by_tags(pipeline: Pipeline) -> str:
    """What follows `GROUP BY time()`, so that each series is answered for itself."""
    return "".join(f", {identifier(tag)}" for tag in pipeline.group_by)
