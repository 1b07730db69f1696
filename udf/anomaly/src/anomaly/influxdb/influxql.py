"""InfluxQL as text: the query for a pipeline's windows, other queries, and the conditions that they are made of.

`anomaly.influxdb.client` sends the text. Aggregates that the query names are computed by InfluxDB;
`anomaly.windows.aggregates` computes the same ones from raw points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anomaly.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Column:
    """One selected column.

    Attributes:
        field: the field.
        aggregate: the aggregate of the field.
        alias: the column's name in the answer.
    """

    field: str
    aggregate: str
    alias: str


def identifier(name: str) -> str:
    """Return a name as a quoted InfluxQL identifier.

    Source: `QuoteIdent` in github.com/influxdata/influxql escapes newline, backslash and double quote.
    """
    return '"' + name.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'


def literal(text: str) -> str:
    """Return a text as an InfluxQL string.

    Source: `QuoteString` in github.com/influxdata/influxql escapes newline, backslash and single quote.
    """
    return "'" + text.replace("\\", "\\\\").replace("\n", "\\n").replace("'", "\\'") + "'"


def columns(pipeline: Pipeline) -> list[Column]:
    """Return the columns of `training_query`: every aggregate of every field, then the points of every field.

    Aliases are numbers (`a0`, `c0`), so that a field of any name cannot collide with another's alias. The counts serve
    to leave out windows that are cut off (`anomaly.windows.completeness`).
    """
    pairs = [(field, aggregate) for field in pipeline.fields for aggregate in pipeline.aggregate]
    selected = [Column(field, aggregate, f"a{index}") for index, (field, aggregate) in enumerate(pairs)]
    return selected + [Column(field, "count", f"c{index}") for index, field in enumerate(pipeline.fields)]


def source(pipeline: Pipeline) -> str:
    """Return the pipeline's measurement with its database and retention policy."""
    return ".".join(map(identifier, (pipeline.database, pipeline.retention_policy, pipeline.measurement)))


def training_query(pipeline: Pipeline, begin_ns: int, end_ns: int, key: Sequence[str] | None = None) -> str:
    """Return the query for every non-empty window of a range, series by series, rows in the order of time.

    Args:
        pipeline: the pipeline.
        begin_ns: where the range begins.
        end_ns: where it ends.
        key: the only series to ask for; None: all series.

    Raises:
        ValueError: a bound is not a window edge; the first or last window would be cut off.
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
    """Return the query for the source's fields and their types."""
    # SHOW FIELD KEYS takes a database by ON and a measurement without one.
    measurement = f"{identifier(pipeline.retention_policy)}.{identifier(pipeline.measurement)}"
    return f"SHOW FIELD KEYS ON {identifier(pipeline.database)} FROM {measurement}"


def results_query(
    measurement: str, fields: Sequence[str], pipeline: str, begin_ns: int, end_ns: int, model: str | None = None
) -> str:
    """Return the query for fields of a pipeline's results, series by series.

    Args:
        measurement: the measurement of the results.
        fields: the fields to select.
        pipeline: the pipeline's name.
        begin_ns: where the results begin.
        end_ns: where they end.
        model: the only version whose results are asked for; None: all versions.
    """
    selected = ", ".join(map(identifier, fields))
    of_model = f""" AND "model" = {literal(model)}""" if model is not None else ""
    return (
        f'SELECT {selected} FROM {identifier(measurement)} WHERE "pipeline" = {literal(pipeline)}'
        f" AND time >= {begin_ns} AND time < {end_ns}{of_model} GROUP BY *"
    )


def extent_query(pipeline: Pipeline, fields: Sequence[str], *, newest: bool) -> str:
    """Return the query for the newest point, or the oldest, that has any of the fields."""
    selected = ", ".join(map(identifier, fields))
    return f"SELECT {selected} FROM {source(pipeline)} ORDER BY time {'DESC' if newest else 'ASC'} LIMIT 1"


def between(begin_ns: int, end_ns: int) -> str:
    """Return the condition that the time is in [begin_ns, end_ns)."""
    return f"time >= {begin_ns} AND time < {end_ns}"


def of_series(pipeline: Pipeline, key: Sequence[str] | None) -> str:
    """Return the conditions that select one series, each led by AND; empty if `key` is None."""
    # A tag that a series does not have equals ''.
    pairs = () if key is None else zip(pipeline.group_by, key, strict=True)
    return "".join(f" AND {identifier(tag)} = {literal(value)}" for tag, value in pairs)


def by_tags(pipeline: Pipeline) -> str:
    """Return what follows `GROUP BY time()`, so that the answer has each series by itself."""
    return "".join(f", {identifier(tag)}" for tag in pipeline.group_by)
