"""What the module preflight_host sees of this machine, without Ansible around it."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import socket
import socketserver
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from tests.serving import serving

PATH = Path(__file__).resolve().parents[2] / "plugins" / "modules" / "preflight_host.py"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    specification = importlib.util.spec_from_file_location("preflight_host", PATH)
    assert specification is not None
    assert specification.loader is not None
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded


def test_memory_is_at_most_that_of_the_machine(module: ModuleType) -> None:
    assert 0 < module.memory_mb() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def test_a_missing_folder_has_the_disk_of_its_parent(module: ModuleType, tmp_path: Path) -> None:
    found = module.disk(str(tmp_path / "a" / "b"))
    assert found["existing"] == str(tmp_path)
    assert found["free_mb"] > 0
    assert found["writable"] is True


def test_a_folder_below_a_file_is_not_writable(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert module.disk(str(tmp_path / "file" / "a"))["writable"] is False


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listener_has_its_address_and_process(module: ModuleType, family: int, address: str) -> None:
    with socket.socket(family) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        port = server.getsockname()[1]
        assert module.listeners([port]) == {}
        server.listen()
        found = module.listeners([port, 1])
        assert found[str(port)]["addresses"] == [address]
        assert f"(pid {os.getpid()})" in found[str(port)]["process"]


@pytest.mark.parametrize(
    ("address", "own"),
    [("127.0.0.1", True), ("127.0.0.9", True), ("0.0.0.0", True), ("192.0.2.1", False), ("eth0", True)],
)
def test_only_addresses_of_the_host_are_its_own(module: ModuleType, address: str, own: bool) -> None:
    assert module.is_own(address) is own


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        # http.server wants to know a peer's address.
        return super().get_request()[0], ("engine", 0)


@pytest.fixture
def engine_socket(tmp_path: Path) -> Iterator[Path]:
    """An engine with a container of a stack, a stranger's, and one that is removed while it is asked for."""
    answers = {
        "/version": {"Version": "26.1.5", "ApiVersion": "1.45", "Components": [{"Name": "Engine"}]},
        "/info": {
            "DockerRootDir": str(tmp_path),
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
            "MemoryLimit": False,
            "Architecture": "aarch64",
            # The engine hides credentials itself; what it does not hide must not end in a log either.
            "HttpProxy": "http://user:word@proxy.example:3128",
            "HttpsProxy": "proxy.example:3129",
            "NoProxy": "localhost,.example",
        },
        "/containers/json?all=1": [
            {
                "Id": "a1",
                "Names": ["/anomaly-influxdb"],
                "Image": "influxdb:1.12.4",
                "Labels": {"influx-anomaly.stack": "anomaly", "influx-anomaly.service": "influxdb"},
                "Ports": [{"PrivatePort": 8086, "PublicPort": 8086, "IP": "127.0.0.1"}, {"PrivatePort": 8088}],
            },
            {"Id": "b2", "Names": ["/stranger"], "Image": "x"},
            {"Id": "c3", "Names": ["/removed"], "Image": "y", "Labels": {"influx-anomaly.service": "grafana"}},
        ],
        "/containers/a1/json": {"Config": {"Env": ["PATH=/bin", "INFLUXDB_VERSION=1.12.4", "PASSWORD=secret"]}},
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = json.dumps(answers.get(self.path, {"message": "no such container"})).encode()
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Not into the tests' output."""

    path = tmp_path / "docker.sock"
    with serving(Server(str(path), Handler)):
        yield path


def test_an_engine_is_read_with_its_containers(module: ModuleType, engine_socket: Path) -> None:
    found = module.engine(str(engine_socket))
    assert found["answers"] is True
    assert (found["name"], found["version"], found["api"]) == ("Engine", "26.1.5", "1.45")
    assert found["root"] == str(engine_socket.parent)
    assert found["security"] == ["seccomp", "rootless"]
    assert found["limits_memory"] is False
    assert found["architecture"] == "aarch64"
    proxies = {"http": "http://proxy.example:3128", "https": "proxy.example:3129", "no": "localhost,.example"}
    assert found["proxies"] == proxies
    assert found["free_mb"] > 0
    influxdb, stranger, removed = found["containers"]
    assert influxdb == {
        "names": ["anomaly-influxdb"],
        "labels": {"influx-anomaly.stack": "anomaly", "influx-anomaly.service": "influxdb"},
        "image": "influxdb:1.12.4",
        "versions": {"INFLUXDB_VERSION": "1.12.4"},
        "ports": [8086],
    }
    assert (stranger["versions"], removed["versions"]) == ({}, {})


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.12.4\n", "1.12.4"),
        ("1.8.10", "1.8.10"),
        ("Kapacitor OSS version 1.8.6 (git: master 1.2.3)\n", "1.8.6"),
        ("unknown", ""),
    ],
)
def test_what_wrote_the_data_is_read(module: ModuleType, tmp_path: Path, text: str, version: str) -> None:
    (tmp_path / "written-by").write_text(text)
    assert module.written_by(str(tmp_path)) == version


def test_nobody_knows_what_wrote_data_without_a_record(module: ModuleType, tmp_path: Path) -> None:
    assert module.written_by(str(tmp_path / "nothing")) == ""


def test_a_missing_engine_has_a_reason(module: ModuleType, tmp_path: Path) -> None:
    found = module.engine(str(tmp_path / "docker.sock"))
    assert found["answers"] is False
    assert "No such file" in found["reason"]


@pytest.fixture
def refusing_server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Not into the tests' output."""

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/v2/"


def test_any_answer_counts_as_reached(module: ModuleType, refusing_server: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        found = module.reach_all({refusing_server: {}, closed: {}, "file:///etc/passwd": {}}, timeout=60)
    assert found[refusing_server] == ""
    assert "refused" in found[closed]
    assert found["file:///etc/passwd"] == "it is not an http or https URL"


def test_a_registry_without_tls_answers(module: ModuleType, refusing_server: str) -> None:
    """The engine trusts one on the loopback address, and those it was told of."""
    url = refusing_server.replace("http:", "https:")
    assert module.reach_all({url: {}}, timeout=60) == {url: ""}


@pytest.mark.parametrize(
    ("host", "listed", "has_none"),
    [
        ("registry.example", "", False),
        ("registry.example", "localhost, registry.example", True),
        ("registry.example", ".example", True),
        ("registry.example", "example", True),
        ("registry.example", "*.example", True),
        ("registry.example", "registry.example:5000", True),
        ("registry.example", "ample", False),
        ("registry.example", "*", True),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "192.168.0.0/16,10.1.2.3", True),
        ("10.1.2.3", "192.168.0.0/16", False),
    ],
)
def test_hosts_that_the_engine_reaches_without_a_proxy(
    module: ModuleType, host: str, listed: str, has_none: bool
) -> None:
    assert module._has_no_proxy(host, listed) is has_none


class Proxy(http.server.BaseHTTPRequestHandler):
    """Asks for credentials; keeps what it was asked for."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_response(407)
        self.end_headers()

    do_CONNECT = do_HEAD

    def log_message(self, *_: Any) -> None:
        """Not into the tests' output."""


def test_the_engines_proxies_are_used_except_where_it_uses_none(module: ModuleType, refusing_server: str) -> None:
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        proxies = {"http": address, "https": address, "no": ".here.invalid"}
        urls = ["http://there.invalid/v2/", "https://there.invalid/v2/", "http://registry.here.invalid/v2/"]
        found = module.reach_all(dict.fromkeys([*urls, refusing_server], proxies), timeout=60)
    # A proxy that asks for credentials answers: the engine has them.
    assert [found[url] for url in urls[:2]] == ["", ""]
    assert found[urls[2]], "it must be tried without the proxy"
    assert found[refusing_server] == "", "the engine uses no proxy for loopback addresses"
    assert sorted(Proxy.asked) == ["http://there.invalid/v2/", "there.invalid:443"]
