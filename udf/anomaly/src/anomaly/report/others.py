"""Finds the series of all pipelines that moved at the time of a period, ranked.

A series moved if its severity reached the level at which its pipeline's periods close, and was higher than in as much
time before. InfluxDB ranks the series, so an answer has at most `MOST_OTHERS` rows, however many series there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import between, identifier, literal
from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import HOUR_NS
from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import Key

# The most series that InfluxDB ranks.
MOST_OTHERS = 50
# A longer period is compared by its first part, so that a query never reads more than this.
_MOST_NS = 6 * HOUR_NS
# A short period is looked at with this many windows around it, as series do not move in the same second.
_WINDOWS_AROUND = 3


@dataclass(frozen=True, slots=True)
class OtherSeries:
    """A series that moved at the time of a period.

    Attributes:
        pipeline: its pipeline.
        key: the values of its tags.
        worst: its highest severity in the time, 0 to 100.
        worst_ns: when it had that severity.
        before: its highest severity in as much time before; None without scores.
    """

    pipeline: Pipeline
    key: Key
    worst: float
    worst_ns: int
    before: float | None

    @property
    def rise(self) -> float:
        """By how much the severity rose."""
        return self.worst - (self.before or 0.0)


def around(period: TimeRange, window_ns: int) -> TimeRange:
    """Return the time in which others are looked for.

    Args:
        period: the time of the period.
        window_ns: the length of its pipeline's windows.
    """
    margin_ns = _WINDOWS_AROUND * window_ns
    begin_ns = period.begin_ns - margin_ns
    return TimeRange(begin_ns, min(period.end_ns + margin_ns, begin_ns + max(_MOST_NS, window_ns)))


def read_others(
    influx: InfluxClient, database: str, pipelines: Sequence[Pipeline], span: TimeRange, own: tuple[str, Key]
) -> list[OtherSeries]:
    """Read which series moved in a time, all pipelines together.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipelines: the pipelines to look at, their patterns resolved.
        span: the time, as `around` returns it.
        own: the series that is not looked for, by the name of its pipeline and its key.

    Returns:
        At most MOST_OTHERS series, the highest severity first, and the largest rise among equals.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    by_name = {pipeline.name: pipeline for pipeline in pipelines}
    tags = list(dict.fromkeys(tag for pipeline in pipelines for tag in pipeline.result_tags))
    least = min((pipeline.periods.close for pipeline in pipelines), default=0.0)
    length_ns = span.end_ns - span.begin_ns
    candidates = [
        (pipeline, key, time_ns, worst)
        for time_ns, worst, name, *values in _ranked(influx, database, tags, between(span.begin_ns, span.end_ns), least)
        if (pipeline := by_name.get(name)) is not None
        if worst >= pipeline.periods.close
        if (name, key := _key(pipeline, dict(zip(tags, values, strict=True)))) != own
    ]
    if not candidates:
        return []
    # Only series that are candidates are looked at again.
    named = " OR ".join(f"({_of(pipeline, key)})" for pipeline, key, _, _ in candidates)
    where = f"{between(span.begin_ns - length_ns, span.begin_ns)} AND ({named})"
    before = {
        (name, key): worst
        for _, worst, name, *values in _ranked(influx, database, tags, where, 0.0)
        if (pipeline := by_name.get(name)) is not None
        if (key := _key(pipeline, dict(zip(tags, values, strict=True)))) is not None
    }
    others = [
        OtherSeries(pipeline, key, worst, time_ns, before.get((pipeline.name, key)))
        for pipeline, key, time_ns, worst in candidates
    ]
    others.sort(key=lambda each: (-each.worst, -each.rise, each.pipeline.name, each.key))
    return [each for each in others if each.rise > 0.0]


def _ranked(
    influx: InfluxClient, database: str, tags: Sequence[str], where: str, least: float
) -> Iterator[Sequence[Any]]:
    """Yield the time, the severity, the pipeline and the tags of the series with the highest severities."""
    grouped = ", ".join(map(identifier, ("pipeline", *tags)))
    inner = f'SELECT max("severity") AS "worst" FROM "score" WHERE {where} GROUP BY {grouped}'
    query = f'SELECT top("worst", {grouped}, {MOST_OTHERS + 1}) FROM ({inner}) WHERE "worst" >= {least}'
    for chunk in influx.query(query, database):
        yield from chunk.rows


def _key(pipeline: Pipeline, values: Mapping[str, str | None]) -> Key:
    return tuple(values[tag] or "" for tag in pipeline.result_tags)


def _of(pipeline: Pipeline, key: Key) -> str:
    conditions = [("pipeline", pipeline.name), *zip(pipeline.result_tags, key, strict=True)]
    return " AND ".join(f"{identifier(tag)} = {literal(value)}" for tag, value in conditions)
