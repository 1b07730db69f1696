"""Calendars of running UDFs: what the playbook says where it cannot bring them, and what the role does when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

PIPELINE = {"name": "a", "database": "d", "measurement": "m", "fields": ["x"], "window": "10s", "seasonality": ["1w"]}
NIGHT = {"means": "quiet", "begin": "2026-01-04T22:00", "lasts": "8h", "rule": "FREQ=DAILY"}
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def play(folder: Path, hosts: dict[str, dict[str, Any]], *options: str) -> tuple[int, str]:
    """Run the playbook for hosts with a folder each, and return its code and what it printed, on one line."""
    for name, variables in hosts.items():
        (folder / name / "config" / "calendars").mkdir(parents=True, exist_ok=True)
        # This stack has no containers.
        variables |= {**HERE, "stack_dir": str(folder / name), "stack_name": "no-such-stack"}
        variables["pipelines"] = [{**PIPELINE, "calendars": [NIGHT] * 32, "kapacitor": name}]
    groups: dict[str, Any] = {group: {"hosts": {name: {} for name in hosts}} for group in ("influxdb", "kapacitor")}
    inventory = folder / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "children": groups}}), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory)]
    command += ["playbooks/calendars.yml", *options]
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "COLUMNS": "1000"}, capture_output=True, text=True, check=False
    )
    assert not list(folder.glob("*/config/calendars/*"))
    return result.returncode, " ".join((result.stdout + result.stderr).split())


def test_a_host_without_its_container_is_told_to_deploy_and_one_without_kapacitor_has_nothing_to_do(
    tmp_path: Path,
) -> None:
    code, said = play(tmp_path, {"bare": {}, "other": {"kapacitor_enabled": False}})

    assert code != 0
    assert "so no UDF would follow calendars. Fix: run site.yml" in said, said
    assert "other : ok=" in said
    assert said.count("failed=1") == 1
    assert said.count("failed=0") == 1


def test_a_service_that_is_not_deployed_is_told_before_anything_is_written(tmp_path: Path) -> None:
    begin = "calendars_alone | Read the deployed pipelines of the services that read them"

    code, said = play(tmp_path, {"bare": {}}, "--start-at-task", begin)

    assert code != 0
    assert f"{tmp_path}/bare/config/keeper/pipelines.json is not there. Fix: run site.yml" in said, said


def test_check_mode_needs_no_deployment_and_tells_holidays_that_leave_no_room(tmp_path: Path) -> None:
    keeper = tmp_path / "full" / "config" / "keeper" / "pipelines.json"
    keeper.parent.mkdir(parents=True)
    deployed = [{**PIPELINE, "calendars": [{"means": "holiday", "country": "DE"}]}]
    keeper.write_text(json.dumps(deployed), encoding="utf-8")

    code, said = play(tmp_path, {"bare": {}, "full": {"console_enabled": False}}, "--check")

    assert code != 0
    assert "has pipelines on bare, so nothing tells what is deployed" in said, said
    assert f"{keeper} cannot take the calendars of the inventory, as its holidays stay" in said
    assert said.count("failed=1") == 1
    assert json.loads(keeper.read_text(encoding="utf-8")) == deployed


def role() -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = yaml.safe_load((ROOT / "roles/pipelines/tasks/main.yml").read_text(encoding="utf-8"))
    return tasks


@pytest.mark.parametrize(
    ("tags", "skipped", "is_checked"),
    [
        (["all"], [], False),
        (["kapacitor", "pipelines"], [], False),
        (["pipelines"], [], True),
        (["all"], ["kapacitor"], True),
    ],
)
def test_the_container_is_checked_where_the_role_kapacitor_is_left_out(
    tags: list[str], skipped: list[str], is_checked: bool
) -> None:
    (check,) = (task for task in role() if task.get("ansible.builtin.include_tasks") == "followed.yml")
    (condition,) = (line for line in check["when"] if "tags" in line)

    result = jinja2.Environment(autoescape=True).compile_expression(condition)(
        ansible_run_tags=tags, ansible_skip_tags=skipped
    )

    assert result is is_checked


def test_calendars_come_before_the_tasks_and_those_of_removed_pipelines_go_after_them() -> None:
    tasks = role()
    files = [task.get("ansible.builtin.import_tasks") or task.get("ansible.builtin.include_tasks") for task in tasks]

    before, after = (number for number, file in enumerate(files) if file == "calendars.yml")

    assert before < files.index("tasks.yml") < after
    purges = [tasks[number]["vars"]["__pipelines_calendars_purge"] for number in (before, after)]
    assert purges == ["{{ ansible_check_mode }}", True]
    assert "not ansible_check_mode" in tasks[after]["when"]
