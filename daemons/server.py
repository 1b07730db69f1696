"""A UDF server as a process, for one test."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from daemons.daemon import WAIT, Daemon


class Server(Daemon):
    """`command` as a process that listens on `path`."""

    def __init__(self, command: Sequence[str], path: Path, environment: Mapping[str, str]) -> None:
        self.path = path
        super().__init__(command, environment)

    def started(self) -> None:
        """Wait until it listens."""
        self.wait_for_log(f"listens on {re.escape(str(self.path))}")

    def matching(self, pattern: str) -> list[str]:
        """The lines since the last start that match."""
        return [line for line in self.log if re.search(pattern, line)]

    def connections(self) -> list[int]:
        """The processes of its connections."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def kill(self) -> None:
        """End the server alone, so that its socket's file stays behind."""
        self.process.kill()
        self.process.wait(WAIT)
