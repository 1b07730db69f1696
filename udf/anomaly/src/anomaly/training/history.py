"""Reads the history that a pipeline is trained on, and keeps what fits in memory."""

from dataclasses import dataclass

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import extent_query
from anomaly.influxdb.point_source import InvalidValues
from anomaly.influxdb.source import check_source, read_series_windows, split_range
from anomaly.influxdb.times import RequestedRange
from anomaly.influxdb.window_queries import windows_query
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.refusal import Refused
from anomaly.training.progress import Progress, SilentProgress
from anomaly.training.rules import rule_warnings
from anomaly.training.sample import Sample
from anomaly.windows.cut import cut_of
from anomaly.windows.windows import Windows

# Bytes that are kept in memory while reading. Fitting needs some five times as much for a while.
_MOST_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """The windows to train on, and how many there were.

    Attributes:
        windows: all windows that were read, or a share of them that is even over time.
        read: how many windows were read.
        points: how many points the kept windows hold, of the field that has the most.
    """

    windows: Windows
    read: int
    points: int


def read_history(
    influx: InfluxClient,
    pipeline: Pipeline,
    asked: RequestedRange,
    progress: Progress | None = None,
    most_bytes: int = _MOST_BYTES,
) -> ReadHistory:
    """Read the windows of a range, one chunk of an answer at a time.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.
        asked: the range.
        progress: gets messages on how much has been read.
        most_bytes: the most that is kept in memory; a larger history is thinned evenly over time.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, refused, or has no such database.
        Refused: there is no data in the range, or a field is missing or does not hold numbers.
    """
    progress = progress or SilentProgress()
    pipeline = check_source(influx, pipeline)
    sample = Sample(asked.begin_ns, asked.end_ns, pipeline.window_ns, most_bytes)
    query = windows_query(pipeline, asked.begin_ns, asked.end_ns)
    progress.say(f"reading {rfc3339(asked.begin_ns)} to {rfc3339(asked.end_ns)} of {pipeline.measured}: {query}")
    invalid = InvalidValues()
    for begin_ns, end_ns in split_range(asked.begin_ns, asked.end_ns, cut_of(pipeline)):
        for series in read_series_windows(influx, pipeline, begin_ns, end_ns, invalid=invalid):
            sample.add(series)
        share = (end_ns - asked.begin_ns) / (asked.end_ns - asked.begin_ns)
        progress.at(share, f"of the history read: {sample.read} windows of {sample.series} series")
    for warning in rule_warnings(pipeline, sample.keys, invalid):
        progress.note(warning)
    if not sample.read:
        raise Refused(_no_data(influx, pipeline, asked, query))
    if sample.share < 1.0:
        progress.say(f"{sample.share:.3g} of the history is kept, evenly chosen: that is enough to train on")
    windows = sample.windows()
    return ReadHistory(windows, sample.read, int(windows.counts.max(axis=1).sum()))


def _no_data(influx: InfluxClient, pipeline: Pipeline, asked: RequestedRange, query: str) -> str:
    """Return the message about a range without data, which names a range that has data."""
    message = f"pipeline {pipeline.name}: no data from {rfc3339(asked.begin_ns)} to {rfc3339(asked.end_ns)}"
    ends = []
    for newest in (False, True):
        rows = [
            row
            for chunk in influx.query(extent_query(pipeline, pipeline.sources, newest=newest), pipeline.database)
            for row in chunk.rows
        ]
        # Each measurement answers for itself.
        times = [row[0] for row in rows]
        ends += [rfc3339(max(times) if newest else min(times))] if times else []
    advice = (
        f"there is data from {ends[0]} to {ends[1]}: choose a range (training.from, training.to, --from, --to) in it"
        if len(ends) == 2
        else ("there is no data at all in it: check that something writes to it")
    )
    return f"{message} (query: {query}); {advice}"
