"""scripts/ansible: Ansible starts with any locale and from any directory, and says why where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from ansible._internal._datatag._tags import Origin
from ansible.module_utils._internal import _datatag
from ansible.parsing.dataloader import DataLoader

from tests.unit.scripts import ROOT, load_script

# What Ansible needs of a checkout to list a playbook's tasks.
PARTS = ("collections", "galaxy.yml", "inventory", "meta", "playbooks", "plugins", "roles")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose folder a test may change."""
    folder = tmp_path / "clone"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "ansible.cfg", folder / "ansible.cfg")
    shutil.copy(ROOT / "scripts" / "ansible", folder / "scripts" / "ansible")
    for name in PARTS:
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def script() -> ModuleType:
    return load_script("ansible")


def list_tasks(checkout: Path, directory: Path, playbook: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `.venv/bin/ansible-playbook PLAYBOOK --list-tasks` as bootstrap's starter does."""
    ignored = ("LC_ALL", "LANG", "ANSIBLE_CONFIG")
    return subprocess.run(
        [
            checkout / ".venv/bin/python",
            "-P",
            checkout / "scripts/ansible",
            checkout / ".venv/bin/ansible-playbook",
            playbook,
            "--list-tasks",
        ],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if name not in ignored} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "variables",
    [{"LC_ALL": "xx_XX.UTF-8"}, {"LANG": "xx_XX.UTF-8"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}],
    ids=lambda variables: "=".join(*variables.items()),
)
def test_a_locale_that_ansible_refuses_is_replaced(checkout: Path, variables: dict[str, str]) -> None:
    run = list_tasks(checkout, checkout, "playbooks/verify.yml", **variables)

    assert run.returncode == 0, run.stderr
    assert "verify : " in run.stdout


def test_without_any_utf_8_locale_one_line_says_what_to_set(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "accepts_locale", lambda: False)
    monkeypatch.setattr(script, "installed_locale", lambda: None)
    monkeypatch.setattr(sys, "argv", ["scripts/ansible", ".venv/bin/ansible-playbook", "site.yml"])

    status = script.main()

    assert status == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ansible-playbook: the locale is not UTF-8")
    assert "Fix: export LC_ALL=" in line


def test_a_world_writable_checkout_is_refused_with_the_chmod_to_run(checkout: Path) -> None:
    checkout.chmod(0o777)

    run = list_tasks(checkout, checkout, "playbooks/verify.yml")

    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"ansible-playbook: every user may write to {checkout}, so Ansible ignores the ansible.cfg")
    assert f"Fix: chmod o-w {checkout} " in line


def test_a_world_writable_checkout_works_with_its_configuration_named(checkout: Path) -> None:
    checkout.chmod(0o777)

    run = list_tasks(checkout, checkout, "playbooks/verify.yml", ANSIBLE_CONFIG=str(checkout / "ansible.cfg"))

    assert run.returncode == 0, run.stderr


def test_a_playbook_runs_from_another_directory(checkout: Path, tmp_path: Path) -> None:
    run = list_tasks(checkout, tmp_path, str(checkout / "playbooks/verify.yml"))

    assert run.returncode == 0, run.stderr
    assert "verify : " in run.stdout


def test_a_working_directory_keeps_its_own_configuration(script: ModuleType, tmp_path: Path) -> None:
    assert script.configuration(tmp_path, {}) == str(ROOT / "ansible.cfg")
    (tmp_path / "ansible.cfg").touch()
    assert script.configuration(tmp_path, {}) is None
    assert script.configuration(ROOT, {"ANSIBLE_CONFIG": "other.cfg"}) is None


@pytest.fixture
def sudo(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with a terminal, whose sudo asks for a password."""
    program = tmp_path / "sudo"
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(script, "has_terminal", lambda: True)
    return program


def test_ansible_asks_for_the_password_that_sudo_demands(script: ModuleType, sudo: Path) -> None:
    assert script.needs_password("ansible-playbook", ["site.yml"], {})


def test_ansible_does_not_ask_where_sudo_demands_no_password(script: ModuleType, sudo: Path) -> None:
    sudo.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    assert not script.needs_password("ansible-playbook", ["site.yml"], {})


@pytest.mark.parametrize(
    ("program", "arguments", "variables"),
    [
        ("ansible-inventory", ["--list"], {}),
        ("ansible-playbook", ["site.yml", "--become-password-file", "-"], {}),
        ("ansible-playbook", ["site.yml", "-e", "ansible_become_pass=x"], {}),
        ("ansible-playbook", ["site.yml"], {"ANSIBLE_BECOME_ASK_PASS": "false"}),
        ("ansible-playbook", ["site.yml"], {"ANSIBLE_BECOME_PASSWORD_FILE": "file"}),
    ],
)
def test_ansible_does_not_ask_for_a_password_that_it_is_given_or_does_not_need(
    script: ModuleType, sudo: Path, program: str, arguments: list[str], variables: dict[str, str]
) -> None:
    assert not script.needs_password(program, arguments, variables)


def test_root_is_not_asked_and_neither_is_a_run_without_a_terminal(
    script: ModuleType, sudo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(script, "has_terminal", lambda: False)
        assert not script.needs_password("ansible-playbook", ["site.yml"], {})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not script.needs_password("ansible-playbook", ["site.yml"], {})


@pytest.fixture
def shared(script: ModuleType) -> Iterator[None]:
    """What Ansible reads is copied as `scripts/ansible` lets it be copied."""
    script.share_values()
    yield
    for name in script.SHARED:
        del getattr(_datatag, name).__deepcopy__


def test_copies_of_what_was_read_share_texts_and_nothing_that_changes(shared: None, tmp_path: Path) -> None:
    (tmp_path / "tasks.yml").write_text("- {name: one, args: {list: [text, 1, 2.5]}}\n")
    loader = DataLoader()

    first, second = (loader.load_from_file(str(tmp_path / "tasks.yml")) for _ in range(2))

    assert first[0]["args"]["list"][0] is second[0]["args"]["list"][0]
    first[0]["args"]["list"].append("more")
    assert second == [{"name": "one", "args": {"list": ["text", 1, 2.5]}}]
    origins = [Origin.get_tag(value) for value in (second, second[0], second[0]["args"]["list"], second[0]["name"])]
    assert [origin and origin.path for origin in origins] == [str(tmp_path / "tasks.yml")] * 4
