"""What a catch-up makes of InfluxDB's answers."""

import re
from collections.abc import Iterator
from typing import Any

from anomaly.catchup.database import PipelineDatabase
from anomaly.influxdb.client import SeriesChunk
from anomaly.influxdb.times import TimeRange
from anomaly.models.model import Model
from anomaly.scoring.periods import Period
from anomaly.scoring.results import period_result
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

SPAN = TimeRange(0, 100_000_000)
# How long after a period's last window a series stays in it, in milliseconds.
MERGE = PIPELINE.periods.merge_ns // 1_000_000


class Influx:
    """Answers every query with the same chunks, and keeps the queries."""

    def __init__(self, *chunks: SeriesChunk) -> None:
        self.chunks = chunks
        self.queries: list[str] = []

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        self.queries.append(text)
        yield from self.chunks


def chunk(printer: str, *rows: tuple[int, int, str]) -> SeriesChunk:
    """Periods of a printer: begin and end in milliseconds, and their state."""
    values: list[list[Any]] = [[begin * 1_000_000, end, state] for begin, end, state in rows]
    return SeriesChunk("period", {"printer": printer}, ["time", "end_ms", "state"], values)


def second(*chunks: SeriesChunk) -> list[tuple[str, int, int]]:
    database = PipelineDatabase(Influx(*chunks), PIPELINE, "anomaly")  # type: ignore[arg-type]
    return [
        (key[0], period.begin_ns // 1_000_000, period.end_ns // 1_000_000)
        for key, period in database.second_periods(SPAN)
    ]


def test_a_closed_period_that_begins_before_an_earlier_one_can_be_over_is_a_second_one() -> None:
    early = [(0, 10, "open"), (10 + MERGE - 1, 20 + MERGE, "closed"), (20 + 2 * MERGE, 30 + 2 * MERGE, "closed")]
    assert second(chunk("a", *early)) == [("a", 9 + MERGE, 20 + MERGE)]


def test_an_open_period_is_not_yet_a_second_one_and_the_longest_earlier_one_counts() -> None:
    rows = [(0, 20, "closed"), (5, 6, "open"), (19 + MERGE, 30 + MERGE, "closed")]
    assert second(chunk("a", *rows)) == [("a", 19 + MERGE, 30 + MERGE)]


def test_periods_of_other_series_do_not_count_and_a_series_may_come_in_parts() -> None:
    parts = [chunk("a", (0, 20, "closed")), chunk("b", (5, 6, "closed")), chunk("a", (7, 8, "closed"))]
    assert second(*parts) == [("a", 7, 8)]


def test_a_period_after_a_new_level_is_none_of_its_seconds() -> None:
    values: list[list[Any]] = [[0, 10, "closed", "new level"], [11_000_000, 20, "closed", "bed"]]
    columns = ["time", "end_ms", "state", "reason"]
    assert second(SeriesChunk("period", {"printer": "a"}, columns, values)) == []


def test_a_new_level_is_asked_for_by_series_and_model() -> None:
    influx = Influx(SeriesChunk("period", {}, ["time", "first"], [[5, 10]]))
    database = PipelineDatabase(influx, PIPELINE, "anomaly")  # type: ignore[arg-type]
    assert database.has_new_level(("a",), "v1", 1_000)
    (query,) = influx.queries
    assert "\"model\" = 'v1' AND \"reason\" = 'new level' AND time < 1000 AND \"printer\" = 'a'" in query


def test_a_closed_period_is_told_by_its_reason_whether_it_is_a_silence() -> None:
    values: list[list[Any]] = [[0, 10, "no data"], [20_000_000, 30, "bed"]]
    influx = Influx(SeriesChunk("period", {"printer": "a"}, ["time", "end_ms", "reason"], values))

    closed = list(PipelineDatabase(influx, PIPELINE, "anomaly").closed_periods(SPAN))  # type: ignore[arg-type]

    assert closed == [
        (("a",), TimeRange(0, 10_000_000), True),
        (("a",), TimeRange(20_000_000, 30_000_000), False),
    ]
    (query,) = influx.queries
    assert '"state" = \'closed\' AND time >= 0 AND time < 100000000 GROUP BY "printer"' in query


def test_silences_are_not_asked_for() -> None:
    influx = Influx()
    list(PipelineDatabase(influx, PIPELINE, "anomaly").second_periods(SPAN))  # type: ignore[arg-type]
    (query,) = influx.queries
    assert "\"reason\" <> 'no data'" in query
    assert "time >= 0 AND time < 100000000" in query


def test_a_stored_period_can_be_compared_by_all_that_a_replay_knows_of_it(model: Model) -> None:
    period = Period(0, WINDOW_NS, "closed", 1.0, 100.0, 3, "bed above 90", is_beyond_limit=True)
    known = dict(period_result(PIPELINE, ("printer-1",), period, model).fields)
    # The sentence for people follows from the rest.
    known.pop("text")
    asked = Influx()
    list(PipelineDatabase(asked, PIPELINE, "anomaly").periods(("printer-1",), SPAN))  # type: ignore[arg-type]
    columns = re.findall(r'"(\w+)"', asked.queries[0].partition(" FROM ")[0])
    influx = Influx(SeriesChunk("period", {}, ["time", *columns], [[0, *(known[name] for name in columns)]]))

    stored = PipelineDatabase(influx, PIPELINE, "anomaly").periods(("printer-1",), SPAN)  # type: ignore[arg-type]

    assert stored == {0: known}
