"""What the health check of the keeper's container says."""

import json
from pathlib import Path

from anomaly.keeper.checks import KAPACITOR, Finding
from anomaly.keeper.heartbeat import unhealthy, write_heartbeat

SECOND = 1_000_000_000
GONE = Finding(KAPACITOR, "", ok=False, text="gone")


def said(path: Path, *, second: int, started: int = 0, down: tuple[str, ...] = (), patience_s: float = 30) -> str:
    write_heartbeat(path, [GONE], down, started * SECOND, 1_000 * SECOND)
    return unhealthy(path, patience_s, second * SECOND)


def test_it_is_healthy_while_the_keeper_looks(tmp_path: Path) -> None:
    assert said(tmp_path / "heartbeat", second=1_030) == ""
    assert said(tmp_path / "heartbeat", second=1_031).startswith("the keeper looked 31 s ago, which is more than 30 s")


def test_it_is_unhealthy_while_detection_is_down(tmp_path: Path) -> None:
    assert said(tmp_path / "heartbeat", second=1_001, down=("gone", "and more")) == "gone; and more"


def test_a_keeper_that_was_just_started_repairs_first(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    assert said(path, second=1_019, started=900, down=("gone",)) == ""
    assert said(path, second=1_020, started=900, down=("gone",)) == "gone"
    assert said(path, second=1_031, started=1_000) != ""
    # The clock was set back after its start.
    assert said(path, second=1_001, started=9_000, down=("gone",)) == "gone"


def test_a_file_that_is_missing_or_damaged_is_unhealthy(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    assert "the keeper has not looked yet" in unhealthy(path, 30)
    for text in ("{", "[]", '{"time_ns": "x"}'):
        path.write_text(text)
        assert "is damaged" in unhealthy(path, 30)


def test_the_findings_are_there_for_programs(tmp_path: Path) -> None:
    said(tmp_path / "heartbeat", second=1_000)
    content = json.loads((tmp_path / "heartbeat").read_text())
    gone = {"check": "kapacitor", "pipeline": "", "ok": False, "text": "gone", "is_for_people": False}
    assert content["findings"] == [gone]
