"""What a catch-up reads and writes of one pipeline: each method is one query."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anomaly.catchup import queries
from anomaly.catchup.gaps import BucketCounts
from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.lines import lines
from anomaly.influxdb.point_source import source_key
from anomaly.influxdb.source import read_series_windows, read_window_counts, series_key, with_booleans
from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import MS_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.notices import SILENCE
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA
from anomaly.scoring.results import Result, ResultColumns
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows

# As many lines as InfluxDB takes well at once.
_LINES_AT_ONCE = 5_000
# The end of what has none: after every time that InfluxDB can hold.
NEVER_NS = 2**63 - 1


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


@dataclass(frozen=True, slots=True)
class LateWindow:
    """A window that got points after it had been closed.

    Attributes:
        key: the window's series.
        begin_ns: its begin.
        seen_ms: when the last of these points was seen, by the clock of the UDF's host.
        done_ms: the `seen_ms` with which a catch-up has scored the window again; None: no catch-up has.
        period_sign: the sign of its period then (`anomaly.catchup.period_signs`); None: nobody knows.
    """

    key: Key
    begin_ns: int
    seen_ms: int
    done_ms: int | None
    period_sign: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether no point has come since the window was scored again."""
        return self.done_ms == self.seen_ms


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

    def first_score_of_ns(self, key: Key, model: str | None, end_ns: int) -> int | None:
        """Return the begin of the oldest window of a series that a model scored before `end_ns`; None without one.

        Args:
            key: the series.
            model: the model's version; None: any model.
            end_ns: where to look no further.
        """
        return self._first_ns(queries.first_score_of(self._pipeline, key, model, end_ns))

    def has_new_level(self, key: Key, model: str, end_ns: int) -> bool:
        """Check whether a model found a new level of a series that began before `end_ns`."""
        return self._first_ns(queries.first_new_level(self._pipeline, key, model, end_ns)) is not None

    def point_counts(self, span: TimeRange, bucket_ns: int) -> BucketCounts:
        """Count points by series and bucket."""
        query = queries.source_counts(self._pipeline, span.begin_ns, span.end_ns, bucket_ns)
        return self._counts(query, self._pipeline.database, lambda chunk: source_key(self._pipeline, chunk))

    def score_counts(self, span: TimeRange, bucket_ns: int) -> BucketCounts:
        """Count scores by series and bucket."""
        query = queries.score_counts(self._pipeline, span.begin_ns, span.end_ns, bucket_ns)
        return self._counts(query, self._results, lambda chunk: series_key(self._pipeline.result_tags, chunk))

    def newest_ns(self, begin_ns: int) -> Mapping[Key, int]:
        """Return the time of each series' newest point since `begin_ns`."""
        query = queries.newest(self._pipeline, begin_ns)
        return {
            source_key(self._pipeline, chunk): int(chunk.rows[0][0])
            for chunk in self._influx.query(query, self._pipeline.database)
        }

    def windows(self, key: Key | None, span: TimeRange) -> Iterator[SeriesWindows]:
        """Read the windows of one series, or of all series for None, each series' in the order of time."""
        return read_series_windows(self._influx, self._typed, span.begin_ns, span.end_ns, key)

    def counted_windows(self, key: Key | None, span: TimeRange) -> Iterator[SeriesWindows]:
        """Read what `windows` reads, as far as it tells which windows can be scored: values are 0 or NaN."""
        return read_window_counts(self._influx, self._typed, span.begin_ns, span.end_ns, key)

    @cached_property
    def _typed(self) -> Pipeline:
        """The pipeline, which knows which of its fields hold booleans."""
        return with_booleans(self._influx, self._pipeline)

    def scored_begins(self, key: Key | None, span: TimeRange) -> Mapping[Key, set[int]]:
        """Return the begins of the scored windows of one series, or of all series for None."""
        begins: dict[Key, set[int]] = {}
        for chunk in self._influx.query(
            queries.scored_begins(self._pipeline, key, span.begin_ns, span.end_ns), self._results
        ):
            begins.setdefault(series_key(self._pipeline.result_tags, chunk), set()).update(
                int(row[0]) for row in chunk.rows
            )
        return begins

    def scores(self, key: Key, span: TimeRange) -> Mapping[int, WrittenScore]:
        """Return the scores of one series, by the begin of the window."""
        query = queries.scores(self._pipeline, key, span.begin_ns, span.end_ns)
        return {
            int(begin_ns): WrittenScore(label, model, mark is not None)
            for begin_ns, label, model, mark in self._rows(query)
        }

    def whole_scores(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        """Return all fields of the scores of one series, by the begin of the window; None where one is missing."""
        query = queries.whole_scores(self._pipeline, key, span.begin_ns, span.end_ns)
        return {
            int(row[0]): dict(zip(chunk.columns[1:], row[1:], strict=True))
            for chunk in self._influx.query(query, self._results)
            for row in chunk.rows
        }

    def is_scored(self, key: Key, span: TimeRange) -> bool:
        """Check whether any window of one series that begins in the span has a score."""
        query = queries.first_score_in(self._pipeline, key, span.begin_ns, span.end_ns)
        return self._first_ns(query) is not None

    def late_windows(self, span: TimeRange) -> Iterator[LateWindow]:
        """Yield the windows of the span that got late points, series by series."""
        query = queries.late_windows(self._pipeline, span.begin_ns, span.end_ns)
        for chunk in self._influx.query(query, self._results):
            key = series_key(self._pipeline.result_tags, chunk)
            for begin_ns, points, seen_ms, done_ms, sign in chunk.rows:
                if points is not None:
                    done = None if done_ms is None else int(done_ms)
                    yield LateWindow(key, int(begin_ns), int(seen_ms or 0), done, sign)

    def open_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange, bool]]:
        """Yield each open period that begins in the span: its series, itself, and whether it is a silence.

        A silence that is open ends with the next window, whatever end it was told with: it is taken to have no end.
        """
        query = queries.periods_of_state(self._pipeline, "open", span.begin_ns, span.end_ns)
        for chunk in self._influx.query(query, self._results):
            for begin_ns, end_ms, reason in chunk.rows:
                is_silence = reason == NO_DATA
                end_ns = NEVER_NS if is_silence else int(end_ms) * MS_NS
                yield series_key(self._pipeline.result_tags, chunk), TimeRange(int(begin_ns), end_ns), is_silence

    def closed_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange, str]]:
        """Yield each closed period that begins in the span: its series, itself, and its reason."""
        query = queries.periods_of_state(self._pipeline, "closed", span.begin_ns, span.end_ns)
        for chunk in self._influx.query(query, self._results):
            key = series_key(self._pipeline.result_tags, chunk)
            for begin_ns, end_ms, reason in chunk.rows:
                yield key, TimeRange(int(begin_ns), int(end_ms) * MS_NS), reason

    def second_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange]]:
        """Yield each closed period that begins in the span before an earlier period of its series can be over.

        One that ends with a new level is over at once. A UDF that was ended within a period may open a second one,
        while a catch-up goes on with the first.
        """
        query = queries.other_periods(self._pipeline, span.begin_ns, span.end_ns)
        # When the last period of each series can be over.
        earlier: dict[Key, int] = {}
        for chunk in self._influx.query(query, self._results):
            key = series_key(self._pipeline.result_tags, chunk)
            for begin_ns, end_ms, state, *reason in chunk.rows:
                end_ns = int(end_ms) * MS_NS
                if begin_ns < earlier.get(key, 0) and state == "closed":
                    yield key, TimeRange(int(begin_ns), end_ns)
                over_ns = end_ns + (0 if NEW_LEVEL in reason else self._pipeline.periods.merge_ns)
                earlier[key] = max(earlier.get(key, 0), over_ns)

    def joint_silences(self, span: TimeRange) -> Iterator[tuple[TimeRange, bool]]:
        """Yield the notices that all series are silent, and whether each is open.

        They are those that begin in the span, and open ones that begin before its end.
        """
        for begin_ns, end_ms, state in self._rows(queries.joint_silences(self._pipeline, span.end_ns)):
            if state == "open" or begin_ns >= span.begin_ns:
                yield TimeRange(int(begin_ns), int(end_ms) * MS_NS), state == "open"

    def periods(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        """Return the COMPARED_FIELDS of each period of one series that begins in the span, by its begin."""
        query = queries.periods(self._pipeline, key, span.begin_ns, span.end_ns)
        return {
            int(begin_ns): dict(zip(queries.COMPARED_FIELDS, fields, strict=True))
            for begin_ns, *fields in self._rows(query)
        }

    def last_period(self, key: Key, end_ns: int) -> TimeRange | None:
        """Return the last period of one series that begins before `end_ns`; None without one.

        A silence that is open is taken to have no end.
        """
        for begin_ns, end_ms, state, reason in self._rows(queries.last_period(self._pipeline, key, end_ns)):
            is_lasting = reason == NO_DATA and state == "open"
            return TimeRange(int(begin_ns), NEVER_NS if is_lasting else int(end_ms) * MS_NS)
        return None

    def write(self, results: Iterable[Result | ResultColumns]) -> None:
        """Write results; writing the same ones again changes nothing."""
        written = list(lines(results))
        for first in range(0, len(written), _LINES_AT_ONCE):
            self._influx.write(written[first : first + _LINES_AT_ONCE], self._results)

    def end_joint_silence(self, begin_ns: int, end_ns: int) -> None:
        """Close the notice that all series are silent since `begin_ns`."""
        tags = {"pipeline": self._pipeline.name, queries.NOTICE_TAG: SILENCE}
        self.write([Result("notice", tags, begin_ns, {"end_ms": end_ns // MS_NS, "state": "closed"})])

    def remove_joint_silence(self, begin_ns: int) -> None:
        """Remove the notice that all series are silent since `begin_ns`."""
        self._remove(queries.remove_joint_silence(self._pipeline, begin_ns))

    def remove_score(self, key: Key, begin_ns: int) -> None:
        """Remove the score of the window of one series that begins at `begin_ns`."""
        self._remove(queries.remove_score(self._pipeline, key, begin_ns))

    def remove_period(self, key: Key, begin_ns: int) -> None:
        """Remove the period of one series that begins at `begin_ns`."""
        self._remove(queries.remove_period(self._pipeline, key, begin_ns))

    def _remove(self, statement: str) -> None:
        for _ in self._rows(statement):
            """The answer to a deletion is empty, but has to be read."""

    def _first_ns(self, query: str) -> int | None:
        return next((int(row[0]) for row in self._rows(query)), None)

    def _rows(self, query: str) -> Iterator[list[Any]]:
        for chunk in self._influx.query(query, self._results):
            yield from chunk.rows

    def _counts(self, query: str, database: str, key_of: Callable[[SeriesChunk], Key]) -> BucketCounts:
        return {
            (key_of(chunk), int(bucket)): max(int(count or 0) for count in counts)
            for chunk in self._influx.query(query, database)
            for bucket, *counts in chunk.rows
        }
