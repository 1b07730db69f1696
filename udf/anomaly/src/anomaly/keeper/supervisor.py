"""Runs a program as the only process of a container, and restarts it when the keeper asks for that.

The keeper has no access to the container engine, because that would be root on the host. What only a restart heals is
therefore restarted from inside its own container: the keeper writes a new text into a file on a shared volume, and the
supervisor, which may only read it, sees that the text has changed. It restarts at most once in a pause, whatever the
file says. This module needs the standard library only.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_POLL_S = 0.5
# How long the program may take to end when asked; it is killed then.
_ENDING_S = 30.0
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(slots=True)
class RestartRequests:
    """Decides when to restart; the logic is pure.

    Attributes:
        pause_s: the shortest time between two restarts.
        seen: the text of the file when the program was started last.
        restarted_s: when the last restart was; None before the first.
    """

    pause_s: float
    seen: str
    restarted_s: float | None = None

    def look(self, text: str, now_s: float) -> bool:
        """Return whether to restart now.

        Args:
            text: what the file says; empty without a file.
            now_s: when, by a clock that never jumps.
        """
        if not text or text == self.seen:
            return False
        if self.restarted_s is not None and now_s - self.restarted_s < self.pause_s:
            return False
        self.seen = text
        self.restarted_s = now_s
        return True


class Supervisor:
    """Runs one program.

    Args:
        command: the words of its command line.
        restart_file: the file by which a restart is asked for.
        pause_s: the shortest time between two restarts.
        say: gets each line for people.
    """

    def __init__(self, command: Sequence[str], restart_file: Path, pause_s: float, say: Callable[[str], None]) -> None:
        self._command = command
        self._file = restart_file
        self._say = say
        self._requests = RestartRequests(pause_s, self._text())
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ending = False

    def run(self) -> int:
        """Run the program until it ends by itself or by a signal to this process; return its exit code."""
        for number in _FORWARDED:
            signal.signal(number, self._forward)
        process = self._start()
        while True:
            code = _wait(process, _POLL_S)
            if code is not None:
                return code
            text = self._text()
            if not self._is_ending and self._requests.look(text, time.monotonic()):
                self._say(f"restarting {self._command[0]}: {text}")
                code = end_program(process)
                # The container may have been asked to end meanwhile.
                if self._is_ending:
                    return code
                process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._command)  # noqa: S603 (our own program and arguments)
        return self._process

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._is_ending = True
        if self._process is not None:
            self._process.send_signal(number)

    def _text(self) -> str:
        try:
            return self._file.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""


def end_program(process: subprocess.Popen[bytes]) -> int:
    """End the program; kill it if it does not end in time. Return its exit code as a shell does."""
    process.terminate()
    code = _wait(process, _ENDING_S)
    if code is None:
        process.kill()
        code = _exit_code(process.wait())
    return code


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Wait for the program's end at most this long; return its exit code as a shell does, None while it runs."""
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        reap(process.pid)
        return None
    return _exit_code(code)


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code


def reap(program: int) -> None:
    """Reap orphans, which the first process of a container inherits.

    Args:
        program: the id of the process that is waited for elsewhere.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == program:
            return
        os.waitpid(ended.si_pid, 0)


def ask_restart(restart_file: Path, reason: str, time_ns: int) -> None:
    """Ask the supervisor of another container for a restart.

    Args:
        restart_file: the file that both see.
        reason: a sentence for people.
        time_ns: when; it makes each request another one.

    Raises:
        OSError: the file cannot be written.
    """
    draft = restart_file.with_suffix(".new")
    draft.write_text(f"{time_ns} {' '.join(reason.split())}\n", encoding="utf-8")
    # Whoever may only read the folder must be able to read the file.
    draft.chmod(0o644)
    draft.replace(restart_file)
