"""What a catch-up makes of InfluxDB's answers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from anomaly.catchup.database import NEVER_NS, LateWindow, PipelineDatabase, WrittenScore
from anomaly.influxdb.client import SeriesChunk
from anomaly.influxdb.times import TimeRange
from anomaly.models.model import Model
from anomaly.scoring.periods import Period
from anomaly.scoring.results import Result, period_result
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

SPAN = TimeRange(0, 100_000_000)
# How long after a period's last window a series stays in it, in milliseconds.
MERGE = PIPELINE.periods.merge_ns // 1_000_000


class Influx:
    """Answers every query with the same chunks, and keeps the queries, the databases asked, and what is written."""

    def __init__(self, *chunks: SeriesChunk) -> None:
        self.chunks = chunks
        self.queries: list[str] = []
        self.databases: list[str] = []
        self.written: list[list[str]] = []

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        self.queries.append(text)
        self.databases.append(database)
        yield from self.chunks

    def write(self, lines: list[str], database: str) -> None:
        self.written.append(lines)
        self.databases.append(database)


def rows(columns: str, *values: list[Any], printer: str = "a") -> SeriesChunk:
    """A series' answer, whose first column is the time."""
    return SeriesChunk("any", {"printer": printer}, ["time", *columns.split()], list(values))


def asked(*chunks: SeriesChunk) -> tuple[Influx, PipelineDatabase]:
    influx = Influx(*chunks)
    return influx, PipelineDatabase(influx, PIPELINE, "results")  # type: ignore[arg-type]


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
    values: list[list[Any]] = [[0, 10, "closed", "new level"], [10_000_000, 20, "closed", "bed"]]
    columns = ["time", "end_ms", "state", "reason"]
    assert second(SeriesChunk("period", {"printer": "a"}, columns, values)) == []


def test_a_new_level_is_asked_for_by_series_and_model() -> None:
    influx = Influx(SeriesChunk("period", {}, ["time", "first"], [[5, 10]]))
    database = PipelineDatabase(influx, PIPELINE, "anomaly")  # type: ignore[arg-type]
    assert database.has_new_level(("a",), "v1", 1_000)
    (query,) = influx.queries
    assert "\"model\" = 'v1' AND \"reason\" = 'new level' AND time < 1000 AND \"printer\" = 'a'" in query


def test_a_closed_period_comes_with_its_reason() -> None:
    values: list[list[Any]] = [[0, 10, "no data"], [20_000_000, 30, "bed"]]
    influx = Influx(SeriesChunk("period", {"printer": "a"}, ["time", "end_ms", "reason"], values))

    closed = list(PipelineDatabase(influx, PIPELINE, "anomaly").closed_periods(SPAN))  # type: ignore[arg-type]

    assert closed == [
        (("a",), TimeRange(0, 10_000_000), "no data"),
        (("a",), TimeRange(20_000_000, 30_000_000), "bed"),
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
    known_by = Influx()
    list(PipelineDatabase(known_by, PIPELINE, "anomaly").periods(("printer-1",), SPAN))  # type: ignore[arg-type]
    columns = re.findall(r'"(\w+)"', known_by.queries[0].partition(" FROM ")[0])
    influx = Influx(SeriesChunk("period", {}, ["time", *columns], [[0, *(known[name] for name in columns)]]))

    stored = PipelineDatabase(influx, PIPELINE, "anomaly").periods(("printer-1",), SPAN)  # type: ignore[arg-type]

    assert stored == {0: known}


def test_a_late_window_is_done_when_no_point_has_come_since_it_was_scored() -> None:
    influx, database = asked(
        rows(
            "points seen_ms done_ms _period",
            [10, 1, 5, None, None],
            [20, 1, 6, 5, "a1"],
            [30, 1, 5, 5, ""],
            [40, None, None, 5, "a1"],
            [50, 0, 0, 0, None],
        )
    )
    late = list(database.late_windows(SPAN))
    assert [(each, each.is_done) for each in late] == [
        (LateWindow(("a",), 10, 5, None), False),
        (LateWindow(("a",), 20, 6, 5, "a1"), False),
        (LateWindow(("a",), 30, 5, 5, ""), True),
        (LateWindow(("a",), 50, 0, 0), True),
    ]
    assert influx.databases == ["results"]


def test_open_periods_end_where_they_were_last_seen_and_open_silences_never() -> None:
    _, database = asked(rows("end_ms reason", [10, 20, "bed"], [30, 40, "no data"]))
    assert list(database.open_periods(SPAN)) == [
        (("a",), TimeRange(10, 20_000_000), False),
        (("a",), TimeRange(30, NEVER_NS), True),
    ]


@pytest.mark.parametrize(
    ("row", "period"),
    [
        ([10, 20, "closed", "no data"], TimeRange(10, 20_000_000)),
        ([10, 20, "open", "bed"], TimeRange(10, 20_000_000)),
        ([10, 20, "open", "no data"], TimeRange(10, NEVER_NS)),
    ],
)
def test_the_last_period_of_a_series_has_no_end_only_as_a_lasting_silence(row: list[Any], period: TimeRange) -> None:
    influx, database = asked(rows("end_ms state reason", row))
    assert database.last_period(("a",), 50) == period
    assert influx.queries[0].endswith("AND time < 50 AND \"printer\" = 'a' ORDER BY time DESC LIMIT 1")
    assert asked()[1].last_period(("a",), 50) is None


def test_joint_silences_are_open_ones_and_those_that_begin_in_the_span() -> None:
    _, database = asked(rows("end_ms state", [1, 5, "open"], [2, 6, "closed"], [3, 7, "closed"], [4, 8, "open"]))
    assert list(database.joint_silences(TimeRange(3, 100))) == [
        (TimeRange(1, 5_000_000), True),
        (TimeRange(3, 7_000_000), False),
        (TimeRange(4, 8_000_000), True),
    ]


def test_points_are_counted_by_their_most_frequent_field_in_the_source() -> None:
    influx, database = asked(rows("count count_1", [0, 3, 5], [10, None, 2], [20, None, None]))
    assert database.point_counts(SPAN, 10) == {(("a",), 0): 5, (("a",), 10): 2, (("a",), 20): 0}
    assert database.score_counts(SPAN, 10)[("a",), 0] == 5
    assert influx.databases == [PIPELINE.database, "results"]
    assert all('GROUP BY time(10ns), "printer" fill(none)' in query for query in influx.queries)


def test_a_score_is_suppressed_where_a_mark_is_named() -> None:
    _, database = asked(rows("label model feedback", [10, 1, "v1", None], [20, 0, "v2", "mark-1"]))
    assert database.scores(("a",), SPAN) == {
        10: WrittenScore(1, "v1", suppressed=False),
        20: WrittenScore(0, "v2", suppressed=True),
    }


def test_scored_begins_are_those_of_each_series_in_all_parts_of_the_answer() -> None:
    influx, database = asked(
        rows("severity", [10, 1.0]), rows("severity", [20, 2.0], printer="b"), rows("severity", [30, 0.0])
    )
    assert database.scored_begins(None, SPAN) == {("a",): {10, 30}, ("b",): {20}}
    assert influx.queries[0].endswith('time >= 0 AND time < 100000000 GROUP BY "printer"')


def test_the_first_score_is_the_time_of_the_answer_and_none_without_one() -> None:
    _, database = asked(rows("first", [70, 3.0]))
    assert (database.first_score_ns(5), database.first_score_of_ns(("a",), None, 9)) == (70, 70)
    assert database.is_scored(("a",), SPAN)
    _, empty = asked()
    assert empty.first_score_ns(5) is None
    assert not empty.is_scored(("a",), SPAN)
    assert not empty.has_new_level(("a",), "v1", 5)


@pytest.mark.parametrize(("model", "named"), [(None, False), ("v1", True)])
def test_the_first_score_of_any_model_is_asked_for_without_a_model(model: str | None, named: bool) -> None:
    influx, database = asked()
    database.first_score_of_ns(("a",), model, 9)
    assert ("\"model\" = 'v1'" in influx.queries[0]) is named
    assert "time < 9" in influx.queries[0]


def test_what_is_removed_is_one_moment_of_one_series() -> None:
    influx, database = asked()
    database.remove_score(("a",), 10)
    database.remove_period(("a",), 20)
    database.remove_joint_silence(30)
    mine = "\"pipeline\" = 'printer'"
    assert influx.queries == [
        f'DELETE FROM "score" WHERE {mine} AND time >= 10 AND time < 11 AND "printer" = \'a\'',
        f'DELETE FROM "period" WHERE {mine} AND time >= 20 AND time < 21 AND "printer" = \'a\'',
        f'DELETE FROM "notice" WHERE {mine} AND "notice" = \'silence\' AND time >= 30 AND time < 31',
    ]


def test_results_are_written_as_many_at_once_as_influxdb_takes_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly.catchup.database._LINES_AT_ONCE", 2)
    influx, database = asked()
    database.write(Result("late", {"printer": "a"}, time_ns, {"done_ms": 1}) for time_ns in range(5))
    assert [len(lines) for lines in influx.written] == [2, 2, 1]
    assert len({line for lines in influx.written for line in lines}) == 5
    assert set(influx.databases) == {"results"}


def test_a_joint_silence_is_ended_in_milliseconds() -> None:
    influx, database = asked()
    database.end_joint_silence(30, 7_999_999)
    ((line,),) = influx.written
    assert "end_ms=7i" in line
    assert line.endswith(" 30")


def test_the_newest_point_of_each_series_is_asked_for_in_the_source() -> None:
    influx, database = asked(rows("hotend", [70, 210.0]), rows("hotend", [80, 205.0], printer="b"))
    assert database.newest_ns(60) == {("a",): 70, ("b",): 80}
    assert influx.databases == [PIPELINE.database]
    (query,) = influx.queries
    assert query.startswith('SELECT "hotend" FROM "printer"."autogen"."temperature" WHERE time >= 60')
    assert query.endswith(' GROUP BY "printer" ORDER BY time DESC LIMIT 1')


def test_whole_scores_have_all_fields_by_their_names() -> None:
    influx, database = asked(rows("label score", [10, 1, 7.5], [20, 0, 0.5]), rows("label feedback", [30, 1, "mark-1"]))
    assert database.whole_scores(("a",), SPAN) == {
        10: {"label": 1, "score": 7.5},
        20: {"label": 0, "score": 0.5},
        30: {"label": 1, "feedback": "mark-1"},
    }
    assert influx.queries[0].startswith('SELECT *::field FROM "score" WHERE "pipeline" = \'printer\'')
    assert influx.queries[0].endswith("time >= 0 AND time < 100000000 AND \"printer\" = 'a'")
