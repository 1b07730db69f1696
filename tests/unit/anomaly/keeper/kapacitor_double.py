"""A stand-in for the part of Kapacitor's HTTP API that the keeper uses."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.serving import serving


class Kapacitor:
    """Answers with pages of tasks, or with the script of one, and keeps what it was asked.

    Attributes:
        tasks: what it says of each task, by the task's id.
        script: the script of each task.
        levels: the levels of the alerts of every topic, by the alerts' ids.
        status: the status of every answer.
        body: what every answer says; None: what was asked for.
        asked: method, path and the page or the body of each request.
        authorization: the header of each request.
        url: its address.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.script = "stream|from() @anomaly() |influxDBOut()"
        self.levels: dict[str, str] = {}
        self.status = 200
        self.body: bytes | None = None
        self.asked: list[tuple[str, str, Any]] = []
        self.authorization: list[str | None] = []
        self.url = ""

    @property
    def changes(self) -> list[tuple[str, str]]:
        """The task and its new status of each change, in order."""
        return [
            (unquote(path.rpartition("/")[2]), body["status"]) for method, path, body in self.asked if method == "PATCH"
        ]

    def page(self, offset: int, limit: int) -> list[dict[str, Any]]:
        """Return some tasks in order."""
        return [{"id": name, **state} for name, state in self.tasks.items()][offset : offset + limit]


def task(status: str = "enabled", *, executing: bool = True, error: str = "") -> dict[str, Any]:
    """Return what Kapacitor says of a task."""
    return {"status": status, "executing": executing, "error": error}


@contextmanager
def serve(kapacitor: Kapacitor) -> Iterator[Kapacitor]:
    """Serve on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            if self.path.partition("?")[0].endswith("/events"):
                events = [{"id": name, "state": {"level": level}} for name, level in kapacitor.levels.items()]
                return self._answer("GET", asked["min-level"], {"events": events})
            if not asked:
                return self._answer("GET", None, {"script": kapacitor.script})
            page = kapacitor.page(int(asked["offset"][0]), int(asked["limit"][0]))
            return self._answer("GET", asked["offset"], {"tasks": page})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer("POST", (parse_qs(urlsplit(self.path).query), body), {})

        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = unquote(self.path.rpartition("/")[2])
            kapacitor.tasks[name] = task(body["status"], executing=body["status"] == "enabled")
            self._answer("PATCH", body, {})

        def _answer(self, method: str, asked: Any, answer: dict[str, Any]) -> None:
            kapacitor.asked.append((method, urlsplit(self.path).path, asked))
            kapacitor.authorization.append(self.headers.get("Authorization"))
            body = json.dumps(answer).encode() if kapacitor.body is None else kapacitor.body
            self.send_response(kapacitor.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        kapacitor.url = f"http://127.0.0.1:{server.server_port}"
        yield kapacitor
