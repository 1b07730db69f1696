"""A real kapacitord for one test or benchmark: its own port, data directory and log, UDFs configured, InfluxDB off.

The binary comes from KAPACITORD (a path), or out of an image: the one that KAPACITOR_IMAGE names, else the one that
scripts/test-images builds. An image's binary may need a newer C library than this machine has, so the image's own
libraries and loader are taken along.
"""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

# Far longer than anything here takes: what does not come by then does not come.
WAIT = 120.0

_ROOT = Path(__file__).resolve().parents[2]

_CONFIG = """\
hostname = "localhost"
data_dir = "{directory}"
skip-config-overrides = true
default-retention-policy = "autogen"

[http]
  bind-address = "127.0.0.1:0"
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
  enabled = false

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


class NoKapacitord(Exception):
    """There is no kapacitord to test with; says what to do."""


def binary(directory: Path) -> Path:
    """The kapacitord to test with, taken out of its image into `directory`. Raises NoKapacitord."""
    given = os.environ.get("KAPACITORD")
    if given:
        return Path(given)
    image = os.environ.get("KAPACITOR_IMAGE") or _built_image()
    try:
        return _extract(image, directory)
    except subprocess.CalledProcessError as error:
        raise NoKapacitord(
            f"the image '{image}' gives no kapacitord: {error.stderr.decode().strip()}. Fix: scripts/test-images, or "
            "set KAPACITORD to a kapacitord 1.8.6, or KAPACITOR_IMAGE to another image that has one"
        ) from error


def _built_image() -> str:
    program = [sys.executable, str(_ROOT / "images" / "build.py"), "tag", "kapacitor"]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout.strip()


def _extract(image: str, directory: Path) -> Path:
    container = _docker("create", "--pull=never", image).decode().strip()
    try:
        _docker("cp", "-L", f"{container}:/usr/bin/kapacitord", str(directory / "kapacitord.bin"))
        libraries = directory / "lib"
        archive = _docker("cp", f"{container}:/usr/lib/{platform.machine()}-linux-gnu", "-")
    finally:
        _docker("rm", container)
    path = directory / "libraries.tar"
    path.write_bytes(archive)
    with tarfile.open(path) as tar:
        for member in tar:
            name = Path(member.name).name
            if re.match(r"(ld-linux|lib(c|m|dl|rt|pthread|gcc_s|resolv|stdc\+\+)[.-])", name):
                member.name = name
                tar.extract(member, libraries, filter="data")
    path.unlink()
    (loader,) = libraries.glob("ld-linux-*")
    script = directory / "kapacitord"
    run = f'{loader} --library-path {libraries} {directory}/kapacitord.bin "$@"'
    script.write_text(f"#!/bin/sh\nexec {run}\n")
    script.chmod(0o755)
    return script


def _docker(*args: str) -> bytes:
    return subprocess.run(["docker", *args], check=True, capture_output=True).stdout


class Answer:
    """What the HTTP API said."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Kapacitord:
    """kapacitord as a process. `functions`: [prog, arg, ...] of each UDF by name, or the path of its socket."""

    def __init__(
        self,
        program: Path,
        directory: Path,
        functions: Mapping[str, Sequence[str] | Path],
        *,
        environment: Mapping[str, str],
        timeout: str = "10s",
        snapshot_interval: str = "60s",
        log_level: str = "DEBUG",
    ) -> None:
        self._program = program
        self._directory = directory
        directory.mkdir(exist_ok=True)
        config = _CONFIG.format(directory=directory, snapshot_interval=snapshot_interval, log_level=log_level)
        env = "\n".join(f"    {key} = {json.dumps(value)}" for key, value in environment.items())
        for name, function in functions.items():
            if isinstance(function, Path):
                config += _SOCKET.format(name=name, socket=json.dumps(str(function)), timeout=timeout)
                continue
            prog, *args = function
            config += _PROCESS.format(name=name, prog=json.dumps(prog), args=json.dumps(args), timeout=timeout, env=env)
        (directory / "kapacitor.conf").write_text(config)
        self._lines: list[str] = []
        self._logged = threading.Condition()
        self.start()

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._ended = False
        self.process = subprocess.Popen(
            [str(self._program), "-config", str(self._directory / "kapacitor.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._from = len(self._lines)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = self.wait_for_log(r"listening on.* service=http addr=")
        match = re.search(r"addr=\S*:(\d+)", line)
        assert match
        self.url = f"http://127.0.0.1:{match[1]}/kapacitor/v1"
        self.wait_for_log("listening for signals")

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

    @property
    def log(self) -> list[str]:
        """The lines since the last start."""
        with self._logged:
            return self._lines[self._from :]

    def wait_for_log(self, pattern: str, times: int = 1) -> str:
        """Wait for the line (since the last start) that is the n-th to match."""

        def found() -> list[str]:
            return [line for line in self._lines[self._from :] if re.search(pattern, line)]

        with self._logged:
            self._logged.wait_for(lambda: len(found()) >= times or self._ended, WAIT)
            assert len(found()) >= times, f"no line {pattern!r} in the log:\n" + "\n".join(self._lines[-100:])
            return found()[times - 1]

    def stop(self) -> None:
        """Stop it as a service manager would."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT)
        self._reader.join(WAIT)

    def assert_healthy(self) -> None:
        """It runs, serves, and has not panicked."""
        assert self.process.poll() is None, "\n".join(self.log[-100:])
        assert self.call("GET", "/ping").status == 204
        assert not [line for line in self.log if line.startswith("panic")]

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """One request of its HTTP API; a dict is sent as JSON."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.url + path, data=data, method=method)  # noqa: S310 - http, to ourselves
        try:
            with urllib.request.urlopen(request, timeout=WAIT) as response:  # noqa: S310
                return Answer(response.status, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read())

    def define(self, task: str, script: str) -> None:
        """Define and enable a stream task on the database db."""
        body = {
            "id": task,
            "type": "stream",
            "dbrps": [{"db": "db", "rp": "autogen"}],
            "script": script,
            "status": "enabled",
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
        self._reader.join(WAIT)
        shutil.rmtree(self._directory, ignore_errors=True)
        if error is not None:
            print("\n".join(self._lines[-200:]))


def wait_until(condition: Callable[[], T], what: str = "") -> T:
    """Ask again and again until the answer is true."""
    ends = threading.Event()
    timer = threading.Timer(WAIT, ends.set)
    timer.start()
    try:
        while True:
            answer = condition()
            if answer:
                return answer
            assert not ends.wait(0.02), f"waited in vain: {what}"
    finally:
        timer.cancel()


class Collector:
    """An HTTP server that keeps what |httpPost() sends: each point or batch as one dict."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with collector._changed:
                    # JSON has no values for an empty batch, and may have no series.
                    collector._rows += [{"values": [], **row} for row in body.get("series") or [{}]]
                    collector._changed.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def series(self) -> list[dict[str, Any]]:
        """What has come: name, tags, columns, values."""
        with self._changed:
            return list(self._rows)

    @property
    def points(self) -> list[dict[str, Any]]:
        """Points, columns by name, with name and tags."""
        return [
            {**dict(zip(row["columns"], values, strict=True)), "name": row.get("name"), "tags": row.get("tags", {})}
            for row in self.series
            for values in row["values"]
        ]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Wait for at least so many points, and give all."""
        with self._changed:
            self._changed.wait_for(lambda: sum(len(row["values"]) for row in self._rows) >= count, WAIT)
        assert len(self.points) >= count, f"{len(self.points)} points instead of {count}: {self.points}"
        return self.points

    def wait_for_series(self, count: int) -> list[dict[str, Any]]:
        """Wait for at least so many posts, and give all."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._rows) >= count, WAIT)
        assert len(self.series) >= count, f"{len(self.series)} posts instead of {count}: {self.series}"
        return self.series

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
