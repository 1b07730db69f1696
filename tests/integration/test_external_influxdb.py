"""A stack that uses an InfluxDB, a Grafana and a Kapacitor of the user's own; that Grafana is a double of its API."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from docker.models.containers import Container

from daemons.images import built_image
from tests.ansible.grafana_double import GrafanaDouble, serving
from tests.integration.data import HISTORY_BEGIN, HISTORY_END, write_printers
from tests.integration.hosts import LABEL
from tests.integration.influx import Influx, InfluxError
from tests.integration.kapacitor import Kapacitor
from tests.integration.pipelines import PRINTER
from tests.integration.ports import free_port
from tests.integration.stack import Stack
from tests.integration.waiting import wait_for

# Users that others have made there, with names that a stack with an InfluxDB of its own uses.
THEIRS = {"writer": "", "reader": " WITH ALL PRIVILEGES", "kapacitor": "", "trainer": ""}
THEIR_PASSWORD = secrets.token_hex(16)
HOOK = f"https://hooks.example/{secrets.token_hex(16)}"


@dataclass(frozen=True)
class External:
    """An InfluxDB that is nobody's stack.

    Attributes:
        address: of this machine on the engine's default network, where it and the stack reach each other.
        url: of its API.
        password: of its user admin.
    """

    address: str
    url: str
    password: str

    @property
    def admin(self) -> Influx:
        """As its admin sees it."""
        return Influx(self.url, "admin", self.password)


# A Kapacitor without authentication, as a package installs it.
THEIR_CONFIGURATION = """
hostname = "{external.address}"
data_dir = "/var/lib/kapacitor"
[http]
bind-address = ":{port}"
log-enabled = false
[replay]
dir = "/var/lib/kapacitor/replay"
[task]
dir = "/var/lib/kapacitor/tasks"
[storage]
boltdb = "/var/lib/kapacitor/kapacitor.db"
[load]
enabled = false
[logging]
file = "STDERR"
level = "INFO"
[stats]
enabled = false
[reporting]
enabled = false
[[influxdb]]
enabled = true
default = true
name = "theirs"
urls = ["{external.url}"]
username = "admin"
password = "{external.password}"
subscriptions-sync-interval = "5s"
[influxdb.excluded-subscriptions]
anomaly = ["autogen"]
"""


@dataclass(frozen=True)
class TheirKapacitor:
    """A Kapacitor that is nobody's stack.

    Attributes:
        url: where it is reached.
        configuration: its file on this machine.
        container: what it runs in.
    """

    url: str
    configuration: Path
    container: Container

    @property
    def api(self) -> Kapacitor:
        """As anybody sees it."""
        return Kapacitor(self.url)

    def wait(self) -> None:
        """Wait until it serves."""

        def is_there() -> bool:
            try:
                return self.api.request("GET", "/ping").status_code == 204
            except requests.RequestException:
                return False

        wait_for(is_there, "their Kapacitor", explain=lambda: self.container.logs(tail=20).decode())


@pytest.fixture(scope="module")
def external(engine: docker.DockerClient, kept_images: None) -> Iterator[External]:
    name = f"it-{secrets.token_hex(3)}x-external"
    # Old engines don't name the gateway of this network.
    address = str(ipaddress.ip_network(engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"])[1])
    port, password = free_port(), secrets.token_hex(16)
    container = engine.containers.run(
        built_image("influxdb"), detach=True, name=name, labels={LABEL: name},
        ports={"8086/tcp": (address, port)}, environment={"INFLUXDB_HTTP_AUTH_ENABLED": "true"},
    )  # fmt: skip
    try:
        url = f"http://{address}:{port}"
        statement = f"CREATE USER admin WITH PASSWORD '{password}' WITH ALL PRIVILEGES"
        wait_for(lambda: Influx(url).query(statement) == [], "the external InfluxDB")
        yield External(address, url, password)
    finally:
        container.remove(force=True, v=True)


def reads(source: dict[str, Any], password: str) -> str:
    """What is wrong with a data source, asked as Grafana asks it."""
    try:
        Influx(source["url"], source["user"], password).query("SHOW MEASUREMENTS LIMIT 1", source["jsonData"]["dbName"])
    except InfluxError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def grafana(external: External) -> Iterator[GrafanaDouble]:
    with serving(GrafanaDouble(works=reads), external.address) as double:
        double.folders["theirs"] = {"uid": "theirs", "title": "Theirs", "version": 1}
        double.boards["theirs"] = {"dashboard": {"id": 1, "uid": "theirs", "title": "Theirs"}, "folder": "theirs"}
        yield double


@pytest.fixture(scope="module")
def guest(external: External, grafana: GrafanaDouble, new_stack: Callable[..., Stack]) -> Stack:
    """A stack without an InfluxDB and a Grafana of its own."""
    external.admin.query("CREATE DATABASE other")
    for name, rights in THEIRS.items():
        external.admin.query(f"CREATE USER {name} WITH PASSWORD '{THEIR_PASSWORD}'{rights}")
    guest = new_stack(
        variables={
            "influxdb_external_url": external.url,
            "secrets_given": {"influxdb_admin_password": external.password},
            "grafana_external_url": grafana.url,
            "grafana_external_token": grafana.token,
            "grafana_alert_rules": [{"rule": "detection", "receiver": "on call"}],
            "grafana_contact_points": [{"name": "on call", "type": "slack", "settings": {"url": HOOK}}],
            # The external InfluxDB sends points to Kapacitor by this address.
            "stack_address": external.address,
            "stack_bind_address": external.address,
        },
        pipelines=[PRINTER],
        groups=["kapacitor"],
    )
    guest.influxdb_url = external.url
    guest.play("site").succeeded()
    return guest


def test_no_influxdb_and_no_grafana_of_ours_is_started(guest: Stack) -> None:
    assert set(guest.containers()) == {"kapacitor", "keeper", "console"}


def test_it_gets_the_databases_users_and_subscriptions(guest: Stack, external: External) -> None:
    databases = external.admin.column("SHOW DATABASES")
    assert {"printer", "anomaly", "other"} <= set(databases)
    ours = {f"{guest.name}_{name}" for name in ("kapacitor", "reader", "trainer", "writer", "console")}
    assert set(external.admin.column("SHOW USERS")) == {"admin", *THEIRS, *ours}
    assert set(guest.subscription_places()) == {"printer"}, "databases that no pipeline reads are left alone"


def test_the_users_grafana_reads_the_results(guest: Stack, external: External, grafana: GrafanaDouble) -> None:
    ((uid, source),) = grafana.sources.items()
    assert (source["url"], source["user"]) == (external.url, f"{guest.name}_reader")
    assert reads(source, grafana.source_secrets[uid]["password"]) == ""
    titles = {board["dashboard"]["title"] for board in grafana.boards.values()}
    assert titles >= {"printer", f"Overview of {guest.name}", "Theirs"}
    assert [rule["notification_settings"]["receiver"] for rule in grafana.rules.values()] == ["on call"]
    output = guest.results[0].output
    assert f"created data source Anomalies of {guest.name}" in output
    assert not [secret for secret in (grafana.token, HOOK) if secret in output]


def test_the_accounts_of_others_are_left_alone(guest: Stack, external: External) -> None:
    theirs_are_unchanged(external)


def test_an_account_of_others_is_refused_before_anything_changes(guest: Stack, external: External) -> None:
    guest.variables["influxdb_reader_username"] = "reader"
    try:
        result = guest.play("site")
    finally:
        del guest.variables["influxdb_reader_username"]
    result.refused("than the stack's: reader.", external.url, "locked out", "fix", "influxdb_take_over_users")
    assert result.changed == 0
    theirs_are_unchanged(external)


def test_a_second_run_changes_nothing(guest: Stack, grafana: GrafanaDouble) -> None:
    grafana.requests.clear()
    guest.settled().play("site").unchanged()
    assert grafana.requests == []


def test_verify_names_a_data_source_that_does_not_work(guest: Stack, grafana: GrafanaDouble) -> None:
    grafana.works = lambda _source, _password: "dial tcp: connection refused"
    try:
        result = guest.play("verify")
    finally:
        grafana.works = reads
    result.refused("Its data source reads InfluxDB", "connection refused")
    assert grafana.requests == []


def test_its_data_reach_the_udf(guest: Stack) -> None:
    write_printers(guest, HISTORY_BEGIN, "5m")
    wait_for(lambda: "no model yet" in guest.kapacitor_log.read_text(), "windows at the UDF", explain=guest.logs)


def test_a_wrong_token_is_refused_before_anything_changes(guest: Stack, grafana: GrafanaDouble) -> None:
    guest.variables["grafana_external_token"] = "glsa_not_the_right_one"
    try:
        result = guest.play("site", "--tags", "grafana")
    finally:
        guest.variables["grafana_external_token"] = grafana.token
    result.refused("grafana_external_url", grafana.url, "refuses the token", "fix", "grafana_external_token")
    assert result.changed == 0
    assert "not_the_right_one" not in result.output


def test_a_wrong_password_is_refused(guest: Stack, external: External) -> None:
    right = guest.variables["secrets_given"]
    guest.variables["secrets_given"] = {"influxdb_admin_password": "not-the-right-one-but-long-enough"}
    try:
        result = guest.play("site", "--tags", "influxdb")
    finally:
        guest.variables["secrets_given"] = right
    result.refused("influxdb_admin_password", external.url, "fix")
    assert "not-the-right-one" not in result.output


def theirs_are_unchanged(external: External) -> None:
    """Check that the accounts of others have their passwords and rights."""
    admins = {row["user"]: row["admin"] for row in external.admin.rows("SHOW USERS")}
    assert {name: admins[name] for name in THEIRS} == {name: bool(rights) for name, rights in THEIRS.items()}
    for name in THEIRS:
        Influx(external.url, name, THEIR_PASSWORD).query("SHOW DATABASES")  # raises where the password is refused


def test_one_that_is_not_reached_is_refused(guest: Stack, external: External) -> None:
    guest.variables["influxdb_external_url"] = f"http://{external.address}:{free_port()}"
    try:
        guest.play("site", "--tags", "influxdb").refused(
            "influxdb_external_url", guest.variables["influxdb_external_url"], "fix"
        )
    finally:
        guest.variables["influxdb_external_url"] = external.url


@pytest.fixture(scope="module")
def theirs(
    guest: Stack, external: External, engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TheirKapacitor]:
    folder = tmp_path_factory.mktemp("kapacitor")
    port = free_port()
    (guest.dir / "run").mkdir(exist_ok=True)
    configuration = folder / "kapacitor.conf"
    configuration.write_text(THEIR_CONFIGURATION.format(external=external, port=port))
    container = engine.containers.run(
        built_image("kapacitor"), ["kapacitord", "-config", "/conf/kapacitor.conf"], detach=True, user="0",
        name=f"{guest.name}x-theirs", labels={LABEL: guest.name}, ports={f"{port}/tcp": (external.address, port)},
        volumes=[f"{folder}:/conf:ro", f"{guest.dir / 'run'}:{guest.dir / 'run'}"], tmpfs={"/var/lib/kapacitor": ""},
    )  # fmt: skip
    found = TheirKapacitor(f"http://{external.address}:{port}", configuration, container)
    try:
        found.wait()
        yield found
    finally:
        container.remove(force=True, v=True)


def test_the_users_kapacitor_is_told_what_its_configuration_lacks(guest: Stack, theirs: TheirKapacitor) -> None:
    guest.variables |= {"kapacitor_external_url": theirs.url, "kapacitor_external_group": "0"}
    result = guest.play("site")
    socket = guest.dir / "run" / "anomaly.sock"
    result.refused(theirs.url, "does not know the UDF", "fix", "[udf.functions.anomaly]", f'socket = "{socket}"')
    assert socket.is_socket()
    assert theirs.api.tasks() == {}, "the task that tells is there for a moment only"


def test_the_users_kapacitor_runs_the_pipelines(guest: Stack, external: External, theirs: TheirKapacitor) -> None:
    with theirs.configuration.open("a") as file:
        file.write(f'[udf.functions.anomaly]\nsocket = "{guest.dir / "run" / "anomaly.sock"}"\ntimeout = "5m"\n')
    theirs.container.restart()
    theirs.wait()
    guest.play("site").succeeded()
    assert theirs.api.tasks()["printer"]["executing"]
    guest.play("site", "--tags", "kapacitor,pipelines,keeper").unchanged()
    write_printers(guest, HISTORY_END, "5m")
    query = 'SELECT last("points_in") AS "points" FROM "udf" WHERE "points_in" > 0'
    wait_for(lambda: guest.influx("reader").rows(query, "anomaly"), "points at the UDF", explain=guest.logs)


def test_teardown_leaves_them_running_with_their_data(
    guest: Stack, external: External, grafana: GrafanaDouble, theirs: TheirKapacitor
) -> None:
    guest.play("teardown", teardown_data=True, teardown_confirm=guest.name).succeeded()
    assert guest.on_engine()["containers"] == []
    assert theirs.api.tasks() == {}
    assert set(external.admin.column("SHOW DATABASES")) >= {"printer", "anomaly", "other"}
    assert external.admin.rows('SELECT count("bed") FROM temperature', "printer")
    assert (list(grafana.folders), list(grafana.boards)) == (["theirs"], ["theirs"])
    assert (grafana.sources, grafana.rules, grafana.contacts) == ({}, {}, {})


def test_teardown_goes_on_without_the_external_influxdb(guest: Stack, external: External) -> None:
    """Its password went with the data, and their Kapacitor looks after its subscriptions itself."""
    del guest.variables["kapacitor_external_url"]
    result = guest.play("teardown", teardown_data=True, teardown_confirm=guest.name)
    result.succeeded()
    assert "DROP SUBSCRIPTION" in result.output
