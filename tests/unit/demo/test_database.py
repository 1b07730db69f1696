from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.database import DemoDatabase, Totals
from demo.errors import DemoError
from demo.stack import DeployedStack, read_stack

if TYPE_CHECKING:
    from tests.unit.demo.conftest import FakeAPI
else:
    FakeAPI = Any


class InfluxDB:
    """Answers queries with the series it was given, and keeps the statements."""

    def __init__(self, *series: dict[str, Any]) -> None:
        self.series = series
        self.asked: list[tuple[str, str]] = []

    def __call__(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        self.asked.append((query.get("db", [""])[0], query["q"][0]))
        return 200, {"results": [{"statement_id": 0, "series": list(self.series)}]}


@pytest.fixture
def stack(
    summary: dict[str, Any], write_summary: Callable[[dict[str, Any]], Path], tmp_path: Path, api: FakeAPI
) -> DeployedStack:
    summary["influxdb"]["url"] = api.url
    return read_stack(write_summary(summary), "printer", tmp_path)


def test_the_latest_score_of_each_printer(api: FakeAPI, stack: DeployedStack) -> None:
    api.answer = asked = InfluxDB(
        {"name": "score", "tags": {"printer": "printer-1"}, "columns": ["time", "last"], "values": [[50_000, 3.5]]},
        {"name": "score", "tags": {"printer": "printer-2"}, "columns": ["time", "last"], "values": [[40_000, 1.0]]},
    )
    assert DemoDatabase(stack, stack.reader).latest_scores(stack.pipeline, 0, 60_000) == {
        "printer-1": 50_000,
        "printer-2": 40_000,
    }
    database, statement = asked.asked[0]
    assert database == "anomaly"
    assert "time >= 0ms AND time < 60000ms" in statement
    assert "\"pipeline\" = 'printer'" in statement


def test_without_results_there_are_none(api: FakeAPI, stack: DeployedStack) -> None:
    api.answer = InfluxDB()
    database = DemoDatabase(stack, stack.reader)
    assert database.latest_scores(stack.pipeline, 0, 1) == {}
    assert database.periods(stack.pipeline, ["printer-1"], 0, 1) == []
    assert database.totals(stack.pipeline, "printer-1", 0, 1) == Totals((0, 0, 0), (0.0, 0.0, 0.0))


def test_periods_of_other_printers_are_left_out(api: FakeAPI, stack: DeployedStack) -> None:
    columns = ["time", "begin_ms", "end_ms", "state", "peak_score", "peak_severity", "points", "reason", "printer"]
    api.answer = InfluxDB(
        {
            "name": "period",
            "columns": columns,
            "values": [
                [10, 10, 20, "closed", 0.7, 80, 1, "bed", "printer-1"],
                [10, 10, 30, "open", 0.6, 75.5, 2, "air", "printer-9"],
            ],
        }
    )
    found = DemoDatabase(stack, stack.reader).periods(stack.pipeline, ["printer-1", "printer-2"], 0, 100)
    assert [(*f.key, f.period.begin_ns, f.period.end_ns, f.period.peak_severity, f.period.reason) for f in found] == [
        ("printer-1", 10_000_000, 20_000_000, 80.0, "bed")
    ]
    assert [f.known_ns for f in found] == [10_010_000_000]


def test_only_this_printers_points_of_that_time_are_deleted(api: FakeAPI, stack: DeployedStack) -> None:
    api.answer = influxdb = InfluxDB()
    database = DemoDatabase(stack, stack.admin)
    database.delete_points(stack.pipeline, "printer-1", 5, 10)
    database.delete_results(stack.pipeline, "printer-1", 5, 10)
    results = "time >= 5ms AND time < 10ms AND \"pipeline\" = 'printer' AND \"printer\" = 'printer-1'"
    assert influxdb.asked == [
        ("printer", 'DELETE FROM "temperature" WHERE time >= 5ms AND time < 10ms AND "printer" = \'printer-1\''),
        ("anomaly", f'DELETE FROM "score" WHERE {results}'),
        ("anomaly", f'DELETE FROM "period" WHERE {results}'),
        ("anomaly", f'DELETE FROM "drift" WHERE {results}'),
    ]


def test_the_silence_of_a_live_printer_is_looked_for_since_its_begin(api: FakeAPI, stack: DeployedStack) -> None:
    api.answer = asked = InfluxDB({"name": "period", "columns": ["time", "state"], "values": [[50_000, "open"]]})
    assert DemoDatabase(stack, stack.reader).silence_state(stack.pipeline, "printer-live", 50_000) == "open"
    database, statement = asked.asked[0]
    assert database == "anomaly"
    assert "time >= 50000ms" in statement
    assert "\"printer\" = 'printer-live'" in statement
    assert "reason = 'no data'" in statement
    api.answer = InfluxDB()
    assert DemoDatabase(stack, stack.reader).silence_state(stack.pipeline, "printer-live", 50_000) is None


def test_subscriptions_of_the_source_are_counted(api: FakeAPI, stack: DeployedStack) -> None:
    columns = ["retention_policy", "name", "mode", "destinations"]
    api.answer = InfluxDB(
        {"name": "printer", "columns": columns, "values": [["autogen", "k1", "ANY", []], ["other", "k1", "ANY", []]]},
        {"name": "elsewhere", "columns": columns, "values": [["autogen", "k1", "ANY", []]]},
    )
    assert DemoDatabase(stack, stack.admin).subscriptions(stack.pipeline) == 1


@pytest.mark.parametrize(
    ("code", "document", "part"),
    [
        (401, {"error": "authorization failed"}, "as 'reader': authorization failed"),
        (200, {"results": [{"error": "database not found: printer"}]}, "database not found: printer"),
        (503, {"error": "timeout"}, "timeout"),
    ],
)
def test_errors_name_address_user_and_reason(
    api: FakeAPI, stack: DeployedStack, code: int, document: Any, part: str
) -> None:
    api.answer = lambda method, path, query, body: (code, document)
    with pytest.raises(DemoError) as raised:
        DemoDatabase(stack, stack.reader).latest_scores(stack.pipeline, 0, 1)
    assert part in str(raised.value)
    assert api.url in str(raised.value)
    assert "secret-of" not in str(raised.value)
