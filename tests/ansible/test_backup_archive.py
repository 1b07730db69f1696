"""The format of backups: what was archived comes back as it was, and anything else is refused before it is unpacked."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.module_utils import backup_archive
from ansible_collections.influx_anomaly.stack.plugins.module_utils.backup_archive import (
    ArchiveError,
    ArchiveWriter,
    VanishedError,
    check,
    contents,
    hand_over,
    swap_in,
    unpack,
    unpacked_size,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0\n"), min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..")
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=600), max_size=6
).filter(lambda tree: not any(other.startswith(f"{name}/") for name in tree for other in tree))


def write(path: Path, files: dict[str, bytes], compress: bool = False) -> Path:
    with ArchiveWriter(path, compress=compress) as writer:
        for name, content in files.items():
            writer.add_bytes(name, content)
        writer.finish({"stack": "anomaly"})
    return path


def read(path: Path) -> dict[str, bytes]:
    check(path)
    return {name: content.read() for name, content in contents(path)}


def members(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as tar:
        return [(member, file.read() if (file := tar.extractfile(member)) else b"") for member in tar]


def rewrite(path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> Path:
    """Write an archive anew with other members, as somebody does who wants to break out of a folder."""
    found = members(path)
    change(found)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for member, content in found:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(autouse=True, scope="module")
def no_disk() -> Iterator[None]:
    """Hundreds of archives need not reach the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(
        tmp_path / "archive.tar", {"state/printer.npz": b"state" * 400, "models/a/model.npz": b"m", "empty": b""}
    )


class TestWhatComesBack:
    @settings(deadline=None, max_examples=40)
    @given(tree=TREES, compress=st.booleans())
    def test_any_tree_comes_back_as_it_was(self, tree: dict[str, bytes], compress: bool) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for path, content in tree.items():
                (folder / "from" / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / "from" / path).write_bytes(content)
            (folder / "from").mkdir(exist_ok=True)
            with ArchiveWriter(folder / "archive", compress=compress) as writer:
                writer.add_tree("data", folder / "from")
                writer.finish({})

            manifest = check(folder / "archive")
            unpack(folder / "archive", manifest, {"data": folder / "to"})

            found = {
                str(p.relative_to(folder / "to")): p.read_bytes() for p in (folder / "to").rglob("*") if p.is_file()
            }
            assert found == tree

    def test_links_folders_modes_and_times_come_back(self, tmp_path: Path) -> None:
        source = tmp_path / "models"
        (source / "printer" / "v1").mkdir(parents=True)
        (source / "printer" / "none").mkdir()
        # The console is in the group of the models, and switches their versions.
        (source / "printer").chmod(0o775)
        (source / "printer" / "v1").chmod(0o555)
        (source / "printer" / "current").symlink_to("v1")
        model = source / "printer" / "v1" / "model.npz"
        model.write_bytes(b"arrays")
        model.chmod(0o640)
        os.utime(model, (10**9, 10**9))
        with ArchiveWriter(tmp_path / "archive") as writer:
            writer.add_tree("models", source)
            writer.finish({})

        unpack(tmp_path / "archive", check(tmp_path / "archive"), {"models": tmp_path / "to"})

        there = tmp_path / "to" / "printer"
        assert (there / "current").readlink() == Path("v1")
        assert (there / "current" / "model.npz").read_bytes() == b"arrays"
        assert (there / "none").is_dir()
        assert (there.stat().st_mode & 0o777, (there / "v1").stat().st_mode & 0o777) == (0o775, 0o555)
        status = (there / "v1" / "model.npz").stat()
        assert (status.st_mode & 0o777, status.st_mtime) == (0o640, 10**9)

    def test_tar_alone_unpacks_it(self, archive: Path) -> None:
        assert [member.name for member, _ in members(archive)] == [
            "LAYOUT", "state/printer.npz", "models/a/model.npz", "empty", "manifest.json", "manifest.json.sha256",
        ]  # fmt: skip

    def test_only_its_owner_may_read_it(self, archive: Path) -> None:
        assert archive.stat().st_mode & 0o777 == 0o600

    def test_patterns_pick_what_is_archived(self, tmp_path: Path) -> None:
        source = tmp_path / "data"
        (source / "sub").mkdir(parents=True)
        for name in ("cluster.id", "kapacitor.db", ".draft", "sub/.draft", "sub/kept"):
            (source / name).write_bytes(b"x")
        with ArchiveWriter(tmp_path / "archive") as writer:
            writer.add_tree("data", source, only=["*.id", "sub"], skip=[".*"])
            writer.finish({})
        assert set(read(tmp_path / "archive")) == {"data/cluster.id", "data/sub/kept"}

    def test_sockets_are_left_out_and_sizes_are_known(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        os.mkfifo(tmp_path / "data" / "pipe")
        (tmp_path / "data" / "file").write_bytes(b"12345")
        with ArchiveWriter(tmp_path / "archive") as writer:
            writer.add_tree("data", tmp_path / "data")
            writer.finish({})
        manifest = check(tmp_path / "archive")
        assert list(manifest["files"]) == ["data/file"]
        assert unpacked_size(manifest, ["data"]) == 5
        assert unpacked_size(manifest, ["dat"]) == 0


class TestWhileServicesWrite:
    def test_what_is_appended_meanwhile_is_left_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "printer.closed"
        file.write_bytes(b"first\n")
        summing = backup_archive._SummingReader

        def grown(*arguments: Any) -> Any:
            with file.open("ab") as more:
                more.write(b"second\n")
            return summing(*arguments)

        monkeypatch.setattr(backup_archive, "_SummingReader", grown)
        with ArchiveWriter(tmp_path / "archive") as writer:
            writer.add_file("printer.closed", file)
            writer.finish({})
        assert read(tmp_path / "archive") == {"printer.closed": b"first\n"}

    def test_a_file_that_is_removed_or_cut_off_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(VanishedError, match="gone"), ArchiveWriter(tmp_path / "one") as writer:
            writer.add_file("gone", tmp_path / "gone")
        file = tmp_path / "short"
        file.write_bytes(b"x" * 100)
        summing = backup_archive._SummingReader

        def cut(*arguments: Any) -> Any:
            os.truncate(file, 10)
            return summing(*arguments)

        monkeypatch.setattr(backup_archive, "_SummingReader", cut)
        with pytest.raises(VanishedError, match="short"), ArchiveWriter(tmp_path / "two") as writer:
            writer.add_file("short", file)
        assert not (tmp_path / "one").exists()
        assert not (tmp_path / "two").exists()

    def test_a_link_out_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "out").symlink_to("/etc/passwd")
        with pytest.raises(ArchiveError, match="/etc/passwd"), ArchiveWriter(tmp_path / "archive") as writer:
            writer.add_tree("data", tmp_path / "data")
        assert not (tmp_path / "archive").exists()


class TestRefusals:
    @settings(deadline=None, max_examples=100)
    @given(data=st.data(), compress=st.booleans())
    def test_a_changed_byte_is_refused_or_changes_nothing(self, data: st.DataObject, compress: bool) -> None:
        with tempfile.TemporaryDirectory() as name:
            files = {"a": b"content" * 50, "b/c": bytes(range(256)), "d": b""}
            path = write(Path(name) / "archive", files, compress)
            content = bytearray(path.read_bytes())
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] ^= data.draw(st.integers(1, 255))
            path.write_bytes(content)
            try:
                found = read(path)
            except ArchiveError:
                return
            assert found == files

    @settings(deadline=None, max_examples=60)
    @given(data=st.data(), compress=st.booleans())
    def test_an_archive_that_was_cut_off_is_refused(self, data: st.DataObject, compress: bool) -> None:
        with tempfile.TemporaryDirectory() as name:
            files = {"a": b"content" * 50, "b/c": bytes(range(256))}
            path = write(Path(name) / "archive", files, compress)
            # Behind the manifest's sum, a tar file is only filled up with zeros: what lacks some of them lacks nothing.
            end = max(member.offset_data for member, _ in members(path)) + 64
            size = data.draw(st.integers(0, path.stat().st_size - 1))
            os.truncate(path, size)
            if not compress and size < end:
                with pytest.raises(ArchiveError):
                    check(path)
                return
            try:
                found = read(path)
            except ArchiveError:
                return
            assert found == files

    @pytest.mark.parametrize("content", [b"", b"not a tar file", b"\x1f\x8b broken", b"\0" * 10240])
    def test_what_is_no_backup_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "archive").write_bytes(content)
        with pytest.raises(ArchiveError, match="not a backup of influx-anomaly"):
            check(tmp_path / "archive")

    def test_a_file_that_is_missing_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ArchiveError, match="No such file"):
            check(tmp_path / "archive")

    def test_another_tar_file_is_refused(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "archive", "w") as tar:
            tar.addfile(tarfile.TarInfo("somebody"), io.BytesIO())
        with pytest.raises(ArchiveError, match="not a backup of influx-anomaly"):
            check(tmp_path / "archive")

    def test_a_newer_layout_is_refused_with_the_fix(self, archive: Path) -> None:
        def newer(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
            found[0] = (found[0][0], b"2\n")

        with pytest.raises(ArchiveError, match=r"its layout is 2.*newer release wrote it. Fix: check out"):
            check(rewrite(archive, newer))

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("/etc/cron.d/evil", "is absolute"),
            ("state/../../evil", "leads out of its folder"),
            ("../evil", "leads out of its folder"),
            ("state//evil", "empty part"),
        ],
    )
    def test_a_path_that_leads_elsewhere_is_refused(self, archive: Path, name: str, reason: str) -> None:
        def added(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
            found.insert(1, (tarfile.TarInfo(name), b"evil"))

        with pytest.raises(ArchiveError, match=reason):
            check(rewrite(archive, added))

    @pytest.mark.parametrize(
        ("kind", "reason"),
        [
            (tarfile.SYMTYPE, "is a link"),
            (tarfile.LNKTYPE, "is a link"),
            (tarfile.CHRTYPE, "not a regular file"),
            (tarfile.FIFOTYPE, "not a regular file"),
            (tarfile.DIRTYPE, "not a regular file"),
        ],
    )
    def test_what_is_no_regular_file_is_refused(self, archive: Path, kind: bytes, reason: str) -> None:
        def added(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
            member = tarfile.TarInfo("state/evil")
            member.type, member.linkname = kind, "state/printer.npz"
            found.insert(1, (member, b""))

        with pytest.raises(ArchiveError, match=reason):
            check(rewrite(archive, added))

    def test_a_file_more_less_or_twice_is_refused(self, archive: Path) -> None:
        whole = archive.read_bytes()
        for change, reason in (
            (lambda found: found.insert(1, (tarfile.TarInfo("more"), b"")), "'more' in it is not in its manifest"),
            (lambda found: found.pop(1), "'state/printer.npz' is missing"),
            (lambda found: found.insert(2, found[1]), "'state/printer.npz' twice"),
            (lambda found: found.append((tarfile.TarInfo("more"), b"")), "goes on after its manifest"),
            (lambda found: found.pop(), "its end is missing"),
        ):
            archive.write_bytes(whole)
            with pytest.raises(ArchiveError, match=reason):
                check(rewrite(archive, change))

    @pytest.mark.parametrize(
        ("manifest", "reason"),
        [
            ({"links": {"models/current": "../../etc"}}, "leads to '../../etc'"),
            ({"links": {"models/current": "nothing"}}, "leads to 'nothing'"),
            ({"links": {"/current": "a"}}, "is absolute"),
            ({"links": {"models/a/model.npz": "a"}}, "same path twice"),
            ({"folders": ["models", "models/a", "state", "../out"]}, "leads out of its folder"),
            ({"folders": ["models", "models/a"]}, "the folder of 'state/printer.npz' is not in its manifest"),
            ({"files": []}, "not one of a backup"),
            ({"layout": 2}, "layout 2"),
            ([], "not one of a backup"),
        ],
    )
    def test_a_manifest_that_lies_is_refused(self, archive: Path, manifest: Any, reason: str) -> None:
        import hashlib
        import json

        def lie(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
            text = json.dumps(json.loads(found[-2][1]) | manifest if isinstance(manifest, dict) else manifest).encode()
            found[-2] = (found[-2][0], text)
            found[-1] = (found[-1][0], f"{hashlib.sha256(text).hexdigest()}  manifest.json\n".encode())

        with pytest.raises(ArchiveError, match=reason):
            check(rewrite(archive, lie))

    def test_an_archive_that_changed_after_its_check_is_refused(self, archive: Path, tmp_path: Path) -> None:
        manifest = check(archive)
        changed = write(
            tmp_path / "other", {"state/printer.npz": b"evil!" * 400, "models/a/model.npz": b"m", "empty": b""}
        )
        with pytest.raises(ArchiveError, match="another file than when it was checked"):
            unpack(changed, manifest, {"state": tmp_path / "to"})


class TestPlaces:
    def test_what_was_there_stays_beside_it_until_the_end(self, tmp_path: Path) -> None:
        place, former = tmp_path / "models", tmp_path / "models.replaced"
        for content in ("original", "first attempt", "second attempt"):
            fresh = tmp_path / "fresh"
            fresh.mkdir()
            (fresh / "file").write_text(content)
            swap_in(fresh, place, former)
        assert (place / "file").read_text() == "second attempt"
        assert (former / "file").read_text() == "original"

    @pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to another user")
    def test_all_of_a_folder_gets_its_owner(self, tmp_path: Path) -> None:
        (tmp_path / "models" / "v1").mkdir(parents=True)
        (tmp_path / "models" / "current").symlink_to("v1")
        hand_over(tmp_path / "models", 1500, 1501)
        for path in (tmp_path / "models", tmp_path / "models" / "v1", tmp_path / "models" / "current"):
            assert (path.lstat().st_uid, path.lstat().st_gid) == (1500, 1501)
