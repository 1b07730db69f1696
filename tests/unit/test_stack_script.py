"""scripts/stack finds a deployed stack's hosts, and runs the engine's commands there."""

import io
import json
import os
import subprocess
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.scripts import load_script

SSH = ["ssh", "-p", "2222", "-l", "admin", "10.0.0.2"]


@pytest.fixture(scope="module")
def stack() -> ModuleType:
    return load_script("stack")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with an inventory `two` of one stack on two hosts."""
    (tmp_path / "inventory" / "two").mkdir(parents=True)
    record(tmp_path, "two", "anomaly")
    return tmp_path


def record(root: Path, inventory: str, name: str, **more: Any) -> None:
    folder = root / "build" / inventory / name
    folder.mkdir(parents=True)
    hosts = {
        "db": {"services": ["influxdb", "grafana"], "reach": []},
        "edge": {"services": ["kapacitor", "keeper"], "reach": SSH},
        "third": {"services": ["kapacitor", "keeper"], "reach": []},
        "odd": {"services": ["chronograf"], "reach": None},
    }
    (folder / "summary.json").write_text(json.dumps({"stack_name": name, "hosts": hosts, **more}))


def test_the_only_stack_of_an_inventory_is_found(stack: ModuleType, root: Path) -> None:
    assert stack.find_summary(root / "inventory" / "two", None, root)["stack_name"] == "anomaly"


def test_several_stacks_need_a_name(stack: ModuleType, root: Path) -> None:
    record(root, "two", "second")
    with pytest.raises(stack.StackError, match=r"several stacks \(anomaly, second\): say which with --stack"):
        stack.find_summary(root / "inventory" / "two", None, root)
    assert stack.find_summary(root / "inventory" / "two", "second", root)["stack_name"] == "second"


@pytest.mark.parametrize(("inventory", "name"), [("other", None), ("two", "third")])
def test_a_stack_that_was_not_deployed_is_refused(
    stack: ModuleType, root: Path, inventory: str, name: str | None
) -> None:
    with pytest.raises(stack.StackError, match=r"run playbooks/site\.yml"):
        stack.find_summary(root / "inventory" / inventory, name, root)


def test_a_record_of_an_earlier_release_is_refused(stack: ModuleType, root: Path) -> None:
    path = root / "build" / "two" / "anomaly" / "summary.json"
    path.write_text(json.dumps({"stack_name": "anomaly"}))
    with pytest.raises(stack.StackError, match=r"is of an earlier release"):
        stack.find_summary(root / "inventory" / "two", None, root)


@pytest.mark.parametrize(
    ("service", "host", "words"),
    [
        ("kapacitr", None, r"no service 'kapacitr' in the stack .*influxdb, kapacitor"),
        ("influxdb", "edge", r"--host: 'edge' does not run influxdb .*db"),
        ("chronograf", None, "odd is reached by another connection than ssh"),
    ],
)
def test_a_host_or_a_service_that_is_not_there_is_refused(
    stack: ModuleType, root: Path, service: str, host: str | None, words: str
) -> None:
    summary = stack.find_summary(root / "inventory" / "two", None, root)
    with pytest.raises(stack.StackError, match=words):
        stack.hosts_of(summary, service, host)


def test_another_host_gets_each_word_as_it_is(stack: ModuleType, root: Path) -> None:
    """The words go through the shell that ssh starts and through that of the command."""
    summary = stack.find_summary(root / "inventory" / "two", None, root)
    words = ["exec", "anomaly-keeper", "anomaly", "status", "--pipeline", "it's $HOME"]
    command = stack.docker(summary, "edge", words, is_terminal=True)
    assert command[:-1] == ["ssh", "-t", *SSH[1:]]
    engine = root / "docker"
    engine.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    engine.chmod(0o755)
    path = f"{root}{os.pathsep}{os.environ['PATH']}"
    shown = subprocess.run(
        ["sh", "-c", command[-1]], env={"PATH": path}, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert shown.stdout.splitlines() == words


def arguments(command: str, **more: Any) -> Namespace:
    return Namespace(**{"command": command, "stack": None, "host": None, "service": None, "options": [], **more})


def test_a_shell_needs_one_host(stack: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = stack.find_summary(root / "inventory" / "two", None, root)
    monkeypatch.setattr(stack, "find_summary", lambda *_: summary)
    with pytest.raises(stack.StackError, match=r"keeper runs on edge, third: say which with --host"):
        stack.run(arguments("shell", inventory=root), is_terminal=False)


def test_data_are_kept_unless_the_name_is_typed(
    stack: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = stack.find_summary(root / "inventory" / "two", None, root)
    monkeypatch.setattr(stack, "find_summary", lambda *_: summary)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    started: list[list[str]] = []

    def call(command: list[str]) -> int:
        started.append(command)
        return 0

    monkeypatch.setattr(stack.subprocess, "call", call)
    with pytest.raises(stack.StackError, match="'yes' is not 'anomaly': nothing was removed"):
        stack.delete_data(arguments("delete-data", inventory=Path("inventory/two")))
    assert "anomaly from db, edge, third, odd" in capsys.readouterr().out
    assert not started
    monkeypatch.setattr("sys.stdin", io.StringIO("anomaly\n"))
    assert stack.delete_data(arguments("delete-data", inventory=Path("inventory/two"))) == 0
    ((*_, extra),) = started
    assert json.loads(extra) == {"stack_name": "anomaly", "teardown_data": True, "teardown_confirm": "anomaly"}


def test_who_wants_to_delete_data_without_a_stack_learns_the_command(stack: ModuleType) -> None:
    """A teardown that keeps data leaves no record of the stack."""
    with pytest.raises(stack.StackError, match=r"teardown\.yml -i \S+/gone -e teardown_data=true -e teardown_confirm="):
        stack.delete_data(arguments("delete-data", inventory=Path("inventory/gone")))


@pytest.mark.parametrize(
    ("words", "service", "options"),
    [
        (["status", "--", "--most", "5"], None, ["--most", "5"]),
        (["logs", "influxdb"], "influxdb", []),
        (["shell"], None, []),
    ],
)
def test_the_command_line_is_understood(
    stack: ModuleType, words: list[str], service: str | None, options: list[str]
) -> None:
    parsed = stack.parse(words)
    assert (parsed.service, parsed.options) == (service, options)
