"""The report of a backtest as JSON and as text."""

from anomaly.backtest import report
from anomaly.influxdb.times import RequestedRange
from anomaly.models.model import Model
from tests.unit.anomaly.backtest.made import W, found, judged
from tests.unit.anomaly.printers import PIPELINE


def test_long_tables_are_cut_off_for_people(model: Model) -> None:
    periods = [found(n * 10, n * 10 + 1) for n in range(1, 300)]
    content = report.document(
        PIPELINE, model, RequestedRange(0, W, ("", "")), 1, [], {}, {75.0: judged([], periods)}, "anomaly"
    )
    assert len(content["periods"]) == 299
    assert "99 more are in the JSON." in report.text(content)
