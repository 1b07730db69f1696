"""What the results database says of pipelines now: for people who want to know whether all is well.

Each query is bounded in time, and its answer has one row for a pipeline or one for each open period or notice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import identifier, literal
from anomaly.nanoseconds import DAY_NS, HOUR_NS, SECOND_NS
from anomaly.pipeline import Pipeline
from anomaly.windows.cut import cut_of

# Series count as scored now if they had a window within this time or within this many windows.
RECENT_NS = HOUR_NS
_RECENT_WINDOWS = 20
# How far back the last score and what is open are looked for.
SCORE_NS = 7 * DAY_NS
OPEN_NS = 90 * DAY_NS
# The keeper writes each finding once a minute.
_HEALTH_NS = 300 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Open:
    """A period or a notice that is open.

    Attributes:
        series: the tags of its series; empty for one that is about the whole pipeline.
        begin_ns: its begin.
        text: the reason of a period; the sentence of a notice.
        severity: the highest severity of a period in 0..100; None for a notice.
    """

    series: Mapping[str, str]
    begin_ns: int
    text: str
    severity: float | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """A pipeline as its results show it.

    Attributes:
        series: how many series had a score of late.
        last_ns: the end of the newest scored window of the last 7 days; None if there is none.
        worst: the highest severity among the last scores of these series; None if there is none.
        periods: the open periods of the last 90 days, the worst first.
        notices: the open notices of that time, the newest first.
    """

    series: int
    last_ns: int | None
    worst: float | None
    periods: tuple[Open, ...]
    notices: tuple[Open, ...]


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """What the keeper found wrong at its last look.

    Attributes:
        check: the check's name.
        pipeline: the pipeline; empty if it is about the whole stack.
        text: a sentence.
    """

    check: str
    pipeline: str
    text: str


def recent_ns(pipeline: Pipeline) -> int:
    """Return how long ago the last window of a series may be that counts as scored now."""
    return max(RECENT_NS, _RECENT_WINDOWS * pipeline.window_ns)


def urgency(entry: Open) -> tuple[float, int]:
    """Return the key by which the worst is first, and the newest among equals; notices are equals."""
    return -(entry.severity or 0.0), -entry.begin_ns


def read_overview(influx: InfluxClient, database: str, pipeline: Pipeline, now_ns: int) -> Overview:
    """Read what is known of a pipeline.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipeline: the pipeline.
        now_ns: the time now.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    since_ns = now_ns - recent_ns(pipeline)
    last = f'SELECT last("severity") AS "severity" FROM "score" WHERE {_of(pipeline, since_ns)} GROUP BY *'
    series = worst = None
    for _, row in tagged_rows(influx, database, f'SELECT count("severity"), max("severity") FROM ({last})'):
        series, worst = row[1:]
    newest = [
        row[0]
        for _, row in tagged_rows(
            influx, database, f'SELECT last("severity") FROM "score" WHERE {_of(pipeline, now_ns - SCORE_NS)}'
        )
    ]
    periods = _open(influx, database, pipeline, "period", ("reason", "peak_severity"), now_ns)
    notices = _open(influx, database, pipeline, "notice", ("text",), now_ns)
    return Overview(
        series=int(series or 0),
        last_ns=cut_of(pipeline).after(int(newest[0])) if newest else None,
        worst=worst,
        periods=tuple(sorted(periods, key=urgency)),
        notices=tuple(sorted(notices, key=urgency)),
    )


def tagged_rows(influx: InfluxClient, database: str, query: str) -> Iterator[tuple[dict[str, str], list[Any]]]:
    """Yield the rows of an answer, each with the tags of its series.

    Args:
        influx: the server.
        database: the database that is asked.
        query: the query; an empty one has no rows.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    for chunk in influx.query(query, database) if query else ():
        for row in chunk.rows:
            yield chunk.tags, row


def read_problems(influx: InfluxClient, database: str, now_ns: int) -> list[HealthProblem] | None:
    """Read what the keeper found wrong.

    Args:
        influx: the server that holds the results.
        database: the results database.
        now_ns: the time now.

    Returns:
        The problems; None if the keeper has written nothing for five minutes.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    query = (
        f'SELECT "ok", "text" FROM "health" WHERE time > {now_ns - _HEALTH_NS} GROUP BY "check", "pipeline"'
        " ORDER BY time DESC LIMIT 1"
    )
    findings = [(tags, row) for tags, row in tagged_rows(influx, database, query)]
    if not findings:
        return None
    return [
        HealthProblem(tags["check"], tags.get("pipeline", ""), text or "")
        for tags, (_, is_ok, text) in findings
        if not is_ok
    ]


def _open(
    influx: InfluxClient, database: str, pipeline: Pipeline, measurement: str, fields: tuple[str, ...], now_ns: int
) -> Iterator[Open]:
    """Yield what is open in a measurement, whose fields are a text and, for periods, a severity."""
    query = (
        f'SELECT {", ".join(map(identifier, fields))}, "state" FROM {identifier(measurement)}'
        f" WHERE {_of(pipeline, now_ns - OPEN_NS)} AND \"state\" = 'open' GROUP BY *"
    )
    for tags, row in tagged_rows(influx, database, query):
        series = {name: value for name, value in tags.items() if value and name not in ("pipeline", "notice")}
        yield Open(series, row[0], row[1] or "", row[2] if len(fields) > 1 else None)


def _of(pipeline: Pipeline, since_ns: int) -> str:
    return f'"pipeline" = {literal(pipeline.name)} AND time > {since_ns}'
