"""What an undisturbed run says of the stored points, and how the results of the broken one differ from it.

The undisturbed run is a scorer of its own that reads the windows from InfluxDB as training does, goes on where it
ended, and writes nothing.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.source import read_series_windows
from anomaly.models.model import Model
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.results import results
from anomaly.scoring.scorer import Scorer

# Series and begin of a window or a period.
Place = tuple[str, int]
TOLERANCE = 1e-9
# This many of the first and of the last places are explained.
_EXPLAINED = 5
_SCORE_FIELDS = ("score", "severity")
_PERIOD_FIELDS = ("end_ms", "state", "peak_score", "peak_severity", "points", "reason")


@dataclass(slots=True)
class Undisturbed:
    """An undisturbed run beside the broken one.

    Attributes:
        pipeline: the pipeline, which groups by one tag.
        model: the model that scores.
        influx: the server that holds points and results.
        results_database: the database with the results of the broken run.
        series: how many series have points in each window.
        until_ns: up to where it has scored.
        scores: its scores and severities.
        periods: the fields of its periods that are compared.
        peaks: the highest severity of each of its periods, after each window that was in the open period.
        pending: the windows that were not seen with their right score yet.
    """

    pipeline: Pipeline
    model: Model
    influx: InfluxClient
    results_database: str
    series: int
    until_ns: int
    scores: dict[Place, tuple[float, ...]] = field(default_factory=dict)
    periods: dict[Place, dict[str, Any]] = field(default_factory=dict)
    peaks: dict[Place, list[float]] = field(default_factory=dict)
    pending: set[Place] = field(default_factory=set)
    _scorer: Scorer = field(init=False)

    def __post_init__(self) -> None:
        self._scorer = Scorer(self.pipeline, EventCounter("", lambda message: None))

    def go_on(self, end_ns: int) -> bool:
        """Score the windows that end by then, of which every point must be stored.

        Returns:
            Whether all of them were there. InfluxDB answers with too few while it cannot open its files, and then
            nothing is scored.

        Raises:
            InfluxClientError: InfluxDB cannot be asked.
        """
        end_ns = end_ns // self.pipeline.window_ns * self.pipeline.window_ns
        if end_ns <= self.until_ns:
            return True
        # All of it is read before any is scored: a read that fails is made again.
        read = list(read_series_windows(self.influx, self.pipeline, self.until_ns, end_ns))
        expected = self.series * (end_ns - self.until_ns) // self.pipeline.window_ns
        if sum(map(len, read)) < expected:
            return False
        for series in read:
            for scored in self._scorer.feed(self.model, series):
                for result in results(self.pipeline, series.key, scored):
                    place = series.key[0], result.time_ns
                    if result.measurement == "score":
                        self.scores[place] = _numbers(result.fields)
                        self.pending.add(place)
                    else:
                        self.periods[place] = {name: result.fields.get(name) for name in _PERIOD_FIELDS}
                        if result.fields["state"] == "open":
                            self.peaks.setdefault(place, []).append(float(result.fields["peak_severity"]))
        self.until_ns = end_ns
        return True

    def look(self) -> set[Place]:
        """Return the windows whose scores are missing, wrong or there twice, among those not seen right before.

        Raises:
            InfluxClientError: InfluxDB cannot be asked.
        """
        if self.pending:
            begins = [begin_ns for _, begin_ns in self.pending]
            self.pending -= self._right(min(begins), max(begins) + 1)
        return set(self.pending)

    def wrong_scores(self, begin_ns: int) -> set[Place]:
        """Return the windows since `begin_ns` whose scores are missing, wrong, there twice, or should not be there.

        Raises:
            InfluxClientError: InfluxDB cannot be asked.
        """
        stored = self._stored(begin_ns, self.until_ns)
        expected = {place for place in self.scores if place[1] >= begin_ns}
        right = {place for place, rows in stored.items() if self._is_right(place, rows)}
        return (expected | set(stored)) - right

    def explain(self, places: Collection[Place]) -> str:
        """Say of the first and the last windows among `places` what is stored of them, and what should be.

        Raises:
            InfluxClientError: InfluxDB cannot be asked.
        """
        return _explained(places, lambda place: self._stored(place[1], place[1] + 1).get(place), self.scores.get)

    def explain_periods(self, places: Collection[Place]) -> str:
        """Say of the first and the last periods among `places` what is stored of them, and what should be.

        Raises:
            InfluxClientError: InfluxDB cannot be asked.
        """
        return _explained(places, self._stored_periods().get, self.periods.get)

    def wrong_periods(self, before_ns: int) -> set[Place]:
        """Return the periods that differ and were over well before `before_ns`.

        Raises:
            InfluxClientError: InfluxDB cannot be asked.
        """
        stored = self._stored_periods()
        places = {
            place
            for periods in (stored, self.periods)
            for place, fields in periods.items()
            if fields["state"] == "closed" and int(fields["end_ms"] or 0) * 1_000_000 < before_ns
        }
        return {place for place in places if not _equal(stored.get(place, {}), self.periods.get(place, {}))}

    def _stored_periods(self) -> dict[Place, dict[str, Any]]:
        columns = ", ".join(f'"{name}"' for name in _PERIOD_FIELDS)
        return {
            place: dict(zip(_PERIOD_FIELDS, rows[0], strict=True))
            for place, rows in self._rows("period", columns, 0, self.until_ns).items()
        }

    def _right(self, begin_ns: int, end_ns: int) -> set[Place]:
        return {place for place, rows in self._stored(begin_ns, end_ns).items() if self._is_right(place, rows)}

    def _is_right(self, place: Place, rows: list[tuple[Any, ...]]) -> bool:
        expected = self.scores.get(place)
        return (
            expected is not None
            and len(rows) == 1
            and all(
                isinstance(value, int | float) and math.isclose(value, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
                for value, right in zip(rows[0], expected, strict=True)
            )
        )

    def _stored(self, begin_ns: int, end_ns: int) -> dict[Place, list[tuple[Any, ...]]]:
        return self._rows("score", ", ".join(f'"{name}"' for name in _SCORE_FIELDS), begin_ns, end_ns)

    def _rows(self, measurement: str, columns: str, begin_ns: int, end_ns: int) -> dict[Place, list[tuple[Any, ...]]]:
        """Return the rows of each place: more than one if other tags tell them apart."""
        query = (
            f'SELECT {columns} FROM "{measurement}" WHERE "pipeline" = \'{self.pipeline.name}\''
            f" AND time >= {begin_ns} AND time < {end_ns} GROUP BY *"
        )
        rows: dict[Place, list[tuple[Any, ...]]] = {}
        for series, begin, values in self._read(query):
            rows.setdefault((series, begin), []).append(values)
        return rows

    def _read(self, query: str) -> Iterator[tuple[str, int, tuple[Any, ...]]]:
        (tag,) = self.pipeline.result_tags
        for chunk in self.influx.query(query, self.results_database):
            for time_ns, *values in chunk.rows:
                yield chunk.tags[tag], int(time_ns), tuple(values)


def _explained(places: Collection[Place], stored: Callable[[Place], Any], right: Callable[[Place], Any]) -> str:
    """Say of the first and the last places what `stored` and `right` return of them."""
    ordered = sorted(places, key=lambda place: place[1])
    return "\n".join(
        f"{place[0]} {rfc3339(place[1])}: stored {stored(place)}, right is {right(place)}"
        for place in dict.fromkeys([*ordered[:_EXPLAINED], *ordered[-_EXPLAINED:]])
    )


def _numbers(fields: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(float(fields[name]) for name in _SCORE_FIELDS)


def _equal(stored: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    if set(stored) != set(expected):
        return False
    return all(
        math.isclose(stored[name], value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        if isinstance(value, float) and isinstance(stored[name], int | float)
        else stored[name] == value
        for name, value in expected.items()
    )
