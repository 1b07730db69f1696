"""The schedule of backups: a line in crontab of the user who runs Ansible, and a record for the keeper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemons.playbook import ROOT, PlaybookRun, run_playbook

CRONTAB = """#!/bin/sh
case $1 in
  -l) cat "$CRONTAB" ;;
  *) cat "$1" >"$CRONTAB" ;;
esac
"""
OTHERS = "# a comment\n5 4 * * * somebody-elses\n"


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What crontab holds; the program is a stand-in."""
    program = tmp_path / "bin" / "crontab"
    program.parent.mkdir()
    program.write_text(CRONTAB)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    table = tmp_path / "crontab"
    table.write_text(OTHERS)
    monkeypatch.setenv("CRONTAB", str(table))
    return table


def schedule(folder: Path, when: str) -> PlaybookRun:
    """Run what site.yml runs, on this machine as the only host of a stack."""
    tasks = [{"ansible.builtin.import_role": {"name": "backup", "tasks_from": "schedule"}}]
    play = {"hosts": "kapacitor", "gather_facts": False, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    variables: dict[str, Any] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "backup_schedule": when,
        "backup_passphrase_file": str(folder / "nothing"),
        "stack_name": "a100",
        "stack_dir": str(folder / "stack"),
        "stack_record_dir": str(folder / "100% record"),
        # Another user could not give the keeper its record.
        "keeper_enabled": os.geteuid() == 0,
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"kapacitor": {"hosts": {"here": None}, "vars": variables}}))
    (folder / "stack" / "data" / "keeper").mkdir(parents=True, exist_ok=True)
    return run_playbook(str(folder / "play.yml"), folder / "hosts.yml", folder / "log")


def test_crontab_has_one_line_that_starts_the_backup_until_there_is_no_schedule(crontab: Path, tmp_path: Path) -> None:
    first = schedule(tmp_path, "10 2 * * *")

    assert first.returncode == 0, first.output
    scheduled = crontab.read_text()
    assert scheduled.startswith(OTHERS)
    name, line = scheduled.removeprefix(OTHERS).splitlines()
    assert name == f"#Ansible: influx-anomaly: backup of a100 ({tmp_path})"
    record = tmp_path / "stack" / "data" / "keeper" / "backup.json"
    if os.geteuid() == 0:
        assert list(json.loads(record.read_text())) == ["scheduled"]
        record.write_text('{"created": "20260101T000000Z"}')

    again = schedule(tmp_path, "10 2 * * *")

    assert (again.returncode, again.changed, crontab.read_text()) == (0, 0, scheduled)
    assert os.geteuid() != 0 or "created" in record.read_text()

    # As cron does it: with next to no environment, and with percent signs that are not escaped as ends of lines.
    assert line.startswith("10 2 * * * ")
    command = line.removeprefix("10 2 * * * ")
    assert "%" not in command.replace("\\%", "")
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        ["/bin/sh", "-c", command.replace("\\%", "%")], env=environment, capture_output=True, text=True, cwd="/"
    )
    assert "PLAY [Back up the stack]" in (tmp_path / "100% record" / "backup.log").read_text()
    # The stack does not exist, and cron mails what is printed.
    assert "failed=1" in ran.stdout
    assert str(ROOT) in command

    last = schedule(tmp_path, "")

    assert last.returncode == 0, last.output
    assert crontab.read_text() == OTHERS
