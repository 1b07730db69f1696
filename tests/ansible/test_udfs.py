"""UDFs of the user's own: what an entry means, what is wrong with one, and what is packed."""

from __future__ import annotations

import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.udfs.bundle import BundleError, digest, pack

from tests.ansible.inventories import FOUR, PIPELINE, ROLES, inventory
from tests.ansible.rendering import render, value
from tests.ansible.test_preflight_inventory import problems

DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the UDF `moving` in it."""
    folder = tmp_path / "udfs" / "moving"
    folder.mkdir(parents=True)
    (folder / "moving.py").write_text("udf = None")
    (folder / "load.tick").write_text("stream|from().measurement('cpu') @moving() |log()")
    return tmp_path


TASK = {"name": "load", "database": "telegraf"}


class TestPreflight:
    def found(self, root: Path, udfs: Any, **more: Any) -> list[str]:
        return problems(inventory(each={"kapacitor_udfs": udfs, **more}), root=root)

    @pytest.mark.parametrize(
        "entry",
        [
            {},
            {"tasks": [TASK]},
            {"module": "moving:udf", "mode": "socket", "timeout": "1m30s", "env": {"LEVEL": "3"}},
            {"directory": "udfs/moving", "tasks": [{**TASK, "enabled": False, "kapacitor": "one"}]},
            {"prog": "/usr/bin/x", "args": [], "timeout": "10s", "env": {}},
            {"socket": "/run/x.sock", "timeout": "10s"},
        ],
    )
    def test_what_is_in_order_is_let_through(self, root: Path, entry: Any) -> None:
        assert self.found(root, {"moving": entry}) == []

    @pytest.mark.parametrize(
        ("name", "entry", "place", "wrong", "fix"),
        [
            ("mov-ing", {}, "mov-ing", "a TICKscript cannot call it", "letters, digits and underscores"),
            ("anomaly", {"socket": "/x"}, "anomaly", "the bundle's own UDF", "another name"),
            ("moving", None, "moving", "is not a mapping", "{} means the folder udfs/moving"),
            ("moving", {"prog": "/x", "socket": "/x"}, "moving", "exclude each other", "keep one"),
            ("moving", {"modul": "x"}, "moving.modul = x", "there is no such key", "did you mean module?"),
            ("moving", {"prog": "/x", "tasks": []}, "moving.tasks", "there is no such key", "one of prog, args"),
            ("moving", {"timeout": "10"}, "moving.timeout = 10", "is not a duration", "such as 10s"),
            ("moving", {"env": {"LEVEL": 3}}, "moving.env", "is not a mapping of names to texts", "LEVEL"),
            ("moving", {"mode": "thread"}, "moving.mode = thread", "is none of process, socket", "process"),
            ("absent", {}, "absent.directory", "there is no such folder", "make it"),
            ("moving", {"module": "other"}, "moving.module = other", "has no such module", "write other.py"),
            ("moving", {"module": "a b"}, "moving.module = a b", "names no module", "moving:udf"),
            ("moving", {"tasks": "load"}, "moving.tasks = load", "is not a list of mappings", "- name:"),
            ("moving", {"tasks": [{"name": "load"}]}, "moving.tasks[0]", "has no database", "both are needed"),
            ("moving", {"tasks": [{**TASK, "name": "a b"}]}, "tasks[0].name", "takes no such name", "letters"),
            ("moving", {"tasks": [{**TASK, "rp": "x"}]}, "tasks[0].rp", "there is no such key", "one of name"),
            ("moving", {"tasks": [{**TASK, "kapacitor": "x"}]}, "kapacitor = x", "is not a host", "one of one"),
            ("moving", {"tasks": [TASK, TASK]}, "tasks[1].name", "another task or a pipeline", "of its own"),
            ("moving", {"tasks": [{**TASK, "script": "no.tick"}]}, "tasks[0].script", "no such file", "TICKscript"),
            ("moving", {"tasks": [{**TASK, "script": "moving.py"}]}, "script", "does not call @moving()", "call it"),
        ],
    )
    def test_each_mistake_is_told(self, root: Path, name: str, entry: Any, place: str, wrong: str, fix: str) -> None:
        found = [line for line in self.found(root, {name: entry}) if wrong in line]
        assert len(found) == 1, found
        assert "kapacitor_udfs." in found[0]
        assert place in found[0]
        assert fix in found[0].split("Fix: ")[1]

    def test_a_pipelines_name_is_taken(self, root: Path) -> None:
        task = {**TASK, "name": PIPELINE["name"], "script": "load.tick"}
        (line,) = self.found(root, {"moving": {"tasks": [task]}})
        assert "another task or a pipeline has this name" in line

    def test_a_mistake_on_several_hosts_is_told_once(self, root: Path) -> None:
        udfs = {"kapacitor_udfs": {"absent": {}}, "stack_bind_address": "192.0.2.1"}
        (line,) = problems(inventory(FOUR, each=udfs), root=root)
        assert line.startswith("kap1, kap2: kapacitor_udfs.absent.directory")


class TestRendering:
    def functions(self, **udfs: Any) -> dict[str, Any]:
        digests = dict.fromkeys(udfs, DIGEST)
        conf = render(
            "roles/kapacitor/templates/kapacitor.conf.j2", "kapacitor",
            kapacitor_udfs=udfs, __kapacitor_udfs_digests=digests,
        )  # fmt: skip
        found = tomllib.loads(conf)["udf"]["functions"]
        assert isinstance(found, dict)
        return found

    def test_a_folders_module_is_run_by_the_image_s_python(self) -> None:
        functions = self.functions(moving={"env": {"LEVEL": "3"}})
        assert set(functions) == {"anomaly", "moving"}
        moving = functions["moving"]
        assert (moving["prog"], moving["args"]) == ("/opt/anomaly/bin/python", ["-m", "kapacitor_udf", "run", "moving"])
        assert moving["timeout"] == "5m"
        folder = f"/etc/kapacitor/udfs/moving-{DIGEST[:12]}"
        assert moving["env"]["PYTHONPATH"] == f"{folder}/code:{folder}/packages"
        assert moving["env"]["LEVEL"] == "3"

    def test_another_content_is_another_configuration(self) -> None:
        assert self.functions(moving={}) != tomllib.loads(
            render(
                "roles/kapacitor/templates/kapacitor.conf.j2", "kapacitor",
                kapacitor_udfs={"moving": {}}, __kapacitor_udfs_digests={"moving": "f" * 64},
            )
        )["udf"]["functions"]  # fmt: skip

    def test_in_socket_mode_the_start_script_runs_the_server(self) -> None:
        udfs = {"moving": {"mode": "socket", "timeout": "7s", "env": {"A": "it's"}}}
        assert self.functions(**udfs)["moving"] == {"socket": "/tmp/udf-moving.sock", "timeout": "7s"}  # noqa: S108
        script = render(
            "roles/kapacitor/templates/run.sh.j2", "kapacitor",
            kapacitor_udfs=udfs, __kapacitor_udfs_digests={"moving": DIGEST},
        )  # fmt: skip
        assert "-m kapacitor_udf serve --mode 600 --preload /tmp/udf-moving.sock moving; sleep 1; done" in script
        assert """'A=it'"'"'s'""" in script
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)

    def test_tasks_are_read_by_one_kapacitor_each(self) -> None:
        udfs = {"moving": {"tasks": [{"name": f"t{n}", "database": "db"} for n in range(4)]}}
        groups = {name: ["here", "there"] if name == "kapacitor" else ["here"] for name in ("kapacitor", "influxdb")}
        there = value("__kapacitor_udfs_tasks", "kapacitor", kapacitor_udfs=udfs, groups=groups)
        assert len(there) == 2
        assert there[0]["script"] == str(ROLES.parent / "udfs" / "moving" / f"{there[0]['name']}.tick")

    def test_what_tasks_read_is_made_and_may_be_written_and_read(self) -> None:
        udfs = {"moving": {"tasks": [{**TASK, "retention_policy": "week"}]}}
        users = {
            user["name"]: user
            for user in value("__influxdb_stack_users", "influxdb", pipelines=[], kapacitor_udfs=udfs)
        }
        assert users["writer"]["grants"] == {"telegraf": "WRITE"}
        databases = value("__influxdb_all_databases", "influxdb", pipelines=[], kapacitor_udfs=udfs)
        assert {"name": "telegraf", "retention_policies": [{"name": "week"}]} in databases

    def test_of_somebody_elses_influxdb_what_tasks_read_is_subscribed_to(self) -> None:
        udfs = {"moving": {"tasks": [TASK]}}
        conf = render(
            "roles/kapacitor/templates/kapacitor.conf.j2", "kapacitor", pipelines=[], kapacitor_udfs=udfs,
            __kapacitor_udfs_digests={"moving": DIGEST}, influxdb_external_url="http://influx.example:8086",
        )  # fmt: skip
        assert tomllib.loads(conf)["influxdb"][0]["subscriptions"] == {"telegraf": ["autogen"]}


class TestBundle:
    def test_any_change_is_another_digest_and_what_is_no_part_is_none(self, root: Path) -> None:
        folder = root / "udfs" / "moving"
        found = digest(folder, "3.13", "x86_64")
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "moving.pyc").touch()
        (folder / ".venv").mkdir()
        (folder / ".venv" / "x.py").touch()
        (folder / "load.tick").write_text("stream|from() @moving() |log()")
        assert digest(folder, "3.13", "x86_64") == found
        assert digest(folder, "3.12", "aarch64") == found
        (folder / "moving.py").write_text("udf = 1")
        changed = digest(folder, "3.13", "x86_64")
        (folder / "requirements.txt").touch()
        wanted = digest(folder, "3.13", "x86_64")
        assert len({found, changed, wanted, digest(folder, "3.12", "x86_64")}) == 4

    def test_code_is_packed(self, root: Path, tmp_path: Path) -> None:
        (root / "udfs" / "moving" / "data").mkdir()
        (root / "udfs" / "moving" / "data" / "x.json").touch()
        pack(root / "udfs" / "moving", tmp_path / "new" / "a.tar.gz", "3.13", "x86_64")
        with tarfile.open(tmp_path / "new" / "a.tar.gz") as tar:
            assert sorted(tar.getnames()) == [
                "code", "code/data/x.json", "code/moving.py", "packages",
            ]  # fmt: skip

    def wheel(self, folder: Path, tag: str) -> None:
        with zipfile.ZipFile(folder / f"thing-1.0-{tag}.whl", "w") as wheel:
            wheel.writestr("thing.py", "x = 1")
            wheel.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
            wheel.writestr("thing-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            wheel.writestr("thing-1.0.dist-info/RECORD", "")

    @pytest.mark.parametrize(
        "tag", ["py3-none-any", "cp313-cp313-manylinux_2_28_aarch64", "cp313-cp313-manylinux2014_aarch64"]
    )
    def test_packages_are_those_for_the_image(self, root: Path, tmp_path: Path, tag: str) -> None:
        self.wheel(tmp_path, tag)
        (root / "udfs" / "moving" / "requirements.txt").write_text(f"--no-index\n--find-links {tmp_path}\nthing==1.0\n")
        pack(root / "udfs" / "moving", tmp_path / "a.tar.gz", "3.13", "aarch64")
        with tarfile.open(tmp_path / "a.tar.gz") as tar:
            assert "packages/thing.py" in tar.getnames()

    def test_a_package_that_cannot_be_had_is_told(self, root: Path, tmp_path: Path) -> None:
        self.wheel(tmp_path, "cp312-cp312-manylinux_2_28_x86_64")
        (root / "udfs" / "moving" / "requirements.txt").write_text(f"--no-index\n--find-links {tmp_path}\nthing==1.0\n")
        with pytest.raises(BundleError, match=r"cannot be had as wheels for Python 3\.13 on x86_64: .*thing==1\.0"):
            pack(root / "udfs" / "moving", tmp_path / "a.tar.gz", "3.13", "x86_64")
        assert not (tmp_path / "a.tar.gz").exists()
