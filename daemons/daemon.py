"""A server as a process, for one test: started, its log read, and ended whatever happens."""

import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Self

# Far longer than anything here takes: what does not come by then does not come.
WAIT = 240.0


class Daemon:
    """`command` as a process that logs on stderr. A subclass says in `started` how it knows that it serves.

    environment: all of the process's; without one it has that of the tests.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._environment = environment
        self._logs: list[list[str]] = []
        self._logged = threading.Condition()
        self.start()

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=self._environment,
        )  # fmt: skip
        # What a process that was killed has started may go on writing to the log before.
        self._lines: list[str] = []
        self._ended = threading.Event()
        self._logs.append(self._lines)
        self._reader = threading.Thread(
            target=self._read, args=(self.process.stderr, self._lines, self._ended), daemon=True
        )
        self._reader.start()
        self.started()

    def started(self) -> None:
        """Wait until it serves."""
        raise NotImplementedError

    def _read(self, stderr: IO[bytes], lines: list[str], ended: threading.Event) -> None:
        with stderr:
            for line in stderr:
                with self._logged:
                    lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                    self._logged.notify_all()
        with self._logged:
            ended.set()
            self._logged.notify_all()

    @property
    def log(self) -> list[str]:
        """The lines since the last start."""
        with self._logged:
            return list(self._lines)

    def wait_for_log(self, pattern: str, times: int = 1) -> str:
        """Wait for the line (since the last start) that is the n-th to match."""

        def found() -> list[str]:
            return [line for line in self._lines if re.search(pattern, line)]

        with self._logged:
            self._logged.wait_for(lambda: len(found()) >= times or self._ended.is_set(), WAIT)
            assert len(found()) >= times, f"no line {pattern!r} in the log:\n" + "\n".join(self._all()[-100:])
            return found()[times - 1]

    def stop(self) -> int:
        """Stop it as a service manager would. Its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT)
        self._join()
        return code

    def _join(self) -> None:
        """Wait until the log of a process that has ended is read."""
        self._reader.join(WAIT)

    def _all(self) -> list[str]:
        """The lines since the first start."""
        return [line for lines in self._logs for line in lines]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(WAIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(WAIT)
        self._join()
        if error is not None:
            print("\n".join(self._all()[-200:]))
