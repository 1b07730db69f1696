"""A build ends with the process that it works for."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys, time
from images.driver.owner import follow
follow(int(sys.argv[1]))
print("following", flush=True)
time.sleep(60)
"""


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands in for ansible-playbook."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def start(pid: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(pid)], cwd=ROOT, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )


def test_it_ends_when_its_owner_is_killed(owner: subprocess.Popen[bytes]) -> None:
    with start(owner.pid) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == "following\n"
        assert build.poll() is None

        owner.kill()
        owner.wait()

        assert build.wait(30) == -signal.SIGTERM


def test_it_ends_at_once_when_its_owner_has_ended(owner: subprocess.Popen[bytes]) -> None:
    owner.kill()
    owner.wait()

    with start(owner.pid) as build:
        assert build.wait(30) == -signal.SIGTERM


def test_the_command_line_takes_an_owner(owner: subprocess.Popen[bytes]) -> None:
    owner.kill()
    owner.wait()

    build = subprocess.run(
        [sys.executable, ROOT / "images" / "build.py", "build", "--owner", str(owner.pid), "debian"],
        capture_output=True,
        text=True,
    )

    assert (build.returncode, build.stderr) == (130, "interrupted; what was built stays\n")
