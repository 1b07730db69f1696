"""An upgrade: what it changes and refuses, which backup it asks for, and what it puts back."""

from __future__ import annotations

import copy
import json
import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.influx_anomaly.stack.plugins.filter import upgrade
from ansible_collections.influx_anomaly.stack.plugins.modules import stack_data_info
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup

from anomaly.models.manifest import SCHEMA
from anomaly.scoring.layout import LAYOUT
from tests.ansible.rendering import ROOT, value

SERVICES: dict[str, Any] = {
    "influxdb": {"title": "InfluxDB", "version": "1.12.4", "image": {"name": "influxdb"}},
    "kapacitor": {"title": "Kapacitor", "version": "1.8.6", "image": {"name": "kapacitor-python"}},
    "keeper": {"title": "Keeper"},
    "grafana": {"title": "Grafana", "version": "11.6.16", "image": {"name": "grafana"}, "optional": True},
}
DATA: dict[str, Any] = {
    "influxdb": {
        "owners": [],
        "shards": 2,
        "in_memory": 0,
        "formats": {"tsm": [1], "index": [1], "series": [1]},
        "unmerged": [],
    },
    "models": {"printer": SCHEMA},
    "states": {"printer": LAYOUT},
}
SHARD = "data/printer/autogen/7"


def container(image: str, version: str) -> dict[str, Any]:
    return {"image": image, "version": version, "id": image, "running": True}


def host(**more: Any) -> dict[str, Any]:
    """A host on which everything is as wanted; `more` replaces parts of what it tells."""
    told = {
        "services": list(SERVICES),
        "containers": {
            "influxdb": container("influxdb:1.12.4-a", "1.12.4"),
            "kapacitor": container("kapacitor-python:1.8.6-a", "1.8.6"),
            "keeper": container("kapacitor-python:1.8.6-a", "1.8.6"),
            "grafana": container("grafana:11.6.16", "11.6.16"),
        },
        "data": copy.deepcopy(DATA),
        "images": {
            "influxdb": "influxdb:1.12.4-a",
            "kapacitor-python": "kapacitor-python:1.8.6-a",
            "grafana": "grafana:11.6.16",
        },
        "pipelines": ["printer"],
    }
    return {**told, **more}


def plan(told: dict[str, Any]) -> dict[str, Any]:
    return upgrade.upgrade_plan({"here": told}, SERVICES)


class TestPlan:
    def test_nothing_is_to_be_done_where_everything_is_as_wanted(self) -> None:
        assert plan(host()) == {"problems": [], "changes": [], "notes": [], "train": {}, "needed": False}

    def test_a_newer_version_is_a_change(self) -> None:
        told = host()
        told["containers"]["influxdb"] = container("influxdb:1.8.10-b", "1.8.10")
        found = plan(told)
        assert (found["problems"], found["changes"]) == ([], ["here: InfluxDB 1.8.10 -> 1.12.4"])
        assert found["needed"]

    def test_another_image_of_the_same_version_is_a_change(self) -> None:
        told = host()
        told["images"]["kapacitor-python"] = "kapacitor-python:1.8.6-b"
        assert plan(told)["changes"] == [
            "here: Kapacitor 1.8.6 gets another image: kapacitor-python:1.8.6-a -> kapacitor-python:1.8.6-b"
        ]

    def test_an_optional_service_without_an_image_is_left_alone(self) -> None:
        told = host()
        told["images"]["grafana"] = ""
        del told["containers"]["grafana"]
        assert not plan(told)["needed"]

    def test_a_service_that_is_new_is_a_change(self) -> None:
        told = host()
        del told["containers"]["grafana"]
        assert plan(told)["changes"] == ["here: Grafana 11.6.16 is new here"]

    def test_a_stack_that_is_not_there_is_refused(self) -> None:
        (problem,) = plan(host(containers={}))["problems"]
        assert "playbooks/site.yml" in problem

    def test_data_that_an_older_influxdb_does_not_read_are_refused(self) -> None:
        services = copy.deepcopy(SERVICES)
        services["influxdb"]["version"] = "1.8.10"
        told = host()
        del told["containers"]["influxdb"]
        told["data"]["influxdb"]["unmerged"] = [SHARD]
        (problem,) = upgrade.upgrade_plan({"here": told}, services)["problems"]
        assert SHARD in problem
        assert "1.8.10 does not read" in problem

    @pytest.mark.parametrize(
        ("kind", "number", "what"),
        [("models", SCHEMA, "the schema of models"), ("states", LAYOUT, "the layout of states")],
    )
    def test_what_a_later_release_wrote_is_refused(self, kind: str, number: int, what: str) -> None:
        told = host()
        told["data"][kind]["printer"] = number + 1
        (problem,) = plan(told)["problems"]
        assert f"{what} is {number} in this release, and that of pipeline printer is {number + 1}" in problem
        assert "Fix: check out that release" in problem

    def test_models_of_an_earlier_schema_are_trained_again(self) -> None:
        told = host()
        told["data"]["models"] = {"printer": SCHEMA - 1, "removed": SCHEMA - 1}
        found = plan(told)
        assert found["train"] == {"here": ["printer"]}
        assert found["needed"]

    def test_a_model_that_cannot_be_read_is_left_to_its_training(self) -> None:
        told = host()
        told["data"]["models"] = {"printer": None}
        assert not plan(told)["needed"]

    def test_what_is_worth_knowing_is_told(self) -> None:
        told = host()
        told["data"]["influxdb"] |= {"owners": ["0:0"], "in_memory": 1}
        told["data"]["states"]["printer"] = LAYOUT - 1
        notes = plan(told)["notes"]
        assert [note for note in notes if "belong to 0:0" in note]
        assert [note for note in notes if "1 of 2 shards" in note]
        assert [note for note in notes if f"layout {LAYOUT - 1}" in note]


INSPECTED: dict[str, Any] = {
    "Id": "0123456789abcdef0123",
    "Name": "/anomaly-influxdb",
    "State": {"Running": True},
    "Config": {
        "Image": "influx-anomaly/influxdb:1.8.10-5fb5df9268f2",
        "Entrypoint": ["/bin/sh", "/etc/influxdb/run.sh"],
        "Cmd": ["-config", "/etc/influxdb/influxdb.conf"],
        "User": "1500:1500",
        "WorkingDir": "",
        "Hostname": "influxdb",
        "Env": ["PATH=/usr/bin", "INFLUXDB_VERSION=1.8.10"],
        "Healthcheck": {
            "Test": ["CMD", "/bin/sh", "/etc/influxdb/health.sh"],
            "Interval": 5_000_000_000,
            "Timeout": 30_000_000_000,
            "Retries": 6,
            "StartPeriod": 60_000_000_000,
        },
        "Labels": {"influx-anomaly.config-hash": "abc", "influx-anomaly.stack": "anomaly"},
        "StopTimeout": 30,
    },
    "HostConfig": {
        "Mounts": [
            {"Type": "bind", "Source": "/srv/config", "Target": "/etc/influxdb", "ReadOnly": True},
            {"Type": "bind", "Source": "/srv/data", "Target": "/var/lib/influxdb"},
        ],
        "Tmpfs": {"/run": "rw,size=64m"},
        "PortBindings": {"8086/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18086"}]},
        "ExtraHosts": ["other:192.0.2.1"],
        "GroupAdd": ["472"],
        "Memory": 1_073_741_824,
        "NanoCpus": 1_500_000_000,
        "PidsLimit": 256,
        "ReadonlyRootfs": True,
        "CapAdd": ["CAP_CHOWN"],
        "RestartPolicy": {"Name": "unless-stopped"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    },
    "NetworkSettings": {"Networks": {"anomaly": {"Aliases": ["influxdb", "0123456789ab"]}}},
}


class TestContainers:
    def test_versions_are_those_of_the_images(self) -> None:
        tagged = copy.deepcopy(INSPECTED)
        tagged["Config"] |= {"Image": "grafana/grafana:11.6.16", "Env": []}
        nameless = copy.deepcopy(INSPECTED)
        nameless["Config"] |= {"Image": "registry:5000/chronograf@sha256:1234", "Env": []}
        found = upgrade.upgrade_containers(
            [
                {"item": "influxdb", "container": INSPECTED},
                {"item": "grafana", "container": tagged},
                {"item": "chronograf", "container": nameless},
                {"item": "kapacitor", "exists": False, "container": None},
            ]
        )
        assert {name: each["version"] for name, each in found.items()} == {
            "influxdb": "1.8.10", "grafana": "11.6.16", "chronograf": ""
        }  # fmt: skip

    def test_the_newest_of_several_hosts_counts(self) -> None:
        told = [host(containers={"kapacitor": container("x", version)}) for version in ("1.8.6", "1.10.0", "")]
        assert upgrade.upgrade_versions(told) == {"kapacitor": "1.10.0"}

    def test_a_container_is_described_as_the_role_takes_it(self) -> None:
        assert upgrade.upgrade_container(INSPECTED) == {
            "image": "influx-anomaly/influxdb:1.8.10-5fb5df9268f2",
            "entrypoint": ["/bin/sh", "/etc/influxdb/run.sh"],
            "command": ["-config", "/etc/influxdb/influxdb.conf"],
            "user": "1500:1500",
            "groups": ["472"],
            "working_dir": "",
            "env": {"PATH": "/usr/bin", "INFLUXDB_VERSION": "1.8.10"},
            "volumes": ["/srv/config:/etc/influxdb:ro", "/srv/data:/var/lib/influxdb:rw"],
            "tmpfs": ["/run:rw,size=64m"],
            "ports": ["127.0.0.1:18086:8086"],
            "networks": [{"name": "anomaly", "aliases": ["influxdb"]}],
            "hostname": "influxdb",
            "etc_hosts": {"other": "192.0.2.1"},
            "healthcheck": {
                "test": ["CMD", "/bin/sh", "/etc/influxdb/health.sh"],
                "retries": 6,
                "interval": "5000ms",
                "timeout": "30000ms",
                "start_period": "60000ms",
            },
            "config_hash": "abc",
            "memory": "1073741824",
            "cpus": 1.5,
            "pids_limit": 256,
            "read_only": True,
            "capabilities": ["CHOWN"],
            "init": False,
            "stop_timeout": 30,
            "restart_policy": "unless-stopped",
            "log_max_size": "10m",
            "log_max_file": 3,
        }

    def test_an_address_of_ipv6_is_in_brackets(self) -> None:
        inspected = copy.deepcopy(INSPECTED)
        inspected["HostConfig"]["PortBindings"] = {"9/udp": [{"HostIp": "::1", "HostPort": "1"}], "10/tcp": None}
        assert upgrade.upgrade_container(inspected)["ports"] == ["[::1]:1:9/udp"]

    def test_every_variable_is_one_of_the_role(self) -> None:
        options = yaml.safe_load((ROOT / "roles/container/meta/argument_specs.yml").read_text())["argument_specs"]
        passed = yaml.safe_load((ROOT / "roles/upgrade/tasks/container.yml").read_text())[0]["vars"]
        described = {f"container_{name}" for name in upgrade.upgrade_container(INSPECTED)}
        assert described <= set(options["main"]["options"])
        assert described == set(passed) - {"container_name", "container_allow_root", "container_wait_seconds"}

    def test_what_did_not_run_is_not_started(self) -> None:
        stopped = copy.deepcopy(INSPECTED)
        stopped["State"]["Running"] = False
        former = upgrade.upgrade_former(
            [
                {"item": "influxdb", "container": INSPECTED},
                {"item": "kapacitor", "container": stopped},
                {"item": "grafana", "container": None},
            ]
        )
        assert [(each["service"], each["state"]) for each in former] == [
            ("influxdb", "started"), ("kapacitor", "stopped"), ("grafana", "absent")
        ]  # fmt: skip
        assert former[0]["container"]["image"] == INSPECTED["Config"]["Image"]


class TestRollback:
    @pytest.mark.parametrize(
        ("formats", "unmerged", "version", "words"),
        [
            ({"tsm": [1]}, [], "1.8.10", ""),
            ({"tsm": [1]}, [SHARD], "1.12.3", ""),
            ({"tsm": [1]}, [SHARD], "1.8.10", SHARD),
            ({"tsm": [1]}, [SHARD], "", SHARD),
            ({"tsm": [1, 2]}, [], "1.8.10", "tsm files of format 2"),
        ],
    )
    def test_data_stay_if_the_former_influxdb_reads_them(
        self, formats: dict[str, list[int]], unmerged: list[str], version: str, words: str
    ) -> None:
        found = upgrade.upgrade_data_problem({"formats": formats, "unmerged": unmerged}, version)
        assert words in found if words else found == ""

    def test_only_problems_that_are_new_count(self) -> None:
        before = ["here: The keeper finds all well (12 checks, pipelines: 1): it looked 95 s ago"]
        found = ["here: The keeper finds all well (3 checks, pipelines: 1): no look", "here: InfluxDB answers: no"]
        assert upgrade.upgrade_new_problems(found, before) == found[1:]

    def test_the_end_says_that_points_stay(self) -> None:
        hosts = {"here": {"since": "2026-11-30T09:00:00Z", "data_problem": ""}}
        text = "\n".join(upgrade.upgrade_end("Verification failed", hosts, [], "20261129T211500Z"))
        assert "Verification failed" in text
        assert "InfluxDB's data stay as they are" in text
        assert "2026-11-30T09:00:00Z" in text
        assert "no problem that it did not have before" in text

    def test_the_end_says_which_points_are_lost_and_what_is_wrong(self) -> None:
        hosts = {"here": {"since": "2026-11-30T09:00:00Z", "data_problem": "its data are newer"}}
        text = "\n".join(upgrade.upgrade_end("No start", hosts, ["here: Kapacitor answers: no"], "20261129T211500Z"))
        assert "those of the backup of 20261129T211500Z, since its data are newer" in text
        assert "data/influxdb.after-upgrade" in text
        assert "stay as they are" not in text
        assert "here: Kapacitor answers: no" in text

    def test_versions_that_were_trained_become_current(self) -> None:
        outputs = {
            "a": 'reading\n{"status": "trained", "version": "1"}\n',
            "b": '{"status": "unchanged", "version": null}\n',
        }
        assert upgrade.upgrade_trained(outputs) == {"a": "1"}


NOW = datetime(2026, 11, 30, 9, 15, tzinfo=UTC)


class TestFreshBackup:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ("anomaly-20261129T211500Z.tar", "anomaly-20261128T211500Z.tar", "other-20261130T090000Z.tar"):
            (tmp_path / name).touch()
        return tmp_path

    def test_the_newest_of_the_stack_counts(self, folder: Path) -> None:
        assert backup.fresh(folder, "anomaly", 24, NOW).name == "anomaly-20261129T211500Z.tar"

    def test_an_old_one_is_refused_with_its_age(self, folder: Path) -> None:
        with pytest.raises(
            backup.BackupError, match=r"is 12\.0 hours old, and upgrade_backup_hours is 11\.9\. Fix: run"
        ):
            backup.fresh(folder, "anomaly", 11.9, NOW)
        assert backup.fresh(folder, "anomaly", 12, NOW)

    def test_none_is_refused(self, folder: Path) -> None:
        for place in (folder, folder / "nowhere"):
            with pytest.raises(
                backup.BackupError, match=r"has no backup of the stack 'third'\. Fix: run playbooks/backup"
            ):
                backup.fresh(place, "third", 24, NOW)

    def test_a_part_that_it_lacks_is_named(self) -> None:
        archived = {"here": ["influxdb"]}
        assert backup.lacking(archived, {"here": ["influxdb", "grafana"], "there": ["kapacitor"]}) == [
            "grafana of here", "kapacitor of there"
        ]  # fmt: skip
        assert backup.lacking(archived, archived) == []


Read = Callable[..., dict[str, Any]]


class TestData:
    @pytest.fixture
    def read(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Read:
        """Return a function that runs the module on a folder of a stack's data."""

        def call(**more: Any) -> dict[str, Any]:
            folders = {name: str(tmp_path / name) for name in ("influxdb", "models", "state")}
            arguments = {"uid": os.getuid(), "gid": os.getgid(), **folders, **more}
            with patch_module_args(arguments), pytest.raises(SystemExit):
                stack_data_info.main()
            found = json.loads(capsys.readouterr().out)
            assert isinstance(found, dict)
            return found

        return call

    @pytest.fixture
    def shard(self, tmp_path: Path) -> Path:
        shard = tmp_path / "influxdb" / SHARD
        (shard / "index" / "0").mkdir(parents=True)
        (shard / "000000001-000000001.tsm").write_bytes(bytes.fromhex("16d116d101") + b"more")
        (shard / "index" / "0" / "MANIFEST").write_text('{"version": 1}')
        series = tmp_path / "influxdb/data/printer/_series/00"
        series.mkdir(parents=True)
        (series / "0000").write_bytes(b"SSEG\x01more")
        return shard

    def test_an_empty_host_has_none(self, read: Read) -> None:
        found = read()
        assert (found["influxdb"]["shards"], found["models"], found["states"]) == (0, {}, {})
        assert not found["changed"]

    def test_formats_are_read_from_files(self, read: Read, shard: Path) -> None:
        (shard / "000000002-000000001.tsm").write_bytes(bytes.fromhex("16d116d102"))
        (shard / "000000003-000000001.tsm").write_bytes(b"damaged")
        found = read()["influxdb"]
        assert found["formats"] == {"tsm": [1, 2], "index": [1], "series": [1]}
        assert (found["shards"], found["in_memory"], found["unmerged"], found["owners"]) == (1, 0, [], [])

    def test_a_shard_without_an_index_is_counted(self, read: Read, shard: Path) -> None:
        (shard.parent / "8").mkdir()
        assert read()["influxdb"]["in_memory"] == 1

    def test_a_log_of_fields_is_named(self, read: Read, shard: Path) -> None:
        (shard / "fields.idxl").touch()
        assert read()["influxdb"]["unmerged"] == [SHARD]

    def test_a_foreign_owner_is_named(self, read: Read, shard: Path) -> None:
        assert read(uid=os.getuid() + 1)["influxdb"]["owners"] == [f"{os.getuid()}:{os.getgid()}"]

    def test_schemas_and_layouts_are_those_of_the_files(self, read: Read, tmp_path: Path) -> None:
        for name, text in (("printer", '{"schema": 6}'), ("damaged", "{")):
            version = tmp_path / "models" / name / "20261130T000000Z-abc"
            version.mkdir(parents=True)
            (version / "manifest.json").write_text(text)
            (version.parent / "current").symlink_to(version.name)
        (tmp_path / "state").mkdir()
        header = np.frombuffer(json.dumps({"layout": 5}).encode(), dtype=np.uint8)
        np.savez(tmp_path / "state" / "printer.npz", header=header)
        (tmp_path / "state" / "damaged.npz").write_bytes(b"no archive")
        with zipfile.ZipFile(tmp_path / "state" / "other.npz", "w") as archive:
            archive.writestr("nothing", "")
        found = read()
        assert found["models"] == {"printer": 6, "damaged": None}
        assert found["states"] == {"printer": 5, "damaged": None, "other": None}


def test_an_upgrade_does_what_site_yml_does() -> None:
    """In the same order. What site.yml imports in plays of some hosts, the role includes where these hosts are."""

    def roles(tasks: list[dict[str, Any]]) -> list[tuple[str, str]]:
        found = []
        for task in tasks:
            called = task.get("ansible.builtin.import_role") or task.get("ansible.builtin.include_role")
            if called:
                found.append((called["name"], called.get("tasks_from", "main")))
        return found

    plays = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())
    site = [call for play in plays for call in roles(play["tasks"]) if call != ("preflight", "main")]
    assert roles(yaml.safe_load((ROOT / "roles/upgrade/tasks/deploy.yml").read_text())) == site, (
        "a role of site.yml belongs into roles/upgrade/tasks/deploy.yml, too"
    )


def test_the_hosts_are_those_of_site_yml() -> None:
    groups = {"influxdb": ["db"], "kapacitor": ["here", "other"], "all": ["db", "here", "other"]}
    more = {"groups": groups, "group_names": ["kapacitor"]}
    assert value("__upgrade_is_influxdb", "upgrade", **more) is False
    assert value("__upgrade_is_kapacitor", "upgrade", **more) is True
    # An external InfluxDB is prepared by the first Kapacitor's host.
    assert value("__upgrade_is_influxdb", "upgrade", **{**more, "groups": {**groups, "influxdb": []}}) is True
