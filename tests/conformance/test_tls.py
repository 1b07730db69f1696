"""The roles' TLS configuration on real daemons: who is let in, what arrives, and what a renewal changes.

influxd and kapacitord run with what the templates of the roles make, at other paths and ports.
"""

import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import InfluxApi, InfluxApiError
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import certificates
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.certificates import Pair

from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.keeper.certificates import Certificates, TlsServer
from anomaly.keeper.kapacitor import KapacitorClient, KapacitorClientError
from daemons.daemon import Daemon
from daemons.kapacitord import wait_until
from ingest.errors import IngestError
from ingest.influx import BatchWriter, WriteTarget
from tests.ansible.rendering import SECRETS, render
from tests.integration.ports import free_port
from tests.integration.waiting import PATIENCE_S

NOW = datetime.now(UTC)
NAMES = ["127.0.0.1", "localhost"]
USER = ("kapacitor", SECRETS["influxdb_kapacitor_password"])
SCRIPT = "stream|from().measurement('m')|influxDBOut().database('out').retentionPolicy('autogen').measurement('m')"


class TlsDaemon(Daemon):
    """A daemon whose certificate lies in a folder of its own."""

    def __init__(self, command: list[str], folder: Path, port: int, serving: str) -> None:
        self.folder = folder
        self.url = f"https://localhost:{port}"
        self.port = port
        self._serving = serving
        super().__init__(command)

    def started(self) -> None:
        """Wait until it serves."""
        self.wait_for_log(self._serving)

    def renew(self, authority: Pair) -> None:
        """Give it a new certificate, and start it again as a container that is made anew."""
        give(self.folder, authority)
        assert self.stop() == 0
        self.start()

    def serial(self, ca_file: Path, name: str = "localhost") -> Any:
        """The serial number of the certificate that it shows to a client who expects a name."""
        context = ssl.create_default_context(cafile=ca_file)
        with (
            socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as connection,
            context.wrap_socket(connection, server_hostname=name) as secured,
        ):
            certificate: Any = secured.getpeercert()
            return certificate["serialNumber"]


def give(folder: Path, authority: Pair) -> None:
    """Write a new certificate of the authority, as the roles do."""
    pair = certificates.issue(authority, NAMES, 60, NOW)
    for name, text in (("certificate", pair.certificate), ("key", pair.key), ("ca", authority.certificate)):
        (folder / f"{name}.pem").touch(mode=0o600 if name == "key" else 0o640)
        (folder / f"{name}.pem").write_text(text)


@pytest.fixture(scope="module")
def authority() -> Pair:
    return certificates.make_authority("anomaly", NOW)


@pytest.fixture
def ca_file(authority: Pair, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_text(authority.certificate)
    return file


@pytest.fixture
def influxd(influxd_binary: Path, authority: Pair, tmp_path: Path) -> Iterator[TlsDaemon]:
    folder, port = tmp_path / "influxdb", free_port()
    folder.mkdir()
    give(folder, authority)
    config = render("roles/influxdb/templates/influxdb.conf.j2", "influxdb", stack_tls=True)
    for path in ("/etc/influxdb", "/var/lib/influxdb"):
        config = config.replace(path, str(folder))
    config = config.replace('":8086"', f'"127.0.0.1:{port}"').replace("127.0.0.1:8088", "127.0.0.1:0")
    (folder / "influxdb.conf").write_text(config)
    command = [str(influxd_binary), "run", "-config", str(folder / "influxdb.conf")]
    with TlsDaemon(command, folder, port, "Listening on HTTP") as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ask(influxd: TlsDaemon, ca_file: Path) -> Callable[..., Any]:
    """Run a statement as Kapacitor's user, who is an admin."""
    first = {"q": f"CREATE USER {USER[0]} WITH PASSWORD '{USER[1]}' WITH ALL PRIVILEGES"}
    requests.post(f"{influxd.url}/query", data=first, verify=str(ca_file), timeout=PATIENCE_S).raise_for_status()

    def ask(statement: str, database: str = "") -> Any:
        data = {"q": statement, "db": database}
        answer = requests.post(f"{influxd.url}/query", data=data, auth=USER, verify=str(ca_file), timeout=PATIENCE_S)
        answer.raise_for_status()
        (result,) = answer.json()["results"]
        assert "error" not in result, result
        return [row for series in result.get("series", []) for row in series["values"]]

    for name in ("db", "out"):
        ask(f"CREATE DATABASE {name}")
    return ask


@pytest.fixture
def kapacitord(
    kapacitord_binary: Path, authority: Pair, ca_file: Path, influxd: TlsDaemon, ask: Callable[..., Any], tmp_path: Path
) -> Iterator[TlsDaemon]:
    folder, port = tmp_path / "kapacitor", free_port()
    folder.mkdir()
    give(folder, authority)
    config = render(
        "roles/kapacitor/templates/kapacitor.conf.j2",
        "kapacitor",
        {"__kapacitor_udfs": {}, "__kapacitor_hostname": "localhost", "__kapacitor_subscription_port": port},
        stack_tls=True,
        stack_influxdb_url=influxd.url,
        kapacitor_subscriptions={"db": ["autogen"]},
        kapacitor_subscriptions_sync_interval="1s",
    )
    for path, own in (
        ("/etc/ssl/influxdb-ca.pem", ca_file),
        ("/etc/kapacitor", folder),
        ("/var/lib/kapacitor", folder),
        ("/var/log/kapacitor/kapacitor.log", "STDERR"),
        # The first admin would have to be made without a network.
        ("auth-enabled = true", "auth-enabled = false"),
        ('":9092"', f'"127.0.0.1:{port}"'),
    ):
        assert path in config, path
        config = config.replace(path, str(own))
    (folder / "kapacitor.conf").write_text(config)
    command = [str(kapacitord_binary), "-config", str(folder / "kapacitor.conf")]
    with TlsDaemon(command, folder, port, "listening for signals") as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


def test_points_go_both_ways_and_a_renewal_loses_none(
    influxd: TlsDaemon, kapacitord: TlsDaemon, ask: Callable[..., Any], ca_file: Path, authority: Pair
) -> None:
    def write(second: int) -> None:
        line, parameters = f"m value=1 {second}", {"db": "db", "precision": "s"}
        answer = requests.post(
            f"{influxd.url}/write", data=line, params=parameters, auth=USER, verify=str(ca_file), timeout=PATIENCE_S
        )
        assert answer.status_code == 204, answer.text

    def written(database: str, count: int) -> None:
        wait_until(lambda: ask("SELECT count(value) FROM m", database) == [["1970-01-01T00:00:00Z", count]], database)

    task = {"id": "copy", "type": "stream", "status": "enabled", "dbrps": [{"db": "db", "rp": "autogen"}]}
    answer = requests.post(
        f"{kapacitord.url}/kapacitor/v1/tasks", json={**task, "script": SCRIPT}, verify=str(ca_file), timeout=PATIENCE_S
    )
    assert answer.status_code == 200, answer.text
    destinations = wait_until(lambda: [row[3] for row in ask("SHOW SUBSCRIPTIONS")], "a subscription")
    assert [destination.partition("://")[0] for (destination,) in destinations] == ["https"]
    write(1)
    written("out", 1)

    before = influxd.serial(ca_file)
    influxd.renew(authority)
    assert influxd.serial(ca_file) != before
    written("db", 1)
    # Kapacitor, which still runs, gets what is written, and writes it.
    write(2)
    written("out", 2)

    before = kapacitord.serial(ca_file)
    kapacitord.renew(authority)
    assert kapacitord.serial(ca_file) != before
    assert KapacitorClient(kapacitord.url, ca_file=str(ca_file)).tasks()["copy"].executing
    write(3)
    written("out", 3)


def test_clients_without_the_authority_or_with_a_wrong_name_are_refused(
    influxd: TlsDaemon, kapacitord: TlsDaemon, ca_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_text(certificates.make_authority("other", NOW).certificate)
    for server in (influxd, kapacitord):
        for verify in (True, str(other)):
            with pytest.raises(requests.exceptions.SSLError, match="certificate verify failed"):
                requests.get(f"{server.url}/ping", verify=verify, timeout=PATIENCE_S)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'elsewhere\.example\.org'"):
            server.serial(ca_file, "elsewhere.example.org")
        plain = requests.get(f"{server.url.replace('https', 'http')}/ping", timeout=PATIENCE_S)
        assert (plain.status_code, plain.text) == (400, "Client sent an HTTP request to an HTTPS server.\n")


def test_our_clients_verify(influxd: TlsDaemon, kapacitord: TlsDaemon, ca_file: Path, tmp_path: Path) -> None:
    """Training, catch-up and keeper, Ansible's modules, and ingest."""
    assert KapacitorClient(kapacitord.url, ca_file=str(ca_file)).tasks() == {}
    with pytest.raises(KapacitorClientError, match=r"TLS failed .*certificate verify failed.*--kapacitor-ca-file"):
        KapacitorClient(kapacitord.url).tasks()
    with pytest.raises(KapacitorClientError, match="is not reachable"):
        KapacitorClient(kapacitord.url, ca_file=str(tmp_path / "missing")).tasks()

    # The keeper looks when they end, and leaves those that it does not trust to its clients.
    servers = [TlsServer(name, daemon.url, str(ca_file)) for name, daemon in (("i", influxd), ("k", kapacitord))]
    now_ns = int(NOW.timestamp() * 1e9)
    assert Certificates(servers, 60).ending(now_ns) == {"i": 59, "k": 59}
    assert Certificates(servers, 59).ending(now_ns) == {}
    for file in (None, str(tmp_path / "missing")):
        assert Certificates([TlsServer("i", influxd.url, file)], 60).ending(now_ns) == {}

    assert list(InfluxClient(influxd.url, *USER, str(ca_file)).query("SHOW DATABASES", ""))
    with pytest.raises(InfluxClientError, match=r"TLS failed .*--ca-file"):
        list(InfluxClient(influxd.url, *USER).query("SHOW DATABASES", ""))

    assert InfluxApi(influxd.url, *USER, ca_path=str(ca_file)).rows("SHOW DATABASES")
    with pytest.raises(InfluxApiError, match="certificate verify failed"):
        InfluxApi(influxd.url, *USER).rows("SHOW DATABASES")

    def writer(file: str | None) -> BatchWriter:
        return BatchWriter(WriteTarget(influxd.url, *USER, "db", None, "m", file), "s", 0, print)

    writer(str(ca_file)).write(["m value=1 1"])
    with pytest.raises(IngestError, match=r"TLS failed: .*certificate verify failed.*with --ca-file"):
        writer(None).write(["m value=1 1"])
