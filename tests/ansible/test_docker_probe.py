"""roles/docker/files/probe.py: what a managed host lacks, without a library."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PROBE = Path(__file__).resolve().parents[2] / "roles" / "docker" / "files" / "probe.py"


class Engine:
    """Answers one request on a Unix socket, or hangs up."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.request = b""
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            self.request = connection.recv(4096)
            connection.sendall(self._answer)

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


def probe(path: Path, *options: str) -> int:
    """Return the exit code, run as the role does: as an argument of Python."""
    command = [sys.executable, *options, "-c", PROBE.read_text(encoding="utf-8"), str(path)]
    return subprocess.run(command, check=False).returncode


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", 0),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        (b"", 1),
    ],
)
def test_an_engine_answers_with_200(answer: bytes, code: int, tmp_path: Path) -> None:
    engine = Engine(tmp_path / "socket", answer)
    found = probe(tmp_path / "socket")
    engine.close()
    assert found == code
    assert engine.request.startswith(b"GET /_ping HTTP/1.1\r\n")


def test_no_engine_is_told(tmp_path: Path) -> None:
    assert probe(tmp_path / "nothing") == 1


def test_a_python_without_requests_is_told(tmp_path: Path) -> None:
    # Neither site packages nor the current folder: nothing but the standard library.
    assert probe(tmp_path / "nothing", "-I", "-S") == 3
