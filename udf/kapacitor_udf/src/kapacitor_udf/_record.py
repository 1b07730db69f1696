"""The recorder stands between Kapacitor and a UDF: it passes every byte on, and records it.

Recording is never in the way. The bytes are passed on as they were read, in reads as large as they come. The command
writes to this process's own stderr, this process ends with the command's exit code, and Kapacitor's end of input is
passed on at once. When nothing more can be recorded (a full disk, the size limit), the recorder says so once and goes
on passing.

Kapacitor may stop reading what the UDF says, e.g. while it disables a task, so passing on may hang for ever. The end of
the command ends this process nevertheless, a second later at most.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NoReturn

from ._recording import FROM_UDF, TO_UDF, Recorder

_READ = 2**20
# Seconds to pass on what the command said before its end.
_REST = 1.0


def record(folder: Path, command: Sequence[str], largest: int) -> NoReturn:
    """Be a command for Kapacitor, and leave a recording. Does not return.

    Args:
        folder: gets the file, which is named after the time and the process; it is made if it does not exist.
        command: the UDF's command.
        largest: bytes of the file at most.

    Raises:
        OSError: The command cannot be started.
    """
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # noqa: S603
    # An interrupt reaches the command, too, which knows what to do; Kapacitor's end of input follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert process.stdin and process.stdout  # noqa: S101 - they are pipes
    tape = _Tape(folder, command, largest)
    ours_in, ours_out = io.FileIO(0), io.FileIO(1, "w")
    requests = threading.Thread(target=_pass_on, args=(ours_in, process.stdin, tape, TO_UDF), daemon=True)
    responses = threading.Thread(target=_pass_on, args=(process.stdout, ours_out, tape, FROM_UDF), daemon=True)
    requests.start()
    responses.start()
    code = process.wait()
    responses.join(_REST)
    # A shell tells of a signal in this way.
    os._exit(code if code >= 0 else 128 - code)


def _pass_on(source: IO[bytes], sink: IO[bytes], tape: "_Tape", kind: int) -> None:
    """Pass bytes on until one side is gone.

    Both sides are unbuffered: a read gives what there is, and a write may take a part of it.
    """
    # If one side is gone, the other side learns of it by the end of its stream.
    with contextlib.suppress(OSError), sink:
        while data := source.read(_READ):
            tape.add(kind, data)
            rest = memoryview(data)
            while rest:
                rest = rest[sink.write(rest) :]


class _Tape:
    """A recorder that gives up instead of raising."""

    def __init__(self, folder: Path, command: Sequence[str], largest: int) -> None:
        self._largest = largest
        self._lock = threading.Lock()
        self._recorder: Recorder | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.kudf"
            self._recorder = Recorder(folder / name, command)
        except OSError as error:
            _say(f"nothing is recorded: {error}")

    def add(self, kind: int, data: bytes) -> None:
        with self._lock:
            if self._recorder is None:
                return
            try:
                self._recorder.add(kind, data)
            except OSError as error:
                self._recorder = None
                _say(f"nothing more is recorded: {error}")
                return
            if self._recorder.size >= self._largest:
                self._recorder = None
                _say(f"nothing more is recorded: the file has the {self._largest} bytes that it may have")


def _say(text: str) -> None:
    sys.stderr.write(f"record: {text}\n")
    sys.stderr.flush()
