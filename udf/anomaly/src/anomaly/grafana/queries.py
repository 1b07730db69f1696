"""InfluxQL for panels: every query keeps to the time that is shown, and to as many rows as can be shown.

`$timeFilter` and `$__interval` are Grafana's. It fills in the first `$timeFilter` of a variable's or an annotation's
query only, so no query has two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anomaly.influxdb.influxql import by_tags, identifier, literal
from anomaly.pipeline import Pipeline
from anomaly.pipeline.dashboard import tag_variable

# The most lines of a chart, rows of a table, and entries of a list of choices.
MOST_LINES = 20
MOST_ROWS = 200
MOST_CHOICES = 1_000
_TIME = "$timeFilter"


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel.

    Attributes:
        text: InfluxQL with Grafana's variables.
        alias: how each series is named; `$col` is the column, `[[tag_x]]` a tag.
        is_table: whether the answer is rows, and not series over time.
    """

    text: str
    alias: str = ""
    is_table: bool = False


def of_pipeline(name: str) -> str:
    """Return the condition that results are of a pipeline."""
    return f'"pipeline" = {literal(name)}'


def of_chosen(pipeline: Pipeline) -> list[str]:
    """Return the conditions that results are of the pipeline and of the series that the variables choose."""
    chosen = [f"{identifier(tag)} =~ /^${tag_variable(at)}$/" for at, tag in enumerate(pipeline.result_tags)]
    return [of_pipeline(pipeline.name), *chosen]


def over_time(
    select: str, measurement: str, conditions: Sequence[str] = (), tags: Sequence[str] = (), alias: str = "$col"
) -> Query:
    """Return a query for one point for each interval that is shown, of at most MOST_LINES series.

    Args:
        select: the selected aggregates.
        measurement: the measurement of the results.
        conditions: conditions beside that on the time.
        tags: the tags that tell series apart; empty: all series are one.
        alias: how each series is named.
    """
    limit = f" SLIMIT {MOST_LINES}" if tags else ""
    return Query(
        f"SELECT {select} FROM {identifier(measurement)}{_where(conditions)}"
        f" GROUP BY time($__interval){by_tags(tags)} fill(none){limit}",
        alias,
    )


def newest(
    columns: Sequence[str],
    measurement: str,
    conditions: Sequence[str] = (),
    most: int = MOST_ROWS,
    *,
    computed: Mapping[str, str] | None = None,
) -> Query:
    """Return a query for the newest points as rows.

    Args:
        columns: names of fields and tags.
        measurement: the measurement of the results.
        conditions: conditions beside that on the time.
        most: how many rows.
        computed: columns before these, and what each is computed from.
    """
    selected = ", ".join(
        [*(f"{what} AS {identifier(name)}" for name, what in (computed or {}).items()), *map(identifier, columns)]
    )
    return Query(
        f"SELECT {selected} FROM {identifier(measurement)}{_where(conditions)} ORDER BY time DESC LIMIT {most}",
        is_table=True,
    )


def for_each(select: str, measurement: str, tags: Sequence[str], conditions: Sequence[str] = ()) -> Query:
    """Return a query for one row for each combination of tags, at most MOST_ROWS.

    Args:
        select: the selected aggregates.
        measurement: the measurement of the results.
        tags: the tags; empty: all points make one row.
        conditions: conditions beside that on the time.
    """
    grouped = f" GROUP BY {by_tags(tags).removeprefix(', ')} SLIMIT {MOST_ROWS}" if tags else ""
    return Query(f"SELECT {select} FROM {identifier(measurement)}{_where(conditions)}{grouped}", is_table=True)


def failing_first() -> Query:
    """Return a query for the last finding of each check of the keeper, those that fail before those that do not.

    A limit on the series would take them by their names, and leave out failing checks of a stack with many pipelines.
    """
    inner = f'SELECT last("ok") AS "ok", "text" FROM "health"{_where([])} GROUP BY "check", "pipeline"'
    return Query(f'SELECT bottom("ok", "check", "pipeline", {MOST_ROWS}) AS "ok", "text" FROM ({inner})', is_table=True)


def worst_series(pipeline: Pipeline) -> Query:
    """Return a query for the series with the highest severities."""
    inner = f'SELECT max("severity") AS "worst" FROM "score"{_where([of_pipeline(pipeline.name)])}'
    if not pipeline.result_tags:
        return Query(inner, is_table=True)
    tags = by_tags(pipeline.result_tags)
    return Query(
        f'SELECT top("worst"{tags}, {MOST_LINES}) AS "worst" FROM ({inner} GROUP BY {tags.removeprefix(", ")})',
        is_table=True,
    )


def choices(tag: str, pipeline: str) -> str:
    """Return the query for the values of a tag that the scores of a pipeline have in the time shown."""
    where = f"{of_pipeline(pipeline)} AND {_TIME}"
    return f'SHOW TAG VALUES FROM "score" WITH KEY = {identifier(tag)} WHERE {where} LIMIT {MOST_CHOICES}'


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join([*conditions, _TIME])}"
