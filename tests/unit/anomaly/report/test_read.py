"""What a report reads: bounded queries, and the fields that its plots show."""

import re
from pathlib import Path

import pytest

from anomaly.report.read import MOST_FIELDS, MOST_PERIODS, MOST_SERIES, chosen_fields
from anomaly.report.run import ReportRequest, run_report
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
