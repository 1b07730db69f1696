"""The preflight in a real run: everything wrong is told in one failure, with its file and line, and nothing follows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HOSTS = """
all:
  hosts:
    here:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
  children:
    influxdb: {hosts: {here: }}
    kapacitor: {hosts: {here: }}
"""

PLAY = """
- hosts: influxdb:kapacitor
  any_errors_fatal: true
  tasks:
    - ansible.builtin.import_role: {name: preflight, rolespec_validate: false}
    - name: The next step
      ansible.builtin.debug: {msg: went on}
"""

WRONG = """---
stack_name: Big Stack
influxdb_port: high
grafana_prot: 3000
# A default of a role inside of a value.
stack_dir: "/srv/{{ stack_network }}/{{ no_such_variable }}"
preflight_min_memory_mb: 100000000
pipelines:
  - name: a
    window: 10s
"""


def run(folder: Path, variables: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "group_vars").mkdir(exist_ok=True)
    (folder / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    (folder / "play.yml").write_text(PLAY, encoding="utf-8")
    (folder / "group_vars" / "all.yml").write_text(variables, encoding="utf-8")
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            str(folder / "hosts.yml"),
            str(folder / "play.yml"),
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_ROLES_PATH": str(ROOT / "roles"), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_all_problems_are_told_at_once(tmp_path: Path, options: list[str]) -> None:
    result = run(tmp_path, WRONG, *options)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "The next step" not in output
    for expected in (
        "stack_name = Big Stack (",
        f"{tmp_path}/group_vars/all.yml:2): cannot name containers",
        "influxdb_port = high (",
        "grafana_prot = 3000 (",
        "did you mean grafana_port?",
        "its template fails: 'no_such_variable' is undefined",
        # The host was looked at all the same.
        "is less than preflight_min_memory_mb (100000000)",
        'pipelines[0] "a": database: is missing',
    ):
        assert expected in output, output
    assert output.count("Fix: ") >= 6


def test_an_engine_that_does_not_answer_is_a_problem_where_docker_is_not_managed(tmp_path: Path) -> None:
    variables = f"docker_manage: false\ndocker_socket: {tmp_path}/none.sock\nstack_dir: {tmp_path}/stack\n"
    result = run(tmp_path, variables)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "container engine: doesn't answer" in output
    assert "docker_manage is false" in output
    assert "The next step" not in output


ONLY_THE_INVENTORY = f"""
- hosts: all
  gather_facts: false
  tasks:
    - preflight_inventory: {{roles: {ROOT}/roles}}
      run_once: true
      register: checked
    - ansible.builtin.assert:
        that: checked.problems == []
        fail_msg: "{{{{ checked.problems | join(' ') }}}}"
      run_once: true
"""


@pytest.mark.parametrize("inventory", sorted(path.name for path in (ROOT / "inventory").iterdir() if path.is_dir()))
def test_the_shipped_inventories_are_in_order(tmp_path: Path, inventory: str) -> None:
    (tmp_path / "play.yml").write_text(ONLY_THE_INVENTORY, encoding="utf-8")
    result = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            f"inventory/{inventory}",
            str(tmp_path / "play.yml"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
