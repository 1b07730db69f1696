"""The series that moved at the time of a period: their rank, and the bounds of the queries."""

import re
from collections.abc import Iterator

from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.times import TimeRange
from anomaly.report.others import MOST_OTHERS, around, read_others
from tests.unit.anomaly.report.made import BEGIN_NS, SECOND_NS, pipeline

PRINTERS = pipeline()
PUMPS = pipeline(name="pump", group_by=["pump"], fields=["flow"])
SPAN = TimeRange(BEGIN_NS, BEGIN_NS + 600 * SECOND_NS)
Row = tuple[float, str, str | None, str | None]


class Answers(InfluxClient):
    """InfluxDB with severities of series in the time of a period, and before it."""

    def __init__(self, now: list[Row], before: list[Row]) -> None:
        super().__init__("http://127.0.0.1:1", None, None)
        self.asked: list[str] = []
        self._answers = [now, before]

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        self.asked.append(text)
        rows = [[BEGIN_NS + at, *row] for at, row in enumerate(self._answers[len(self.asked) - 1])]
        yield SeriesChunk("score", {}, [], rows)


def test_others_are_ranked_by_severity_and_then_by_rise() -> None:
    influx = Answers(
        [(100.0, "printer", "p1", ""), (99.0, "printer", "p2", ""), (95.0, "pump", "", "q1"), (99.0, "pump", "", "q2")],
        [(90.0, "printer", "p2", ""), (20.0, "pump", "", "q2")],
    )

    others = read_others(influx, "anomaly", [PRINTERS, PUMPS], SPAN, ("printer", ("p1",)))

    assert [(each.pipeline.name, each.key, each.before) for each in others] == [
        ("pump", ("q2",), 20.0),
        ("printer", ("p2",), 90.0),
        ("pump", ("q1",), None),
    ]
    assert others[2].worst_ns == BEGIN_NS + 2


def test_a_series_that_was_as_severe_before_did_not_move() -> None:
    influx = Answers([(99.0, "pump", "", "q1"), (1.0, "pump", "", "q2")], [(99.0, "pump", "", "q1")])

    assert read_others(influx, "anomaly", [PRINTERS, PUMPS], SPAN, ("printer", ("p1",))) == []


def test_a_pipeline_that_is_gone_is_left_out_and_nothing_more_is_asked() -> None:
    influx = Answers([(99.0, "gone", "", "")], [])

    assert read_others(influx, "anomaly", [PRINTERS, PUMPS], SPAN, ("printer", ("p1",))) == []
    assert len(influx.asked) == 1


def test_every_query_is_bounded_in_time_and_in_rows() -> None:
    influx = Answers([(99.0, "pump", "", 'it\'s \\ "q"')], [])

    read_others(influx, "anomaly", [PRINTERS, PUMPS], SPAN, ("printer", ("p1",)))

    now, before = influx.asked
    for query in (now, before):
        assert re.match(rf'SELECT top\("worst", "pipeline", "printer", "pump", {MOST_OTHERS + 1}\) FROM \(', query)
    assert f"time >= {SPAN.begin_ns} AND time < {SPAN.end_ns}" in now
    assert f"time >= {SPAN.begin_ns - 600 * SECOND_NS} AND time < {SPAN.begin_ns}" in before
    assert """("pipeline" = 'pump' AND "pump" = 'it\\'s \\\\ "q"')""" in before


def test_the_time_of_others_has_a_margin_and_an_end() -> None:
    second, day = SECOND_NS, 86_400 * SECOND_NS

    assert around(TimeRange(10 * second, 12 * second), second) == TimeRange(7 * second, 15 * second)
    long = around(TimeRange(day, 9 * day), second)
    assert (long.begin_ns, long.end_ns - long.begin_ns) == (day - 3 * second, 6 * 3_600 * second)
