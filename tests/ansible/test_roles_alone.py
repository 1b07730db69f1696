"""Roles that make sense only inside other roles refuse to be run alone, in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("role", "variable"), [("container", "container_name"), ("job", "job_name")])
def test_a_part_of_other_roles_refuses_to_run_alone(role: str, variable: str, tmp_path: Path) -> None:
    play = {
        "hosts": "kapacitor",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": role}}],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")

    run = subprocess.run(
        [program, "-i", "inventory/local", tmp_path / "play.yml"], cwd=ROOT, capture_output=True, text=True
    )

    assert run.returncode != 0
    said = " ".join((run.stdout + run.stderr).split())
    assert (
        f"the role {role} runs only inside other roles, which set {variable}. Fix: run a playbook of playbooks/" in said
    )
