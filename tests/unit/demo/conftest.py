"""A summary as playbooks/site.yml writes it, and a Kapacitor or InfluxDB that answers what a test tells it to."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.serving import serving

Answer = Callable[[str, str, dict[str, list[str]], Any], tuple[int, Any]]


class FakeAPI(ThreadingHTTPServer):
    """Answers by ``answer(method, path, query, body)``, which returns a status and a document."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Answer = lambda method, path, query, body: (404, {"error": "not found"})
        self.authorizations: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeAPI

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        self.server.authorizations.append(self.headers.get("Authorization"))
        code, document = self.server.answer(
            self.command, parts.path, parse_qs(parts.query), json.loads(body) if body else None
        )
        text = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_DELETE = _do

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    with serving(FakeAPI()) as server:
        yield server


@pytest.fixture
def summary(tmp_path: Path) -> dict[str, Any]:
    """The document; its password files are there."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("writer", "reader", "admin", "kapacitor"):
        (secrets / name).write_text(f"secret-of-{name}\n", encoding="utf-8")

    def login(name: str) -> dict[str, Any]:
        return {"username": name, "password_file": str(secrets / name)}

    return {
        "stack_name": "anomaly",
        "results_database": "anomaly",
        "influxdb": {"url": "http://127.0.0.1:8086", **{name: login(name) for name in ("writer", "reader", "admin")}},
        "kapacitor": {"urls": ["http://127.0.0.1:9092"], **login("kapacitor")},
        "console": {
            "urls": ["http://127.0.0.1:3080", "http://127.0.0.2:3080"],
            **{name: login(name) for name in ("viewer", "operator")},
            "reason": "",
        },
        "grafana": {"url": None, "username": "admin", "password_file": None, "reason": "no image"},
        "chronograf": {"url": "http://127.0.0.1:8888", "reason": ""},
        "pipelines": [
            {
                "name": "printer",
                "kapacitor": "localhost",
                "database": "printer",
                "retention_policy": "autogen",
                "measurement": "temperature",
                "fields": ["hotend", "bed", "air"],
                "group_by": ["printer"],
                "window": "10s",
                "enabled": True,
                "periods": {"open": 70, "close": 50},
            }
        ],
        "secrets_dir": str(secrets),
        "images": {},
    }


@pytest.fixture
def write_summary(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def write(document: dict[str, Any]) -> Path:
        path = tmp_path / "summary.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    return write
