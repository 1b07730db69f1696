"""The page of a series: its periods, and the steps of its plots."""

from tests.unit.anomaly.console.answers import BEGIN_NS
from tests.unit.anomaly.console.desk import Desk


def test_a_series_has_plots_and_periods(desk: Desk) -> None:
    text = desk.page("/series", pipeline="printer", series="printer=p1")

    assert "<h1" in text and ">p1</h1>" in text
    assert "1 period in 30 days, 1 of them open" in text
    assert f"begin={BEGIN_NS}" in text
    assert "&#34;address&#34;: &#34;/api/steps?pipeline=printer\\u0026series=printer%3Dp1&#34;" in text


def test_steps_are_a_grid_with_gaps(desk: Desk) -> None:
    parameters = {"pipeline": "printer", "series": "printer=p1", "from": "10m", "steps": "60"}
    found = desk.viewer.get("/api/steps", params=parameters).json()

    assert (found["step_s"], len(found["times"])) == (10.0, 60)
    at = found["times"].index(BEGIN_NS / 1e9) if BEGIN_NS / 1e9 in found["times"] else 0
    bed = next(field for field in found["fields"] if field["name"] == "bed")
    assert found["severity"][at : at + 3].count(None) >= 1
    assert {"high", "low", "expected_low", "expected_high", "contribution"} < set(bed)
    assert found["periods"][0]["begin_ns"] == str(BEGIN_NS)
