"""A real kapacitord for one test or benchmark.

It has a port, a data directory and a log of its own, configured UDFs, and an InfluxDB if one is given.
"""

import json
import re
import shutil
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from daemons.daemon import WAIT, Daemon
from daemons.waiting import attempts

T = TypeVar("T")

# Kapacitor's patience with a UDF, which has to start and to answer within it however busy the machine is. Kapacitor
# notices the end of a process at half of it.
TIMEOUT = "30s"

_CONFIG = """\
hostname = "localhost"
data_dir = "{directory}"
skip-config-overrides = true
default-retention-policy = "autogen"

[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false

[replay]
  dir = "{directory}/replay"

[task]
  dir = "{directory}/tasks"
  snapshot-interval = "{snapshot_interval}"

[storage]
  boltdb = "{directory}/kapacitor.db"

[load]
  enabled = false

[logging]
  file = "STDERR"
  level = "{log_level}"

[stats]
  enabled = false

[reporting]
  enabled = false

[[influxdb]]
  enabled = {has_influxdb}
  default = true
  name = "default"
  urls = ["{influxdb}"]
  # Tests write to both, so that they know what has arrived where.
  disable-subscriptions = true

[udf.functions]
"""

_PROCESS = """
[udf.functions.{name}]
  prog = {prog}
  args = {args}
  timeout = "{timeout}"
  [udf.functions.{name}.env]
{env}
"""

_SOCKET = """
[udf.functions.{name}]
  socket = {socket}
  timeout = "{timeout}"
"""


class Answer:
    """What the HTTP API said."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Kapacitord(Daemon):
    """kapacitord as a process.

    `functions` has each UDF's [prog, arg, ...] by name, or the path of its socket. `influxdb` is the address of an
    InfluxDB to write to, `port` one that a restart keeps (0: any), and `more` holds further sections of the
    configuration.
    """

    def __init__(
        self,
        program: Path,
        directory: Path,
        functions: Mapping[str, Sequence[str] | Path],
        *,
        environment: Mapping[str, str],
        timeout: str = TIMEOUT,
        snapshot_interval: str = "60s",
        log_level: str = "DEBUG",
        influxdb: str | None = None,
        port: int = 0,
        more: str = "",
    ) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)
        config = _CONFIG.format(
            directory=directory,
            port=port,
            snapshot_interval=snapshot_interval,
            log_level=log_level,
            has_influxdb="true" if influxdb else "false",
            influxdb=influxdb or "http://127.0.0.1:1",
        )
        env = "\n".join(f"    {key} = {json.dumps(value)}" for key, value in environment.items())
        for name, function in functions.items():
            if isinstance(function, Path):
                config += _SOCKET.format(name=name, socket=json.dumps(str(function)), timeout=timeout)
                continue
            prog, *args = function
            config += _PROCESS.format(name=name, prog=json.dumps(prog), args=json.dumps(args), timeout=timeout, env=env)
        (directory / "kapacitor.conf").write_text(config + more)
        super().__init__([str(program), "-config", str(directory / "kapacitor.conf")])

    def started(self) -> None:
        """Wait until it serves, and learn where."""
        line = self.wait_for_log(r"listening on.* service=http addr=")
        match = re.search(r"addr=\S*:(\d+)", line)
        assert match
        self.url = f"http://127.0.0.1:{match[1]}/kapacitor/v1"
        self.wait_for_log("listening for signals")

    def assert_healthy(self) -> None:
        """It runs, serves, and has not panicked."""
        assert self.process.poll() is None, "\n".join(self.log[-100:])
        assert self.call("GET", "/ping").status == 204
        assert not [line for line in self.log if line.startswith("panic")]

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """One request of its HTTP API; a dict is sent as JSON.

        Raises:
            ConnectionError: it closed the connection without an answer, as it does when it panics; with the log's end.
        """
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.url + path, data=data, method=method)  # noqa: S310 - http, to ourselves
        try:
            with urllib.request.urlopen(request, timeout=WAIT) as response:  # noqa: S310
                return Answer(response.status, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read())
        except ConnectionError as error:
            raise ConnectionError("\n".join([f"{method} {path}: {error}; its log:", *self.log[-100:]])) from error

    def define(
        self,
        task: str,
        script: str,
        kind: str = "stream",
        document: Mapping[str, Any] | None = None,
        status: str = "enabled",
    ) -> None:
        """Define a task on the database db.

        Args:
            task: the task's id.
            script: its TICKscript.
            kind: stream or batch.
            document: the vars document; None if the script has no vars.
            status: enabled or disabled. A task that is disabled before its UDF has started makes the request panic.
        """
        body = {
            "vars": document or {},
            "id": task,
            "type": kind,
            "dbrps": [{"db": "db", "rp": "autogen"}],
            "script": script,
            "status": status,
        }
        answer = self.call("POST", "/tasks", body)
        assert answer.status == 200, answer.body.decode()

    def task(self, task: str) -> Any:
        """What Kapacitor says of a task."""
        return self.call("GET", f"/tasks/{task}").json

    def wait_for_task(self, task: str, condition: Callable[[Any], bool]) -> Any:
        """Ask until the condition holds of what Kapacitor says of the task."""
        return wait_until(lambda: condition(self.task(task)) and self.task(task), f"task {task}: {self.task(task)}")

    def write(self, *lines: str) -> None:
        """Write line protocol."""
        answer = self.call("POST", "/write?db=db&rp=autogen&precision=ns", "\n".join(lines).encode())
        assert answer.status == 204, answer.body.decode()

    def children(self) -> list[int]:
        """The processes that it has started and not yet reaped."""
        path = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for task in path.iterdir() for pid in (task / "children").read_text().split()]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        shutil.rmtree(self._directory, ignore_errors=True)


def wait_until(condition: Callable[[], T], what: str = "") -> T:
    """Ask again and again until the answer is true."""
    for _ in attempts(WAIT):
        if answer := condition():
            return answer
    raise AssertionError(f"waited in vain: {what}")


class AlertReceiver:
    """An HTTP server that keeps the JSON bodies that are posted to it, in the order they came."""

    def __init__(self) -> None:
        self._bodies: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        receiver = self

        class Bodies(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with receiver._changed:
                    receiver._bodies.append(body)
                    receiver._changed.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bodies)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS with those who connect from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What has come."""
        with self._changed:
            return list(self._bodies)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for what comes to make the condition true."""
        with self._changed:
            self._changed.wait_for(condition, WAIT)
            assert condition(), f"waited in vain with {self._bodies}"

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


class Collector(AlertReceiver):
    """What |httpPost() sends: each point or batch as one dict."""

    @property
    def series(self) -> list[dict[str, Any]]:
        """What has come: name, tags, columns, values."""
        # JSON has no values for an empty batch, and may have no series.
        return [{"values": [], **row} for body in self.bodies for row in body.get("series") or [{}]]

    @property
    def points(self) -> list[dict[str, Any]]:
        """Points, columns by name, with name and tags."""
        return [
            {**dict(zip(row["columns"], values, strict=True)), "name": row.get("name"), "tags": row.get("tags", {})}
            for row in self.series
            for values in row["values"]
        ]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Wait for at least `count` points, and return all of them."""
        self.wait_until(lambda: sum(len(row["values"]) for row in self.series) >= count)
        return self.points

    def wait_for_series(self, count: int) -> list[dict[str, Any]]:
        """Wait for at least `count` posts, and return all of them."""
        self.wait_until(lambda: len(self.series) >= count)
        return self.series
