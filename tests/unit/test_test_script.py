"""scripts/test: linters run beside tests, and each of them can fail the run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from daemons.waiting import attempts
from tests.unit.scripts import ROOT

Start = Callable[..., "subprocess.Popen[str]"]
Until = Callable[[str], str]
PATIENCE_S = 60


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start the script in a tree of its own, with a program for `make`, the linters and the tests each."""

    def write(path: Path, script: str) -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def start(*, lint: str, tests: str = "echo tests ran", make: str = "true") -> subprocess.Popen[str]:
        (tmp_path / "scripts").mkdir()
        script = shutil.copy(ROOT / "scripts" / "test", tmp_path / "scripts")
        write(tmp_path / "scripts" / "lint", lint)
        return subprocess.Popen(
            [script, write(tmp_path / "pytest", tests)],
            env=os.environ | {"MAKE": str(write(tmp_path / "make", make))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """The exit code, and the lines after the first, which says where the linters' log is."""
    output, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, output.splitlines()[1:]


@pytest.fixture
def until(tmp_path: Path) -> Until:
    """A command that ends when another program has made a file of that name."""
    return lambda name: f"until [ -e {tmp_path}/{name} ]; do sleep 0.01; done"


def test_what_the_linters_say_is_printed_after_the_tests(start: Start, until: Until, tmp_path: Path) -> None:
    process = start(lint=f"{until('tested')}; echo lint: ok", tests=f"echo tests ran; touch {tmp_path}/tested")
    assert ended(process) == (0, ["tests ran", "lint: ok"])


def test_linters_that_fail_beside_the_tests_fail_the_run(start: Start, until: Until, tmp_path: Path) -> None:
    lint = f"{until('tested')}; echo lint: failed >&2; exit 1"
    assert ended(start(lint=lint, tests=f"touch {tmp_path}/tested")) == (1, ["lint: failed"])


@pytest.mark.parametrize("waits_for", ["begun", "tested"])
def test_tests_that_fail_fail_the_run_whenever_the_linters_end(
    start: Start, until: Until, tmp_path: Path, waits_for: str
) -> None:
    process = start(
        lint=f"{until(waits_for)}; echo lint: ok",
        make=f"touch {tmp_path}/begun",
        tests=f"echo one failed; touch {tmp_path}/tested; exit 5",
    )
    code, lines = ended(process)
    assert code == 5
    assert sorted(lines) == ["lint: ok", "one failed"]


def test_linters_that_have_failed_before_the_tests_end_the_run(start: Start, until: Until, tmp_path: Path) -> None:
    lint = f"echo $$ >{tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/linted; echo lint: failed; exit 1"
    # The images take until the linters are gone.
    make = f"{until('linted')}; while kill -0 $(cat {tmp_path}/linted) 2>/dev/null; do sleep 0.01; done"
    assert ended(start(lint=lint, make=make)) == (1, ["lint: failed"])


def test_images_that_fail_end_the_run_and_the_linters(start: Start, until: Until, tmp_path: Path) -> None:
    lint = f"echo $$ >{tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/linting; exec sleep 600"
    assert ended(start(lint=lint, make=f"{until('linting')}; exit 3")) == (3, [])
    assert is_gone(int((tmp_path / "linting").read_text()))


def test_nothing_is_left_of_the_linters_when_a_run_is_ended(start: Start, until: Until, tmp_path: Path) -> None:
    lint = f"sleep 600 & echo $! >{tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/linting; wait"
    process = start(lint=lint, tests=f"{until('linting')}; touch {tmp_path}/begun; exec sleep 600")
    assert any((tmp_path / "begun").exists() for _ in attempts(PATIENCE_S))

    os.killpg(process.pid, signal.SIGTERM)

    assert ended(process)[0] == 143
    assert is_gone(int((tmp_path / "linting").read_text()))


def is_gone(pid: int) -> bool:
    """Whether a process ends soon."""
    for _ in attempts(PATIENCE_S):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
    return False
