"""The action config_files: small files in one question to the host, and copies of those only that differ."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.influx_anomaly.stack.plugins.action import config_files

ROOT = Path(__file__).resolve().parents[2]
FILES = {"a.conf": "port = 1\n", "sub/b.conf": "password = x\n"}
Run = Callable[..., dict[str, Any]]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def there(name: str, **more: Any) -> dict[str, Any]:
    """Return what ansible.builtin.find says of a file that is as it should be."""
    return {"path": f"/etc/x/{name}", "checksum": sha256(FILES[name]), "uid": 0, "gid": 7, "mode": "0640", **more}


class Host:
    """Stands in for the host: which files it has, and what was copied to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[dict[str, Any]] = []
        self.copies: list[str] = []
        self.removed: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.failure = ""
        monkeypatch.setattr(config_files.ActionModule, "_execute_module", self._find)
        monkeypatch.setattr(config_files.ActionModule, "_copy", self._copy)

    def _find(self, name: str, arguments: dict[str, Any], **_: Any) -> dict[str, Any]:
        if name == "ansible.builtin.file":
            assert arguments["state"] == "absent"
            self.removed.append(arguments["path"])
            return {"failed": True, "msg": self.failure} if self.failure else {"changed": True}
        assert name == "ansible.builtin.find"
        self.asked.append(arguments)
        return {"files": self.files}

    def _copy(self, path: Any, content: str, options: Any, is_shown: bool, task_vars: Any) -> dict[str, Any]:
        self.copies.append(str(path))
        if self.failure:
            return {"failed": True, "msg": self.failure}
        return {"changed": True, "diff": [{"after": content}]}

    def run(self, *, diff: bool = False, **more: Any) -> dict[str, Any]:
        task = Task()
        task.args = {"folder": "/etc/x", "files": FILES, "group": 7, **more}
        task.check_mode, task.diff, task.action = False, diff, "config_files"
        loader = DataLoader()
        action = config_files.ActionModule(task, Mock(), None, loader, Templar(loader), None)
        result = action.run(task_vars={})
        assert isinstance(result, dict)
        return result


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def test_files_that_are_as_they_should_be_take_one_question(host: Host) -> None:
    host.files = [there("a.conf"), there("sub/b.conf")]
    result = host.run()
    assert not result.get("changed", False)
    assert host.copies == []
    (asked,) = host.asked
    assert (asked["paths"], asked["patterns"]) == (["/etc/x", "/etc/x/sub"], ["a.conf", "b.conf"])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"checksum": sha256("port = 2\n")}, id="content"),
        pytest.param({"uid": 1}, id="owner"),
        pytest.param({"gid": 8}, id="group"),
        pytest.param({"mode": "0644"}, id="mode"),
    ],
)
def test_a_file_that_differs_is_copied_and_no_other(host: Host, other: dict[str, Any]) -> None:
    host.files = [there("a.conf", **other), there("sub/b.conf")]
    assert host.run()["changed"] is True
    assert host.copies == ["/etc/x/a.conf"]


@pytest.mark.parametrize(("owner", "mode", "copies"), [(7, "0600", 0), (0, "0600", 1), (7, "0640", 1)])
def test_a_private_file_belongs_to_its_service_alone_and_is_not_shown(
    host: Host, owner: int, mode: str, copies: int
) -> None:
    host.files = [there("a.conf"), there("sub/b.conf", uid=owner, mode=mode)]
    result = host.run(diff=True, private=["sub/b.conf"])
    assert host.copies == ["/etc/x/sub/b.conf"] * copies
    assert "diff" not in result


def test_a_missing_file_is_copied(host: Host) -> None:
    host.files = [there("a.conf")]
    assert host.run()["changed"] is True
    assert host.copies == ["/etc/x/sub/b.conf"]


def test_files_that_nobody_wants_stay_unless_they_are_purged(host: Host) -> None:
    host.files = [there("a.conf"), there("sub/b.conf"), there("a.conf", path="/etc/x/c.conf")]
    assert (host.run().get("changed", False), host.removed) == (False, [])
    assert (host.run(purge=True)["changed"], host.removed, host.copies) == (True, ["/etc/x/c.conf"], [])
    assert host.asked[-1]["patterns"] == ["*"]


def test_without_any_file_a_purge_empties_the_folder(host: Host) -> None:
    host.files = [there("a.conf")]
    assert host.run(files={}, purge=True)["changed"] is True
    assert (host.asked[-1]["paths"], host.removed) == (["/etc/x"], ["/etc/x/a.conf"])


def test_a_failed_removal_names_the_file(host: Host) -> None:
    host.files, host.failure = [there("a.conf")], "read-only file system"
    with pytest.raises(AnsibleActionFail, match=r"^/etc/x/a[.]conf: read-only file system"):
        host.run(files={}, purge=True)


def test_the_hash_is_that_of_all_contents_in_their_order(host: Host) -> None:
    assert host.run()["sha256"] == sha256("port = 1\npassword = x\n")


def test_a_secret_file_has_no_diff(host: Host) -> None:
    result = host.run(diff=True, secret=["sub/b.conf"])
    assert result["diff"] == [{"after": "port = 1\n"}]
    assert "diff" not in host.run(diff=False)


def test_a_failed_copy_names_the_file(host: Host) -> None:
    host.failure = "no space left"
    with pytest.raises(AnsibleActionFail, match=r"^/etc/x/a[.]conf: no space left"):
        host.run()


def test_content_that_is_not_text_is_refused(host: Host) -> None:
    with pytest.raises(
        AnsibleActionFail, match=r"files\.a\.conf of /etc/x is a dict\. Fix: give its content as a string"
    ):
        host.run(files={"a.conf": {"port": 1}})


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to root")
def test_a_playbook_writes_once_and_shows_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    wanted = {"folder": str(folder), "files": {"a": "open\n", "b": "s3cret\n"}, "group": 0, "secret": ["b"]}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"config_files": wanted}]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        python = f"ansible_python_interpreter={sys.executable}"
        command = [program, "-i", "localhost,", "-c", "local", "-e", python, "--diff", "-vvv", *options]
        return subprocess.run([*command, str(tmp_path / "play.yml")], cwd=ROOT, capture_output=True, text=True)

    planned = run("--check")
    assert "changed=1" in planned.stdout, planned.stdout
    assert not folder.exists()
    folder.mkdir()
    first, second = run(), run()
    assert ("changed=1" in first.stdout, "changed=0" in second.stdout) == (True, True), first.stdout
    assert "+open" in first.stdout
    assert "s3cret" not in first.stdout + second.stdout
    assert [(path.read_text(), f"{path.stat().st_mode & 0o777:o}") for path in (folder / "a", folder / "b")] == [
        ("open\n", "640"),
        ("s3cret\n", "640"),
    ]
    assert "modules/copy.py" not in second.stdout
