"""Windows of a pipeline that needs single points, such as for the rates of counters.

InfluxQL aggregates what InfluxDB holds. Where a pipeline watches something else, or where some values are invalid
(`anomaly.windows.validity`), the points themselves are read, source by source; a source is one combination
of all tags. `anomaly.windows.aggregates` makes windows of them, as it does in the UDF. The points of a stretch of time
are in memory together, so stretches are as long as their points allow. A stretch that turns out to have many more
points than the one before let expect is read again as several.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.influxql import points_query
from anomaly.pipeline import Pipeline
from anomaly.windows.aggregates import aggregate_windows
from anomaly.windows.arrays import Floats, Key, Times, changes, groups
from anomaly.windows.cut import cut_of, scaled
from anomaly.windows.derivation import Identities, derivation_of
from anomaly.windows.series import SeriesWindows
from anomaly.windows.validity import Validity, validity_of
from kapacitor_udf import identity

# How many values are invalid, by series and field.
InvalidValues = Counter[tuple[Key, str]]

# The first stretch of a range, which says how dense the points are; the others aim at this many points.
_FIRST_WINDOWS = 64
_POINTS_AT_ONCE = 250_000
# A stretch is at most this many times as long as the one before; with as many times the points, it is read again.
_MOST_GROWTH = 8


def source_key(pipeline: Pipeline, chunk: SeriesChunk) -> Key:
    """Return the key of the series of a pipeline that a chunk of an answer about its source belongs to."""
    values = tuple(chunk.tags.get(tag, "") for tag in pipeline.point_tags)
    return (chunk.name, *values) if pipeline.is_by_measurement else values


def read_point_windows(
    influx: InfluxClient,
    pipeline: Pipeline,
    begin_ns: int,
    end_ns: int,
    key: Key | None = None,
    invalid: InvalidValues | None = None,
) -> Iterator[SeriesWindows]:
    """Read the points of a range, and yield the windows that they make.

    Args:
        influx: the server that holds the pipeline's source.
        pipeline: the pipeline.
        begin_ns: where the range begins, a window edge.
        end_ns: where it ends, a window edge.
        key: the only series to read; None: all series.
        invalid: counts the values that are invalid; None: nobody wants to know.

    Yields:
        Windows of one series, in the order of time; of all series of a stretch, then of those of the next.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    validity = validity_of(pipeline)
    cut, windows = cut_of(pipeline), _FIRST_WINDOWS
    while begin_ns < end_ns:
        until_ns = min(cut.step(begin_ns, windows), end_ns)
        windows = cut.windows(begin_ns, until_ns)
        query = points_query(pipeline, begin_ns, until_ns, key)
        stretch = _Stretch(pipeline, validity)
        most = _MOST_GROWTH * _POINTS_AT_ONCE if windows > 1 else None
        if not stretch.read(influx.query(query, pipeline.database), most):
            windows = max(windows // _MOST_GROWTH, 1)
            continue
        if invalid is not None:
            invalid.update(stretch.invalid)
        yield from stretch.windows()
        growth = min(_POINTS_AT_ONCE / max(stretch.points, 1), _MOST_GROWTH)
        windows = max(int(windows * growth), 1)
        begin_ns = until_ns


class _Stretch:
    """The points of a stretch of time, as columns.

    Attributes:
        points: how many points it has.
        invalid: how many of its values are invalid, by series and field.
    """

    def __init__(self, pipeline: Pipeline, validity: Validity | None) -> None:
        self._pipeline = pipeline
        self._derivation = derivation_of(pipeline)
        self._validity = validity
        self._numbers: dict[Key, int] = {}
        # Each chunk's number of its series, the identity of its source, times and values.
        self._chunks: list[tuple[int, int, Times, Floats]] = []
        self.points = 0
        self.invalid = InvalidValues()

    def read(self, chunks: Iterator[SeriesChunk], most: int | None) -> bool:
        """Take the chunks of an answer; return whether they have at most this many points, or else stop."""
        for chunk in chunks:
            self._add(chunk)
            if most is not None and self.points > most:
                return False
        return True

    def _add(self, chunk: SeriesChunk) -> None:
        """Take a chunk of an answer, whose points are of one source."""
        key = source_key(self._pipeline, chunk)
        times = np.array([row[0] for row in chunk.rows], dtype=np.int64)
        values = np.array([row[1:] for row in chunk.rows], dtype=np.float64)
        if self._validity is not None:
            beyond = self._validity.beyond(key, values)
            values[beyond] = np.nan
            for place in np.flatnonzero(beyond.any(axis=0)).tolist():
                self.invalid[key, self._pipeline.sources[place]] += int(beyond[:, place].sum())
        number = self._numbers.setdefault(key, len(self._numbers))
        self._chunks.append((number, identity(chunk.tags), times, values))
        self.points += len(times)

    def windows(self) -> Iterator[SeriesWindows]:
        """Yield the windows of each series."""
        if not self._chunks:
            return
        lengths = [len(times) for _, _, times, _ in self._chunks]
        series = np.repeat(np.array([number for number, *_ in self._chunks], dtype=np.intp), lengths)
        identities: Identities = np.repeat(np.array([one for _, one, *_ in self._chunks], dtype=np.uint64), lengths)
        times = np.concatenate([times for _, _, times, _ in self._chunks])
        values = np.concatenate([values for *_, values in self._chunks]).T
        self._chunks.clear()
        order = np.lexsort((times, series))
        series, times = series[order], times[order]
        cut = cut_of(self._pipeline)
        begins = cut.begin(times)
        is_first = changes(series, begins)
        aggregated = aggregate_windows(
            np.cumsum(is_first) - 1,
            times,
            identities[order],
            values[:, order],
            self._pipeline.aggregate,
            self._derivation,
        )
        series, begins = series[is_first], begins[is_first]
        values, counts = scaled(cut, self._pipeline.aggregate, begins, aggregated.values, aggregated.counts)
        keys = list(self._numbers)
        for part in groups(series):
            key = keys[series[part[0]]]
            yield SeriesWindows(key, begins[part], values[part], counts[part])
