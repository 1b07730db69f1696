"""Restarts that the keeper asks for: their limit as plain logic, and the rest with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from anomaly.keeper import supervisor
from anomaly.keeper.supervisor import RestartRequests, ask_restart, end_program, reap

WAIT = 60.0


def test_a_new_text_is_a_request_and_what_was_there_at_the_start_is_none() -> None:
    requests = RestartRequests(600, "old")
    assert [requests.look(text, 10) for text in ("old", "", "new", "new")] == [False, False, True, False]


def test_a_request_within_the_pause_waits_for_its_end() -> None:
    requests = RestartRequests(600, "")
    assert requests.look("first", 10)
    assert [requests.look("second", second) for second in (11, 609, 610, 611)] == [False, False, True, False]


class Supervised:
    """`anomaly supervise` with a program that notes its starts and the signals that it gets."""

    def __init__(self, directory: Path, program: str, pause_s: float = 600) -> None:
        self.restart_file = directory / "restart"
        self.notes = directory / "notes"
        self.notes.touch()
        script = directory / "program.py"
        script.write_text(f"import os, signal, sys, time\nnotes = {str(self.notes)!r}\n{NOTING}{program}")
        words = ["supervise", "--restart-file", str(self.restart_file), "--pause", str(pause_s), "--"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anomaly", *words, sys.executable, str(script)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, count: int, note: str) -> None:
        wait_until(lambda: self.notes.read_text().split().count(note) >= count)


NOTING = """
def note(text):
    with open(notes, "a") as file:
        file.write(text + "\\n")
def ended(number, frame):
    note("ended")
    sys.exit(7)
signal.signal(signal.SIGTERM, ended)
signal.signal(signal.SIGHUP, lambda number, frame: note("hup"))
note("started")
"""
FOR_EVER = "\nwhile True: time.sleep(0.1)\n"


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_program_is_restarted_when_asked_once_in_a_pause(tmp_path: Path) -> None:
    supervised = Supervised(tmp_path, FOR_EVER)
    supervised.wait_for(1, "started")
    ask_restart(supervised.restart_file, "it\nhangs", 1)
    supervised.wait_for(2, "started")
    ask_restart(supervised.restart_file, "it hangs again", 2)
    supervised.process.send_signal(signal.SIGHUP)
    supervised.wait_for(1, "hup")
    supervised.process.terminate()
    _, said = supervised.process.communicate(timeout=WAIT)
    assert supervised.process.returncode == 7
    assert supervised.notes.read_text().split() == ["started", "ended", "started", "hup", "ended"]
    assert said.splitlines() == [f"restarting {sys.executable}: 1 it hangs"]


SLOW = """
def twice(number, frame):
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(5))
    note("ending")
signal.signal(signal.SIGTERM, twice)
"""


def test_it_ends_when_it_is_asked_to_within_a_restart(tmp_path: Path) -> None:
    supervised = Supervised(tmp_path, SLOW + FOR_EVER)
    supervised.wait_for(1, "started")
    ask_restart(supervised.restart_file, "it hangs", 1)
    supervised.wait_for(1, "ending")
    supervised.process.terminate()
    supervised.process.communicate(timeout=WAIT)
    assert supervised.process.returncode == 5
    assert supervised.notes.read_text().split() == ["started", "ending"]


def test_it_ends_with_its_program_and_its_exit_code(tmp_path: Path) -> None:
    supervised = Supervised(tmp_path, "\nsys.exit(3)\n")
    assert supervised.process.wait(WAIT) == 3
    supervised.process.communicate()
    killed = Supervised(tmp_path, "\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert killed.process.wait(WAIT) == 128 + signal.SIGKILL
    killed.process.communicate()


def test_orphans_are_reaped_and_the_program_is_left_alone() -> None:
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    orphan = os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], os.environ)
    wait_until(lambda: "State:\tZ" in Path(f"/proc/{orphan}/status").read_text())
    reap(program.pid)
    assert not Path(f"/proc/{orphan}").exists()
    program.kill()
    wait_until(lambda: "State:\tZ" in Path(f"/proc/{program.pid}/status").read_text())
    reap(program.pid)
    assert program.wait(WAIT) == -signal.SIGKILL


def test_a_program_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_ENDING_S", 0.05)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    program = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    assert program.stdout is not None
    with program.stdout:
        program.stdout.readline()
        assert end_program(program) == 128 + signal.SIGKILL


def test_a_request_can_be_read_by_whoever_reads_the_folder(tmp_path: Path) -> None:
    ask_restart(tmp_path / "restart", "it\n hangs", 7)
    assert (tmp_path / "restart").read_text() == "7 it hangs\n"
    assert (tmp_path / "restart").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("words", [[], ["--"], ["--", "/no/such/program"]])
def test_a_program_that_cannot_be_started_is_a_clear_error(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from anomaly.cli import main

    assert main(["supervise", "--restart-file", str(tmp_path / "restart"), *words]) == 2
    said = capsys.readouterr().err
    assert ("/no/such/program cannot be started" if len(words) > 1 else "there is no program to run") in said
