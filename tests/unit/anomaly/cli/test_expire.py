"""`anomaly expire`: how many days are kept; tests/conformance/test_retention.py has a real InfluxDB."""

from pathlib import Path
from typing import Any

import pytest

from anomaly.cli import codes
from anomaly.nanoseconds import DAY_NS
from tests.unit.anomaly.cli.command import Run

WHERE = ("--influxdb-url", "http://127.0.0.1:1")
NOW_NS = 20_000 * DAY_NS


def test_fewer_days_than_catch_ups_look_back_to_are_refused(run: Run, spec: Path) -> None:
    ran = run("expire", "--spec", str(spec), "--days", "13", *WHERE)

    assert ran.code == codes.USAGE
    assert "--days: 13 is less than 14, which catch-ups and reports look back to: write at least that" in ran.err


@pytest.mark.parametrize(("deleted", "status"), [(["score", "udf"], "expired"), ([], "unchanged")])
def test_the_answer_says_what_was_deleted_and_up_to_when(
    run: Run, spec: Path, monkeypatch: pytest.MonkeyPatch, deleted: list[str], status: str
) -> None:
    asked: list[Any] = []

    def expire(influx: object, database: str, pipeline: Any, before_ns: int) -> list[str]:
        asked.append((database, pipeline.name, before_ns))
        return deleted

    monkeypatch.setattr("anomaly.cli.expire.run", expire)
    monkeypatch.setattr("anomaly.cli.expire.time.time_ns", lambda: NOW_NS)

    ran = run("expire", "--spec", str(spec), "--days", "90", *WHERE)

    # 2024-10-04 is a Friday; whole weeks from Monday on are deleted.
    assert asked == [("anomaly", "printer", 19_905 * DAY_NS)]
    assert ran.last == {
        "status": status,
        "pipeline": "printer",
        "before": "2024-07-01T00:00:00Z",
        "measurements": deleted,
    }
