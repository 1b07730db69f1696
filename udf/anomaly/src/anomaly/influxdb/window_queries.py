"""The InfluxQL for a pipeline's windows.

Aggregates that a query names are computed by InfluxDB; `anomaly.windows.aggregates` computes the same ones from raw
points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anomaly.influxdb.influxql import between, by_tags, identifier, of_source_series, points_query, source, watched
from anomaly.pipeline import Pipeline
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
