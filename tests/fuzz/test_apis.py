"""Answers of servers: whatever comes back, each client says which server answered what, or reads the answer."""

import json
import logging
import socketserver
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import ApiError
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import InfluxApi
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import Kapacitor
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_tasks import plan
from ansible_collections.influx_anomaly.stack.plugins.modules import (
    influxdb_schema,
    influxdb_source_info,
    kapacitor_subscriptions,
)
from hypothesis import given
from hypothesis import strategies as st

from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.keeper.kapacitor import KapacitorClient, KapacitorClientError
from tests.fuzz.damage import a_share, hurt_bytes, hurt_json
from tests.serving import serving

SERIES = {
    "name": "m",
    "tags": {"printer": "a"},
    "columns": ["time", "name", "user", "admin"],
    "values": [[1, "a", "b", True]],
}
INFLUXDB = {"results": [{"statement_id": 0, "series": [SERIES]}]}
TASK = {
    "id": "printer",
    "status": "enabled",
    "executing": True,
    "error": "",
    "script": "stream|@anomaly()",
    "template-id": "pipeline",
    "vars": {"x": {"type": "duration", "value": "1s"}},
    "dbrps": [{"db": "d", "rp": "r"}],
    "stats": {"node-stats": {"out": {"write_errors": 1}}},
}
KAPACITOR = {
    **TASK,
    "tasks": [TASK],
    "topics": [{"id": "t", "level": "OK"}],
    "handlers": [{"id": "h", "kind": "slack", "options": {}}],
    "events": [{"id": "e", "state": {"level": "CRITICAL"}}],
}


class Server(socketserver.ThreadingTCPServer):
    """Answers each connection with the same bytes, and hangs up.

    Attributes:
        answer: these bytes.
    """

    daemon_threads = True
    allow_reuse_address = True
    answer = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Read the request, and send the answer."""
        assert isinstance(self.server, Server)
        length = 0
        while (header := self.rfile.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        try:
            self.wfile.write(self.server.answer)
        except OSError:
            # A client may hang up once it has read enough.
            return


@pytest.fixture(autouse=True)
def is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep what urllib3 says of each broken header out of a report."""
    caplog.set_level(logging.CRITICAL, "urllib3")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@st.composite
def answers(draw: st.DrawFn, document: Any) -> bytes:
    """Draw an answer with another document, with another body, or of other bytes."""
    status = draw(
        st.sampled_from(("200 OK", "200 OK", "200 OK", "204 No Content", "400 Bad", "401 No", "404 No", "500 Bad"))
    )
    body = json.dumps(draw(hurt_json(document))).encode()
    if not draw(st.integers(0, 3)):
        body = draw(hurt_bytes(body))
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Influxdb-Version: 1.8.10\r\n"
    answer = f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    if not draw(st.integers(0, 3)):
        answer = draw(hurt_bytes(answer))
    return answer


def schema(api: InfluxApi) -> None:
    """Read what the module influxdb_schema reads."""
    user = {"name": "b", "password": "p", "admin": False, "grants": {}}
    influxdb_schema.read_state(api, [{"name": "a", "retention_policies": []}], [user])


SOURCE = {"database": "d", "retention_policy": "r", "measurement": "m"}
WANTED = {"id": "printer", "state": "enabled", "script": "s", "template": None, "vars": None, "dbrps": None}
MODULES_OF_INFLUXDB: dict[str, Callable[[InfluxApi], Any]] = {
    "version": InfluxApi.version,
    "accepts": InfluxApi.accepts,
    "rows": lambda api: api.rows("SHOW DATABASES"),
    "schema": schema,
    "source": lambda api: influxdb_source_info.read_source(api, SOURCE),
    "subscriptions": lambda api: kapacitor_subscriptions.subscriptions(api, "http://127.0.0.1:9092"),
}
MODULES_OF_KAPACITOR: dict[str, Callable[[Kapacitor], Any]] = {
    "task": lambda api: plan(api.task("printer"), WANTED),
    "tasks": lambda api: [task["id"] for task in api.tasks(fields=("script",))],
    "template": lambda api: api.template("pipeline"),
    "topics": lambda api: [topic["id"] for topic in api.topics()],
    "handlers": lambda api: [handler["id"] for handler in api.handlers("t")],
}
KEEPER: dict[str, Callable[[KapacitorClient], Any]] = {
    "tasks": KapacitorClient.tasks,
    "levels": lambda api: api.levels("t"),
    "start again": lambda api: api.start_again("printer"),
    "write": lambda api: api.write(["m v=1 1"], "d", "r"),
}
PROGRAMS: dict[str, Callable[[InfluxClient], Any]] = {
    "query": lambda api: [list(chunk.rows) for chunk in api.query("SELECT 1", "d")],
    "databases": InfluxClient.databases,
    "clock": InfluxClient.clock,
    "write": lambda api: api.write(["m v=1 1"], "d"),
}
# A client has what is read, a valid answer, how it is made, and what it may raise.
CLIENTS: dict[str, tuple[Mapping[str, Callable[[Any], Any]], Any, Callable[[str], Any], type[Exception]]] = {
    "modules, InfluxDB": (
        MODULES_OF_INFLUXDB, INFLUXDB, lambda url: InfluxApi(url, "user", "password", timeout=5), ApiError,
    ),
    "modules, Kapacitor": (
        MODULES_OF_KAPACITOR, KAPACITOR, lambda url: Kapacitor(url, "user", "password", timeout=5), ApiError,
    ),
    "keeper": (KEEPER, KAPACITOR, lambda url: KapacitorClient(url, "user", "password"), KapacitorClientError),
    "programs": (
        PROGRAMS, INFLUXDB, lambda url: InfluxClient(url, "user", "password", read_seconds=5), InfluxClientError,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("client", "read"), [(client, read) for client, (reads, *_) in CLIENTS.items() for read in reads]
)
@a_share(10)
@given(data=st.data())
def test_a_client_names_what_a_server_answers_or_reads_it(
    server: Server, client: str, read: str, data: st.DataObject
) -> None:
    reads, document, connect, refusal = CLIENTS[client]
    server.answer = data.draw(answers(document))
    try:
        reads[read](connect(server.url))
    except refusal as error:
        assert str(error)
