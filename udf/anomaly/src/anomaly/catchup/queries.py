"""What a catch-up asks of InfluxDB, as text.

Results are in the default retention policy of their database, where a series has its own tags and the tag `pipeline`.
"""

from collections.abc import Sequence

from anomaly.influxdb.influxql import between, by_tags, identifier, literal, of_series, source
from anomaly.pipeline import Pipeline

PERIOD_FIELDS = ("begin_ms", "end_ms", "state", "peak_score", "peak_severity", "points", "reason", "model")


def source_counts(pipeline: Pipeline, begin_ns: int, end_ns: int, bucket_ns: int) -> str:
    """Return the query for how many points of each telling field each series has in each bucket that has any."""
    counts = ", ".join(f"count({identifier(field)})" for field in _telling(pipeline))
    return (
        f"SELECT {counts} FROM {source(pipeline)} WHERE {between(begin_ns, end_ns)}"
        f" GROUP BY time({bucket_ns}ns){by_tags(pipeline)} fill(none)"
    )


def newest(pipeline: Pipeline, begin_ns: int) -> str:
    """Return the query for each series' newest point since `begin_ns` that has a telling field."""
    fields = ", ".join(map(identifier, _telling(pipeline)))
    return (
        f"SELECT {fields} FROM {source(pipeline)} WHERE time >= {begin_ns}{_grouped(pipeline)}"
        " ORDER BY time DESC LIMIT 1"
    )


def score_counts(pipeline: Pipeline, begin_ns: int, end_ns: int, bucket_ns: int) -> str:
    """Return the query for how many scores each series has in each bucket that has any."""
    return (
        f'SELECT count("severity") FROM "score" WHERE {_mine(pipeline)} AND {between(begin_ns, end_ns)}'
        f" GROUP BY time({bucket_ns}ns){by_tags(pipeline)} fill(none)"
    )


def first_score(pipeline: Pipeline, begin_ns: int) -> str:
    """Return the query for the oldest score of any series since `begin_ns`."""
    return f'SELECT first("severity") FROM "score" WHERE {_mine(pipeline)} AND time >= {begin_ns}'


def first_score_of(pipeline: Pipeline, key: Sequence[str], model: str, end_ns: int) -> str:
    """Return the query for the oldest score of one series by one model before `end_ns`."""
    return (
        f'SELECT first("severity") FROM "score" WHERE {_mine(pipeline)} AND "model" = {literal(model)}'
        f" AND time < {end_ns}{of_series(pipeline, key)}"
    )


def scores(pipeline: Pipeline, key: Sequence[str], begin_ns: int, end_ns: int) -> str:
    """Return the query for label, model and suppressing mark of each score of one series, by time."""
    return (
        f'SELECT "label", "model", "feedback" FROM "score" WHERE {_mine(pipeline)} AND {between(begin_ns, end_ns)}'
        f"{of_series(pipeline, key)}"
    )


def open_periods(pipeline: Pipeline, begin_ns: int, end_ns: int) -> str:
    """Return the query for the ends of the open periods that begin in [begin_ns, end_ns), series by series."""
    return (
        f'SELECT "end_ms" FROM "period" WHERE {_mine(pipeline)} AND "state" = \'open\''
        f" AND {between(begin_ns, end_ns)}{_grouped(pipeline)}"
    )


def periods(pipeline: Pipeline, key: Sequence[str], begin_ns: int, end_ns: int) -> str:
    """Return the query for the periods of one series that begin in [begin_ns, end_ns), by time."""
    fields = ", ".join(map(identifier, PERIOD_FIELDS))
    where = f"{_mine(pipeline)} AND {between(begin_ns, end_ns)}{of_series(pipeline, key)}"
    return f'SELECT {fields} FROM "period" WHERE {where}'


def last_period(pipeline: Pipeline, key: Sequence[str], end_ns: int) -> str:
    """Return the query for the end of the last period of one series that begins before `end_ns`."""
    return (
        f'SELECT "end_ms" FROM "period" WHERE {_mine(pipeline)} AND time < {end_ns}{of_series(pipeline, key)}'
        " ORDER BY time DESC LIMIT 1"
    )


def remove_period(pipeline: Pipeline, key: Sequence[str], begin_ns: int) -> str:
    """Return the statement that removes the period of one series that begins at `begin_ns`."""
    where = f"{_mine(pipeline)} AND {between(begin_ns, begin_ns + 1)}{of_series(pipeline, key)}"
    return f'DELETE FROM "period" WHERE {where}'


def _telling(pipeline: Pipeline) -> tuple[str, ...]:
    """Return fields of which every scored window has at least one: the first alone where windows need all fields."""
    return pipeline.fields[:1] if pipeline.missing == "skip" else pipeline.fields


def _mine(pipeline: Pipeline) -> str:
    return f'"pipeline" = {literal(pipeline.name)}'


def _grouped(pipeline: Pipeline) -> str:
    return f" GROUP BY {', '.join(map(identifier, pipeline.group_by))}" if pipeline.group_by else ""
