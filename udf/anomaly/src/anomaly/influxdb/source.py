"""The windows of a pipeline, read out of InfluxDB piece by piece in bounded memory: training's, a backtest's, a
catch-up's."""

from collections.abc import Iterator

import numpy as np

from anomaly.influxdb.client import Influx, InfluxError, Part
from anomaly.influxdb.influxql import columns, training_query
from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows

# A query of so many windows of each series is answered well before InfluxDB's query-timeout.
_PIECE_WINDOWS = 10_000
_MOST_PIECES = 1_000


def pieces(begin_ns: int, end_ns: int, window_ns: int, least: int = _PIECE_WINDOWS) -> Iterator[tuple[int, int]]:
    """[begin_ns, end_ns), both window edges, in pieces that one query each may ask for, of at least so many windows."""
    windows = -(-(end_ns - begin_ns) // window_ns)
    piece_ns = max(least, windows // _MOST_PIECES) * window_ns
    for start_ns in range(begin_ns, end_ns, piece_ns):
        yield start_ns, min(start_ns + piece_ns, end_ns)


def runs(
    influx: Influx, pipeline: Pipeline, begin_ns: int, end_ns: int, key: Key | None = None
) -> Iterator[SeriesWindows]:
    """Every non-empty window of one piece [begin_ns, end_ns), series by series, each by time; a series comes in as many
    runs as InfluxDB's answer has chunks of it. Of one series, if `key` names it. Raises InfluxError."""
    query = training_query(pipeline, begin_ns, end_ns, key)
    width = len(columns(pipeline))
    features = len(pipeline.fields) * len(pipeline.aggregate)
    for part in influx.query(query, pipeline.database):
        if len(part.columns) != width + 1:
            raise InfluxError(f"InfluxDB answered the columns {part.columns} to {query!r}")
        # Times would lose their last digits as floats. null becomes NaN; a field without points has the count null.
        begins = np.array([row[0] for row in part.rows], dtype=np.int64)
        numbers = np.array([row[1:] for row in part.rows], dtype=np.float64).reshape(-1, width)
        yield SeriesWindows(
            series_key(pipeline, part), begins, numbers[:, :features], np.nan_to_num(numbers[:, features:])
        )


def series_key(pipeline: Pipeline, part: Part) -> Key:
    """Which series a part of an answer is of."""
    return tuple(part.tags.get(tag, "") for tag in pipeline.group_by)
