"""A pipeline's source and results in memory, for catch-ups: what InfluxDB would answer, and what it would keep."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anomaly.catchup.database import NEVER_NS, LateWindow, PipelineDatabase, WrittenScore
from anomaly.catchup.gaps import BucketCounts
from anomaly.catchup.queries import COMPARED_FIELDS, PERIOD_SIGN_FIELD
from anomaly.influxdb.times import TimeRange
from anomaly.pipeline import Pipeline
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA
from anomaly.scoring.results import Result, ResultColumns
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows
from kapacitor_udf import Point

Fields = dict[str, Any]


class ResultsDouble(PipelineDatabase):
    """Everything of one pipeline.

    Attributes:
        series: all windows of each series.
        until_ns: windows that begin at or after this time are not stored yet.
        points: results by measurement, series and time.
    """

    def __init__(self, pipeline: Pipeline, series: Iterable[SeriesWindows]) -> None:
        self._pipeline = pipeline
        self.series = {each.key: each for each in series}
        self.until_ns = NEVER_NS
        self.points: dict[str, dict[tuple[Key, int], Fields]] = {"score": {}, "period": {}, "late": {}}

    def keep(self, points: Iterable[Point]) -> None:
        """Keep what a UDF has written; fields of points that are there are replaced."""
        for point in points:
            if point.name in self.points:
                key = tuple(point.tags.get(name, "") for name in self._pipeline.result_tags)
                self.points[point.name].setdefault((key, point.time), {}).update(point.fields)

    def write(self, results: Iterable[Result | ResultColumns]) -> None:
        for each in results:
            points = [each] if isinstance(each, Result) else each
            self.keep(Point(time=one.time_ns, fields=one.fields, tags=one.tags, name=one.measurement) for one in points)

    def of(self, measurement: str, key: Key, span: TimeRange) -> dict[int, Fields]:
        """Return the results of one series in a stretch of time, by time."""
        return {
            time_ns: fields
            for (one, time_ns), fields in sorted(self.points[measurement].items(), key=lambda item: item[0][1])
            if one == key and span.begin_ns <= time_ns < span.end_ns
        }

    def windows(self, key: Key | None, span: TimeRange) -> Iterator[SeriesWindows]:
        end_ns = min(span.end_ns, self.until_ns)
        for each in self.series.values():
            inside = (each.begin_ns >= span.begin_ns) & (each.begin_ns < end_ns)
            if key in (None, each.key) and inside.any():
                yield each.where(inside)

    counted_windows = windows

    def newest_ns(self, begin_ns: int) -> Mapping[Key, int]:
        found = self.windows(None, TimeRange(begin_ns, NEVER_NS))
        return {each.key: int(each.begin_ns[-1]) + self._pipeline.window_ns - 1 for each in found}

    def point_counts(self, span: TimeRange, bucket_ns: int) -> BucketCounts:
        buckets = range(span.begin_ns // bucket_ns * bucket_ns, span.end_ns, bucket_ns)
        return {(key, bucket): 1 for bucket in buckets for key in self.series}

    def score_counts(self, span: TimeRange, bucket_ns: int) -> BucketCounts:
        # Every stretch is looked at.
        return {}

    def scored_begins(self, key: Key | None, span: TimeRange) -> Mapping[Key, set[int]]:
        return {each: set(self.of("score", each, span)) for each in self.series if key in (None, each)}

    def first_score_of_ns(self, key: Key, model: str | None, end_ns: int) -> int | None:
        found = self.of("score", key, TimeRange(0, end_ns)).items()
        return next((time_ns for time_ns, fields in found if model in (None, fields["model"])), None)

    def has_new_level(self, key: Key, model: str, end_ns: int) -> bool:
        found = self.of("period", key, TimeRange(0, end_ns)).values()
        return any(fields["reason"] == NEW_LEVEL and fields["model"] == model for fields in found)

    def scores(self, key: Key, span: TimeRange) -> Mapping[int, WrittenScore]:
        return {
            begin_ns: WrittenScore(fields["label"], fields["model"], "feedback" in fields)
            for begin_ns, fields in self.of("score", key, span).items()
        }

    def whole_scores(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        return self.of("score", key, span)

    def is_scored(self, key: Key, span: TimeRange) -> bool:
        return bool(self.of("score", key, span))

    def first_score_ns(self, begin_ns: int) -> int | None:
        return min((time_ns for _, time_ns in self.points["score"] if time_ns >= begin_ns), default=None)

    def late_windows(self, span: TimeRange) -> Iterator[LateWindow]:
        for key in self.series:
            for begin_ns, fields in self.of("late", key, span).items():
                yield LateWindow(key, begin_ns, fields["seen_ms"], fields.get("done_ms"), fields.get(PERIOD_SIGN_FIELD))

    def _periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange, Fields]]:
        for key in self.series:
            for begin_ns, fields in self.of("period", key, span).items():
                yield key, TimeRange(begin_ns, fields["end_ms"] * 1_000_000), fields

    def open_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange, bool]]:
        for key, period, fields in list(self._periods(span)):
            if fields["state"] == "open":
                is_silence = fields["reason"] == NO_DATA
                yield key, TimeRange(period.begin_ns, NEVER_NS) if is_silence else period, is_silence

    def closed_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange, str]]:
        for key, period, fields in list(self._periods(span)):
            if fields["state"] == "closed":
                yield key, period, fields["reason"]

    def second_periods(self, span: TimeRange) -> Iterator[tuple[Key, TimeRange]]:
        earlier: dict[Key, int] = {}
        for key, period, fields in list(self._periods(span)):
            if fields["reason"] != NO_DATA:
                over_ns = earlier[key] + self._pipeline.periods.merge_ns if key in earlier else period.begin_ns
                if period.begin_ns < over_ns and fields["state"] == "closed":
                    yield key, period
                earlier[key] = max(earlier.get(key, 0), period.end_ns)

    def joint_silences(self, span: TimeRange) -> Iterator[tuple[TimeRange, bool]]:
        yield from ()

    def periods(self, key: Key, span: TimeRange) -> Mapping[int, Mapping[str, Any]]:
        return {
            begin_ns: {name: fields.get(name) for name in COMPARED_FIELDS}
            for begin_ns, fields in self.of("period", key, span).items()
        }

    def last_period(self, key: Key, end_ns: int) -> TimeRange | None:
        found = list(self.of("period", key, TimeRange(0, end_ns)).items())
        if not found:
            return None
        begin_ns, fields = found[-1]
        lasts = fields["reason"] == NO_DATA and fields["state"] == "open"
        return TimeRange(begin_ns, NEVER_NS if lasts else fields["end_ms"] * 1_000_000)

    def remove_score(self, key: Key, begin_ns: int) -> None:
        del self.points["score"][key, begin_ns]

    def remove_period(self, key: Key, begin_ns: int) -> None:
        del self.points["period"][key, begin_ns]
