"""InfluxDB's health check, which carries out a restart that the keeper asks for: the script itself, with a curl of the
tests' own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "influxdb" / "files" / "health.sh"


class Container:
    """The files of a container, and the process that is its first one."""

    def __init__(self, folder: Path) -> None:
        names = ("request", "seen", "volume/restarted", "started")
        self.request, self.seen, self.restarted, self.started = (folder / name for name in names)
        self.restarted.parent.mkdir()
        self.process = subprocess.Popen(["sleep", "600"])
        self._folder = folder
        self.answer(0)

    def answer(self, code: int) -> None:
        """Let InfluxDB's ping end with this code from now on."""
        (self._folder / "curl").write_text(f"#!/bin/sh\nexit {code}\n")
        (self._folder / "curl").chmod(0o755)

    def check(self) -> int:
        """Run the health check; return its exit code."""
        paths = map(str, (SCRIPT, self.request, self.seen, self.restarted))
        words = ["sh", *paths, str(self.process.pid), str(self.started)]
        path = f"{self._folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(words, env={**os.environ, "PATH": path}, check=False).returncode

    def is_ended(self) -> bool:
        """Whether the first process was told to end, which it does as soon as the machine lets it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        pending = re.search(r"^ShdPnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
        is_told = pending is not None and int(pending[1], 16) >> (signal.SIGTERM - 1) & 1
        try:
            return self.process.wait(60 if is_told else 1) == -signal.SIGTERM
        except subprocess.TimeoutExpired:
            return False


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    container = Container(tmp_path)
    yield container
    container.process.kill()
    container.process.wait()


def test_it_says_whether_influxdb_answers(container: Container) -> None:
    assert container.check() == 0
    container.answer(7)
    assert container.check() == 7


def test_a_new_request_ends_the_first_process(container: Container) -> None:
    container.check()
    container.request.write_text("1 it keeps nothing\n")
    assert container.check() == 0
    assert container.is_ended()


def test_a_request_from_before_the_start_is_done(container: Container) -> None:
    container.request.write_text("1 it keeps nothing\n")
    container.check()
    container.check()
    assert not container.is_ended()


def test_a_request_soon_after_a_restart_waits(container: Container) -> None:
    container.check()
    container.request.write_text("1 it keeps nothing\n")
    container.restarted.touch()
    container.check()
    assert not container.is_ended()
    long_ago_s = time.time() - 180
    os.utime(container.restarted, (long_ago_s, long_ago_s))
    container.check()
    assert container.is_ended()


def test_a_container_that_was_started_on_a_volume_that_takes_nothing_is_restarted_after_a_minute(
    container: Container,
) -> None:
    container.check()
    # As nothing can be written there, whoever asks.
    container.restarted.parent.rmdir()
    container.request.write_text("1 it keeps nothing\n")
    container.check()
    assert not container.is_ended()
    long_ago_s = time.time() - 120
    os.utime(container.started, (long_ago_s, long_ago_s))
    container.check()
    assert container.is_ended()
