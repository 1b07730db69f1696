"""What a catch-up reads of a pipeline, and writes: each method is one query."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anomaly.catchup import queries
from anomaly.catchup.gaps import Counts, TimeRange
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.lines import line
from anomaly.influxdb.source import read_series_windows, series_key
from anomaly.pipeline import Pipeline
from anomaly.scoring.results import Result
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows


@dataclass(frozen=True, slots=True)
class WrittenScore:
    """A score that is there: its label, the version of its model, and whether feedback suppressed the window."""

    label: int
    model: str
    suppressed: bool


class PipelineDatabase:
    """One pipeline's source and results. Every method raises InfluxClientError."""

    def __init__(self, influx: InfluxClient, pipeline: Pipeline, results: str) -> None:
        self._influx = influx
        self._pipeline = pipeline
        self._results = results

    def first_score_ns(self, begin_ns: int) -> int | None:
        """When the oldest window since `begin_ns` that has a score begins; None if there is none."""
        return self._first_ns(queries.first_score(self._pipeline, begin_ns))

    def first_score_of_ns(self, key: Key, model: str, end_ns: int) -> int | None:
        """When the oldest window of one series before `end_ns` that a model scored begins; None if there is none."""
        return self._first_ns(queries.first_score_of(self._pipeline, key, model, end_ns))

    def point_counts(self, span: TimeRange, bucket_ns: int) -> Counts:
        """Points by series and bucket."""
        query = queries.source_counts(self._pipeline, span.begin_ns, span.end_ns, bucket_ns)
        return self._counts(query, self._pipeline.database)

    def score_counts(self, span: TimeRange, bucket_ns: int) -> Counts:
        """Scores by series and bucket."""
        return self._counts(queries.score_counts(self._pipeline, span.begin_ns, span.end_ns, bucket_ns), self._results)

    def newest_ns(self, begin_ns: int) -> Mapping[Key, int]:
        """The time of each series' newest point since `begin_ns`."""
        query = queries.newest(self._pipeline, begin_ns)
        return {
            series_key(self._pipeline, part): int(part.rows[0][0])
            for part in self._influx.query(query, self._pipeline.database)
        }

    def windows(self, key: Key, span: TimeRange) -> Iterator[SeriesWindows]:
        """One series' windows, by time."""
        return read_series_windows(self._influx, self._pipeline, span.begin_ns, span.end_ns, key)

    def scores(self, key: Key, span: TimeRange) -> Mapping[int, WrittenScore]:
        """The scores of one series, by the window's begin."""
        query = queries.scores(self._pipeline, key, span.begin_ns, span.end_ns)
        return {
            int(begin_ns): WrittenScore(label, model, mark is not None)
            for begin_ns, label, model, mark in self._rows(query)
        }

    def open_periods(self, span: TimeRange) -> Iterator[tuple[Key, int, int]]:
        """Series, begin and end of each period that begins in the span and is open."""
        query = queries.open_periods(self._pipeline, span.begin_ns, span.end_ns)
        for part in self._influx.query(query, self._results):
            for begin_ns, end_ms in part.rows:
                yield series_key(self._pipeline, part), int(begin_ns), int(end_ms) * 1_000_000

    def periods(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        """The fields of each period of one series that begins in the span, by its begin."""
        query = queries.periods(self._pipeline, key, span.begin_ns, span.end_ns)
        return {
            int(begin_ns): dict(zip(queries.PERIOD_FIELDS, fields, strict=True))
            for begin_ns, *fields in self._rows(query)
        }

    def last_period(self, key: Key, end_ns: int) -> TimeRange | None:
        """The last period of one series that begins before `end_ns`."""
        for begin_ns, end_ms in self._rows(queries.last_period(self._pipeline, key, end_ns)):
            return TimeRange(int(begin_ns), int(end_ms) * 1_000_000)
        return None

    def write(self, results: Iterable[Result]) -> None:
        """Scores and periods; the same twice changes nothing."""
        self._influx.write([line(result) for result in results], self._results)

    def remove_period(self, key: Key, begin_ns: int) -> None:
        """The period of one series that begins at `begin_ns`."""
        for _ in self._rows(queries.remove_period(self._pipeline, key, begin_ns)):
            """A deletion answers nothing."""

    def _first_ns(self, query: str) -> int | None:
        return next((int(row[0]) for row in self._rows(query)), None)

    def _rows(self, query: str) -> Iterator[list[Any]]:
        for part in self._influx.query(query, self._results):
            yield from part.rows

    def _counts(self, query: str, database: str) -> Counts:
        return {
            (series_key(self._pipeline, part), int(bucket)): max(int(count or 0) for count in counts)
            for part in self._influx.query(query, database)
            for bucket, *counts in part.rows
        }
