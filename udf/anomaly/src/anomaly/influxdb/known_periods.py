"""The periods of a pipeline that its results already hold, silences aside."""

from collections.abc import Iterator

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import literal
from anomaly.influxdb.source import series_key
from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import MS_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.periods import NO_DATA
from anomaly.windows.arrays import Key


def known_periods(
    influx: InfluxClient, database: str, pipeline: Pipeline, span: TimeRange
) -> Iterator[tuple[Key, TimeRange]]:
    """Yield the series and the time of each period that lies on some of a span.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipeline: the pipeline.
        span: the span.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    query = (
        f'SELECT "end_ms", "reason" FROM "period" WHERE "pipeline" = {literal(pipeline.name)}'
        f" AND time < {span.end_ns} GROUP BY *"
    )
    for chunk in influx.query(query, database):
        key = series_key(pipeline.result_tags, chunk)
        for begin_ns, end_ms, reason in chunk.rows:
            if reason != NO_DATA and end_ms is not None and int(end_ms) * MS_NS > span.begin_ns:
                yield key, TimeRange(int(begin_ns), int(end_ms) * MS_NS)
