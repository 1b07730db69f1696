"""The collection influx_anomaly.stack works away from the repository, installed from its tarball, with real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemons.influxd import Influxd
from daemons.kapacitord import Kapacitord

ROOT = Path(__file__).parents[2]
COLLECTION = "influx_anomaly.stack"
MODULES = ("influxdb_schema", "kapacitor_handlers", "kapacitor_subscriptions", "kapacitor_task")
# What every module returns, and ansible-doc does not list.
COMMON = {"changed", "diff", "failed"}
# A megabyte of tarball would be sources, images or data that do not belong into it.
LARGEST_TARBALL = 200_000


class Installation:
    """A folder elsewhere with nothing but the installed collection."""

    def __init__(self, folder: Path, tarball: Path) -> None:
        self.folder = folder
        self.tarball = tarball
        (folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {folder}/collections\n", encoding="utf-8")
        self.run("ansible-galaxy", "collection", "install", "--offline", str(tarball))

    def run(self, program: str, *arguments: str) -> str:
        """Run one of Ansible's programs here, and return its output."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        process = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=self.folder,
            env={
                **kept,
                "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    def documentation(self) -> dict[str, Any]:
        """Return what ansible-doc knows of the modules, by their short names."""
        names = [f"{COLLECTION}.{name}" for name in MODULES]
        pages = json.loads(self.run("ansible-doc", "--json", *names))
        return {name: pages[f"{COLLECTION}.{name}"] for name in MODULES}

    def play(self, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Run a playbook with a task for each module, twice, and return both results by module: first, second."""
        steps: list[dict[str, Any]] = []
        for run in ("first", "second"):
            for module, options in tasks.items():
                steps.append({f"{COLLECTION}.{module}": dict(options), "register": f"{module}_{run}"})
        names = {name: f"{{{{ [{name}_first, {name}_second] }}}}" for name in tasks}
        steps.append(
            {
                "ansible.builtin.copy": {
                    "content": "{{ results | to_json }}",
                    "dest": str(self.folder / "results.json"),
                },
                "vars": {"results": names},
            }
        )
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        }
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"here": host}}}), encoding="utf-8")
        playbook = self.folder / "playbook.yml"
        playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": steps}]), encoding="utf-8")
        self.run("ansible-playbook", "-i", "hosts.yml", str(playbook))
        results = json.loads((self.folder / "results.json").read_text(encoding="utf-8"))
        return {name: dict(zip(("first", "second"), pair, strict=True)) for name, pair in results.items()}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("collection")
    program = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run(
        [program, "collection", "build", ROOT, "--output-path", folder / "built"], check=True, capture_output=True
    )
    (tarball,) = (folder / "built").iterdir()
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    return Installation(elsewhere, tarball)


def test_the_tarball_holds_the_plugins_and_nothing_else_of_the_repository(installation: Installation) -> None:
    with tarfile.open(installation.tarball) as tar:
        names = {member.name.split("/")[0] for member in tar if member.name != "."}

    assert names == {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "meta", "plugins"}, (
        "add what does not belong into the collection to build_ignore in galaxy.yml"
    )
    assert installation.tarball.stat().st_size < LARGEST_TARBALL


def test_ansible_doc_prints_documentation_examples_and_return_values(installation: Installation) -> None:
    pages = installation.documentation()

    for name, page in pages.items():
        assert page["doc"]["filename"].startswith(str(installation.folder)), name
        assert page["doc"]["description"], name
        assert {"url", "username", "password", "ca_path", "validate_certs", "timeout"} <= set(page["doc"]["options"])
        examples = yaml.safe_load(page["examples"])
        assert all(f"{COLLECTION}.{name}" in example for example in examples), name
        assert all(entry["description"] and entry["type"] and entry["returned"] for entry in page["return"].values())


def test_the_modules_work_by_their_full_names_and_return_what_is_documented(
    installation: Installation, influxd: Influxd, kapacitord: Callable[..., Kapacitord]
) -> None:
    kapacitor_url = kapacitord().url.removesuffix("/kapacitor/v1")
    tasks: dict[str, dict[str, Any]] = {
        "influxdb_schema": {
            "url": influxd.url,
            "username": "admin",
            "password": "admin's own",
            "databases": [{"name": "telemetry", "retention_policies": [{"name": "month", "duration": "30d"}]}],
            "users": [{"name": "reader", "password": "reader's own", "grants": {"telemetry": "READ"}}],
        },
        "kapacitor_subscriptions": {"url": influxd.url, "destination": "http://gone.example:9092", "state": "absent"},
        "kapacitor_task": {
            "url": kapacitor_url,
            "id": "mean",
            "dbrps": [{"database": "telemetry", "retention_policy": "month"}],
            "script": "stream|from().measurement('m')|window().period(10s).every(10s)|mean('value')",
            "watch": 0,
        },
        "kapacitor_handlers": {
            "url": kapacitor_url,
            "prefix": "ours.",
            "handlers": [{"id": "web", "topic": "anomaly", "kind": "post", "options": '{"url": "http://127.0.0.1:1"}'}],
        },
    }

    results = installation.play(tasks)

    assert results["influxdb_schema"]["first"]["statements"][0] == 'CREATE DATABASE "telemetry"'
    assert results["kapacitor_task"]["first"]["actions"] == ["created", "enabled"]
    assert results["kapacitor_task"]["first"]["task"]["executing"] is True
    assert results["kapacitor_handlers"]["first"]["actions"] == ["created anomaly/ours.web"]
    assert [result["second"]["changed"] for result in results.values()] == [False] * len(tasks)
    for name, page in installation.documentation().items():
        returned = set(results[name]["first"]) - COMMON
        documented = {key for key, entry in page["return"].items() if "success" in entry["returned"]}
        assert returned == documented, name
