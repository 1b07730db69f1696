"""What a report reads: bounded queries, and the fields that its plots show."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import HOUR_NS
from anomaly.report.read import (
    MOST_FIELDS,
    MOST_PERIODS,
    MOST_SERIES,
    chosen_fields,
    read_steps,
    step_begins,
)
from anomaly.report.run import ReportRequest, run_report
from anomaly.windows.cut import cut_of
from tests.unit.anomaly.clocks import autumn, daily, spring
from tests.unit.anomaly.report.made import STEP_NS
from tests.unit.anomaly.report.test_run import RANGE, Answers, many


@pytest.mark.parametrize(
    ("reasons", "first"),
    [(["bed_left above 3"], "bed_left"), (["no data"], "f0"), (["air", "bed"], "air"), (["bed"], "bed")],
)
def test_the_reasons_of_periods_are_plotted_first(reasons: list[str], first: str) -> None:
    fields = [*(f"f{number}" for number in range(9)), "bed", "bed_left", "air"]

    chosen = chosen_fields(fields, reasons)

    assert (chosen[0], len(chosen)) == (first, MOST_FIELDS)


def test_every_query_is_bounded_in_time_and_in_points(tmp_path: Path) -> None:
    influx = Answers()

    run_report(ReportRequest(many(1, 40), "anomaly", tmp_path / "r.html", *RANGE), lambda: influx, lambda text: None)

    assert len(influx.asked) == 5 + MOST_SERIES
    for query in influx.asked:
        assert re.search(r"time >= \d{18,} AND time < \d{19}", query), query
        assert re.search(rf"^SELECT (count|top)\(|GROUP BY time\({STEP_NS}ns, \d+ns\)|LIMIT {MOST_PERIODS}$", query), (
            query
        )


class Days(InfluxClient):
    """InfluxDB with a score in each step that is asked for."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", None, None)

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        yield SeriesChunk("score", {}, [], [[at_ns, 50.0, 1.0, 2.0, 0.0, 3.0] for at_ns in asked_steps(text)])


def asked_steps(query: str) -> range:
    """Return the begins of the steps that a query asks for."""
    begin_ns, end_ns, length_ns, offset_ns = map(int, re.findall(r"\d{14,}|(?<=, )\d+(?=ns\))", query))
    assert begin_ns % length_ns == offset_ns
    return range(begin_ns, end_ns, length_ns)


@pytest.mark.parametrize("most", [480, 12])
def test_steps_by_a_clock_tile_the_range(most: int) -> None:
    pipeline, span = daily(), TimeRange(spring(-3), autumn(4))

    _, steps = read_steps(Days(), "anomaly", pipeline, span, (), pipeline.fields, most)

    begins = [step.begin_ns for step in steps]
    assert begins == sorted(begins)
    assert [step.end_ns for step in steps] == [*begins[1:], span.end_ns]
    hours = {step.begin_ns: (step.end_ns - step.begin_ns) / HOUR_NS for step in steps}
    assert (hours[spring(0)], hours[autumn(0)]) == (23, 25)


@pytest.mark.parametrize(
    ("first", "last", "most", "each"),
    [(autumn(-9), autumn(9), 480, 1), (autumn(-9), autumn(9), 18, 2), (spring(-40), autumn(40), 20, 19)],
)
def test_windows_by_a_clock_are_read_in_bounded_steps_that_begin_with_windows(
    first: int, last: int, most: int, each: int
) -> None:
    influx, pipeline, span = Answers(is_empty=True), daily(), TimeRange(first, last)

    step_ns, _ = read_steps(influx, "anomaly", pipeline, span, (), pipeline.fields, most)

    cut = cut_of(pipeline)
    begins: list[int] = []
    for query in influx.asked:
        begins += asked_steps(query)
    assert step_ns == each * pipeline.window_ns
    assert step_begins(pipeline, span, step_ns) == begins
    assert begins == [cut.begin(at_ns) for at_ns in begins]
    assert {autumn(0), autumn(1)} <= set(begins)
    assert len(begins) <= most
