"""An InfluxDB that answers what a test tells it to, on a loopback port."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.serving import serving


class FakeInfluxDB(ThreadingHTTPServer):
    """Answers writes with ``answers`` in turn, then with 204, and keeps what it accepted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, str]] = []
        self.requests: list[dict[str, list[str]]] = []
        self.lines: list[str] = []
        self.authorizations: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeInfluxDB

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append(parse_qs(urlsplit(self.path).query))
        self.server.authorizations.append(self.headers.get("Authorization"))
        code, text = self.server.answers.pop(0) if self.server.answers else (204, "")
        if code == 204:
            self.server.lines += body.splitlines()
        if code == 0:
            self.connection.close()
            return
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def influxdb() -> Iterator[FakeInfluxDB]:
    with serving(FakeInfluxDB()) as server:
        yield server
