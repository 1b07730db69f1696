"""The module folders: many folders and files with their owners and modes in one call."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.influx_anomaly.stack.plugins.modules import folders as module

UID, GID = os.getuid(), os.getgid()
needs_root = pytest.mark.skipif(UID != 0, reason="only root gives files to another user")
Run = Callable[..., dict[str, Any]]


def entry(path: str, mode: str = "0750", uid: int = UID, gid: int = GID) -> dict[str, Any]:
    return {"path": path, "uid": uid, "gid": gid, "mode": mode}


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the module below `tmp_path / "base"` and returns what it says."""
    import json

    def call(*, check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"base": str(tmp_path / "base"), "_ansible_check_mode": check, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, dict)
        return found

    return call


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o7777:04o}"


def test_what_is_missing_is_created_with_its_mode(tmp_path: Path, run: Run) -> None:
    result = run(folders=[entry("", "0755"), entry("data", "0700")], files=[entry("data/log", "0640")])
    base = tmp_path / "base"
    assert result["changed"] is True
    assert [mode(path) for path in (base, base / "data", base / "data" / "log")] == ["0755", "0700", "0640"]
    assert (base / "data" / "log").read_bytes() == b""


def test_the_umask_does_not_matter(tmp_path: Path, run: Run) -> None:
    before = os.umask(0o077)
    try:
        run(folders=[entry("a/b", "0755")])
    finally:
        os.umask(before)
    assert mode(tmp_path / "base") == mode(tmp_path / "base" / "a") == "0755"


def test_a_second_run_changes_nothing(run: Run) -> None:
    wanted = {"folders": [entry("", "0755"), entry("data")], "files": [entry("data/log")], "adopted": ["data"]}
    run(**wanted)
    result = run(**wanted)
    assert result["changed"] is False
    assert result["paths"] == []
    assert result["diff"] == {"before": "", "after": ""}


def test_a_wrong_mode_is_corrected_and_shown(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "base"
    folder.mkdir(mode=0o755)
    folder.chmod(0o777)
    result = run(folders=[entry("", "0750")])
    assert mode(folder) == "0750"
    assert result["diff"] == {
        "before": f"{folder} {UID}:{GID} 0777\n",
        "after": f"{folder} {UID}:{GID} 0750\n",
    }


def test_check_mode_says_what_it_would_do_and_does_nothing(tmp_path: Path, run: Run) -> None:
    wanted = {"folders": [entry("", "0755"), entry("data")], "files": [entry("data/log")]}
    result = run(check=True, **wanted)
    assert result["changed"] is True
    assert result["paths"] == [str(tmp_path / "base" / name).rstrip("/") for name in ("", "data", "data/log")]
    assert not (tmp_path / "base").exists()
    run(**wanted)
    assert run(check=True, **wanted)["changed"] is False


def test_the_content_of_a_file_stays(tmp_path: Path, run: Run) -> None:
    log = tmp_path / "base" / "log"
    log.parent.mkdir()
    log.write_text("lines")
    times = log.stat().st_mtime_ns
    run(files=[entry("log", "0600")])
    assert (log.read_text(), mode(log), log.stat().st_mtime_ns) == ("lines", "0600", times)


@pytest.mark.parametrize("check", [False, True])
def test_an_empty_folder_in_the_place_of_a_file_is_replaced(tmp_path: Path, run: Run, check: bool) -> None:
    (tmp_path / "base" / "log").mkdir(parents=True)
    result = run(check=check, files=[entry("log")])
    assert result["changed"] is True
    assert (tmp_path / "base" / "log").is_file() is not check


def test_a_folder_with_content_in_the_place_of_a_file_is_refused(tmp_path: Path, run: Run) -> None:
    inner = tmp_path / "base" / "log" / "precious"
    inner.mkdir(parents=True)
    result = run(files=[entry("log")])
    assert result["failed"] is True
    assert f"must be a file, but is a folder that has something in it ({inner})" in result["msg"]
    assert f"Fix: look at it, then move it away: mv {inner.parent} {inner.parent}.old" in result["msg"]
    assert inner.is_dir()


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "base").write_text("mine")
    assert "must be a folder" in run(folders=[entry("")])["msg"]
    assert (tmp_path / "base").read_text() == "mine"


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path, run: Run) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "data").symlink_to(tmp_path / "disk")
    run(folders=[entry("data", "0700")])
    assert (tmp_path / "base" / "data").is_symlink()
    assert mode(tmp_path / "disk") == "0700"


class TestData:
    def lay_out(self, tmp_path: Path) -> Path:
        inner = tmp_path / "base" / "data" / "deep" / "file"
        inner.parent.mkdir(parents=True)
        inner.write_text("points")
        inner.chmod(0o604)
        return inner

    @needs_root
    def test_of_another_user_is_handed_over_with_its_modes(self, tmp_path: Path, run: Run) -> None:
        inner = self.lay_out(tmp_path)
        wanted = {"folders": [entry("data", uid=1777, gid=1778)], "adopted": ["data"]}
        assert run(check=True, **wanted)["paths"][-1] == str(inner)
        assert inner.stat().st_uid == 0
        run(**wanted)
        assert (inner.stat().st_uid, inner.stat().st_gid, mode(inner)) == (1777, 1778, "0604")
        assert run(**wanted)["changed"] is False

    @needs_root
    def test_is_not_searched_where_the_folder_is_in_order(self, tmp_path: Path, run: Run) -> None:
        inner = self.lay_out(tmp_path)
        os.chown(tmp_path / "base" / "data", 1777, 1778)
        run(folders=[entry("data", mode(tmp_path / "base" / "data"), uid=1777, gid=1778)], adopted=["data"])
        assert inner.stat().st_uid == 0

    @needs_root
    def test_of_a_folder_that_is_not_adopted_stays(self, tmp_path: Path, run: Run) -> None:
        inner = self.lay_out(tmp_path)
        run(folders=[entry("data", uid=1777, gid=1778)])
        assert inner.stat().st_uid == 0
