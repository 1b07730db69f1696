"""How old the last backup is."""

import json
from pathlib import Path

import pytest

from anomaly.keeper.last_backup import LastBackup

DAY_NS = 86_400_000_000_000
CREATED_NS = 1_704_067_200 * 1_000_000_000


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "backup.json"
    path.write_text(json.dumps({"created": "20240101T000000Z"}))
    return path


def test_a_backup_is_late_after_its_days(record: Path) -> None:
    last = LastBackup(record, 1.5)

    assert last.problem(CREATED_NS + DAY_NS) == ""
    assert last.problem(CREATED_NS - DAY_NS) == ""
    assert last.problem(CREATED_NS + 2 * DAY_NS) == (
        "the last backup is of 2024-01-01 00:00 UTC, 2.0 days ago, and should be at most 1.5 days old: see why the "
        "controller has not run backup.yml"
    )


def test_a_first_backup_that_does_not_come_is_told(record: Path) -> None:
    record.write_text(json.dumps({"scheduled": "20240101T000000Z"}))
    last = LastBackup(record, 1.5)

    assert last.problem(CREATED_NS + DAY_NS) == ""
    assert last.problem(CREATED_NS + 2 * DAY_NS) == (
        "no backup has come since the first one was scheduled on 2024-01-01 00:00 UTC, 2.0 days ago: see why the "
        "controller has not run backup.yml"
    )


def test_without_a_record_nobody_has_made_a_backup(tmp_path: Path) -> None:
    assert LastBackup(tmp_path / "backup.json", 7).problem(CREATED_NS) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"created": 5}', '{"created": "yesterday"}'])
def test_a_damaged_record_is_named(record: Path, content: str) -> None:
    record.write_text(content)

    said = LastBackup(record, 7).problem(CREATED_NS)

    assert said is not None
    assert said.startswith(f"the record of the last backup, {record}, cannot be read (")
