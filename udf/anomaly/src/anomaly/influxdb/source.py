"""The source of a pipeline: whether it has the fields, and its windows, read piece by piece in bounded memory.

Training, backtest and catch-up read by this module, so all of them see the same windows.
"""

from collections.abc import Iterator

import numpy as np

from anomaly.influxdb.client import InfluxClient, InfluxClientError, SeriesChunk
from anomaly.influxdb.influxql import columns, field_keys_query, training_query
from anomaly.pipeline import Pipeline
from anomaly.refusal import Refused
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows

# InfluxDB answers a query of this many windows of each series well before its query-timeout.
_PIECE_WINDOWS = 10_000
_MOST_PIECES = 1_000
_NUMERIC = {"float", "integer", "unsigned"}


def check_fields(influx: InfluxClient, pipeline: Pipeline) -> None:
    """Check that the database, the measurement and all fields are there, and that the fields hold numbers.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, refused, or has no such database.
        Refused: the measurement or a field is not there, or a field does not hold numbers.
    """
    # InfluxDB answers nothing, rather than an error, to a question about a database that is not there.
    databases = influx.databases()
    if pipeline.database not in databases:
        known = ", ".join(databases) or "none that this user may see"
        raise InfluxClientError(
            f"pipeline {pipeline.name}: there is no database {pipeline.database!r} (there is {known}): check the "
            "pipeline's `database`"
        )
    types: dict[str, set[str]] = {}
    for chunk in influx.query(field_keys_query(pipeline), pipeline.database):
        for name, kind in chunk.rows:
            types.setdefault(name, set()).add(kind)
    if not types:
        raise Refused(
            f"pipeline {pipeline.name}: measurement {pipeline.measurement!r} has no fields in "
            f"{pipeline.database}.{pipeline.retention_policy}: "
            "check `measurement` and `retention_policy`, and that something writes to it"
        )
    for field in pipeline.fields:
        if field not in types:
            raise Refused(
                f"pipeline {pipeline.name}: measurement {pipeline.measurement!r} has no field {field!r} (it has "
                f"{', '.join(sorted(types))}): check `fields`"
            )
        if not types[field] & _NUMERIC:
            raise Refused(
                f"pipeline {pipeline.name}: field {field!r} holds {' and '.join(sorted(types[field]))}, not "
                "numbers: remove it from `fields`"
            )


def split_range(
    begin_ns: int, end_ns: int, window_ns: int, least_windows: int = _PIECE_WINDOWS
) -> Iterator[tuple[int, int]]:
    """Cut a range into pieces that one query each may ask for.

    Args:
        begin_ns: where the range begins, a window edge.
        end_ns: where it ends, a window edge.
        window_ns: the length of a window.
        least_windows: how many windows a piece has at least, but for the last.

    Yields:
        Begin and end of each piece.
    """
    windows = -(-(end_ns - begin_ns) // window_ns)
    piece_ns = max(least_windows, windows // _MOST_PIECES) * window_ns
    for piece_begin_ns in range(begin_ns, end_ns, piece_ns):
        yield piece_begin_ns, min(piece_begin_ns + piece_ns, end_ns)


def read_series_windows(
    influx: InfluxClient, pipeline: Pipeline, begin_ns: int, end_ns: int, key: Key | None = None
) -> Iterator[SeriesWindows]:
    """Read every non-empty window of one piece of time.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.
        begin_ns: where the piece begins, a window edge.
        end_ns: where it ends, a window edge.
        key: the only series to read; None: all series.

    Yields:
        Windows of one series, in the order of time; series by series. A series comes in as many parts as InfluxDB's
        answer has chunks of it.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, refused, or answered other columns than were asked for.
    """
    query = training_query(pipeline, begin_ns, end_ns, key)
    width = len(columns(pipeline))
    features = len(pipeline.fields) * len(pipeline.aggregate)
    for chunk in influx.query(query, pipeline.database):
        if len(chunk.columns) != width + 1:
            raise InfluxClientError(f"InfluxDB answered the columns {chunk.columns} to {query!r}")
        # Times would lose their last digits as floats. null becomes NaN; a field without points has the count null.
        begins = np.array([row[0] for row in chunk.rows], dtype=np.int64)
        numbers = np.array([row[1:] for row in chunk.rows], dtype=np.float64).reshape(-1, width)
        yield SeriesWindows(
            series_key(pipeline, chunk), begins, numbers[:, :features], np.nan_to_num(numbers[:, features:])
        )


def series_key(pipeline: Pipeline, chunk: SeriesChunk) -> Key:
    """Return the key of the series that a chunk of an answer belongs to."""
    return tuple(chunk.tags.get(tag, "") for tag in pipeline.group_by)
