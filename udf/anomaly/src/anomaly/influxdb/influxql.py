"""InfluxQL as text: queries, and the conditions that they are made of.

`anomaly.influxdb.client` sends the text. `anomaly.influxdb.window_queries` has what asks for a pipeline's windows, and
needs numpy; the controller, which has none, makes dashboards with this module.
"""

from collections.abc import Sequence

from anomaly.pipeline import Pipeline
from anomaly.pipeline.filters import portable


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


def source(pipeline: Pipeline, key: Sequence[str] | None = None) -> str:
    """Return the pipeline's measurements with their database and retention policy.

    Args:
        pipeline: the pipeline.
        key: the only series that is asked for; None: all series.
    """
    if pipeline.patterns.measurement is not None:
        place = ".".join(map(identifier, (pipeline.database, pipeline.retention_policy)))
        return f"{place}./{portable(pipeline.patterns.measurement.condition.matches or '')}/"
    names = pipeline.measurements if key is None else key[:1]
    return ", ".join(
        ".".join(map(identifier, (pipeline.database, pipeline.retention_policy, name)))
        for name in (names if pipeline.measurements else (pipeline.measurement,))
    )


def points_query(pipeline: Pipeline, begin_ns: int, end_ns: int, key: Sequence[str] | None = None) -> str:
    """Return the query for the points of a range, source by source, rows in the order of time.

    Args:
        pipeline: the pipeline.
        begin_ns: where the range begins.
        end_ns: where it ends.
        key: the only series to ask for; None: all series.
    """
    selected = ", ".join(map(identifier, pipeline.sources))
    return (
        f"SELECT {selected} FROM {source(pipeline, key)} WHERE {between(begin_ns, end_ns)}{watched(pipeline)}"
        f"{of_source_series(pipeline, key)} GROUP BY *"
    )


def last_value_query(
    pipeline: Pipeline, field: str, begin_ns: int, end_ns: int, key: Sequence[str] | None = None
) -> str:
    """Return the query for time and value of the last point of a field in a range, series by series.

    Args:
        pipeline: the pipeline.
        field: the field.
        begin_ns: where the range begins.
        end_ns: where it ends.
        key: the only series to ask for; None: all series.
    """
    grouped = f" GROUP BY {', '.join(map(identifier, pipeline.point_tags))}" if pipeline.point_tags else ""
    return (
        f"SELECT last({identifier(field)}) FROM {source(pipeline, key)} WHERE {between(begin_ns, end_ns)}"
        f"{watched(pipeline)}{of_source_series(pipeline, key)}{grouped}"
    )


def field_keys_query(pipeline: Pipeline) -> str:
    """Return the query for the source's fields and their types."""
    return f"SHOW FIELD KEYS {_on_source(pipeline)}"


def tag_keys_query(pipeline: Pipeline) -> str:
    """Return the query for the source's tags."""
    return f"SHOW TAG KEYS {_on_source(pipeline)}"


def _on_source(pipeline: Pipeline) -> str:
    """Return the source as SHOW ... KEYS takes it: the database by ON, and the measurement without it.

    Where there may be several measurements, it is all those of the retention policy, as what is not there is told, too.
    """
    measurement = "/.*/" if pipeline.is_by_measurement else identifier(pipeline.measurement)
    return f"ON {identifier(pipeline.database)} FROM {identifier(pipeline.retention_policy)}.{measurement}"


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
    where = watched(pipeline).replace(" AND ", " WHERE ", 1)
    return f"SELECT {selected} FROM {source(pipeline)}{where} ORDER BY time {'DESC' if newest else 'ASC'} LIMIT 1"


def between(begin_ns: int, end_ns: int) -> str:
    """Return the condition that the time is in [begin_ns, end_ns)."""
    return f"time >= {begin_ns} AND time < {end_ns}"


def watched(pipeline: Pipeline) -> str:
    """Return the conditions of the pipeline's `where`, each led by AND; empty without any."""
    # The cast keeps a field of the same name out of it. A tag that a point lacks equals ''.
    return "".join(
        f" AND {expression}"
        for condition in pipeline.where.conditions
        for expression in condition.expressions(f"{identifier(condition.tag)}::tag", literal, "=")
    )


def of_source_series(pipeline: Pipeline, key: Sequence[str] | None) -> str:
    """Return the conditions that select one series in the source, as `of_series` does; `source` has its measurement."""
    return of_series(pipeline.point_tags, key[1:] if key is not None and pipeline.measurements else key)


def of_series(tags: Sequence[str], key: Sequence[str] | None) -> str:
    """Return the conditions that select one series, each led by AND; empty if `key` is None.

    Args:
        tags: the names of the series' tags: a pipeline's `point_tags` in its source, its `result_tags` in results.
        key: the values of these tags.
    """
    # A tag that a series does not have equals ''.
    pairs = () if key is None else zip(tags, key, strict=True)
    return "".join(f" AND {identifier(tag)} = {literal(value)}" for tag, value in pairs)


def by_tags(tags: Sequence[str]) -> str:
    """Return what follows `GROUP BY time()`, so that the answer has each series by itself.

    Args:
        tags: the names of the series' tags, as `of_series` takes them.
    """
    return "".join(f", {identifier(tag)}" for tag in tags)
