"""The callback that says a long task is alive: when it speaks, what it says, and that it goes away."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest
from ansible_collections.influx_anomaly.stack.plugins.callback.heartbeat import LongTaskReporter, duration, last_line

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ""),
        (b"one\ntwo\n", "two"),
        (b"one\n\n  \n", "one"),
        (b"10%\r20%\r", "20%"),
        (b"\x1b[1mbold\x1b[0m\n", "[1mbold[0m"),
        (b"\xff\xfe broken\n", "\ufffd\ufffd broken"),
        (b"x" * 500, "x" * 159 + "…"),
        (b"a\n" + b"y" * 9000 + b"\nlast", "last"),
    ],
)
def test_the_last_line_is_the_last_printable_one(tmp_path: Path, content: bytes, expected: str) -> None:
    log = tmp_path / "log"
    log.write_bytes(content)
    assert last_line(log) == expected


def test_a_missing_file_has_an_empty_last_line(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none") == ""
    assert last_line(tmp_path) == ""


def test_a_duration_reads_as_people_write_it() -> None:
    assert [duration(seconds) for seconds in (0, 59.9, 60, 185)] == ["0 s", "59 s", "1 min 00 s", "3 min 05 s"]


@pytest.fixture
def said() -> Queue[str]:
    return Queue()


@pytest.fixture
def heartbeat(said: Queue[str]) -> Iterator[LongTaskReporter]:
    # every=0 would never let go of the lock that start() needs.
    beat = LongTaskReporter(said.put, after=0, every=0.01)
    yield beat
    beat.close()


def test_a_long_task_is_reported_by_its_name(heartbeat: LongTaskReporter, said: Queue[str], tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("from an earlier run\n", encoding="utf-8")
    heartbeat.start("Build the image")
    heartbeat.watch(log)
    lines = iter(lambda: said.get(timeout=30), None)
    assert next(lines).endswith("Build the image")
    log.write_text("compiling\n", encoding="utf-8")
    line = next(line for line in lines if "compiling" in line)
    assert line.startswith("… still running after ")
    assert line.endswith(f"Build the image | compiling (log: {log})")
    heartbeat.start("The next")
    assert next(line for line in lines if "The next" in line).endswith("The next")


def test_nothing_is_reported_between_tasks(said: Queue[str]) -> None:
    beat = LongTaskReporter(said.put, after=3600, every=3600)
    beat.start("Quick")
    beat.stop()
    beat.close()
    assert said.empty()


def test_no_thread_is_left(heartbeat: LongTaskReporter) -> None:
    heartbeat.start("Task")
    assert any(thread.name == "heartbeat" for thread in threading.enumerate())
    heartbeat.close()
    heartbeat.start("Too late")
    assert not any(thread.name == "heartbeat" for thread in threading.enumerate())


PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {stem: x}
  tasks:
    - name: Long one
      ansible.builtin.wait_for: {path: "{{ folder }}/go", timeout: 60, sleep: 1}
      check_mode: false
      vars: {heartbeat_log: "{{ folder }}/{{ stem }}.log"}
    - name: Broken log
      ansible.builtin.command: "true"
      vars: {heartbeat_log: "{{ undefined_name }}"}
    - name: Fails
      ansible.builtin.command: "false"
"""


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_a_run_of_ansible_prints_a_line_for_a_long_task(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    (tmp_path / "x.log").write_text("from an earlier run\n", encoding="utf-8")
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "localhost,",
            "-c",
            "local",
            "-e",
            f"folder={tmp_path} ansible_python_interpreter={sys.executable}",
            str(tmp_path / "play.yml"),
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, "HEARTBEAT_AFTER": "0.2", "HEARTBEAT_EVERY": "0.2", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.endswith("Long one\n"):
            (tmp_path / "x.log").write_text("step 7\n", encoding="utf-8")
        if "Long one | step 7 (log:" in line:
            (tmp_path / "go").touch()
    code = process.wait(timeout=60)
    output = "".join(lines)
    assert "Long one | step 7 (log:" in output
    assert "from an earlier run" not in output
    # A log that cannot be named stops nothing; a task that fails is told as ever.
    if options:
        assert code == 0, output
    else:
        assert code == 2, output
        assert "TASK [Fails]" in output, output
        assert "failed=1" in output
    assert "Traceback" not in output
    assert "allback" not in output
