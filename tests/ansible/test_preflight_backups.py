"""The schedule, places and numbers of backups: what the preflight says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight import backups

from tests.ansible.inventories import FOUR, inventory

NIGHTLY = {"backup_schedule": "10 2 * * *", "backup_passphrase_file": "~/backup-passphrase"}


@pytest.fixture(autouse=True)
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, the only one there is."""
    program = tmp_path / "crontab"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


def problems(**variables: Any) -> list[str]:
    return [problem.text() for problem in backups.check(inventory(each=variables))]


@pytest.mark.parametrize(
    "schedule", ["10 2 * * *", "0 */6 * * *", "5,35 2-4 1 jan-mar MON", " 0  0 * * 0 ", "0-30/10 * * * *"]
)
def test_times_of_crontab_are_taken(schedule: str) -> None:
    assert problems(**{**NIGHTLY, "backup_schedule": schedule}) == []


@pytest.mark.parametrize("schedule", ["02:10", "@daily", "10 2 * *", "10 2 * * * *", "10 2 * * *\nx", "a;b * * * *"])
def test_other_times_are_refused(schedule: str) -> None:
    (problem,) = problems(**{**NIGHTLY, "backup_schedule": schedule})
    assert "is not a time as crontab has it. Fix: five fields" in problem


def test_without_a_schedule_nothing_is_needed(crontab: Path) -> None:
    crontab.unlink()
    assert problems() == []


def test_a_controller_without_cron_is_named(crontab: Path) -> None:
    crontab.unlink()
    (problem,) = problems(**NIGHTLY)
    assert problem.startswith("backup_schedule = 10 2 * * *: the program crontab is not installed on the controller")


@pytest.mark.parametrize("file", ["", "passphrase"])
def test_a_schedule_needs_the_passphrase(file: str) -> None:
    (problem,) = problems(**{**NIGHTLY, "backup_passphrase_file": file})
    assert problem.startswith("backup_passphrase_file = ")
    assert ". Fix: a path such as ~/backup-passphrase" in problem


def test_every_host_of_a_stack_is_looked_at() -> None:
    found = backups.check(inventory(FOUR, kap2={**NIGHTLY, "backup_schedule": "nightly"}))
    assert [problem.host for problem in found] == ["kap2"]


@pytest.mark.parametrize(
    "variable",
    ["backup_keep", "backup_copies_keep", "backup_timeout", "keeper_backup_days", "upgrade_backup_hours",
     "upgrade_patience"],
)  # fmt: skip
def test_a_negative_number_is_refused(variable: str) -> None:
    (problem,) = problems(**{variable: -1})

    assert problem.startswith(f"{variable} = -1: is less than ")
    assert "or more, such as " in problem


def test_zero_is_taken_where_it_has_a_meaning() -> None:
    assert problems(backup_keep=0, backup_copies_keep=0, keeper_backup_days=0, upgrade_patience=0) == []


def test_a_copy_that_goes_nowhere_is_refused() -> None:
    (problem,) = problems(backup_copies=["/mnt/nas", "rsync:backup.example.org:there", "ftp:backup.example.org"])

    assert problem == (
        "backup_copies = ftp:backup.example.org: is not a place for copies. Fix: write an absolute folder, "
        "rsync:[USER@]HOST:FOLDER, or rclone:REMOTE:PATH"
    )
