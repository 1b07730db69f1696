"""What a catch-up reads and writes of one pipeline: each method is one query."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anomaly.catchup import queries
from anomaly.catchup.gaps import BucketCounts
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.lines import line
from anomaly.influxdb.source import read_series_windows, series_key
from anomaly.influxdb.times import TimeRange
from anomaly.pipeline import Pipeline
from anomaly.scoring.results import Result
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows


@dataclass(frozen=True, slots=True)
class WrittenScore:
    """An existing score.

    Attributes:
        label: whether the window is anomalous, 0 or 1.
        model: the version that scored the window.
        suppressed: whether a mark of feedback kept the window out of periods.
    """

    label: int
    model: str
    suppressed: bool


class PipelineDatabase:
    """One pipeline's source and results.

    Every method raises InfluxClientError where InfluxDB cannot be asked, or refused.
    """

    def __init__(self, influx: InfluxClient, pipeline: Pipeline, results: str) -> None:
        self._influx = influx
        self._pipeline = pipeline
        self._results = results

    def first_score_ns(self, begin_ns: int) -> int | None:
        """Return the begin of the oldest scored window since `begin_ns`; None if there is none."""
        return self._first_ns(queries.first_score(self._pipeline, begin_ns))

    def first_score_of_ns(self, key: Key, model: str, end_ns: int) -> int | None:
        """Return the begin of the oldest window of a series that a model scored before `end_ns`; None without one."""
        return self._first_ns(queries.first_score_of(self._pipeline, key, model, end_ns))

    def point_counts(self, span: TimeRange, bucket_ns: int) -> BucketCounts:
        """Count points by series and bucket."""
        query = queries.source_counts(self._pipeline, span.begin_ns, span.end_ns, bucket_ns)
        return self._counts(query, self._pipeline.database)

    def score_counts(self, span: TimeRange, bucket_ns: int) -> BucketCounts:
        """Count scores by series and bucket."""
        return self._counts(queries.score_counts(self._pipeline, span.begin_ns, span.end_ns, bucket_ns), self._results)

    def newest_ns(self, begin_ns: int) -> Mapping[Key, int]:
        """Return the time of each series' newest point since `begin_ns`."""
        query = queries.newest(self._pipeline, begin_ns)
        return {
            series_key(self._pipeline, chunk): int(chunk.rows[0][0])
            for chunk in self._influx.query(query, self._pipeline.database)
        }

    def windows(self, key: Key, span: TimeRange) -> Iterator[SeriesWindows]:
        """Read the windows of one series in the order of time."""
        return read_series_windows(self._influx, self._pipeline, span.begin_ns, span.end_ns, key)

    def scores(self, key: Key, span: TimeRange) -> Mapping[int, WrittenScore]:
        """Return the scores of one series, by the begin of the window."""
        query = queries.scores(self._pipeline, key, span.begin_ns, span.end_ns)
        return {
            int(begin_ns): WrittenScore(label, model, mark is not None)
            for begin_ns, label, model, mark in self._rows(query)
        }

    def open_periods(self, span: TimeRange) -> Iterator[tuple[Key, int, int]]:
        """Yield series, begin and end of each open period that begins in the span."""
        query = queries.open_periods(self._pipeline, span.begin_ns, span.end_ns)
        for chunk in self._influx.query(query, self._results):
            for begin_ns, end_ms in chunk.rows:
                yield series_key(self._pipeline, chunk), int(begin_ns), int(end_ms) * 1_000_000

    def periods(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        """Return the fields of each period of one series that begins in the span, by its begin."""
        query = queries.periods(self._pipeline, key, span.begin_ns, span.end_ns)
        return {
            int(begin_ns): dict(zip(queries.PERIOD_FIELDS, fields, strict=True))
            for begin_ns, *fields in self._rows(query)
        }

    def last_period(self, key: Key, end_ns: int) -> TimeRange | None:
        """Return the last period of one series that begins before `end_ns`; None without one."""
        for begin_ns, end_ms in self._rows(queries.last_period(self._pipeline, key, end_ns)):
            return TimeRange(int(begin_ns), int(end_ms) * 1_000_000)
        return None

    def write(self, results: Iterable[Result]) -> None:
        """Write scores and periods; writing the same ones again changes nothing."""
        self._influx.write([line(result) for result in results], self._results)

    def remove_period(self, key: Key, begin_ns: int) -> None:
        """Remove the period of one series that begins at `begin_ns`."""
        for _ in self._rows(queries.remove_period(self._pipeline, key, begin_ns)):
            """The answer to a deletion is empty, but has to be read."""

    def _first_ns(self, query: str) -> int | None:
        return next((int(row[0]) for row in self._rows(query)), None)

    def _rows(self, query: str) -> Iterator[list[Any]]:
        for chunk in self._influx.query(query, self._results):
            yield from chunk.rows

    def _counts(self, query: str, database: str) -> BucketCounts:
        return {
            (series_key(self._pipeline, chunk), int(bucket)): max(int(count or 0) for count in counts)
            for chunk in self._influx.query(query, database)
            for bucket, *counts in chunk.rows
        }
