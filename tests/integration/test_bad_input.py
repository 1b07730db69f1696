"""What is wrong is refused with one message that names the thing, its value and the fix; and nothing has changed."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.old_engine import OldEngine
from tests.integration.playbook import PlayResult
from tests.integration.small_disk import small_disk
from tests.integration.stack import Stack, touched


@contextmanager
def untouched(stack: Stack) -> Iterator[None]:
    """Nothing of the stack may change inside."""

    def state() -> Any:
        # Logs and data go on by themselves.
        files = {path: kind for path, kind in stack.files().items() if path.startswith(("inventory", "stack/config"))}
        return stack.incarnations(), files, stack.on_engine()

    definitions, before = stack.settled().definitions(), state()
    yield
    assert state() == before
    assert not touched(definitions, stack.definitions())


@contextmanager
def changed_inventory(stack: Stack) -> Iterator[None]:
    """The inventory may be changed inside; it is put back, and nothing of the stack may have changed."""
    variables, pipelines = json.dumps(stack.variables), json.dumps(stack.pipelines)
    with untouched(stack):
        try:
            yield
        finally:
            stack.variables, stack.pipelines = json.loads(variables), json.loads(pipelines)
            stack.write()


SPOILT_VARIABLES: dict[str, Any] = {
    "influxdb_port": "many",
    "influxdb_prot": 8086,
    "kapacitor_version": "latest",
    "image_source": "magic",
    "secrets_given": {"influxdb_admin_password": "changeme"},
    "stack_bind_address": "localhost",
}
GOOD: dict[str, Any] = {
    "name": "good", "database": "printer", "measurement": "temperature", "fields": ["bed"], "window": "10s"
}  # fmt: skip
SPOILT_PIPELINES: list[dict[str, Any]] = [
    GOOD | {"name": "twice"},
    GOOD | {"name": "twice"},
    {key: value for key, value in GOOD.items() if key != "fields"} | {"name": "lacking"},
    GOOD | {"name": "misspelt", "agregate": ["mean"]},
    GOOD | {"name": "flat", "fields": "hotend"},
    GOOD | {"name": "elsewhere", "kapacitor": "kap9"},
]


@pytest.fixture(scope="module")
def refusal(stack: Stack) -> PlayResult:
    """One run with all of it, since all problems are to be told at once."""
    with changed_inventory(stack):
        stack.variables |= SPOILT_VARIABLES
        stack.pipelines += SPOILT_PIPELINES
        return stack.play("site")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["influxdb_port", "many", "whole number"], id="wrong-type"),
        pytest.param(["influxdb_prot", "influxdb_port"], id="unknown-variable"),
        pytest.param(["kapacitor_version", "latest", "1.8.6"], id="no-version"),
        pytest.param(["image_source", "magic", "archive"], id="no-choice"),
        pytest.param(["influxdb_admin_password", "(hidden)", "well-known"], id="placeholder-secret"),
        pytest.param(["stack_bind_address", "localhost", "127.0.0.1"], id="no-address"),
        pytest.param(["twice", "name"], id="pipeline-duplicate-name"),
        pytest.param(["lacking", "fields"], id="pipeline-missing-field"),
        pytest.param(["misspelt", "agregate", "aggregate"], id="pipeline-unknown-key"),
        pytest.param(["flat", "fields", "hotend"], id="pipeline-wrong-type"),
        pytest.param(["pipelines[7].kapacitor", "kap9", "localhost"], id="pipeline-unknown-kapacitor"),
    ],
)
def test_bad_inventory_is_refused(refusal: PlayResult, words: list[str]) -> None:
    """One line has it all: the thing, its value and the fix."""
    refusal.refused()
    lines = [line for line in refusal.output.splitlines() if all(word in line for word in words)]
    assert lines, (words, refusal.tail())


@pytest.fixture(scope="module")
def unfit(new_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack that was to be deployed on a host that cannot take it: one run, since all is to be told at once."""
    stack = new_stack()
    with (
        socket.create_server(("127.0.0.1", stack.ports["influxdb"])),
        small_disk(tmp_path_factory.mktemp("small") / "disk", megabytes=64) as disk,
    ):
        stack.variables["stack_dir"] = str(disk / "stack")
        stack.play("site")
        assert list(disk.iterdir()) == []
    _assert_untouched(stack)
    return stack


def test_a_port_that_is_in_use_is_refused(unfit: Stack) -> None:
    unfit.results[-1].refused("influxdb_port", str(unfit.ports["influxdb"]), "in use", "fix")


def test_a_disk_without_room_is_refused(unfit: Stack) -> None:
    unfit.results[-1].refused(str(Path(unfit.variables["stack_dir"]).parent), "64 MiB", "fix")


def test_an_engine_that_is_too_old_is_refused(new_stack: Callable[..., Stack], tmp_path: Path) -> None:
    with OldEngine(tmp_path / "docker.sock", version="17.03.2-ce", api="1.27") as old:
        stack = new_stack(variables={"docker_socket": str(tmp_path / "docker.sock")})
        stack.play("site").refused("17.03.2", "20.10", "fix")
        assert not [request for request in old.refused if not request.startswith(("GET", "HEAD"))]
    _assert_untouched(stack)


def _assert_untouched(stack: Stack) -> None:
    assert stack.on_engine() == {"containers": [], "networks": [], "volumes": [], "images": []}
    assert not stack.dir.exists()
    assert not stack.secrets_dir.exists()


@pytest.mark.parametrize("name", ["influxdb_admin_password", "kapacitor_admin_password"])
def test_a_wrong_password_is_refused(stack: Stack, name: str) -> None:
    secret = stack.secrets_dir / name
    right = secret.read_text()
    with untouched(stack):
        secret.write_text("not-the-right-one-but-long-enough\n")
        try:
            result = stack.play("site")
        finally:
            secret.write_text(right)
    result.refused(name, str(stack.secrets_dir), "fix")
    assert "not-the-right-one" not in result.output


def test_a_tickscript_that_does_not_parse_is_refused_with_line_and_column(stack: Stack, tmp_path: Path) -> None:
    task = {
        "id": "printer",
        "script": "stream\n    |frm()\n",
        "dbrps": [{"database": "printer", "retention_policy": "autogen"}],
    }
    with untouched(stack):
        _define(stack, tmp_path, task).refused("printer", "line 2", "frm")


def _define(stack: Stack, folder: Path, task: dict[str, Any]) -> PlayResult:
    """Runs the module that defines tasks, as the role pipelines does."""
    login = {
        "url": stack.kapacitor_url,
        "username": "admin",
        "password": f"{{{{ lookup('ansible.builtin.file', '{stack.secrets_dir}/kapacitor_admin_password') }}}}",
    }
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"name": "Define", "kapacitor_task": login | task}]}
    (folder / "define.yml").write_text(yaml.safe_dump([play]))
    return stack.play(str(folder / "define.yml"))


# Where Docker's habits bite


def test_a_folder_in_place_of_kapacitors_log_is_refused_when_it_holds_something(
    new_stack: Callable[..., Stack],
) -> None:
    """Docker makes a folder of a mounted file that is missing; `test_two_stacks` has an empty one."""
    stack = new_stack()
    log = stack.kapacitor_log
    log.mkdir(parents=True)
    (log / "precious").write_text("data")
    stack.play("site", "--tags", "directories").refused(str(log), "precious", "fix")
    assert (log / "precious").read_text() == "data"
