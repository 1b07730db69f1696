"""Secrets are generated once, kept to their owner, and read as they are; records are written as a whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.influx_anomaly.stack.plugins.action import controller_record, stack_secrets
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import secret_files

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["one_password", "two_password"]


def run(plugin: Any, arguments: dict[str, Any], *, check: bool = False, diff: bool = False) -> dict[str, Any]:
    """Run an action plugin as Ansible does, without a host."""
    task = Task()
    task.args, task.check_mode, task.diff, task.action = arguments, check, diff, "test"
    loader = DataLoader()
    action = plugin.ActionModule(task, Mock(), None, loader, Templar(loader), None)
    result = action.run(task_vars={})
    assert isinstance(result, dict)
    return result


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o7777:04o}"


class TestSecrets:
    def read(self, folder: Path, *, check: bool = False, **more: Any) -> dict[str, Any]:
        arguments = {"folder": str(folder), "names": NAMES, "given": {}, "length": 40, **more}
        return run(stack_secrets, arguments, check=check)

    def test_are_generated_once_into_files_of_their_owner(self, tmp_path: Path) -> None:
        folder = tmp_path / "secrets" / "anomaly"
        first = self.read(folder)
        assert first["changed"] is True
        assert {name: (folder / name).read_text() for name in NAMES} == {
            name: f"{value}\n" for name, value in first["secrets"].items()
        }
        assert all(len(value) == 40 and value.isalnum() for value in first["secrets"].values())
        assert [mode(path) for path in (folder.parent, folder, folder / NAMES[0])] == ["0700", "0700", "0600"]
        assert (folder / ".gitignore").read_text() == "*\n"
        assert sorted(path.name for path in folder.iterdir()) == [".gitignore", *NAMES]
        second = self.read(folder)
        assert second["changed"] is False
        assert second["secrets"] == first["secrets"]

    def test_that_are_given_are_in_no_file(self, tmp_path: Path) -> None:
        found = self.read(tmp_path, given={"one_password": "given-to-us"})
        assert found["secrets"]["one_password"] == "given-to-us"
        assert not (tmp_path / "one_password").exists()
        assert (tmp_path / "two_password").is_file()

    def test_that_others_may_read_are_closed(self, tmp_path: Path) -> None:
        self.read(tmp_path)
        (tmp_path / NAMES[0]).chmod(0o644)
        tmp_path.chmod(0o755)
        assert self.read(tmp_path, check=True)["changed"] is True
        assert mode(tmp_path / NAMES[0]) == "0644"
        assert self.read(tmp_path)["changed"] is True
        assert [mode(tmp_path), mode(tmp_path / NAMES[0])] == ["0700", "0600"]

    def test_are_not_replaced_by_a_run_at_the_same_time(self, tmp_path: Path) -> None:
        secret_files.write(tmp_path, "one_password", "first")
        secret_files.write(tmp_path, "one_password", "second")
        assert (tmp_path / "one_password").read_text() == "first\n"

    def test_drafts_of_a_run_at_the_same_time_may_vanish(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read(tmp_path)
        vanished = tmp_path / ".one_password.4711"
        found = Path.rglob
        monkeypatch.setattr(Path, "rglob", lambda self, pattern: [vanished, *found(self, pattern)])
        assert secret_files.too_open(tmp_path) == []

    def test_a_dry_run_writes_none_and_goes_on(self, tmp_path: Path) -> None:
        found = self.read(tmp_path / "new", check=True)
        assert found["changed"] is True
        assert set(found["secrets"]) == set(NAMES)
        assert not (tmp_path / "new").exists()

    def test_that_exist_nowhere_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "two_password").write_text("in-a-file\n")
        assert self.read(tmp_path, generate=False)["missing"] == ["one_password"]
        assert self.read(tmp_path, given={"one_password": "given"}, generate=False)["missing"] == []

    def test_a_teardown_generates_none(self, tmp_path: Path) -> None:
        found = self.read(tmp_path / "new", generate=False)
        assert found["changed"] is False
        assert set(found["secrets"]) == set(NAMES)
        assert not (tmp_path / "new").exists()

    def test_of_an_editor_lose_the_line_end_only(self, tmp_path: Path) -> None:
        (tmp_path / "one_password").write_text(" with a space \n\n")
        assert self.read(tmp_path)["secrets"]["one_password"] == " with a space"


class TestRecord:
    def write(self, path: Path, content: Any, **more: Any) -> dict[str, Any]:
        return run(controller_record, {"path": str(path), "content": content, "mode": "0600"}, **more)

    def test_is_json_of_its_mode_in_a_folder_that_is_made(self, tmp_path: Path) -> None:
        path = tmp_path / "records" / "summary.json"
        assert self.write(path, {"b": 1, "a": [2]})["changed"] is True
        assert path.read_text() == '{\n    "a": [\n        2\n    ],\n    "b": 1\n}\n'
        assert mode(path) == "0600"
        assert self.write(path, {"a": [2], "b": 1})["changed"] is False

    def test_is_written_again_where_content_or_mode_differs(self, tmp_path: Path) -> None:
        path = tmp_path / "summary.json"
        self.write(path, {"a": 1})
        path.chmod(0o644)
        assert self.write(path, {"a": 1})["changed"] is True
        assert mode(path) == "0600"
        result = self.write(path, {"a": 2}, diff=True)
        assert json.loads(result["diff"]["after"]) == {"a": 2}
        assert sorted(tmp_path.iterdir()) == [path]

    def test_a_dry_run_writes_nothing(self, tmp_path: Path) -> None:
        assert self.write(tmp_path / "records" / "summary.json", {}, check=True)["changed"] is True
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "records").write_text("a file")
        with pytest.raises(Exception, match=r"records/summary\.json cannot be written on the controller: .*Fix: "):
            self.write(tmp_path / "records" / "summary.json", {})


HOSTS = """
all:
  hosts:
    one: {ansible_connection: local, ansible_become: false, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  children:
    influxdb: {hosts: {one: }}
"""


def test_a_playbook_for_a_deployed_stack_refuses_and_changes_nothing_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    playbook = Path(sys.executable).with_name("ansible-playbook")

    process = subprocess.run(
        [playbook, "-i", tmp_path / "hosts.yml", ROOT / "playbooks" / "verify.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    output = " ".join((process.stdout + process.stderr).split())
    assert process.returncode == 2, output
    assert f"was not deployed from this inventory: {tmp_path}/secrets/anomaly lacks influxdb_admin_password" in output
    assert "Fix: deploy it with playbooks/site.yml first" in output
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.yml"]
