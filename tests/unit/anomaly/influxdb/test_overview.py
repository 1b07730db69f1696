"""What the results say of pipelines now; tests/conformance/test_status.py asks a real InfluxDB."""

from collections.abc import Iterator
from typing import Any

from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.overview import HealthProblem, Open, Overview, read_overview, read_problems, recent_ns
from anomaly.nanoseconds import HOUR_NS, SECOND_NS
from anomaly.pipeline import normalize
from tests.unit.anomaly.printers import PIPELINE

NOW_NS = 1_700_000_000 * SECOND_NS


class Answers(InfluxClient):
    """InfluxDB with one answer for each query that has a word in it."""

    def __init__(self, **answers: list[tuple[dict[str, str], list[Any]]]) -> None:
        super().__init__("http://127.0.0.1:1", None, None)
        self._answers = answers

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        assert database == "anomaly"
        for tags, row in next((rows for word, rows in self._answers.items() if word in text), []):
            yield SeriesChunk("", tags, [], [row])


def test_the_worst_open_period_is_first_and_the_newest_notice() -> None:
    influx = Answers(
        count=[({}, [0, 3, 91.5])],
        score=[({}, [NOW_NS - 20 * SECOND_NS, 91.5])],
        period=[
            ({"pipeline": "printer", "printer": "p1", "hall": ""}, [10, "bed", 80.0, "open"]),
            ({"pipeline": "printer", "printer": "p2"}, [20, "air", 99.0, "open"]),
            ({"pipeline": "printer", "printer": "p3"}, [30, "bed", 80.0, "open"]),
        ],
        notice=[
            ({"pipeline": "printer", "notice": "clock", "printer": "p1"}, [10, "its clock is wrong", "open"]),
            ({"pipeline": "printer", "notice": "silence"}, [20, "all are silent", "open"]),
        ],
    )

    overview = read_overview(influx, "anomaly", PIPELINE, NOW_NS)

    assert (overview.series, overview.last_ns, overview.worst) == (3, NOW_NS - 10 * SECOND_NS, 91.5)
    assert overview.periods == (
        Open({"printer": "p2"}, 20, "air", 99.0),
        Open({"printer": "p3"}, 30, "bed", 80.0),
        Open({"printer": "p1"}, 10, "bed", 80.0),
    )
    assert overview.notices == (Open({}, 20, "all are silent"), Open({"printer": "p1"}, 10, "its clock is wrong"))


def test_a_pipeline_without_results_has_none() -> None:
    assert read_overview(Answers(), "anomaly", PIPELINE, NOW_NS) == Overview(0, None, None, (), ())


def test_only_what_is_wrong_is_a_problem() -> None:
    influx = Answers(
        health=[
            ({"check": "kapacitor", "pipeline": ""}, [1, 1, ""]),
            ({"check": "scores", "pipeline": "printer"}, [1, 0, "no scores for 1h"]),
        ]
    )

    assert read_problems(influx, "anomaly", NOW_NS) == [HealthProblem("scores", "printer", "no scores for 1h")]


def test_a_keeper_that_says_nothing_is_not_taken_for_good_news() -> None:
    assert read_problems(Answers(), "anomaly", NOW_NS) is None


def test_a_series_of_long_windows_counts_for_longer() -> None:
    (daily,) = normalize([{"name": "p", "database": "d", "measurement": "m", "fields": ["x"], "window": "1d"}])

    assert (recent_ns(PIPELINE), recent_ns(daily)) == (HOUR_NS, 20 * 24 * HOUR_NS)
