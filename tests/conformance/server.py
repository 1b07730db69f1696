"""A UDF server as a process, for one test."""

import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conformance.daemon import WAIT


class Server:
    """`command` as a process that listens on `path`, and the lines that it has logged."""

    def __init__(self, command: Sequence[str], path: Path, environment: Mapping[str, str]) -> None:
        self.path = path
        self._command = command
        self._environment = environment
        self._lines: list[str] = []
        self._logged = threading.Condition()
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(self._environment)
        )
        self._ended = False
        self._lines.clear()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for_log(f"listens on {re.escape(str(self.path))}")

    def _read(self) -> None:
        assert self.process.stderr
        with self.process.stderr as stderr:
            for line in stderr:
                with self._logged:
                    self._lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                    self._logged.notify_all()
        with self._logged:
            self._ended = True
            self._logged.notify_all()

    def log(self, pattern: str) -> list[str]:
        """The lines since the last start that match."""
        with self._logged:
            return [line for line in self._lines if re.search(pattern, line)]

    def wait_for_log(self, pattern: str) -> str:
        """Wait for a line that matches."""
        with self._logged:
            self._logged.wait_for(lambda: self.log(pattern) or self._ended, WAIT)
            found = self.log(pattern)
            assert found, f"no line {pattern!r} in the server's log:\n" + "\n".join(self._lines)
            return found[0]

    def connections(self) -> list[int]:
        """The processes of its connections."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self) -> int:
        """End it as a service manager would. Its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT)
        self._reader.join(WAIT)
        return code

    def kill(self) -> None:
        """End the server alone, so that its socket's file stays behind."""
        self.process.kill()
        self.process.wait(WAIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
        if error is not None:
            print("\n".join(self._lines))
