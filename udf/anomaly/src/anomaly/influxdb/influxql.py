"""InfluxQL as text: the query for a pipeline's windows, other queries, and the conditions that they are made of.

`anomaly.influxdb.client` sends the text. Aggregates that the query names are computed by InfluxDB;
`anomaly.windows.aggregates` computes the same ones from raw points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anomaly.pipeline import Pipeline
from anomaly.pipeline.filters import portable
from anomaly.windows.cut import cut_of

# How the aliases of the numbers of points begin.
_COUNT = "c"


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

    A pipeline that fills windows has the last value of every field, too. Aliases are numbers (`a0`, `c0`), so that a
    field of any name cannot collide with another's alias. The counts serve to leave out windows that are cut off
    (`anomaly.windows.completeness`).
    """
    pairs = [(field, aggregate) for field in pipeline.fields for aggregate in pipeline.aggregate]
    selected = [Column(field, aggregate, f"a{index}") for index, (field, aggregate) in enumerate(pairs)]
    selected += [Column(field, "count", f"{_COUNT}{index}") for index, field in enumerate(pipeline.fields)]
    if pipeline.fill.bound_ns:
        selected += [Column(field, "last", f"l{index}") for index, field in enumerate(pipeline.fields)]
    return selected


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


def training_query(pipeline: Pipeline, begin_ns: int, end_ns: int, key: Sequence[str] | None = None) -> str:
    """Return the query for every non-empty window of a range, series by series, rows in the order of time.

    Args:
        pipeline: the pipeline.
        begin_ns: where the range begins.
        end_ns: where it ends; all windows of the range have one length.
        key: the only series to ask for; None: all series.

    Raises:
        ValueError: a bound is not a window edge, so the first or last window would be cut off; or the windows of the
            range have several lengths.
    """
    return _by_windows(pipeline, columns(pipeline), begin_ns, end_ns, key)


def counts_query(pipeline: Pipeline, begin_ns: int, end_ns: int, key: Sequence[str] | None = None) -> str:
    """Return the query for the points of every field in each non-empty window, as `training_query` does."""
    counts = [column for column in columns(pipeline) if column.alias.startswith(_COUNT)]
    return _by_windows(pipeline, counts, begin_ns, end_ns, key)


def _by_windows(
    pipeline: Pipeline, columns: Sequence[Column], begin_ns: int, end_ns: int, key: Sequence[str] | None
) -> str:
    cut = cut_of(pipeline)
    for name, bound in (("begin", begin_ns), ("end", end_ns)):
        if bound != cut.begin(bound):
            raise ValueError(f"{name} {bound} is not an edge of a {pipeline.window} window")
    length = pipeline.window
    if cut.is_local:
        # InfluxQL's tz() splits and loses windows at a change of the clock (influxdb #9130, #20238, #25078).
        stretches = cut.stretches(begin_ns, end_ns)
        if len(stretches) != 1:
            wrong = "the windows of the range have several lengths" if stretches else "the range has no window"
            raise ValueError(f"{begin_ns} to {end_ns}: {wrong}")
        ((_, _, length_ns),) = stretches
        length = f"{length_ns}ns, {begin_ns % length_ns}ns"
    selected = ", ".join(f"{c.aggregate}({identifier(c.field)}) AS {identifier(c.alias)}" for c in columns)
    return (
        f"SELECT {selected} FROM {source(pipeline, key)}"
        f" WHERE {between(begin_ns, end_ns)}{watched(pipeline)}{of_source_series(pipeline, key)}"
        f" GROUP BY time({length}){by_tags(pipeline.point_tags)} fill(none)"
    )


def windows_query(pipeline: Pipeline, begin_ns: int, end_ns: int) -> str:
    """Return the queries by which the windows of a range are read, of all series, for people."""
    if pipeline.needs_points:
        return points_query(pipeline, begin_ns, end_ns)
    stretches = cut_of(pipeline).stretches(begin_ns, end_ns)
    return "; ".join(training_query(pipeline, first_ns, last_ns) for first_ns, last_ns, _ in stretches)


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
