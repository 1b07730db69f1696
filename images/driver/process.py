"""Long commands: everything they say goes into a log, and now and then a line tells that they are alive."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

EVERY_SECONDS = 15
TAIL_LINES = 30
# "Step 3/9 : RUN ..." of the classic builder, "#7 [build 2/4] RUN ..." of BuildKit, "I: Extracting ..." of debootstrap.
STEP = re.compile(rb"^(?:Step \d+/\d+ : .*|#\d+ \[.*|[IW]: .*)$", re.MULTILINE)

_print_lock = threading.Lock()
_running: set[subprocess.Popen[bytes]] = set()


class Failed(RuntimeError):
    """A command that ended badly; its message ends with the last lines of its log."""


def say(line: str) -> None:
    """Prints a line of progress, whole, also when several threads do."""
    with _print_lock:
        print(line, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def run_logged(
    what: str,
    command: Sequence[str],
    log: Path,
    *,
    input: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs a command with its output in a log file, and a line of progress every few seconds.

    Raises:
        Failed: it exited with anything but 0.
    """
    started = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            # A group of its own, so that stopping it stops its children too.
            start_new_session=True,
        )
        _running.add(process)
        try:
            if process.stdin is not None and input is not None:
                _feed(process, input)
            while True:
                try:
                    process.wait(EVERY_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{what}: {clock(time.monotonic() - started)}  {last_step(log)}  ({log})")
        finally:
            _running.discard(process)
    if process.returncode:
        raise Failed(f"{what} failed with exit code {process.returncode}; the end of {log}:\n{tail(log)}")


def _feed(process: subprocess.Popen[bytes], content: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - for the type checker; the caller asked for a pipe
    try:
        with process.stdin as pipe:
            pipe.write(content)
    except BrokenPipeError:
        # It ended before it had read everything; its exit code and log tell why.
        pass


def stop_running() -> None:
    """Ends every command that is still running."""
    for process in tuple(_running):
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            # It has ended by itself, or is root's, by sudo, which ends it when its own terminal goes.
            continue


def last_step(log: Path) -> str:
    """What a build is doing, from its log."""
    steps = STEP.findall(_end(log, 200_000))
    return steps[-1].decode(errors="replace").strip()[:90] if steps else ""


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join("    " + line for line in _end(log, 20_000).decode(errors="replace").splitlines()[-TAIL_LINES:])


def _end(path: Path, size: int) -> bytes:
    with path.open("rb") as source:
        source.seek(0, os.SEEK_END)
        source.seek(max(0, source.tell() - size))
        return source.read()
