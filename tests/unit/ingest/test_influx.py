import socket
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from ingest.errors import IngestError
from ingest.influx import BatchWriter, WriteTarget, open_client

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import FakeInfluxDB
else:
    FakeInfluxDB = Any


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


def writer(url: str, clock: Clock, notes: list[str] | None = None, patience_ms: int = 10_000) -> BatchWriter:
    target = WriteTarget(url, "writer", "secret-1", "printer", "autogen", "temperature")
    return BatchWriter(target, "s", patience_ms, (notes if notes is not None else []).append, clock, clock.sleep)


def test_lines_arrive_with_database_policy_precision_and_credentials(influxdb: FakeInfluxDB) -> None:
    writer(influxdb.url, Clock()).write(["a f=1 1", "a f=2 2"])
    assert influxdb.lines == ["a f=1 1", "a f=2 2"]
    assert influxdb.requests == [{"db": ["printer"], "rp": ["autogen"], "precision": ["s"]}]
    assert influxdb.authorizations == ["Basic d3JpdGVyOnNlY3JldC0x"]


def test_credentials_are_sent_in_utf_8(influxdb: FakeInfluxDB) -> None:
    target = WriteTarget(influxdb.url, "né", "geheim-数", "printer", "autogen", "temperature")
    BatchWriter(target, "s", 10_000, print).write(["a f=1 1"])
    assert influxdb.authorizations == [f"Basic {b64encode('né:geheim-数'.encode()).decode()}"]


def test_a_failing_server_is_asked_again_with_growing_pauses(influxdb: FakeInfluxDB) -> None:
    influxdb.answers = [(503, '{"error":"timeout"}'), (500, "engine: cache-max-memory-size exceeded"), (0, "")]
    clock, notes = Clock(), list[str]()
    writer(influxdb.url, clock, notes).write(["a f=1 1"])
    assert influxdb.lines == ["a f=1 1"]
    assert len(clock.slept) == 3
    assert clock.slept == sorted(clock.slept)
    assert "timeout" in notes[0]
    assert "cache-max-memory-size" in notes[1]


def test_patience_ends_with_one_clear_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    clock = Clock()
    with pytest.raises(IngestError) as raised:
        writer(f"http://127.0.0.1:{port}", clock).write(["a f=1 1"])
    message = str(raised.value)
    for part in (f"127.0.0.1:{port}", "'printer'", "'writer'", "gave up after 10s", "Connection refused", "Fix:"):
        assert part in message
    assert 5 < clock.now <= 10


def test_patience_starts_anew_with_each_batch(influxdb: FakeInfluxDB) -> None:
    clock = Clock()
    one = writer(influxdb.url, clock, patience_ms=1_000)
    for _ in range(5):
        influxdb.answers = [(503, "")]
        one.write(["a f=1 1"])
        clock.now += 60
    assert len(influxdb.lines) == 5


@pytest.mark.parametrize(
    ("code", "answer", "parts"),
    [
        (401, '{"error":"authorization failed"}', ["authorization failed", "--password-file"]),
        (
            403,
            '{"error":"\\"writer\\" user is not authorized to write to database"}',
            ["not authorized", "GRANT WRITE"],
        ),
        (404, '{"error":"database not found: \\"printer\\""}', ["database not found", 'CREATE DATABASE "printer"']),
        (500, '{"error":"retention policy not found: autogen"}', ["not found", "--retention-policy"]),
        (
            400,
            '{"error":"partial write: field type conflict: input field \\"bed\\" dropped=1"}',
            ["conflict", "another type"],
        ),
        (400, '{"error":"partial write: dropped 2 points outside retention policy"}', ["outside", "a later --start"]),
        (413, '{"error":"Request Entity Too Large"}', ["Too Large", "a smaller --batch"]),
        (400, "no json", ["no json"]),
    ],
)
def test_a_refusal_is_explained_at_once(influxdb: FakeInfluxDB, code: int, answer: str, parts: list[str]) -> None:
    influxdb.answers = [(code, answer)]
    clock = Clock()
    with pytest.raises(IngestError) as raised:
        writer(influxdb.url, clock).write(["a f=1 1"])
    message = str(raised.value)
    for part in [influxdb.url, "'writer'", "'printer'", "Fix:", *parts]:
        assert part in message
    assert "secret-1" not in message
    assert not clock.slept
    assert len(influxdb.requests) == 1


@pytest.mark.parametrize("url", ["127.0.0.1:8086", "ftp://x", "http://u:p@x:8086", "http://x:port", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(IngestError, match=r"--url.*Fix"):
        open_client(url, None, None, None)


def test_a_target_does_not_show_its_password() -> None:
    target = WriteTarget("http://x", "writer", "secret-1", "printer", None, "temperature")
    assert "secret-1" not in f"{target} {target!r}"
