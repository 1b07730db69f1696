"""Backups on the controller and on hosts: one archive of all parts, whose secrets are encrypted, and its checks."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import requests
from ansible.errors import AnsibleActionFail
from ansible.module_utils.testing import patch_module_args
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.influx_anomaly.stack.plugins.action import (
    backup_check,
    backup_create,
    restore_secrets,
    stack_certificate,
)
from ansible_collections.influx_anomaly.stack.plugins.filter.backup import backup_files, backup_parts, backup_versions
from ansible_collections.influx_anomaly.stack.plugins.module_utils.backup_archive import (
    ArchiveWriter,
    VanishedError,
    check,
)
from ansible_collections.influx_anomaly.stack.plugins.modules import backup_part, restore_part
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup, backup_copies, certificates
from moto.server import ThreadedMotoServer

PASSPHRASE = "a passphrase of the operator's"
SECRETS = {"influxdb_admin_password": "Inf1uxAdm1n", "kapacitor_admin_password": "Kapac1t0rAdm1n"}
TOKEN = "Bearer t0ken-of-a-handler"
UID = os.getuid()
SERVICES = {
    "influxdb": {"group": "influxdb", "version": "1.12.4", "backup": ["influxdb"]},
    "kapacitor": {"group": "kapacitor", "version": "1.8.6", "backup": ["kapacitor", "detection"]},
    "keeper": {"group": "kapacitor"},
    "grafana": {"group": "grafana", "version": "11.6.16", "backup": ["grafana"]},
}


def action(plugin: Any, arguments: dict[str, Any], **known: Any) -> dict[str, Any]:
    """Run an action plugin as Ansible does, without a host."""
    task = Task()
    task.args, task.check_mode, task.diff, task.action = arguments, False, False, "test"
    loader = DataLoader()
    result = plugin.ActionModule(task, Mock(), None, loader, Templar(loader), None).run(task_vars=known)
    assert isinstance(result, dict)
    return result


def certified(folder: Path, host: str) -> dict[str, Any]:
    """Provide a host's certificate as the role certificates does."""
    names = ["127.0.0.1", host]
    arguments = {"folder": str(folder), "stack": "anomaly", "host": host, "names": names, "days": 397, "renew_days": 30}
    return action(stack_certificate, arguments)


def refusal(plugin: Any, arguments: dict[str, Any], **known: Any) -> str:
    with pytest.raises(AnsibleActionFail) as caught:
        action(plugin, arguments, **known)
    return str(caught.value)


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def module(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a module and returns what it says."""

    def call(which: Any, *, check_mode: bool = False, **arguments: Any) -> dict[str, Any]:
        with patch_module_args({"_ansible_check_mode": check_mode, **arguments}), pytest.raises(SystemExit):
            which.main()
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, dict)
        return found

    return call


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    return path


@pytest.fixture
def opener() -> VaultLib:
    return backup.vault(PASSPHRASE.encode(), "file")


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "inventory"
    for name in ("group_vars/all/stack.yml", "secrets/anomaly/influxdb_admin_password", "backups/anomaly/old.tar"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(f"{name}: {TOKEN}\n")
    (folder / "hosts.yml").write_text("all:\n")
    return folder


def part(tmp_path: Path, host: str, name: str, content: bytes) -> dict[str, str]:
    path = tmp_path / "collected" / host / f"{name}.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with ArchiveWriter(path) as writer:
        writer.add_bytes(f"{name}/file", content)
        writer.finish({"part": name})
    return {"host": host, "name": name, "path": str(path)}


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, passphrase: Path, inventory: Path) -> Make:
    """Return a function that writes a backup of one host, and returns its archive."""

    def call(stamp: str = "20261129T211500Z", services: dict[str, str] | None = None, keep: int = 0) -> Path:
        path = tmp_path / "backups" / f"anomaly-{stamp}.tar"
        arguments = {
            "path": str(path),
            "passphrase_file": str(passphrase),
            "parts": [
                part(tmp_path, "old", "influxdb", b"points" * 1000),
                part(tmp_path, "old", "kapacitor", TOKEN.encode()),
                part(tmp_path, "old", "detection", b"models"),
            ],
            "certificates": str(inventory / "secrets" / "anomaly" / "tls"),
            "left_out": [str(inventory / "secrets" / "anomaly"), str(inventory / "backups")],
            "about": {"stack": "anomaly", "created": stamp, "services": services or {"influxdb": "1.12.4"}},
            "keep": keep,
        }
        action(backup_create, arguments, stack_secrets=SECRETS, ansible_inventory_sources=[str(inventory)])
        return path

    return call


@pytest.fixture
def checking(tmp_path: Path, passphrase: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that makes the arguments of a check that a fitting archive passes."""

    def call(archive: Path, **other: Any) -> dict[str, Any]:
        return {
            "path": str(archive),
            "passphrase_file": str(passphrase),
            "stack": "anomaly",
            "versions": {"influxdb": "1.12.4", "kapacitor": "1.8.6"},
            "given": {},
            "wanted": {"new": ["influxdb", "kapacitor", "detection"]},
            "unpack": "",
            **other,
        }

    return call


Checking = Callable[..., dict[str, Any]]


class TestCreate:
    def test_nothing_that_may_be_a_secret_is_in_it_in_clear(self, make: Make) -> None:
        content = make().read_bytes()
        for secret in (*SECRETS.values(), TOKEN):
            assert secret.encode() not in content
        assert b"points" in content

    def test_the_authoritys_key_is_in_it_and_not_in_clear(self, make: Make, inventory: Path, opener: VaultLib) -> None:
        folder = inventory / "secrets" / "anomaly" / "tls"
        certified(folder, "old")
        archive = make()
        for file in folder.glob("*.key"):
            assert file.read_bytes().splitlines()[1] not in archive.read_bytes()
        with tarfile.open(archive) as tar:
            member = tar.extractfile("certificates.vault")
            assert member is not None
            content = json.loads(opener.decrypt(member.read()))
        assert content == {name: (folder / name).read_text() for name in ("ca.key", "ca.pem", "old.key", "old.pem")}

    def test_ansible_vault_opens_what_is_encrypted(self, make: Make, opener: VaultLib) -> None:
        with tarfile.open(make()) as tar:
            files = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
        assert json.loads(opener.decrypt(files["secrets.vault"])) == SECRETS
        with tarfile.open(fileobj=io.BytesIO(opener.decrypt(files["inventory.vault"]))) as tar:
            names = {name for name in tar.getnames() if name.startswith("inventory/")}
        assert names == {"inventory/hosts.yml", "inventory/group_vars/all/stack.yml"}

    def test_only_the_user_may_read_it_and_nothing_else_is_left(self, make: Make) -> None:
        path = make()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [(None, "backup_passphrase_file is empty"), ("short", "fewer than 12"), ("", "cannot be used")],
    )
    def test_secrets_are_never_written_without_a_passphrase(
        self, tmp_path: Path, content: str | None, reason: str
    ) -> None:
        file = tmp_path / "passphrase"
        file.write_text(content or "")
        arguments = {"passphrase_file": "" if content is None else str(file)}
        said = refusal(backup_create, arguments)
        assert reason in said
        assert "Fix:" in said

    @pytest.mark.parametrize(
        ("folder", "keep", "reason"),
        [
            ("file/backups", 7, "nothing can be written into {tmp_path}/file: Not a directory. Fix: name a folder"),
            ("backups", -1, "backup_keep = -1 is less than 0. Fix: how many archives stay, such as 7, or 0 for all"),
        ],
    )
    def test_what_cannot_end_well_is_refused_before_the_backup(
        self, tmp_path: Path, passphrase: Path, folder: str, keep: int, reason: str
    ) -> None:
        (tmp_path / "file").touch()
        before = sorted(tmp_path.iterdir())

        said = refusal(
            backup_create, {"passphrase_file": str(passphrase), "folder": str(tmp_path / folder), "keep": keep}
        )

        assert reason.format(tmp_path=tmp_path) in said
        assert sorted(tmp_path.iterdir()) == before

    def test_a_folder_below_the_users_home_is_meant_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "file").touch()
        with pytest.raises(backup.BackupError, match=f"nothing can be written into {tmp_path}/file: Not a directory"):
            backup.check_folder(Path("~/file/backups"))

    def test_a_folder_that_the_user_may_not_enter_is_named(self, tmp_path: Path) -> None:
        private, user = tmp_path / "private", os.geteuid()
        private.mkdir()
        tmp_path.chmod(0o755)
        private.chmod(0)
        if user == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(
                backup.BackupError, match=r"backup_dir = .*/private/a/b: nothing can be written into .*Fix"
            ):
                backup.check_folder(private / "a" / "b")
        finally:
            os.seteuid(user)
            private.chmod(0o700)

    def test_a_folder_that_is_not_there_yet_is_fine(self, tmp_path: Path, passphrase: Path) -> None:
        folder = tmp_path / "new" / "backups"

        action(backup_create, {"passphrase_file": str(passphrase), "folder": str(folder), "keep": 0})

        assert not folder.parent.exists()

    def test_a_part_that_is_damaged_makes_no_backup(self, tmp_path: Path, passphrase: Path, inventory: Path) -> None:
        bad = part(tmp_path, "old", "influxdb", b"points" * 1000)
        content = bytearray(Path(bad["path"]).read_bytes())
        content[2000] ^= 1
        Path(bad["path"]).write_bytes(content)
        arguments = {
            "path": str(tmp_path / "backups" / "anomaly-x.tar"), "passphrase_file": str(passphrase), "parts": [bad],
            "certificates": "", "left_out": [], "about": {"stack": "anomaly", "services": {}}, "keep": 0,
        }  # fmt: skip
        said = refusal(backup_create, arguments, stack_secrets=SECRETS, ansible_inventory_sources=[str(inventory)])
        assert "parts/old/influxdb.part" in said
        assert list((tmp_path / "backups").iterdir()) == []

    def test_old_archives_of_the_stack_and_nothing_else_are_removed(self, make: Make) -> None:
        folder = make("20261101T000000Z").parent
        others = [
            folder / "anomaly-two-20261101T000000Z.tar",
            folder / "anomaly-notes.tar",
            folder / "anomaly-1.tar.gz",
        ]
        for other in others:
            other.write_bytes(b"")
        second, third = make("20261102T000000Z"), make("20261103T000000Z", keep=2)
        assert sorted(folder.iterdir()) == sorted([*others, second, third])

    def test_an_inventory_in_a_file_takes_its_variables_along(self, inventory: Path) -> None:
        found = backup.inventory_sources([str(inventory / "hosts.yml"), "a,b,"])
        assert found == {"hosts.yml": inventory / "hosts.yml", "group_vars": inventory / "group_vars"}

    def test_several_inventories_have_a_folder_each(self, inventory: Path, tmp_path: Path) -> None:
        assert set(backup.inventory_sources([str(inventory), str(tmp_path)])) == {"inventory", tmp_path.name}


class TestCheck:
    def test_parts_move_to_the_only_other_host(self, make: Make, checking: Checking, tmp_path: Path) -> None:
        found = action(backup_check, checking(make(), unpack=str(tmp_path / "unpacked")))
        assert found["parts"] == {"new": {"detection": "old", "influxdb": "old", "kapacitor": "old"}}
        unpacked = tmp_path / "unpacked" / "new"
        assert {path.name for path in unpacked.iterdir()} == {"detection.part", "influxdb.part", "kapacitor.part"}
        assert TOKEN.encode() in (unpacked / "kapacitor.part").read_bytes()
        assert all(set(check(path)["files"]) == {f"{path.stem}/file"} for path in unpacked.iterdir())
        assert {path.stat().st_mode & 0o077 for path in (unpacked, unpacked.parent)} == {0}

    def test_without_a_folder_nothing_is_written(self, make: Make, checking: Checking, tmp_path: Path) -> None:
        archive = make()
        before = sorted(tmp_path.rglob("*"))
        action(backup_check, checking(archive))
        assert sorted(tmp_path.rglob("*")) == before

    @pytest.mark.parametrize(
        ("other", "reason"),
        [
            ({"path": ""}, "restore_archive is empty. Fix: -e restore_archive=FILE"),
            (
                {"stack": "mine"},
                "it is of the stack 'anomaly', and stack_name is 'mine'. Fix: name an archive of 'mine'",
            ),
            ({"versions": {"influxdb": "1.8.10"}}, "influxdb 1.12.4 wrote it, and influxdb_version is 1.8.10"),
            ({"given": {"influxdb_admin_password": "other"}}, "secrets_given has another influxdb_admin_password"),
            ({"wanted": {"a": ["influxdb"], "b": ["influxdb"]}}, "influxdb of the hosts old, the inventory has a, b"),
            ({"passphrase_file": ""}, "backup_passphrase_file is empty"),
        ],
    )
    def test_what_does_not_fit_is_refused(
        self, make: Make, checking: Checking, other: dict[str, Any], reason: str
    ) -> None:
        said = refusal(backup_check, checking(make(), **other))
        assert said.startswith("Nothing was touched. ")
        assert reason in said
        assert "Fix:" in said

    def test_an_older_version_and_the_same_secret_fit(self, make: Make, checking: Checking) -> None:
        archive = make(services={"influxdb": "1.8.10", "grafana": "11.0.0"})
        assert action(backup_check, checking(archive, given=dict(SECRETS)))["changed"] is False

    def test_another_passphrase_is_refused(self, make: Make, checking: Checking, tmp_path: Path) -> None:
        (tmp_path / "wrong").write_text("another passphrase")
        said = refusal(backup_check, checking(make(), passphrase_file=str(tmp_path / "wrong")))
        assert "another passphrase than the one that it was written with" in said

    def test_damaged_and_cut_off_archives_are_refused(self, make: Make, checking: Checking) -> None:
        archive = make()
        whole = archive.read_bytes()
        archive.write_bytes(whole[: len(whole) // 2])
        said = refusal(backup_check, checking(archive))
        assert "cannot be used: it is damaged" in said
        assert "Fix: name a whole archive" in said
        archive.write_bytes(whole.replace(b"pointspoints", b"pointzpoints", 1))
        said = refusal(backup_check, checking(archive))
        assert "'parts/old/influxdb.part' in it is damaged" in said

    def test_a_part_alone_and_a_hostile_part_are_refused(
        self, tmp_path: Path, checking: Checking, opener: VaultLib
    ) -> None:
        alone = Path(part(tmp_path, "old", "influxdb", b"")["path"])
        assert "it is one part of a backup" in refusal(backup_check, checking(alone))
        with tarfile.open(tmp_path / "evil", "w") as tar:
            member = tarfile.TarInfo("LAYOUT")
            member.size = 2
            tar.addfile(member, io.BytesIO(b"1\n"))
            tar.addfile(tarfile.TarInfo("/etc/evil"))
        for name, reason in (("parts/old/influxdb.part", "'/etc/evil' in it is absolute"), ("parts/x", "not a part")):
            (tmp_path / "whole").unlink(missing_ok=True)
            with ArchiveWriter(tmp_path / "whole") as writer:
                writer.add_bytes("secrets.vault", opener.encrypt(b"{}"))
                writer.add_file(name, tmp_path / "evil")
                writer.finish({"kind": backup.KIND, "stack": "anomaly", "services": {}})
            assert reason in refusal(backup_check, checking(tmp_path / "whole"))

    @pytest.mark.parametrize("files", [b"[]", b'{"../ca.pem": "x"}', b'{".lock": "x"}', b'{"ca.pem": 1}'])
    def test_certificates_that_are_none_are_refused(
        self, tmp_path: Path, checking: Checking, opener: VaultLib, files: bytes
    ) -> None:
        with ArchiveWriter(tmp_path / "whole") as writer:
            writer.add_bytes("secrets.vault", opener.encrypt(b"{}"))
            writer.add_bytes("certificates.vault", opener.encrypt(files))
            writer.finish({"kind": backup.KIND, "stack": "anomaly", "services": {}})
        assert "certificates.vault" in refusal(backup_check, checking(tmp_path / "whole"))

    @pytest.mark.parametrize("secrets", [b"[]", b'{"../../evil": "x"}', b'{"name": 1}', None])
    def test_secrets_that_are_none_are_refused(
        self, tmp_path: Path, checking: Checking, opener: VaultLib, secrets: bytes | None
    ) -> None:
        with ArchiveWriter(tmp_path / "whole") as writer:
            if secrets is not None:
                writer.add_bytes("secrets.vault", opener.encrypt(secrets))
            writer.finish({"kind": backup.KIND, "stack": "anomaly", "services": {}})
        assert "secrets.vault" in refusal(backup_check, checking(tmp_path / "whole"))

    def test_each_host_gets_the_parts_of_its_name(self) -> None:
        archived = {"kap1": ["kapacitor"], "kap2": ["kapacitor"], "graf": ["grafana"]}
        wanted = {"kap2": ["kapacitor"], "kap1": ["kapacitor"], "db": ["influxdb"]}
        assert backup.match_hosts(archived, wanted) == {
            "kap1": {"kapacitor": "kap1"}, "kap2": {"kapacitor": "kap2"}, "db": {},
        }  # fmt: skip


class TestSecrets:
    def restore(self, make: Make, checking: Checking, tmp_path: Path, given: dict[str, str]) -> dict[str, Any]:
        arguments = checking(make(), unpack=str(tmp_path / "unpacked"))
        action(backup_check, arguments)
        return action(
            restore_secrets,
            {
                "unpacked": str(tmp_path / "unpacked"),
                "passphrase_file": arguments["passphrase_file"],
                "folder": str(tmp_path / "secrets"),
                "given": list(given),
            },
        )

    def test_come_back_beside_those_of_other_names(self, make: Make, checking: Checking, tmp_path: Path) -> None:
        folder = tmp_path / "secrets"
        folder.mkdir(mode=0o700)
        (folder / "influxdb_admin_password").write_text("newer\n")
        (folder / "chronograf_admin_password").write_text("kept\n")
        found = self.restore(make, checking, tmp_path, {})
        assert {path.name: path.read_text() for path in folder.iterdir()} == {
            ".gitignore": "*\n", "chronograf_admin_password": "kept\n",
            **{name: f"{value}\n" for name, value in SECRETS.items()},
        }  # fmt: skip
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir() if path.name in SECRETS} == {0o600}
        assert (Path(found["replaced"]) / "influxdb_admin_password").read_text() == "newer\n"

    def test_that_are_given_stay_in_no_file(self, make: Make, checking: Checking, tmp_path: Path) -> None:
        self.restore(make, checking, tmp_path, {"influxdb_admin_password": ""})
        assert {path.name for path in (tmp_path / "secrets").iterdir()} == {".gitignore", "kapacitor_admin_password"}

    def test_the_authority_comes_back_and_certifies_another_host(
        self, make: Make, checking: Checking, tmp_path: Path, inventory: Path
    ) -> None:
        trusted = certified(inventory / "secrets" / "anomaly" / "tls", "old")["ca"]
        # Another controller has deployed the stack before, with an authority that no client knows.
        folder = tmp_path / "secrets" / "tls"
        stranger = certified(folder, "new")
        assert stranger["ca"] != trusted

        self.restore(make, checking, tmp_path, {})

        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        found = certified(folder, "new")
        pair = certificates.Pair(found["certificate"], found["key"])
        assert found["ca"] == trusted
        assert certificates.flaw(pair, trusted, ["127.0.0.1", "new"]) == ""
        assert certificates.days_left(pair.certificate, datetime.now(UTC)) > 390

    def test_an_archive_without_an_authority_leaves_the_one_that_is_there(
        self, make: Make, checking: Checking, tmp_path: Path
    ) -> None:
        before = certified(tmp_path / "secrets" / "tls", "new")
        self.restore(make, checking, tmp_path, {})
        assert certified(tmp_path / "secrets" / "tls", "new")["certificate"] == before["certificate"]


class TestParts:
    def folders(self, base: Path) -> list[dict[str, Any]]:
        return [
            {"name": name, "path": str(base / name), "uid": UID, "gid": os.getgid()} for name in ("models", "state")
        ]

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        for name in ("models/printer/v1/model.npz", "state/printer.npz", "state/.draft"):
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "source" / name).write_text(name)
        (tmp_path / "source" / "models" / "printer" / "current").symlink_to("v1")
        return tmp_path / "source"

    @pytest.fixture
    def archive(self, tmp_path: Path, source: Path, module: Run) -> Path:
        folders = [{"name": name, "path": str(source / name), "skip": [".*"]} for name in ("models", "state", "absent")]
        found = module(
            backup_part, path=str(tmp_path / "detection.part"), folders=folders, about={}, compress=True, uid=UID
        )
        assert found["files"] == 2
        return tmp_path / "detection.part"

    def test_folders_come_back_and_what_was_there_stays_beside(
        self, tmp_path: Path, archive: Path, module: Run
    ) -> None:
        (tmp_path / "data" / "models").mkdir(parents=True)
        (tmp_path / "data" / "models" / "newer").touch()
        found = module(restore_part, path=str(archive), folders=self.folders(tmp_path / "data"))
        data = tmp_path / "data"
        assert (data / "models" / "printer" / "current" / "model.npz").read_text() == "models/printer/v1/model.npz"
        assert (data / "state" / "printer.npz").read_text() == "state/printer.npz"
        assert not (data / "models" / "newer").exists()
        assert found["replaced"] == [str(data / "models.replaced")]
        assert (data / "models.replaced" / "newer").exists()

    def test_a_check_writes_nothing(self, tmp_path: Path, archive: Path, module: Run) -> None:
        before = sorted(tmp_path.rglob("*"))
        module(restore_part, path=str(archive), folders=self.folders(tmp_path / "data"), check_mode=True)
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_damaged_part_touches_nothing(self, tmp_path: Path, archive: Path, module: Run) -> None:
        (tmp_path / "data" / "models").mkdir(parents=True)
        archive.write_bytes(archive.read_bytes()[:-200])
        found = module(restore_part, path=str(archive), folders=self.folders(tmp_path / "data"))
        assert found["failed"] is True
        assert "cannot be restored: it is damaged" in found["msg"]
        assert list((tmp_path / "data").iterdir()) == [tmp_path / "data" / "models"]

    def test_a_part_without_room_touches_nothing(
        self, tmp_path: Path, archive: Path, module: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Mock(free=10))
        found = module(restore_part, path=str(archive), folders=self.folders(tmp_path / "data"))
        assert "has 10 left. Fix: make room" in found["msg"]
        assert not (tmp_path / "data").exists()

    def test_a_folder_behind_a_link_stays_on_its_disk(self, tmp_path: Path, archive: Path, module: Run) -> None:
        (tmp_path / "disk" / "models").mkdir(parents=True)
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "models").symlink_to(tmp_path / "disk" / "models")
        module(restore_part, path=str(archive), folders=self.folders(tmp_path / "data"))
        assert (tmp_path / "data" / "models").is_symlink()
        assert (tmp_path / "disk" / "models" / "printer" / "v1").is_dir()
        assert (tmp_path / "disk" / "models.replaced").is_dir()

    def test_a_database_that_is_in_use_is_copied_as_a_whole(self, tmp_path: Path, module: Run) -> None:
        with closing(sqlite3.connect(tmp_path / "grafana.db")) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE dashboard (title TEXT)")
            database.execute("INSERT INTO dashboard VALUES ('Printers')")
            database.commit()
            database.execute("INSERT INTO dashboard VALUES ('of a transaction that is not over')")
            module(
                backup_part, path=str(tmp_path / "grafana.part"), uid=UID,
                sqlite={"grafana/grafana.db": str(tmp_path / "grafana.db"), "absent": str(tmp_path / "absent")},
            )  # fmt: skip
        folders = [{"name": "grafana", "path": str(tmp_path / "to"), "uid": UID, "gid": os.getgid()}]
        module(restore_part, path=str(tmp_path / "grafana.part"), folders=folders)
        with closing(sqlite3.connect(tmp_path / "to" / "grafana.db")) as copy:
            assert copy.execute("SELECT title FROM dashboard").fetchall() == [("Printers",)]

    def test_files_that_vanish_are_tried_again_and_then_told(
        self, tmp_path: Path, source: Path, module: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attempts = []

        def vanish(*arguments: Any, **more: Any) -> None:
            attempts.append(arguments)
            raise VanishedError("models/printer/v0")

        monkeypatch.setattr(ArchiveWriter, "add_tree", vanish)
        folders = [{"name": "models", "path": str(source / "models")}]
        found = module(backup_part, path=str(tmp_path / "part"), folders=folders, uid=UID)
        assert "models/printer/v0 the last. Fix: wait until trainings" in found["msg"]
        assert len(attempts) == backup_part.ATTEMPTS
        assert not (tmp_path / "part").exists()


class TestFilters:
    def test_hosts_have_the_parts_of_their_services(self) -> None:
        groups = {"influxdb": ["db"], "kapacitor": ["kap1", "kap2"], "grafana": []}
        assert backup_parts(["db", "kap1", "other"], groups, SERVICES) == {
            "db": ["influxdb"], "kap1": ["kapacitor", "detection"], "other": [],
        }  # fmt: skip

    def test_versions_are_those_of_the_servers_where_they_name_one(self) -> None:
        told = {
            "db": {"parts": ["influxdb"], "versions": {"influxdb": "v1.8.10", "kapacitor": ""}},
            "kap1": {"parts": ["kapacitor", "detection"], "versions": {"influxdb": "", "kapacitor": "unknown"}},
        }
        assert backup_versions(told, SERVICES) == {"influxdb": "1.8.10", "kapacitor": "1.8.6"}

    def test_files_are_found_by_host_and_part(self) -> None:
        assert backup_files({"kap1": {"parts": ["detection"]}}, "/parts") == [
            {"host": "kap1", "name": "detection", "path": "/parts/kap1/detection.part"}
        ]


def rclone(*arguments: str) -> None:
    """Run rclone as an operator would."""
    subprocess.run(["rclone", *arguments], check=True, capture_output=True)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A path of rclone's remote `offsite`, which is an S3 store on this machine."""
    if shutil.which("rclone") is None:
        pytest.skip("rclone is not installed; scripts/test-images installs it")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What it stores belongs to the process.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=60).raise_for_status()
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": f"http://{host}:{port}",
        "REGION": "us-east-1",
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
    }
    for name, setting in remote.items():
        monkeypatch.setenv(f"RCLONE_CONFIG_OFFSITE_{name}", setting)
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "rclone.conf"))
    # rclone's client of S3 refuses every store where a machine has set this.
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    yield "offsite:backups/influx-anomaly"
    server.stop()


class TestS3:
    def test_the_newest_copies_stay_and_one_of_them_is_restored(
        self, make: Make, checking: Checking, s3: str, tmp_path: Path
    ) -> None:
        place = backup_copies.place(f"rclone:{s3}", 60)
        archives = [make(f"2026112{day}T211500Z") for day in (6, 7, 8)]
        assert place.names() == []

        removed = [place.send(archive, "anomaly", keep=2) for archive in archives]

        assert removed == [[], [], [archives[0].name]]
        assert sorted(place.names()) == [archive.name for archive in archives[1:]]
        back = tmp_path / "back.tar"
        rclone("copyto", f"{s3}/{archives[2].name}", str(back))
        restored = action(backup_check, checking(back, unpack=str(tmp_path / "unpacked")))
        assert restored["about"]["created"] == "20261128T211500Z"

    def test_a_copy_that_the_store_changes_is_an_error_and_does_not_stay(
        self, make: Make, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = backup_copies.place(f"rclone:{s3}", 60)
        older, newer = make("20261126T211500Z"), make("20261127T211500Z")
        place.send(older, "anomaly", keep=1)
        damaged = tmp_path / "damaged"
        damaged.write_bytes(b"A" + newer.read_bytes()[1:])
        run = place._run

        def damaging(*command: str) -> str:
            said = run(*command)
            if command[1] == "copyto":
                rclone("copyto", str(damaged), f"{s3}/{newer.name}")
            return said

        monkeypatch.setattr(place, "_run", damaging)

        with pytest.raises(backup.BackupError, match=r"rclone check ended with 1: .*differences"):
            place.send(newer, "anomaly", keep=1)

        assert place.names() == [older.name]
