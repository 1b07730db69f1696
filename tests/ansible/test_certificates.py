"""Certificates: made once, renewed before they end, trusted by clients, refused where clients would refuse them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.influx_anomaly.stack.plugins.action import stack_certificate
from ansible_collections.influx_anomaly.stack.plugins.filter.certificates import (
    certificate_files,
    certificate_findings,
    certificate_servers,
)
from ansible_collections.influx_anomaly.stack.plugins.modules.served_certificate import look
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import certificates
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.certificates import Pair

from tests.ansible.rendering import ROOT
from tests.ansible.test_stack_secrets import mode, run

NOW = datetime.now(UTC)
NAMES = ["127.0.0.1", "localhost", "anomaly-influxdb"]
REQUESTS = {
    "ansible.builtin.uri",
    "grafana_objects",
    "influxdb_schema",
    "influxdb_source_info",
    "kapacitor_handlers",
    "kapacitor_subscriptions",
    "kapacitor_task",
    "kapacitor_task_info",
    "kapacitor_tasks",
    "served_certificate",
}
"""The modules that ask a service of the stack, or one of the user's own."""


@contextmanager
def served(pair: Pair, folder: Path) -> Iterator[int]:
    """Serve a certificate on a free port of the loopback interface, and yield the port."""
    (folder / "served.pem").write_text(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "served.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


class TestOfTheStacksAuthority:
    def make(self, folder: Path, *, check: bool = False, **more: Any) -> dict[str, Any]:
        arguments = {
            "folder": str(folder),
            "stack": "anomaly",
            "host": "influx1",
            "names": NAMES,
            "days": 397,
            "renew_days": 30,
            **more,
        }
        return run(stack_certificate, arguments, check=check)

    def test_are_made_once_into_files_of_their_owner(self, tmp_path: Path) -> None:
        folder = tmp_path / "secrets" / "tls"
        first = self.make(folder)
        assert (first["changed"], first["reason"], first["days_left"]) == (True, "there is none", 396)
        assert [mode(folder / name) for name in ("", "ca.pem", "ca.key", "influx1.pem", "influx1.key")] == [
            "0700", *["0600"] * 4
        ]  # fmt: skip
        assert (folder / ".gitignore").read_text() == "*\n"
        second = self.make(folder)
        assert (second["changed"], second["reason"]) == (False, "")
        assert {second[part] == first[part] for part in ("certificate", "key", "ca")} == {True}

    def test_hosts_of_a_stack_have_one_authority(self, tmp_path: Path) -> None:
        one, other = self.make(tmp_path), self.make(tmp_path, host="kap1", names=["192.0.2.21"])
        assert one["ca"] == other["ca"]
        assert one["key"] != other["key"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"renew_days": 400}, "the one before ends in 396 days"),
            ({"names": [*NAMES, "192.0.2.11"]}, "the one before lacks the names 192.0.2.11"),
            ({"more_names": ["influx.example.org"]}, "the one before lacks the names influx.example.org"),
        ],
    )
    def test_that_are_due_are_made_anew_by_the_same_authority(
        self, tmp_path: Path, change: dict[str, Any], reason: str
    ) -> None:
        first = self.make(tmp_path)
        dry = self.make(tmp_path, check=True, **change)
        assert (dry["changed"], dry["reason"]) == (True, reason)
        assert (tmp_path / "influx1.pem").read_text() == first["certificate"]
        second = self.make(tmp_path, **change)
        assert second["reason"] == reason
        assert second["ca"] == first["ca"]
        assert second["certificate"] != first["certificate"]

    def test_whose_key_was_lost_or_mixed_up_are_made_anew(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        (tmp_path / "influx1.key").write_text((tmp_path / "ca.key").read_text())
        assert self.make(tmp_path)["reason"] == "the one before does not belong to its key"
        (tmp_path / "influx1.key").unlink()
        assert self.make(tmp_path)["reason"] == "there is none"

    def test_an_authority_that_ends_is_trusted_beside_the_new_one(self, tmp_path: Path) -> None:
        old = certificates.make_authority("anomaly", NOW - timedelta(days=certificates.AUTHORITY_DAYS - 20))
        (tmp_path / "ca.pem").write_text(old.certificate)
        (tmp_path / "ca.key").write_text(old.key)
        made = self.make(tmp_path)
        assert made["ca"].endswith(old.certificate)
        assert made["ca"].count("BEGIN CERTIFICATE") == 2
        assert made["days_left"] == 396
        assert self.make(tmp_path)["changed"] is False

    def test_a_dry_run_on_nothing_writes_nothing(self, tmp_path: Path) -> None:
        dry = self.make(tmp_path / "tls", check=True)
        assert dry["changed"] is True
        assert certificates.flaw(Pair(dry["certificate"], dry["key"]), dry["ca"], NAMES) == ""
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(AnsibleActionFail, match=r"secrets_dir holds the certificates.*Fix: make it writable"):
            self.make(tmp_path / "file" / "tls")


class TestGiven:
    @pytest.fixture
    def files(self, tmp_path: Path) -> dict[str, str]:
        """A certificate, its key and its authority, as a company's authority gives them."""
        authority = certificates.make_authority("company", NOW)
        pair = certificates.issue(authority, [*NAMES, "*.example.org"], 90, NOW)
        texts = {"stack_tls_certificate": pair.certificate, "stack_tls_key": pair.key}
        texts["stack_tls_ca"] = authority.certificate
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        return {name: str(tmp_path / name) for name in texts}

    def read(self, files: dict[str, str], folder: Path, **more: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = {**files, **more}
        return TestOfTheStacksAuthority().make(folder / "none", **arguments)

    def test_are_taken_as_they_are(self, files: dict[str, str], tmp_path: Path) -> None:
        result = self.read(files, tmp_path, names=[*NAMES, "grafana.example.org"])
        assert (result["changed"], result["days_left"]) == (False, 89)
        for part, name in (("certificate", "certificate"), ("key", "key"), ("ca", "ca")):
            assert result[part] == Path(files[f"stack_tls_{name}"]).read_text()
        assert not (tmp_path / "none").exists()

    def test_without_a_name_that_clients_use_are_refused(self, files: dict[str, str], tmp_path: Path) -> None:
        with pytest.raises(AnsibleActionFail, match=r"stack_tls_certificate = .* lacks the names 192\.0\.2\.1\. Fix:"):
            self.read(files, tmp_path, names=[*NAMES, "192.0.2.1"])

    def test_of_another_authority_are_refused(self, files: dict[str, str], tmp_path: Path) -> None:
        Path(files["stack_tls_ca"]).write_text(certificates.make_authority("other", NOW).certificate)
        with pytest.raises(AnsibleActionFail, match="is not signed by its authority"):
            self.read(files, tmp_path)

    def test_that_have_ended_are_refused(self, files: dict[str, str], tmp_path: Path) -> None:
        authority = certificates.make_authority("company", NOW - timedelta(days=100))
        pair = certificates.issue(authority, NAMES, 90, NOW - timedelta(days=100))
        for name, text in (("certificate", pair.certificate), ("key", pair.key), ("ca", authority.certificate)):
            Path(files[f"stack_tls_{name}"]).write_text(text)
        with pytest.raises(AnsibleActionFail, match="ended 10 days ago"):
            self.read(files, tmp_path)

    @pytest.mark.parametrize("name", ["stack_tls_certificate", "stack_tls_key", "stack_tls_ca"])
    def test_files_are_given_together(self, files: dict[str, str], tmp_path: Path, name: str) -> None:
        with pytest.raises(AnsibleActionFail, match=f"{name} is empty for influx1"):
            self.read({**files, name: ""}, tmp_path)
        with pytest.raises(AnsibleActionFail, match=r"cannot be read: .*are paths on the controller"):
            self.read({**files, name: str(tmp_path / "missing")}, tmp_path)

    def test_what_is_no_certificate_is_refused(self, files: dict[str, str], tmp_path: Path) -> None:
        Path(files["stack_tls_key"]).write_text("secret")
        with pytest.raises(AnsibleActionFail, match="cannot be read as PEM with an open key") as refused:
            self.read(files, tmp_path)
        assert "secret" not in str(refused.value).replace("secrets_dir", "")


class TestServed:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Pair:
        authority = certificates.make_authority("anomaly", NOW)
        (tmp_path / "ca.pem").write_text(authority.certificate)
        return authority

    def test_a_client_with_the_authority_trusts_it(self, authority: Pair, tmp_path: Path) -> None:
        with served(certificates.issue(authority, NAMES, 60, NOW), tmp_path) as port:
            for address in ("127.0.0.1", "localhost"):
                assert look(address, port, str(tmp_path / "ca.pem"), 10)["days_left"] == 59

    @pytest.mark.parametrize(
        ("names", "days", "refusal"),
        [
            (["192.0.2.1"], 60, "IP address mismatch"),
            (["localhost"], 60, "IP address mismatch"),
            (NAMES, -1, "certificate has expired"),
        ],
    )
    def test_a_wrong_name_and_an_end_are_refused(
        self, authority: Pair, tmp_path: Path, names: list[str], days: int, refusal: str
    ) -> None:
        pair = certificates.issue(authority, names, days, NOW + timedelta(hours=1))
        with served(pair, tmp_path) as port, pytest.raises(ssl.SSLCertVerificationError, match=refusal):
            look("127.0.0.1", port, str(tmp_path / "ca.pem"), 10)

    def test_another_authority_is_refused(self, authority: Pair, tmp_path: Path) -> None:
        pair = certificates.issue(certificates.make_authority("anomaly", NOW), NAMES, 60, NOW)
        with served(pair, tmp_path) as port, pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
            look("127.0.0.1", port, str(tmp_path / "ca.pem"), 10)


TABLE: dict[str, Any] = {
    "influxdb": {"title": "InfluxDB", "port": "8086"},
    "keeper": {"title": "Keeper", "metrics": 9095},
    "other": {"title": "Other", "metrics": 0},
}


def test_a_client_that_serves_nothing_is_left_alone_at_a_renewal() -> None:
    authority = {"ca": "3"}
    before = certificate_files({"certificate": "1", "key": "2", **authority}, serves=False)
    assert before == certificate_files({"certificate": "4", "key": "5", **authority}, serves=False) == {"ca.pem": "3"}


def test_a_service_gets_three_files_and_without_tls_none() -> None:
    assert certificate_files({}) == {}
    files = certificate_files({"certificate": "1", "key": "2", "ca": "3"})
    assert files == {"certificate.pem": "1", "key.pem": "2", "ca.pem": "3"}


def test_servers_are_those_that_publish_a_port() -> None:
    assert certificate_servers(TABLE, TABLE, "192.0.2.1", "127.0.0.1") == [
        {"title": "InfluxDB", "address": "192.0.2.1", "port": 8086},
        {"title": "Keeper", "address": "127.0.0.1", "port": 9095},
    ]


def test_a_certificate_that_ends_soon_is_a_problem_and_so_is_one_that_nobody_trusts() -> None:
    item = {"title": "InfluxDB"}
    results: list[dict[str, Any]] = [
        {"item": item, "days_left": 30},
        {"item": item, "days_left": 29},
        {"item": item, "msg": "expired"},
    ]
    findings = certificate_findings(results, 30)
    assert [finding["ok"] for finding in findings] == [True, False, False]
    assert findings[0]["what"].endswith("'s certificate is valid for at least 30 more days")
    assert findings[1]["problem"] == "it ends in 29 days. Fix: run site.yml, which renews it, or give another one"
    assert findings[2]["problem"] == "expired. Fix: run site.yml"


def tasks(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a file, those of blocks too."""
    for task in document or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


ROLE_TASKS = [
    pytest.param(task, id=f"{path.relative_to(ROOT / 'roles')}: {task.get('name', '')}")
    for path in sorted((ROOT / "roles").glob("*/tasks/*.yml"))
    for task in tasks(yaml.safe_load(path.read_text()))
    if REQUESTS & set(task)
]


@pytest.mark.parametrize("task", ROLE_TASKS)
def test_every_request_of_a_role_verifies(task: dict[str, Any]) -> None:
    (module,) = REQUESTS & set(task)
    arguments = task[module]
    authorities = ("stack_ca_file", "stack_influxdb_ca_file", "grafana_ca_file")
    assert any(file in arguments["ca_path"] for file in authorities)
    assert "validate_certs" not in arguments


@pytest.fixture(scope="module")
def site() -> dict[str, set[str]]:
    """The tags of each task of site.yml that runs a role, by the role and its entry point."""
    found: dict[str, set[str]] = {}
    for play in yaml.safe_load((ROOT / "playbooks/site.yml").read_text()):
        for task in play["tasks"]:
            role = next(arguments for name, arguments in task.items() if name.endswith("_role"))
            tags = task["tags"] if isinstance(task["tags"], list) else [task["tags"]]
            found.setdefault(f"{role['name']} {role.get('tasks_from', 'main')}", set()).update(tags)
    return found


class TestDeployment:
    def test_has_certificates_for_every_tag_that_starts_or_asks_a_service(self, site: dict[str, set[str]]) -> None:
        served = ("influxdb", "kapacitor", "pipelines", "keeper", "catch_up", "grafana", "chronograf")
        tags = {tag for role in served for tag in site[f"{role} main"]}
        assert tags <= site["certificates main"]
        assert site["certificates main"] >= site["secrets main"]

    @pytest.mark.parametrize("role", ["kapacitor", "keeper", "grafana", "chronograf"])
    def test_reads_an_authoritys_file_where_it_starts_a_container_of_it(
        self, site: dict[str, set[str]], role: str
    ) -> None:
        """A container goes on with what it has read, so a changed file has to change the hash of its configuration."""
        assert site[f"{role} main"] <= site["certificates files"]
        text = "".join(path.read_text() for path in (ROOT / "roles" / role / "tasks").glob("*.yml"))
        (wanted,) = text.split("container_config_hash:")[1:]
        assert "stack_ca_sums.influxdb" in wanted.split("container_memory")[0]
        mounts_alerts = "kapacitor_alert_ca_file" in (ROOT / "roles" / role / "vars/main.yml").read_text()
        assert ("stack_ca_sums.alerts" in wanted) == mounts_alerts
