"""Retention of results: old scores and figures are removed; periods, notices and marks stay for ever.

InfluxDB's own retention is a property of a retention policy, not of a measurement. Scores in a policy of their own
would have another name for everything that reads them, and what is stored already would stay where it is. So old
results are deleted where they are. A shard without scores shrinks when InfluxDB compacts it again, some hours later.

Whole weeks are deleted, from Monday to Monday (UTC) as InfluxDB cuts its shards by default, so each shard is compacted
again only once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import identifier, literal
from anomaly.influxdb.marks import read_feedback
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import FALSE_ALARM, Mark
from anomaly.windows.cut import Cut, cut_of

# What reports and dashboards look back to is younger than this.
LEAST_DAYS = 14
_WEEK_NS = 7 * DAY_NS
# 1970-01-05 was a Monday.
_MONDAY_NS = 4 * DAY_NS


@dataclass(frozen=True, slots=True)
class _Temporary:
    """A measurement that is kept for a while.

    Attributes:
        measurement: its name.
        tag: the tag with the pipeline's name.
        field: a field that each of its points has.
        is_judged: whether false alarms refer to its points.
    """

    measurement: str
    tag: str
    field: str
    is_judged: bool


_TEMPORARY = (
    _Temporary("score", "pipeline", "severity", is_judged=True),
    _Temporary("score_shadow", "pipeline", "severity", is_judged=False),
    _Temporary("udf", "task", "points_in", is_judged=False),
    _Temporary("health", "pipeline", "ok", is_judged=False),
)


def expiry_ns(now_ns: int, days: int) -> int:
    """Return the end of the last week of which all is older than a number of days.

    Args:
        now_ns: the time now, in nanoseconds.
        days: how many days results are kept at least.
    """
    oldest_ns = now_ns - days * DAY_NS
    return (oldest_ns - _MONDAY_NS) // _WEEK_NS * _WEEK_NS + _MONDAY_NS


def expire(influx: InfluxClient, database: str, pipeline: Pipeline, before_ns: int) -> list[str]:
    """Delete a pipeline's old scores and figures.

    The scores of a false alarm stay as long as its mark, because they say what the mark is about.

    Args:
        influx: the server that holds the results, as a user who may write them.
        database: the results database.
        pipeline: the pipeline; results of others stay.
        before_ns: the time before which results are old, in nanoseconds.

    Returns:
        The measurements of which something was deleted.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    marks = read_feedback(influx, database, pipeline)
    expired = []
    for each in _TEMPORARY:
        kept = kept_ranges(marks, cut_of(pipeline)) if each.is_judged else ()
        of_pipeline = f"FROM {identifier(each.measurement)} WHERE {identifier(each.tag)} = {literal(pipeline.name)}"
        for begin_ns, end_ns in gaps_between(kept, before_ns):
            where = f"{of_pipeline} AND time < {end_ns}" + ("" if begin_ns is None else f" AND time >= {begin_ns}")
            if not any(
                chunk.rows for chunk in influx.query(f"SELECT first({identifier(each.field)}) {where}", database)
            ):
                continue
            for _ in influx.query(f"DELETE {where}", database):
                pass
            if each.measurement not in expired:
                expired.append(each.measurement)
    return expired


def kept_ranges(marks: Iterable[Mark], cut: Cut) -> list[tuple[int, int]]:
    """Return the ranges of time in which scores stay, those of windows in false alarms, by their begins.

    Args:
        marks: the pipeline's marks.
        cut: how time is cut into windows.
    """
    # A window that begins before the mark may reach into it.
    return sorted((cut.begin(mark.begin_ns), mark.end_ns) for mark in marks if mark.kind == FALSE_ALARM)


def gaps_between(kept: Iterable[tuple[int, int]], before_ns: int) -> Iterator[tuple[int | None, int]]:
    """Yield the ranges before a time that are not kept; the first one has no begin."""
    begin_ns: int | None = None
    for first_ns, end_ns in kept:
        if first_ns >= before_ns:
            break
        if begin_ns is None or begin_ns < first_ns:
            yield begin_ns, first_ns
        begin_ns = end_ns if begin_ns is None else max(begin_ns, end_ns)
    if begin_ns is None or begin_ns < before_ns:
        yield begin_ns, before_ns
