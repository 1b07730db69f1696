"""The client of InfluxDB: chunks, the server's clock, and refusals that name what to do."""

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from anomaly.influxdb.client import InfluxClient, InfluxClientError, SeriesChunk
from tests.serving import serving


@contextmanager
def client(
    status: int, body: str, date: str = "Mon, 01 Jan 2024 00:00:05 GMT", login: str = "reader:secret"
) -> Iterator[InfluxClient]:
    """Serve one answer to all requests that have the login in UTF-8, and yield a client that asks there."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            given = b64decode(self.headers["Authorization"].removeprefix("Basic "))
            self.send_response_only(status if given == login.encode() else 401)
            self.send_header("Date", date)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield InfluxClient(f"http://127.0.0.1:{server.server_port}/", *login.split(":"))


def chunk(rows: list[list[object]], **tags: str) -> str:
    series = {"name": "temperature", "columns": ["time", "x"], "values": rows, **({"tags": tags} if tags else {})}
    return json.dumps({"results": [{"statement_id": 0, "series": [series]}]})


def test_each_line_of_an_answer_is_a_chunk() -> None:
    with client(200, f"{chunk([[1, 2.5]], printer='p1')}\n\n{chunk([[2, None]])}\n") as influx:
        chunks = list(influx.query("SELECT x", "printer"))

    assert chunks == [
        SeriesChunk("temperature", {"printer": "p1"}, ["time", "x"], [[1, 2.5]]),
        SeriesChunk("temperature", {}, ["time", "x"], [[2, None]]),
    ]


def test_a_password_is_sent_in_utf_8() -> None:
    with client(200, chunk([[1, 2.5]]), login="reader:geheim-é-数") as influx:
        assert len(list(influx.query("SELECT x", "printer"))) == 1


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, '{"error": "authorization failed"}', "does not let in user 'reader' .authorization failed.: check --use"),
        (403, '{"error": "no"}', "user 'reader' lacks a right on database 'printer' .no.: GRANT READ, and WRITE"),
        (404, '{"error": "retention policy not found: x"}', "in database 'printer': check the pipeline's `retention_p"),
        (404, '{"error": "database not found: printer"}', "has no database 'printer': check the pipeline's `database`"),
        (503, "<html>busy</html>", "could not answer 'SELECT x': 503 <html>busy</html>"),
        (200, '{"results": [{"error": "too many points"}]}', "could not answer 'SELECT x': too many points"),
        (200, "<html></html>", "answered something else than its JSON to 'SELECT x': check --influxdb-url"),
        (200, "[1]", "answered something else than its JSON"),
        (200, chunk([[1]]), "answered something else than its JSON"),
    ],
)
def test_a_query_that_is_refused_says_what_to_do(status: int, body: str, message: str) -> None:
    with client(status, body) as influx, pytest.raises(InfluxClientError, match=message):
        list(influx.query("SELECT x", "printer"))


def test_a_write_that_is_refused_says_how_much_is_lost() -> None:
    with (
        client(400, '{"error": "partial write"}') as influx,
        pytest.raises(InfluxClientError, match="could not answer 'a write of 2 points': 400 partial write"),
    ):
        influx.write(["m x=1 1", "m x=2 2"], "printer")


@pytest.mark.parametrize(
    ("date", "time"), [("Mon, 01 Jan 2024 00:00:05 GMT", datetime(2024, 1, 1, 0, 0, 5, tzinfo=UTC)), ("soon", None)]
)
def test_the_servers_clock_is_that_of_its_answer(date: str, time: datetime | None) -> None:
    with client(204, "", date) as influx:
        assert influx.clock() == time


def test_a_server_that_is_gone_is_named_with_the_reason() -> None:
    influx = InfluxClient("http://127.0.0.1:1", None, None)

    for ask in (influx.databases, influx.clock, lambda: influx.write(["m x=1 1"], "printer")):
        with pytest.raises(InfluxClientError, match=r"http://127.0.0.1:1 is not reachable \(Connection refused\)"):
            ask()
