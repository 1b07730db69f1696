"""A diagnosis of a stack: what is collected, and that no secret is in it."""

from __future__ import annotations

import base64
import json
import tarfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote, quote_plus

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.influx_anomaly.stack.plugins.action import diagnose_archive
from ansible_collections.influx_anomaly.stack.plugins.filter import diagnosis
from ansible_collections.influx_anomaly.stack.plugins.modules import diagnose_host
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import redaction
from hypothesis import given
from hypothesis import strategies as st

from tests.ansible.rendering import SECRETS, render, value

SECRET = "aB3/x+Zq9&t'w <\"é$1"
MODULE: Any = diagnose_host


def redact(text: str, *secrets: str) -> str:
    return redaction.Redactor(secrets or [SECRET]).redact(text)


class TestForms:
    @pytest.mark.parametrize(
        "form",
        [
            SECRET,
            quote(SECRET, safe=""),
            quote_plus(SECRET),
            json.dumps(SECRET),
            json.dumps(SECRET, ensure_ascii=False),
            base64.b64encode(SECRET.encode()).decode(),
            base64.urlsafe_b64encode(SECRET.encode()).decode(),
            SECRET.encode().hex(),
        ],
    )
    def test_a_secret_is_found_in_each_form(self, form: str) -> None:
        found = redact(f"before {form} after")
        assert redaction.REDACTED in found
        assert form not in found
        assert found.startswith("before ")
        assert found.endswith(" after")

    @given(
        secret=st.text("abcXYZ0189+/=&%", min_size=8, max_size=40),
        before=st.text(max_size=7),
        after=st.text(max_size=7),
    )
    def test_a_secret_inside_of_encoded_text_cannot_be_read(self, secret: str, before: str, after: str) -> None:
        encoded = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
        redactor = redaction.Redactor([secret])
        assert redactor.leaks(encoded.encode())
        assert not redactor.leaks(redactor.redact(encoded).encode())

    def test_a_longer_secret_that_begins_with_another_leaves_nothing(self) -> None:
        assert redact("longer-secret-of-two", "longer-secret", "longer-secret-of-two") == redaction.REDACTED

    def test_short_values_are_not_looked_for(self) -> None:
        assert redact("a test of five", "five") == "a test of five"


class TestSurroundings:
    @pytest.mark.parametrize(
        "line",
        [
            'password = "hidden-value"',
            "smtp_password: hidden-value",
            '{"apiToken": "hidden-value", "other": 1}',
            "Authorization: Basic hidden-value",
            '"Authorization": "Bearer hidden-value"',
            "http://~subscriber:hidden-value@kapacitor:9092",
            "--password hidden-value",
            "GF_SMTP_PASSWORD=hidden-value",
            "shared-secret = 'hidden-value'",
            "-----BEGIN PRIVATE KEY-----\nhidden-value\nhidden-value\n-----END PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----\nhidden-value",
        ],
    )
    def test_what_is_named_a_secret_is_taken_out(self, line: str) -> None:
        assert "hidden-value" not in redact(line)

    @pytest.mark.parametrize(
        "line",
        [
            "password_file: /run/keeper/password",
            "mode = 0640",
            "http://kapacitor:9092/write?db=printer",
            "tokens",
            'a = ""',
        ],
    )
    def test_the_rest_stays(self, line: str) -> None:
        assert redact(line) == line

    def test_kapacitors_configuration_keeps_what_is_no_secret(self) -> None:
        text = render("roles/kapacitor/templates/kapacitor.conf.j2", "kapacitor")
        found = redact(text, *SECRETS.values())
        assert not [name for name, secret in SECRETS.items() if secret in found]
        assert len(found.splitlines()) == len(text.splitlines())
        assert 'username = "kapacitor"' in found


def test_secrets_inside_of_handlers_are_known_by_their_keys() -> None:
    options = {"url": "https://hooks.example/T0/token", "headers": {"X": "abcdef1"}}
    handlers = [{"id": "hook", "kind": "post", "options": options}]
    assert sorted(redaction.sensitive_values(handlers)) == ["abcdef1", "https://hooks.example/T0/token"]


class TestHost:
    def collect(self, **more: Any) -> Any:
        return MODULE.collect({"commands": {}, "files": {}, "requests": {}, "limit": 1000, "timeout": 5, **more})

    def test_what_cannot_be_had_is_named(self, tmp_path: Path) -> None:
        found = self.collect(
            commands={"gone": ["/no/such/program"]},
            files={"log": str(tmp_path / "gone.log")},
            requests={"influxdb": {"url": "http://127.0.0.1:9/ping"}},
        )
        assert found["texts"] == {}
        assert sorted(found["missing"]) == ["gone", "influxdb", "log"]
        assert all(found["missing"].values())

    def test_a_command_that_fails_still_tells(self) -> None:
        found = self.collect(commands={"logs": ["sh", "-c", "echo reason >&2; exit 3"]})
        assert found["texts"] == {"logs": "(exit code 3)\nreason\n"}

    def test_a_command_that_hangs_ends(self) -> None:
        found = self.collect(commands={"hangs": ["tail", "-f", "/dev/null"]}, timeout=1)
        assert list(found["missing"]) == ["hangs"]

    def test_files_of_a_folder_are_read_from_their_ends_and_links_are_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "one.conf").write_text("x" * 2000 + "end")
        (tmp_path / "link").symlink_to("/etc/passwd")
        found = self.collect(files={"config": str(tmp_path)})
        assert list(found["texts"]) == ["config/a/one.conf"]
        assert len(found["texts"]["config/a/one.conf"]) == 1000
        assert found["texts"]["config/a/one.conf"].endswith("end")


def test_a_service_without_an_image_is_named_with_the_reason(tmp_path: Path) -> None:
    services: dict[str, Any] = {
        "influxdb": {"image": {"name": "influxdb"}},
        "keeper": {},
        "grafana": {"image": {"name": "grafana"}, "optional": True},
    }
    record = tmp_path / "images.lock.json"
    assert diagnosis.diagnose_left_out(str(record), services, ["a", "b"]) == "nothing"
    images = {"influxdb": {"ref": "", "reason": "gone"}, "grafana": {"ref": "", "reason": "no way to docker.io"}}
    record.write_text(json.dumps({"hosts": {"a": {"grafana": {"ref": "grafana:11", "id": "1"}}, "b": images}}))
    assert diagnosis.diagnose_left_out(str(record), services, ["a", "b"]) == "grafana on b (no way to docker.io)"


def test_a_service_that_was_left_out_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "images.lock.json").write_text(
        json.dumps({"hosts": {"here": {"grafana": {"ref": "", "reason": "none"}, "chronograf": {"reason": "none"}}}})
    )
    results = [{"item": "grafana", "exists": False}, {"item": "chronograf", "exists": True}, {"item": "influxdb"}]
    more: dict[str, Any] = {"stack_record_dir": str(tmp_path), "__diagnose_containers": {"results": results}}
    assert list(value("__diagnose_left_out", "diagnose", **more)) == ["grafana", "chronograf"]
    here = value("__diagnose_here", "diagnose", **more)
    assert "grafana" not in here
    assert {"influxdb", "chronograf"} <= set(here)
    assert not [name for name in value("__diagnose_requests", "diagnose", **more) if name.startswith("grafana")]


class TestArchive:
    def run(self, folder: Path, told: Any, *, check: bool = False) -> Any:
        task = Task()
        task.args = {
            "path": str(folder / "stack-diagnosis.tar.gz"), "told": told, "about": {"stack": "stack"},
            "sensitive": {"handlers": [{"options": {"url": "https://hooks.example/abc"}}]},
        }  # fmt: skip
        task.check_mode, task.action = check, "test"
        loader = DataLoader()
        action = diagnose_archive.ActionModule(task, Mock(), None, loader, Templar(loader), None)
        variables = {
            "stack_secrets": {"one_password": "generated-one"},
            "stack_secrets_previous": {"one_password": "previous-one"},
            "secrets_given": {"two_password": "given-secret"},
        }  # fmt: skip
        return action.run(task_vars=variables)

    def read(self, folder: Path) -> dict[str, str]:
        with tarfile.open(folder / "stack-diagnosis.tar.gz") as archive:
            return {
                member.name.partition("/")[2]: stream.read().decode()
                for member in archive
                if (stream := archive.extractfile(member))
            }

    def test_no_secret_is_in_it(self, tmp_path: Path) -> None:
        words = ["generated-one", "previous-one", "given-secret", "https://hooks.example/abc"]
        text = "\n".join([*words, *(base64.b64encode(f"u:{word}".encode()).decode() for word in words)])
        self.run(tmp_path, {"here": {"texts": {"log": text}, "missing": {"x": f"refused {words[0]}"}}})
        files = self.read(tmp_path)
        redactor = redaction.Redactor(words)
        assert not [name for name, content in files.items() if redactor.leaks(content.encode())]
        assert (tmp_path / "stack-diagnosis.tar.gz").stat().st_mode & 0o777 == 0o600

    def test_it_names_what_is_missing(self, tmp_path: Path) -> None:
        told = {"here": {"texts": {"log": "fine"}, "missing": {"influxdb/version": "no connection"}}, "away": None}
        result = self.run(tmp_path, told)
        assert result["missing"] == [
            "missing: here/influxdb/version: no connection", "missing: all of away: the host was not reached",
        ]  # fmt: skip
        files = self.read(tmp_path)
        assert files["here/log"] == "fine"
        assert all(line in files["README"] for line in result["missing"])

    def test_a_secret_in_a_name_is_not_written(self, tmp_path: Path) -> None:
        with pytest.raises(AnsibleActionFail, match="Nothing was written"):
            self.run(tmp_path, {"here": {"texts": {"generated-one": "fine"}, "missing": {}}})
        assert list(tmp_path.iterdir()) == []

    def test_a_dry_run_writes_nothing(self, tmp_path: Path) -> None:
        self.run(tmp_path, {"here": {"texts": {"log": "fine"}, "missing": {}}}, check=True)
        assert list(tmp_path.iterdir()) == []


def test_a_host_that_was_not_reached_is_told_from_one_that_failed() -> None:
    variables: dict[str, dict[str, Any]] = {
        "a": {"told": {"texts": {"x": "y"}, "missing": {}}},
        "b": {"told": {"failed": True, "msg": "why"}},
        "c": {},
    }
    assert diagnosis.diagnose_told("abc", variables, "told") == {
        "a": {"texts": {"x": "y"}, "missing": {}}, "b": {"texts": {}, "missing": {"everything": "why"}}, "c": None,
    }  # fmt: skip


def test_every_service_is_asked_by_the_user_who_may() -> None:
    requests = value("__diagnose_requests", "diagnose", stack_secrets=SECRETS)
    assert {name: request["url"] for name, request in requests.items()} == {
        "influxdb/version": "http://127.0.0.1:8086/ping",
        "influxdb/metrics.txt": "http://127.0.0.1:8086/metrics",
        "influxdb/diagnostics.json": "http://127.0.0.1:8086/query?q=SHOW%20DIAGNOSTICS",
        "influxdb/stats.json": "http://127.0.0.1:8086/query?q=SHOW%20STATS",
        "influxdb/databases.json": "http://127.0.0.1:8086/query?q=SHOW%20DATABASES",
        "influxdb/users.json": "http://127.0.0.1:8086/query?q=SHOW%20USERS",
        "kapacitor/version": "http://127.0.0.1:9092/kapacitor/v1/ping",
        "kapacitor/tasks.json": "http://127.0.0.1:9092/kapacitor/v1/tasks?limit=1000",
        "kapacitor/topics.json": "http://127.0.0.1:9092/kapacitor/v1/alerts/topics",
        "kapacitor/metrics.json": "http://127.0.0.1:9092/kapacitor/v1/debug/vars",
        "console/health.json": "http://127.0.0.1:3080/health",
        "grafana/health.json": "http://127.0.0.1:3000/api/health",
    }
    assert set(requests["console/health.json"]) == {"url", "ca_path"}
    metrics = value("__diagnose_requests", "diagnose", keeper_metrics_port=9100)["keeper/metrics.txt"]
    assert metrics == {"url": "http://127.0.0.1:9100/metrics", "ca_path": ""}
    assert requests["influxdb/users.json"]["password"] == SECRETS["influxdb_admin_password"]
    assert requests["kapacitor/tasks.json"]["password"] == SECRETS["kapacitor_admin_password"]
    commands = value("__diagnose_commands", "diagnose")
    logs = {"influxdb/container.log", "kapacitor/container.json", "console/container.log", "keeper/findings.json"}
    assert logs <= set(commands)


def test_secrets_in_variables_of_other_roles_are_known_where_the_inventory_gives_them() -> None:
    points = [{"name": "on call", "type": "slack", "settings": {"url": "https://hooks.example/T0/abcdef"}}]
    users = [{"name": "guest", "password": "password of a guest"}]
    sensitive = value("__diagnose_sensitive", "diagnose", grafana_contact_points=points, influxdb_users=users)
    found = set(redaction.sensitive_values(sensitive))
    assert found >= {"https://hooks.example/T0/abcdef", "password of a guest"}
    assert value("__diagnose_sensitive", "diagnose")["given"] == []
