"""A real influxd for one test: its own ports and data directory, no users."""

import os
import re
import shutil
from pathlib import Path
from types import TracebackType

from anomaly.influxdb.client import InfluxClient
from daemons.daemon import Daemon

_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:0"

[meta]
  dir = "{directory}/meta"

[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  query-log-enabled = false

[monitor]
  store-enabled = false

[http]
  bind-address = "127.0.0.1:0"
  log-enabled = false

[logging]
  format = "logfmt"
"""


class Influxd(Daemon):
    """influxd as a process.

    Args:
        program: influxd.
        directory: takes its configuration and its data; it must not be there yet.
        script: starts the program, as the role's script does that finds `influxd` on the path; None: nothing does.

    Attributes:
        wal: the folder of its write-ahead log.
    """

    def __init__(self, program: Path, directory: Path, script: Path | None = None) -> None:
        self._directory = directory
        self.wal = directory / "wal"
        directory.mkdir()
        configuration = directory / "influxdb.conf"
        configuration.write_text(_CONFIG.format(directory=directory))
        started = [str(program)] if script is None else ["sh", str(script)]
        environment = {
            **os.environ,
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            "INFLUXDB_DATA_WAL_DIR": str(self.wal),
        }
        super().__init__([*started, "-config", str(configuration)], environment)

    def started(self) -> None:
        """Wait until it serves, and learn where."""
        match = re.search(r"addr=\S*:(\d+)", self.wait_for_log("Listening on HTTP"))
        assert match
        self.url = f"http://127.0.0.1:{match[1]}"
        self.client = InfluxClient(self.url, None, None)

    def create(self, *databases: str) -> None:
        """Make databases."""
        for name in databases:
            list(self.client.query(f'CREATE DATABASE "{name}"', ""))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        shutil.rmtree(self._directory, ignore_errors=True)
