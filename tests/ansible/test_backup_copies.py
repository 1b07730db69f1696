"""Copies of backups in other places: by the real rsync and rclone, against folders of this machine."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.influx_anomaly.stack.plugins.action import backup_copy
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup_copies
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.backup import BackupError

OLD = [f"anomaly-2026010{day}T000000Z.tar" for day in (1, 2, 3)]
STRANGERS = ["other-20260101T000000Z.tar", "notes.txt"]
# Runs what ssh would run on the other machine here.
SSH = '#!/bin/sh\nwhile [ $# -gt 0 ] && [ "$1" != backup.invalid ]; do shift; done\nshift\nexec sh -c "$*"\n'


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "backups" / "anomaly-20260104T000000Z.tar"
    path.parent.mkdir()
    path.write_bytes(b"an archive" * 1000)
    path.with_name(OLD[0]).write_bytes(b"an older one")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    folder.mkdir()
    for name in (*OLD, *STRANGERS):
        (folder / name).write_text(name)
    return folder


@pytest.fixture(params=["folder", "rsync", "rclone"])
def text(request: pytest.FixtureRequest, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder as a place of each kind."""
    if request.param == "folder":
        return str(folder)
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed; scripts/test-images installs it")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ssh").write_text(SSH)
    (tools / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "rclone.conf"))
    monkeypatch.setenv("RCLONE_CONFIG_STORE_TYPE", "local")
    return f"rsync:backup.invalid:{folder}" if request.param == "rsync" else f"rclone:store:{folder}"


def test_the_newest_copies_stay_and_strangers_are_left_alone(text: str, folder: Path, archive: Path) -> None:
    place = backup_copies.place(text, 60)

    removed = place.send(archive, "anomaly", keep=2)

    assert removed == [OLD[1], OLD[0]]
    assert sorted(path.name for path in folder.iterdir()) == sorted([archive.name, OLD[2], *STRANGERS])
    assert (folder / archive.name).read_bytes() == archive.read_bytes()


def test_a_copy_that_differs_is_an_error_and_removes_nothing(
    text: str, folder: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage changes a byte after it was written."""
    place = backup_copies.place(text, 60)
    if isinstance(place, backup_copies.FolderPlace):
        monkeypatch.setattr(backup_copies, "_sum", lambda path: path.name)
    else:
        run = place._run

        def damaging(*command: str) -> str:
            said = run(*command)
            if command[1] == "copyto" or "--times" in command:
                copy = folder / archive.name
                copy.write_bytes(b"A" + copy.read_bytes()[1:])
            return said

        monkeypatch.setattr(place, "_run", damaging)

    with pytest.raises(BackupError, match=r"backup_copies: .+(differs|ended with 1: .*differences)"):
        place.send(archive, "anomaly", keep=1)

    assert {*OLD, *STRANGERS} == {path.name for path in folder.iterdir()}


def test_a_place_that_is_not_there_is_named_before_the_backup(text: str, folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file where the folder was")

    with pytest.raises(BackupError, match=r"backup_copies: .+/there: .+\. Fix: "):
        backup_copies.check([backup_copies.place(text, 60)])


def test_a_folder_that_cannot_be_written_is_found_before_a_backup(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*, dir: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)

    with pytest.raises(BackupError, match=r"/there: Read-only file system\. Fix: let the user who runs Ansible write"):
        backup_copies.check([backup_copies.place(str(folder), 60)])


def test_a_negative_number_of_copies_is_refused_before_a_backup(folder: Path) -> None:
    with pytest.raises(AnsibleActionFail, match=r"backup_copies_keep = -1 is less than 0\. Fix: "):
        act(places=[str(folder)], seconds=60, keep=-1)


@pytest.mark.parametrize(
    "text", ["", "backups", "rsync:host", "rsync::folder", "rsync:-e sh:x", "rclone:x", "s3://x/y"]
)
def test_a_text_that_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(BackupError, match=r"does not name a place\. Fix: write an absolute folder, rsync:"):
        backup_copies.place(text, 60)


def act(**arguments: Any) -> dict[str, Any]:
    task = Task()
    task.args, task.check_mode, task.diff, task.action = {"seconds": 60, **arguments}, False, False, "backup_copy"
    loader = DataLoader()
    result = backup_copy.ActionModule(task, Mock(), None, loader, Templar(loader), None).run(task_vars={})
    assert isinstance(result, dict)
    return result


def test_one_place_that_fails_keeps_no_other_from_its_copy(folder: Path, archive: Path, tmp_path: Path) -> None:
    places = [str(tmp_path / "nowhere"), str(folder)]

    with pytest.raises(AnsibleActionFail, match=r"nowhere: No such file or directory.+The archive itself is whole: /"):
        act(places=places, archive=str(archive), stack="anomaly", keep=0)

    assert (folder / archive.name).read_bytes() == archive.read_bytes()


def test_a_tool_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(AnsibleActionFail, match=r"rclone is not installed on the controller\. Fix: install rclone"):
        act(places=["rclone:store:x"])


def test_without_places_nothing_changes(archive: Path) -> None:
    assert act(places=[], archive=str(archive), stack="anomaly", keep=1)["changed"] is False
