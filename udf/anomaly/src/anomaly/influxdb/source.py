"""The source of a pipeline: whether it has the fields and tags, and its windows, read piece by piece in bounded memory.

Training, backtest and catch-up read by this module, so all of them see the same windows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from anomaly.influxdb.client import InfluxClient, InfluxClientError, SeriesChunk
from anomaly.influxdb.influxql import field_keys_query, last_value_query, tag_keys_query
from anomaly.influxdb.point_source import InvalidValues, read_point_windows, source_key
from anomaly.influxdb.window_queries import columns, counts_query, training_query
from anomaly.pipeline import Pipeline, SpecError
from anomaly.pipeline.resolve import resolve
from anomaly.pipeline.source_keys import SourceKeys, booleans, source_problems
from anomaly.refusal import Refused
from anomaly.windows.arrays import Floats, Key, Times
from anomaly.windows.cut import Cut, cut_of, scaled
from anomaly.windows.fill import Rule, SeriesFiller, Standing
from anomaly.windows.series import SeriesWindows

# InfluxDB answers a query of this many windows of each series well before its query-timeout.
_PIECE_WINDOWS = 10_000
_MOST_PIECES = 1_000


def check_source(influx: InfluxClient, pipeline: Pipeline) -> Pipeline:
    """Check that database, measurements, fields and tags are there, and that the fields hold numbers or booleans.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.

    Returns:
        The pipeline, which knows now which of its fields hold booleans.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, refused, or has no such database.
        Refused: a measurement, a field or a tag is not there, or a field holds neither numbers nor booleans.
    """
    # InfluxDB answers nothing, rather than an error, to a question about a database that is not there.
    databases = influx.databases()
    if pipeline.database not in databases:
        known = ", ".join(databases) or "none that this user may see"
        raise InfluxClientError(
            f"pipeline {pipeline.name}: there is no database {pipeline.database!r} (there is {known}): check the "
            "pipeline's `database`"
        )
    keys = read_source_keys(influx, pipeline)
    problems = list(source_problems(pipeline, keys))
    if problems:
        raise Refused("; ".join(f"pipeline {pipeline.name}: {problem}" for problem in problems))
    return replace(pipeline, booleans=booleans(pipeline, keys))


def with_booleans(influx: InfluxClient, pipeline: Pipeline) -> Pipeline:
    """Return a pipeline that knows which of its fields hold booleans, whatever else its source has.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    return replace(pipeline, booleans=booleans(pipeline, read_source_keys(influx, pipeline)))


def resolved(connect: Callable[[], InfluxClient], pipeline: Pipeline) -> Pipeline:
    """Return a pipeline whose patterns are resolved to the names that its source has.

    Args:
        connect: opens a client of the server that holds the source; called only if the pipeline has patterns.
        pipeline: the pipeline.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
        Refused: a pattern means nothing, or too much.
    """
    if not pipeline.patterns:
        return pipeline
    return resolved_to(read_source_keys(connect(), pipeline), pipeline)


def resolved_to(keys: SourceKeys, pipeline: Pipeline) -> Pipeline:
    """Return a pipeline whose patterns are resolved to names that were read before.

    Args:
        keys: what `read_source_keys` returned.
        pipeline: the pipeline, with patterns.

    Raises:
        Refused: nothing has been written to the source, or a pattern means nothing, or too much.
    """
    if keys.is_empty:
        raise Refused(f"pipeline {pipeline.name}: {next(source_problems(pipeline, keys))}")
    try:
        return resolve(pipeline, keys)
    except SpecError as error:
        raise Refused("; ".join(error.problems)) from None


def read_source_keys(influx: InfluxClient, pipeline: Pipeline) -> SourceKeys:
    """Read the names of the fields and tags that a pipeline's measurement has, or each one that it could have.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    types: dict[str, dict[str, set[str]]] = {}
    for chunk in influx.query(field_keys_query(pipeline), pipeline.database):
        for name, kind in chunk.rows:
            types.setdefault(chunk.name, {}).setdefault(name, set()).add(kind)
    tags: dict[str, set[str]] = {}
    for chunk in influx.query(tag_keys_query(pipeline), pipeline.database):
        tags.setdefault(chunk.name, set()).update(row[0] for row in chunk.rows)
    keys = SourceKeys(measurements={name: SourceKeys(types[name], tags.get(name, set())) for name in types})
    return keys if pipeline.is_by_measurement else replace(keys.of_measurements(types), measurements={})


def split_range(begin_ns: int, end_ns: int, cut: Cut, least_windows: int = _PIECE_WINDOWS) -> Iterator[tuple[int, int]]:
    """Cut a range into pieces that one query each may ask for.

    Args:
        begin_ns: where the range begins, a window edge.
        end_ns: where it ends, a window edge.
        cut: how time is cut into windows.
        least_windows: how many windows a piece has at least, but for the last.

    Yields:
        Begin and end of each piece.
    """
    piece = max(least_windows, cut.windows(begin_ns, end_ns) // _MOST_PIECES)
    while begin_ns < end_ns:
        until_ns = min(cut.step(begin_ns, piece), end_ns)
        yield begin_ns, until_ns
        begin_ns = until_ns


def read_series_windows(
    influx: InfluxClient,
    pipeline: Pipeline,
    begin_ns: int,
    end_ns: int,
    key: Key | None = None,
    invalid: InvalidValues | None = None,
) -> Iterator[SeriesWindows]:
    """Read every window of one piece of time that has points, or that the pipeline's `fill` fills.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.
        begin_ns: where the piece begins, a window edge.
        end_ns: where it ends, a window edge.
        key: the only series to read; None: all series.
        invalid: counts the values that are invalid; None: nobody wants to know.

    Yields:
        Windows of one series, in the order of time. A series comes in several parts: those of the chunks of InfluxDB's
        answer, or of the stretches of time in which points are read.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, refused, or answered other columns than were asked for.
    """
    if not pipeline.fill.bound_ns:
        yield from (windows for windows, _ in _read(influx, pipeline, begin_ns, end_ns, key, invalid))
        return
    rule = Rule.of(cut_of(pipeline), pipeline.fill.bound_ns, pipeline.aggregate)
    first_ns, standing = begin_ns, dict[Key, Standing]()
    if pipeline.needs_points:
        # What stands before the range is made of points, too, so the points are read from there on.
        first_ns = _standing_since_ns(rule, begin_ns)
    else:
        standing = _standing(influx, pipeline, rule, begin_ns, key)
    fillers = {series: SeriesFiller(rule, series, before, first_ns) for series, before in standing.items()}
    before = _read(influx, pipeline, first_ns, begin_ns, key) if first_ns < begin_ns else ()
    for windows, last in chain(before, _read(influx, pipeline, begin_ns, end_ns, key, invalid)):
        if windows.key not in fillers:
            nothing = Standing(len(pipeline.fields), 1)
            fillers[windows.key] = SeriesFiller(rule, windows.key, nothing, first_ns)
        yield from _since(begin_ns, fillers[windows.key].add(windows, last))
    for filler in fillers.values():
        for filled in filler.end(end_ns):
            yield from _since(begin_ns, filled)


def read_window_counts(
    influx: InfluxClient, pipeline: Pipeline, begin_ns: int, end_ns: int, key: Key | None = None
) -> Iterator[SeriesWindows]:
    """Read how many points the windows of one piece of time have.

    The windows have 0 where they have an aggregate, and NaN where they have none. That is all that decides which of
    them can be scored, and InfluxDB counts in a quarter of the time that it takes for means and standard deviations.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.
        begin_ns: where the piece begins, a window edge.
        end_ns: where it ends, a window edge.
        key: the only series to read; None: all series.

    Yields:
        What `read_series_windows` yields, with other values.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, refused, or answered other columns than were asked for.
    """
    if pipeline.needs_points or pipeline.fill.bound_ns:
        yield from read_series_windows(influx, pipeline, begin_ns, end_ns, key)
        return
    # One point has no standard deviation; every other aggregate needs one point.
    needed = np.array([2 if aggregate == "stddev" else 1 for aggregate in pipeline.aggregate])
    cut = cut_of(pipeline)
    for first_ns, last_ns, _ in cut.stretches(begin_ns, end_ns):
        query = counts_query(pipeline, first_ns, last_ns, key)
        for chunk in influx.query(query, pipeline.database):
            begins, numbers = _numbers(chunk, len(pipeline.fields), query)
            counts = np.nan_to_num(numbers)
            values = np.where(counts[:, :, None] >= needed, 0.0, np.nan).reshape(len(counts), -1)
            yield SeriesWindows(
                source_key(pipeline, chunk), begins, *scaled(cut, pipeline.aggregate, begins, values, counts)
            )


def _numbers(chunk: SeriesChunk, width: int, query: str) -> tuple[Times, Floats]:
    """Return the times of a chunk's rows, shape (n,), and their numbers, shape (n, width), NaN for null.

    Raises:
        InfluxClientError: the chunk has another number of columns.
    """
    if len(chunk.columns) != width + 1:
        raise InfluxClientError(f"InfluxDB answered the columns {chunk.columns} to {query!r}")
    # Times would lose their last digits as floats.
    times = np.array([row[0] for row in chunk.rows], dtype=np.int64)
    return times, np.array([row[1:] for row in chunk.rows], dtype=np.float64).reshape(-1, width)


def _since(begin_ns: int, windows: SeriesWindows) -> Iterator[SeriesWindows]:
    """Yield the windows that do not begin before a time, if there are any."""
    kept = windows.where(windows.begin_ns >= begin_ns)
    if len(kept):
        yield kept


def _read(
    influx: InfluxClient,
    pipeline: Pipeline,
    begin_ns: int,
    end_ns: int,
    key: Key | None,
    invalid: InvalidValues | None = None,
) -> Iterator[tuple[SeriesWindows, Floats]]:
    """Yield the windows that have points.

    With them comes the last value of each field, shape (n, f), if the pipeline fills windows; otherwise shape (n, 0).
    """
    if pipeline.needs_points:
        yield from _read_points(influx, pipeline, begin_ns, end_ns, key, invalid)
        return
    width = len(columns(pipeline))
    fields = len(pipeline.fields)
    features = fields * len(pipeline.aggregate)
    cut = cut_of(pipeline)
    for first_ns, last_ns, _ in cut.stretches(begin_ns, end_ns):
        query = training_query(pipeline, first_ns, last_ns, key)
        for chunk in influx.query(query, pipeline.database):
            begins, numbers = _numbers(chunk, width, query)
            # A field without points has the count null.
            values, counts = numbers[:, :features], np.nan_to_num(numbers[:, features : features + fields])
            values, counts = scaled(cut, pipeline.aggregate, begins, values, counts)
            windows = SeriesWindows(source_key(pipeline, chunk), begins, values, counts)
            yield windows, numbers[:, features + fields :]


def _read_points(
    influx: InfluxClient,
    pipeline: Pipeline,
    begin_ns: int,
    end_ns: int,
    key: Key | None,
    invalid: InvalidValues | None,
) -> Iterator[tuple[SeriesWindows, Floats]]:
    """Yield what `_read` yields, of single points."""
    more = ("last",) if pipeline.fill.bound_ns else ()
    extended = replace(pipeline, aggregate=(*pipeline.aggregate, *more))
    for windows in read_point_windows(influx, extended, begin_ns, end_ns, key, invalid):
        by_field = windows.values.reshape(len(windows), len(pipeline.fields), -1)
        aggregates = len(pipeline.aggregate)
        values = by_field[:, :, :aggregates].reshape(len(windows), -1)
        last = by_field[:, :, aggregates:].reshape(len(windows), -1)
        yield SeriesWindows(windows.key, windows.begin_ns, values, windows.counts), last


def _standing(
    influx: InfluxClient, pipeline: Pipeline, rule: Rule, begin_ns: int, key: Key | None
) -> dict[Key, Standing]:
    """Return the values that still stand at `begin_ns`, of one series, or of all series for None."""
    standing: dict[Key, Standing] = {}
    for place, field in enumerate(pipeline.fields):
        query = last_value_query(pipeline, field, _standing_since_ns(rule, begin_ns), begin_ns, key)
        for chunk in influx.query(query, pipeline.database):
            series = standing.setdefault(source_key(pipeline, chunk), Standing(len(pipeline.fields), 1))
            time_ns, value = chunk.rows[0]
            series.begin_ns[0, place] = rule.cut.begin(int(time_ns))
            series.value[0, place] = value
    return standing


def _standing_since_ns(rule: Rule, begin_ns: int) -> int:
    """Return the begin of the first window whose values may still stand in the window that begins at a time."""
    return max(rule.cut.step(begin_ns, -(rule.bound_ns // rule.cut.window_ns)), 0)


def series_key(tags: Sequence[str], chunk: SeriesChunk) -> Key:
    """Return the key of the series that a chunk of an answer about results belongs to.

    Args:
        tags: the names of the series' tags, a pipeline's `result_tags`.
        chunk: the chunk.
    """
    return tuple(chunk.tags.get(tag, "") for tag in tags)
