"""A report from end to end, on answers that are made up: its files, its bounds, and what it refuses."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.pipeline import Pipeline
from anomaly.refusal import Refused
from anomaly.report.read import MOST_PERIODS, MOST_SERIES, MOST_STEPS
from anomaly.report.run import ReportRequest, run_report, write
from tests.unit.anomaly.report.made import BEGIN_NS, STEP_NS, overview, period, pipeline, report

RANGE = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")


class Answers(InfluxClient):
    """InfluxDB with as many series, steps and fields as a report asks for.

    Attributes:
        asked: the queries.
    """

    def __init__(self, *, is_empty: bool = False) -> None:
        super().__init__("http://127.0.0.1:1", None, None)
        self.asked: list[str] = []
        self._is_empty = is_empty

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        self.asked.append(text)
        if not self._is_empty:
            yield SeriesChunk("score", {}, [], self._rows(text))

    def _rows(self, text: str) -> list[list[object]]:
        if text.startswith('SELECT count("severity")'):
            return [[0, 10_000 * 86_400, 60_000, 100.0]]
        if text.startswith('SELECT count("worst")'):
            return [[0, 10_000]]
        if text.startswith('SELECT count("end_ms")'):
            return [[0, 9_000]]
        if text.startswith("SELECT top"):
            return [[BEGIN_NS, 100.0 - n, f"series {n}"] for n in range(MOST_SERIES)]
        if ' FROM "period" ' in text:
            rest = ["closed", 98.76, 60, "field_0", "anomalous; at " + "x" * 380, "series 3"]
            return [[BEGIN_NS + n, BEGIN_NS // 10**6 + 60_000, *rest] for n in range(MOST_PERIODS)]
        width = text.count("mean(") // 2
        numbers = [12_345.678_9, 23_456.789_1, -12_345.678_9, 34_567.891_2]
        return [[BEGIN_NS + at * STEP_NS, 55.5, *numbers * width] for at in range(MOST_STEPS)]


def many(count: int, fields: int) -> list[Pipeline]:
    names = [f"field_{number}" for number in range(fields)]
    return [pipeline(name=f"pipeline-{number}", fields=names) for number in range(count)]


@pytest.mark.parametrize(("count", "fields"), [(1, 1), (2, 40), (12, 6)])
def test_a_page_is_small_however_much_there_is(tmp_path: Path, count: int, fields: int) -> None:
    page = tmp_path / "report.html"

    run_report(ReportRequest(many(count, fields), "anomaly", page, *RANGE), Answers, lambda text: None)

    assert page.stat().st_size < 3_000_000


def test_the_worst_pipeline_is_first_and_lines_are_as_asked(tmp_path: Path) -> None:
    said: list[str] = []
    page = tmp_path / "report.html"

    entries = run_report(ReportRequest(many(2, 1), "anomaly", page, *RANGE), Answers, said.append)

    assert [(entry["pipeline"], entry["status"], entry["series"]) for entry in entries] == [
        ("pipeline-0", "done", 10_000),
        ("pipeline-1", "done", 10_000),
    ]
    assert said[-1] == f"the report is in {page}, beside report.png, report-periods.csv, report-values.csv"


def test_a_range_without_results_is_refused(tmp_path: Path) -> None:
    request = ReportRequest([pipeline()], "anomaly", tmp_path / "report.html", *RANGE)

    with pytest.raises(
        Refused, match=r"printer: the database 'anomaly' has neither scores nor periods from 2026.*--from"
    ):
        run_report(request, lambda: Answers(is_empty=True), lambda text: None)
    assert not list(tmp_path.iterdir())


def test_the_files_beside_a_page_are_a_picture_and_tables(tmp_path: Path) -> None:
    hostile = period(reason="=1+1", text="+2", end_ns=BEGIN_NS + 10**9)
    made = report(overview(hostile), steps=3)

    names = write(tmp_path / "report.html", [made])

    assert names == ["report.png", "report-periods.csv", "report-values.csv"]
    with Image.open(tmp_path / "report.png") as image:
        image.load()
        assert (image.format, image.width) == ("PNG", 2 * (840 + 32))
    with (tmp_path / "report-periods.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["series"], row["state"], row["reason"], row["text"]) == ("printer=p1", "closed", "'=1+1", "'+2")
    with (tmp_path / "report-values.csv").open(encoding="utf-8", newline="") as file:
        values = list(csv.DictReader(file))
    assert len(values) == 3 * 2
    assert (values[0]["field"], values[0]["highest"], values[0]["expected_high"]) == ("bed", "90.0", "92.0")
