"""A rotation of secrets: what it begins, how it goes on after an interruption, and what it checks at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.influx_anomaly.stack.plugins.action import secrets_rotate, stack_secrets
from ansible_collections.influx_anomaly.stack.plugins.filter import rotation
from ansible_collections.influx_anomaly.stack.plugins.modules import influxdb_schema
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import secret_files

from tests.ansible.rendering import HOST, SECRETS, value

NAMES = ["one_password", "two_password"]
SCHEMA: Any = influxdb_schema


def run(plugin: Any, folder: Path, *, check: bool = False, loader: DataLoader | None = None, **more: Any) -> Any:
    """Run one of the two action plugins as Ansible does, without a host."""
    task = Task()
    task.args = {"folder": str(folder), "names": NAMES, "given": {}, "length": 40, **more}
    task.check_mode, task.action = check, "test"
    loader = loader or DataLoader()
    return plugin.ActionModule(task, Mock(), None, loader, Templar(loader), None).run(task_vars={})


def begun(folder: Path, **more: Any) -> list[str]:
    names: list[str] = run(secrets_rotate, folder, **more)["begun"]
    return names


class TestFiles:
    def test_a_rotation_keeps_the_old_secret_at_hand(self, tmp_path: Path) -> None:
        old = run(stack_secrets, tmp_path)["secrets"]
        assert begun(tmp_path, names=NAMES[:1]) == NAMES[:1]
        read = run(stack_secrets, tmp_path, generate=False)
        assert read["previous"] == {NAMES[0]: old[NAMES[0]]}
        assert read["secrets"][NAMES[1]] == old[NAMES[1]]
        assert read["secrets"][NAMES[0]] != old[NAMES[0]]
        assert len(read["secrets"][NAMES[0]]) == 40

    def test_only_the_owner_reads_both(self, tmp_path: Path) -> None:
        run(stack_secrets, tmp_path)
        begun(tmp_path)
        assert secret_files.too_open(tmp_path) == []

    def test_a_rotation_that_has_begun_goes_on(self, tmp_path: Path) -> None:
        run(stack_secrets, tmp_path)
        begun(tmp_path)
        before = run(stack_secrets, tmp_path)
        assert begun(tmp_path) == []
        assert run(stack_secrets, tmp_path) == before

    @pytest.mark.parametrize("writes", range(2))
    def test_an_interruption_at_any_write_loses_no_secret(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
    ) -> None:
        old = run(stack_secrets, tmp_path)["secrets"][NAMES[0]]
        replace = Path.replace
        done: list[Path] = []

        def interrupted(draft: Path, target: Path) -> Path:
            if len(done) == writes:
                raise KeyboardInterrupt
            done.append(target)
            return replace(draft, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", interrupted)
            with pytest.raises(KeyboardInterrupt):
                secret_files.rotate(tmp_path, NAMES[0], lambda: "new-secret\n")
        assert (tmp_path / NAMES[0]).read_text() == f"{old}\n"
        assert secret_files.rotate(tmp_path, NAMES[0], lambda: "new-secret\n")
        assert (tmp_path / NAMES[0]).read_text() == "new-secret\n"
        assert (tmp_path / secret_files.PREVIOUS / NAMES[0]).read_text() == f"{old}\n"
        assert not [path for path in tmp_path.rglob(".*") if path.name not in (".gitignore", secret_files.PREVIOUS)]

    def test_a_dry_run_writes_nothing(self, tmp_path: Path) -> None:
        before = run(stack_secrets, tmp_path)["secrets"]
        assert run(secrets_rotate, tmp_path, check=True)["changed"] is True
        assert run(stack_secrets, tmp_path, generate=False)["secrets"] == before
        assert not (tmp_path / secret_files.PREVIOUS).exists()

    def test_an_encrypted_file_stays_encrypted(self, tmp_path: Path) -> None:
        loader = DataLoader()
        loader.set_vault_secrets([("default", VaultSecret(b"a-passphrase"))])
        file = tmp_path / NAMES[0]
        file.write_bytes(loader._vault.encrypt("old-secret"))
        begun(tmp_path, names=NAMES[:1], loader=loader)
        assert file.read_text().startswith("$ANSIBLE_VAULT;")
        read = run(stack_secrets, tmp_path, names=NAMES[:1], loader=loader, generate=False)
        assert read["previous"] == {NAMES[0]: "old-secret"}
        assert len(read["secrets"][NAMES[0]]) == 40


class TestPlan:
    SERVICES = value("stack_services", "rotate")
    GROUPS = {name: [HOST] for name in ("influxdb", "kapacitor", "grafana", "chronograf")}  # noqa: RUF012
    ALL = ("influxdb", "kapacitor", "console", "grafana", "chronograf")

    def plan(self, wanted: Any = (), **more: Any) -> Any:
        told = {HOST: {"enabled": more.pop("enabled", self.ALL), "running": more.pop("running", self.ALL)}}
        arguments = {"groups": self.GROUPS, "given": [], "pending": [], "external": "", "manage": True, **more}
        return rotation.rotation_plan(wanted, self.SERVICES, told=told, **arguments)

    def test_all_secrets_by_default(self) -> None:
        assert sorted(self.plan()["names"]) == sorted(SECRETS)

    def test_names_are_a_list_or_separated_by_commas(self) -> None:
        names = ["influxdb_reader_password", "grafana_admin_password"]
        assert self.plan(names)["names"] == self.plan(", ".join(names))["names"] == names

    def test_an_unknown_name_is_refused_with_the_nearest_and_the_list(self) -> None:
        (problem,) = self.plan("influxdb_raeder_password")["problems"]
        assert "did you mean influxdb_reader_password?" in problem
        assert all(name in problem for name in SECRETS)

    def test_a_given_secret_is_left_out_or_refused(self) -> None:
        name = "kapacitor_admin_password"
        plan = self.plan(given=[name])
        assert (name in plan["names"], plan["problems"]) == (False, [])
        assert "secrets_given" in plan["left_out"][name]
        assert "secrets_given" in self.plan(name, given=[name])["problems"][0]

    def test_the_admin_of_an_external_kapacitor_is_not_the_stacks(self) -> None:
        plan = self.plan(external_kapacitor="http://192.0.2.7:9092")
        assert plan["problems"] == []
        tokens = "kapacitor_subscription_tokens"
        assert list(plan["left_out"]) == ["kapacitor_admin_password", "kapacitor_http_shared_secret", tokens]
        assert "your Kapacitor http://192.0.2.7:9092" in plan["left_out"]["kapacitor_admin_password"]
        assert "its subscriptions are gone" in plan["left_out"][tokens]
        assert not plan["tokens"]

    def test_the_admin_of_an_external_influxdb_is_not_the_stacks(self) -> None:
        groups = {**self.GROUPS, "influxdb": []}
        plan = self.plan(groups=groups, external="http://influx.example:8086")
        assert list(plan["left_out"]) == ["influxdb_admin_password"]
        assert "influxdb_reader_password" in plan["names"]

    def test_the_users_of_an_influxdb_that_the_stack_does_not_manage_are_left_alone(self) -> None:
        groups = {**self.GROUPS, "influxdb": []}
        plan = self.plan(groups=groups, external="http://influx.example:8086", manage=False)
        assert not [name for name in plan["names"] if name.startswith("influxdb")]
        assert "influxdb_manage" in plan["left_out"]["influxdb_writer_password"]

    def test_a_service_that_is_down_is_not_locked_out(self) -> None:
        plan = self.plan(running=("influxdb", "console", "grafana", "chronograf"))
        (problem,) = plan["problems"]
        assert "Kapacitor does not run on here" in problem

    def test_an_optional_service_that_is_not_there_stops_no_other(self) -> None:
        plan = self.plan(running=("influxdb", "kapacitor", "console"))
        assert plan["problems"] == []
        assert sorted(plan["left_out"]) == ["chronograf_admin_password", "grafana_admin_password"]

    def test_a_service_that_is_switched_off_keeps_its_secret(self) -> None:
        plan = self.plan(enabled=("influxdb",), running=("influxdb",))
        assert plan["problems"] == []
        assert "kapacitor_enabled" in plan["left_out"]["kapacitor_admin_password"]

    def test_what_an_earlier_run_began_is_said_and_not_begun_again(self) -> None:
        plan = self.plan("influxdb_reader_password", pending=["influxdb_writer_password"])
        assert (plan["names"], plan["pending"]) == (["influxdb_reader_password"], ["influxdb_writer_password"])
        assert "goes on with influxdb_writer_password" in rotation.rotation_summary(plan)[0]

    def test_the_tokens_of_subscriptions_are_among_all_secrets_and_have_no_file(self) -> None:
        plan = self.plan()
        assert plan["tokens"] is True
        assert "kapacitor_subscription_tokens" not in plan["names"]

    def test_the_tokens_of_subscriptions_are_rotated_alone_when_they_are_named(self) -> None:
        plan = self.plan("kapacitor_subscription_tokens")
        assert (plan["names"], plan["tokens"], plan["problems"]) == ([], True, [])
        assert rotation.rotation_summary(plan) == ["New secrets: kapacitor_subscription_tokens."]

    def test_the_tokens_of_subscriptions_stay_when_another_secret_is_named(self) -> None:
        assert self.plan("influxdb_reader_password")["tokens"] is False

    def test_the_tokens_of_a_kapacitor_that_does_not_run_are_left_out_or_refused(self) -> None:
        away = {"running": ("influxdb", "console")}
        (problem,) = self.plan("influxdb_reader_password,kapacitor_subscription_tokens", **away)["problems"]
        assert problem.startswith("rotate_secrets = kapacitor_subscription_tokens: Kapacitor does not run on ")
        assert problem.endswith("playbooks/site.yml and then this again, or name only other secrets in rotate_secrets")
        off = self.plan(enabled=("influxdb",), running=("influxdb",))
        assert off["tokens"] is False
        assert "kapacitor_enabled" in off["left_out"]["kapacitor_subscription_tokens"]

    def test_programs_outside_of_the_stack_are_named(self) -> None:
        lines = rotation.rotation_lines(["influxdb_writer_password", "influxdb_trainer_password"], self.SERVICES, "/s")
        assert len(lines) == 1
        assert "/s/influxdb_writer_password" in lines[0]
        assert "Telegraf" in lines[0]


class TestChecks:
    SERVICES = value("stack_services", "rotate")
    USERS = value("__rotate_users", "rotate")
    URLS = value("__rotate_urls", "rotate")

    def checks(self, previous: dict[str, str], current: dict[str, str], urls: dict[str, str]) -> list[dict[str, Any]]:
        return rotation.rotation_checks(previous, current, self.SERVICES, self.USERS, urls)

    def test_each_new_secret_is_tried_before_its_old_one(self) -> None:
        name = "kapacitor_admin_password"
        checks = self.checks({name: "old"}, {name: "new"}, self.URLS)
        assert [(check["value"], check["is_old"]) for check in checks] == [("new", False), ("old", True)]

    def test_every_secret_that_a_service_asks_for_is_checked(self) -> None:
        checks = self.checks(SECRETS, SECRETS, self.URLS)
        assert {check["secret"] for check in checks} == set(SECRETS) - {"console_session_secret"}
        assert {(check["who"], check["url"]) for check in checks} == {
            ("InfluxDB", "http://127.0.0.1:8086/query?q=SHOW%20DATABASES"),
            ("Kapacitor", "http://127.0.0.1:9092/kapacitor/v1/ping"),
            ("Console", "http://127.0.0.1:3080/api/pipelines"),
            ("Grafana", "http://127.0.0.1:3000/api/user"),
            ("Chronograf", "http://127.0.0.1:8888/chronograf/v1/sources"),
        }
        users = {check["secret"]: check["username"] for check in checks}
        assert (users["influxdb_reader_password"], users["kapacitor_http_shared_secret"]) == ("reader", "admin")

    def test_the_first_kapacitors_host_asks_an_external_influxdb(self) -> None:
        more: dict[str, Any] = {"influxdb_external_url": "http://influx.example:8086"}
        groups = {"influxdb": [], "kapacitor": ["other", HOST], "grafana": [HOST], "chronograf": []}
        more["group_names"] = ["kapacitor", "grafana"]
        assert "influxdb" not in value("__rotate_urls", "rotate", groups=groups, **more)
        urls = value("__rotate_urls", "rotate", groups={**groups, "kapacitor": [HOST, "other"]}, **more)
        assert urls["influxdb"] == "http://influx.example:8086/query?q=SHOW%20DATABASES"

    def test_a_host_asks_its_own_services_only(self) -> None:
        checks = self.checks(SECRETS, SECRETS, {"kapacitor": "http://kapacitor"})
        assert {check["who"] for check in checks} == {"Kapacitor"}

    @pytest.mark.parametrize(
        ("is_old", "status", "words"),
        [
            (True, 401, ""),
            (False, 200, ""),
            (False, 204, ""),
            (True, 200, "still takes the old"),
            (False, 401, "refuses the new"),
            (True, -1, "does not answer"),
            (True, 500, "HTTP 500"),
        ],
    )
    def test_only_a_refusal_of_the_old_and_a_welcome_of_the_new_are_well(
        self, is_old: bool, status: int, words: str
    ) -> None:
        item = {"secret": "one_password", "is_old": is_old, "who": "InfluxDB", "value": "hidden-value"}
        found = rotation.rotation_findings([{"item": item, "status": status}])
        assert bool(found) == bool(words)
        assert all(words in problem for problem in found)
        assert "hidden-value" not in str(found)


class Asked:
    """An InfluxDB in which each user has one password, and which notes statements as `user: statement`."""

    def __init__(self, passwords: dict[str, str]) -> None:
        self.passwords = passwords
        self.statements: list[str] = []

    def client(self, username: str, password: str) -> Any:
        outer = self

        class Client(SCHEMA.InfluxApi):  # type: ignore[misc]
            def version(self) -> str:
                return "1.12.4"

            def as_user(self, username: str, password: str) -> Any:
                return outer.client(username, password)

            def query(self, statement: str) -> list[dict[str, Any]]:
                if outer.passwords.get(username) != password:
                    raise SCHEMA.InfluxApiError("authorization failed", status=401)
                if statement.startswith("SHOW USERS"):
                    rows = [[name, name == "admin"] for name in outer.passwords]
                    return [{"series": [{"columns": ["user", "admin"], "values": rows}]}]
                if statement.startswith("SET PASSWORD"):
                    name, word = statement.split('"')[1], statement.split("'")[1]
                    outer.passwords[name] = word
                    outer.statements.append(statement)
                return [{}]

        return Client("http://influx.invalid", username, password)


class TestSchema:
    USER: dict[str, Any] = {  # noqa: RUF012
        "name": "reader", "password": "new-reader", "previous_password": "old-reader", "admin": False, "grants": {},
    }  # fmt: skip

    def run(self, influx: Asked, check: bool = False, **more: Any) -> Any:
        params = {
            "username": "admin", "password": "new-admin", "previous_password": "old-admin", "databases": [],
            "users": [self.USER], "take_over": [], **more,
        }  # fmt: skip
        return SCHEMA.run(influx.client("admin", params["password"]), params, check)

    @pytest.mark.parametrize("admin", ["old-admin", "new-admin"])
    @pytest.mark.parametrize("reader", ["old-reader", "new-reader"])
    def test_wherever_a_rotation_was_interrupted_all_have_the_new_ones(self, admin: str, reader: str) -> None:
        influx = Asked({"admin": admin, "reader": reader})
        result = self.run(influx)
        assert influx.passwords == {"admin": "new-admin", "reader": "new-reader"}
        assert len(result["statements"]) == (admin == "old-admin") + (reader == "old-reader")
        assert "new-" not in str(result)

    def test_a_dry_run_changes_nothing_and_says_all(self) -> None:
        influx = Asked({"admin": "old-admin", "reader": "old-reader"})
        result = self.run(influx, check=True)
        assert influx.statements == []
        assert result["statements"] == [f"SET PASSWORD FOR \"{name}\" = '…'" for name in ("admin", "reader")]

    def test_an_account_with_a_third_password_is_somebody_elses(self) -> None:
        influx = Asked({"admin": "new-admin", "reader": "theirs"})
        with pytest.raises(SCHEMA.ForeignAccountsError):
            self.run(influx)
        assert influx.statements == []

    def test_an_admin_with_a_third_password_is_refused(self) -> None:
        with pytest.raises(SCHEMA.InfluxApiError, match="authorization failed"):
            self.run(Asked({"admin": "third", "reader": "old-reader"}))
