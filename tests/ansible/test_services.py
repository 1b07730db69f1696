"""A service is one row: what the roles of the whole stack do with it follows from the row."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible.template import trust_as_template
from ansible_collections.influx_anomaly.stack.plugins.filter.services import (
    load_table,
    service_urls,
    services_checks,
    services_data,
    services_files,
    services_folders,
    services_of,
    services_running,
    services_versions,
    stack_hosts,
    summary_hosts,
)
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.checks import inventory_problems
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.host import ports as port_problems
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.inventory import Inventory
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.wanted import wanted

from tests.ansible.inventories import ONE, OPTIONS, TABLE, host
from tests.ansible.rendering import HOST, ROOT, SECRETS, render, value

# The row of a service that does not exist, and what users would set of it.
ROW: dict[str, Any] = {
    "title": "Madeup",
    "group": "madeup",
    "optional": True,
    "enabled": "{{ madeup_enabled }}",
    "uid": 1777,
    "gid": 1778,
    "image": {"name": "madeup", "repository": "somebody/madeup"},
    "version": "{{ madeup_version }}",
    "supported": {"series": "3", "oldest": "3.1.0", "wrong": "is too old", "fix": "3.1.4 or newer"},
    "port": "{{ madeup_port }}",
    "needs": ["influxdb"],
    "folders": {"config/madeup": "0750", "data/madeup": "0700", "log/madeup": "0750"},
    "files": {"log/madeup/madeup.log": "0640"},
    "secrets": ["madeup_admin_password"],
    "accounts": {"admin": {"username": "boss", "secret": "madeup_admin_password"}},
    "note": "user boss",
    "login": "/who",
    "checks": ["madeup"],
    "backup": ["madeup"],
}
GROUPS = {name: [HOST] for name in ("influxdb", "kapacitor", "grafana", "chronograf", "madeup", "all")}


def see(name: str, role: str, **more: Any) -> Any:
    """Return the value of a role's variable on a host that is in the made-up service's group, too."""
    variables = {
        "madeup_enabled": True,
        "madeup_version": "3.1.4",
        "madeup_port": 4000,
        "groups": GROUPS,
        "group_names": [group for group in GROUPS if group != "all"],
        "stack_services": trusted({**load_table(), "madeup": ROW}),
        "stack_secrets": {**SECRETS, "madeup_admin_password": "secret-of-madeup"},
        "images_resolved": {"madeup": "somebody/madeup:3.1.4"},
        "inventory_dir": "/inventory",
        "ansible_connection": "local",
    }
    return value(name, role, **{**variables, **more})


def trusted(node: Any) -> Any:
    """Return a structure whose strings are templates, as those of a role's own files are."""
    if isinstance(node, dict):
        return {key: trusted(entry) for key, entry in node.items()}
    if isinstance(node, list):
        return [trusted(entry) for entry in node]
    return trust_as_template(node) if isinstance(node, str) else node


class TestAMadeUpService:
    def test_has_an_image(self) -> None:
        assert see("__images_needed", "images")["madeup"] == {"version": "3.1.4", "optional": True}
        assert see("images_repositories", "images")["madeup"] == "somebody/madeup"
        assert "madeup" not in see("__images_needed", "images", madeup_enabled=False)

    def test_has_its_folders_and_files(self) -> None:
        folders = services_folders(see("__directories_here", "directories"))
        assert [folder for folder in folders if folder["path"].endswith("/madeup")] == [
            {"path": "config/madeup", "uid": 0, "gid": 1778, "mode": "0750"},
            {"path": "data/madeup", "uid": 1777, "gid": 1778, "mode": "0700"},
            {"path": "log/madeup", "uid": 1777, "gid": 1778, "mode": "0750"},
        ]
        assert services_files(see("__directories_here", "directories"))[-1]["path"] == "log/madeup/madeup.log"

    def test_has_its_secrets(self) -> None:
        assert "madeup_admin_password" in see("__secrets_names", "secrets")

    def test_is_torn_down(self) -> None:
        assert "data/madeup" in see("__teardown_data_folders", "teardown")
        there = {**GROUPS, "madeup": ["there"]}
        assert see("__teardown_everywhere", "teardown", ansible_play_hosts=[HOST]) is True
        assert see("__teardown_everywhere", "teardown", ansible_play_hosts=[HOST], groups=there) is False

    def test_is_backed_up_and_removed_first_for_a_restore(self) -> None:
        assert "madeup" in see("__backup_parts", "backup")
        containers = see("__restore_containers", "restore")
        assert containers == ["madeup", "chronograf", "grafana", "console", "keeper", "kapacitor", "influxdb"]
        assert see("__restore_versions", "restore")["madeup"] == "3.1.4"

    def test_is_asked_whether_it_takes_a_new_secret(self) -> None:
        assert "madeup" in see("__rotate_enabled", "rotate")
        previous = {"madeup_admin_password": "old"}
        check = "stack_secrets_previous | rotation_checks(stack_secrets, stack_services, __rotate_users, __rotate_urls)"
        new, old = see(check, "rotate", stack_secrets_previous=previous)
        assert (new["value"], old["value"]) == ("secret-of-madeup", "old")
        assert (new["who"], new["url"], new["username"]) == ("Madeup", "http://127.0.0.1:4000/who", "boss")

    def test_is_diagnosed(self) -> None:
        commands = see("__diagnose_commands", "diagnose", __diagnose_stamp="now")
        assert commands["madeup/container.json"] == ["docker", "inspect", "anomaly-madeup"]
        assert not [name for name in see("__diagnose_requests", "diagnose") if name.startswith("madeup")]

    def test_is_verified(self) -> None:
        assert "madeup" in see("__verify_wanted", "verify")
        containers = {"results": [{"item": "madeup", "exists": True, "container": {"State": {"Status": "exited"}}}]}
        finding = {"what": "Madeup answers", "ok": False, "problem": "it is silent"}
        more = {"__verify_containers": containers, "__madeup_findings": [finding]}
        assert see("__verify_roles", "verify", **more) == ["madeup"]
        assert [found["what"] for found in see("__verify_found", "verify", **more)] == [
            "Container anomaly-madeup is healthy",
            "Madeup answers",
        ]

    def test_is_in_the_summary(self) -> None:
        summary = see("__summary_content", "summary")["madeup"]
        assert summary == {
            "url": "http://127.0.0.1:4000",
            "username": "boss",
            "password_file": "/inventory/secrets/anomaly/madeup_admin_password",
            "reason": "",
        }
        assert "Madeup      http://127.0.0.1:4000  (user boss)" in see("__summary_lines", "summary")

    def test_is_left_out_of_the_summary_without_an_image(self) -> None:
        more = {"images_resolved": {"madeup": ""}, "images_reasons": {"madeup": "nobody has it"}}
        assert see("__summary_content", "summary", **more)["madeup"]["url"] is None
        assert "Madeup      left out: nobody has it" in see("__summary_lines", "summary", **more)

    def inventory(self, **variables: Any) -> Inventory:
        one = host("one", **variables)
        values = {"madeup_enabled": True, "madeup_version": "3.1.4", "madeup_port": 4000, **variables}
        one = type(one)(one.name, {**one.effective, **values}, one.supplied)
        groups = {"all": ["one"], **ONE, "madeup": ["one"]}
        return Inventory({"one": one}, groups, {**TABLE, "madeup": ROW})

    def problems(self, **variables: Any) -> list[str]:
        return inventory_problems(self.inventory(**variables), OPTIONS, [], lambda _: [], ROOT, ROOT)

    def test_preflight_looks_at_its_port_and_its_container(self) -> None:
        checked = self.inventory()
        asked = wanted(checked, checked.hosts["one"])
        assert asked["ports"]["madeup_port"] == 4000
        assert "anomaly-madeup" in asked["containers"]
        listeners = {"4000": {"addresses": ["127.0.0.1"], "process": "nc (pid 7)"}}
        (problem,) = port_problems(asked["ports"], "127.0.0.1", listeners, [], "anomaly")
        assert problem.text().startswith("madeup_port = 4000: the port is in use by the process nc (pid 7)")

    def test_preflight_refuses_its_wrong_values(self) -> None:
        assert self.problems() == []
        for variable, wrong, said in (
            ("madeup_port", 8086, "influxdb_port is the same"),
            ("madeup_port", 0, "is not a port"),
            ("madeup_version", "latest", "is not an exact version"),
            ("madeup_version", "2.0.0", "is not a 3.x version"),
            ("madeup_version", "3.0.9", "is too old. Fix: 3.1.4 or newer"),
        ):
            (problem,) = self.problems(**{variable: wrong})
            assert problem.startswith(f"{variable} = {wrong}: ")
            assert said in problem


class TestTheTable:
    def test_users_of_images_are_the_users_of_rows(self) -> None:
        """The number stands in the table; Dockerfiles, which are built without Ansible, repeat it."""
        rows = {row["image"]["name"]: row for row in TABLE.values() if "image" in row}
        for name in ("influxdb", "kapacitor", "kapacitor-python"):
            row = rows[name if name in rows else "kapacitor-python"]
            text = (ROOT / "images" / name / "Dockerfile").read_text(encoding="utf-8")
            assert set(re.findall(r"(?:--uid|-o|USER) (\d+)", text)) == {str(row["uid"])}, name
            assert set(re.findall(r"(?:--gid|-g|USER \d+:)\s*(\d+)", text)) == {str(row["gid"])}, name
        checks = (ROOT / "images" / "driver" / "checks.py").read_text(encoding="utf-8")
        assert f'"--user", "{rows["influxdb"]["uid"]}:{rows["influxdb"]["gid"]}"' in checks

    def test_no_role_repeats_a_users_number(self) -> None:
        numbers = {str(row["uid"]) for row in TABLE.values()}
        repeated = [
            f"{path.relative_to(ROOT)}: {line}"
            for path in ROOT.glob("roles/*/*/**/*.yml")
            if path != ROOT / "roles/stack/vars/main/services.yml"
            for line in path.read_text(encoding="utf-8").splitlines()
            if set(re.findall(r"(?<![\d.])\d+(?![\d.])", line)) & numbers and "owner" in line + "uid"
        ]
        assert [line for line in repeated if re.search(r"uid|gid|owner|group|user", line)] == []

    def test_every_published_service_has_what_users_set(self) -> None:
        defaults = yaml.safe_load((ROOT / "roles/stack/defaults/main/services.yml").read_text(encoding="utf-8"))
        for name, row in TABLE.items():
            assert f"{name}_enabled" in defaults
            if "port" in row:
                assert {f"{name}_port", f"{name}_container"} <= set(defaults)
            if "image" in row:
                assert f"{name}_version" in defaults

    def test_every_secret_of_an_account_is_one_of_its_service(self) -> None:
        for row in TABLE.values():
            assert {account["secret"] for account in row.get("accounts", {}).values()} <= set(row.get("secrets", []))

    def test_names_in_rows_exist(self) -> None:
        for row in TABLE.values():
            assert set(row.get("needs", [])) <= set(TABLE)
            for role in row.get("checks", []):
                assert (ROOT / "roles" / role / "tasks" / "verify.yml").is_file()

    def test_only_a_wanted_row_is_looked_into(self) -> None:
        """A row may ask what is wrong on a host that has none of its group."""
        found = see("stack_services | services_running(['grafana'])", "stack", influxdb_external_url="{{ wrong }}")
        assert list(found) == ["grafana"]


class TestHosts:
    def test_the_parent_group_wins(self) -> None:
        assert stack_hosts({"influx_anomaly": ["a", "b"], "influxdb": ["a"]}) == ["a", "b"]

    def test_without_it_the_services_groups_are_joined(self) -> None:
        groups = {"influxdb": ["a"], "kapacitor": ["b", "a"], "chronograf": ["c"], "telegraf": ["d"]}
        assert stack_hosts(groups) == ["a", "b", "c"]

    def test_an_inventory_without_any_host_is_a_pattern_that_matches_nothing(self) -> None:
        assert stack_hosts({"all": ["d"], "telegraf": ["d"]}) == ["influxdb", "kapacitor", "grafana", "chronograf"]

    def test_an_inventory_of_before_runs_on_the_same_hosts(self) -> None:
        for name in ("local", "cluster"):
            hosts = yaml.safe_load((ROOT / "inventory" / name / "hosts.yml").read_text(encoding="utf-8"))["all"]
            children = {group: list(body.get("hosts") or {}) for group, body in hosts["children"].items()}
            assert set(hosts["children"]["influx_anomaly"]["children"]) == {row["group"] for row in TABLE.values()}
            assert set(stack_hosts(children)) == set(hosts["hosts"])


class TestRows:
    def test_a_host_has_the_rows_of_its_groups(self) -> None:
        assert list(services_of(TABLE, ["kapacitor", "other"])) == ["kapacitor", "keeper", "console"]

    def test_what_is_switched_off_does_not_run(self) -> None:
        table: dict[str, dict[str, Any]] = {
            "a": {"group": "a", "enabled": False},
            "b": {"group": "b", "enabled": True},
            "c": {"group": "c"},
        }
        assert list(services_running(table, ["a", "b", "c"])) == ["b", "c"]

    def test_parents_come_first_and_belong_to_root(self) -> None:
        folders = services_folders({"a": {"uid": 7, "gid": 8, "folders": {"log/a": "0750"}}})
        assert [(folder["path"], folder["uid"]) for folder in folders] == [
            ("", 0), ("config", 0), ("data", 0), ("log", 0), ("log/a", 7),
        ]  # fmt: skip

    def test_versions_are_those_of_services_with_images(self) -> None:
        assert services_versions({"a": {"version": 1.8}, "b": {}}) == {"a": "1.8"}

    def test_data_is_what_lies_below_data(self) -> None:
        assert services_data(TABLE) == [
            "data/influxdb", "data/influxdb/volume", "data/kapacitor", "data/kapacitor/volume", "data/models",
            "data/state", "data/keeper", "data/grafana", "data/chronograf",
        ]  # fmt: skip

    def test_checks_come_in_the_order_of_the_services(self) -> None:
        assert services_checks(TABLE, ["influxdb", "kapacitor", "keeper", "console"]) == [
            "influxdb", "kapacitor", "pipelines", "train", "keeper", "console",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://there:9092"),
        ({"ansible_host": "192.0.2.7"}, "http://192.0.2.7:9092"),
        ({"ansible_host": "192.0.2.7", "stack_address": "kap.example"}, "http://kap.example:9092"),
        ({"kapacitor_port": 19092}, "http://there:19092"),
    ],
)
def test_a_service_elsewhere_is_reached_by_its_hosts_own_address(variables: dict[str, Any], url: str) -> None:
    assert service_urls(["there"], {"there": variables}, "kapacitor", 9092, {}) == {"there": url}


def test_a_service_here_is_reached_by_the_given_url() -> None:
    assert service_urls(["here"], {"here": {}}, "kapacitor", 9092, {"here": "http://c:9092"}) == {
        "here": "http://c:9092"
    }


SUMMARY = """The stack anomaly is up.
InfluxDB    http://127.0.0.1:8086  (user writer writes, reader reads, admin administers)
Kapacitor   http://127.0.0.1:9092  (user admin)
Console     http://127.0.0.1:3080  (user viewer looks, operator also gives feedback and switches models)
Grafana     left out: grafana_enabled is false
Chronograf  http://127.0.0.1:8888  (user admin)
Pipelines   none; results in the database anomaly
Passwords   one file each in /inventory/secrets/anomaly
"""


def test_the_summary_reads_as_before() -> None:
    more: dict[str, Any] = {"inventory_dir": "/inventory", "ansible_connection": "local"}
    text = render(
        "roles/summary/templates/summary.txt.j2",
        "summary",
        grafana_enabled=False,
        images_resolved={"chronograf": "c:1"},
        **more,
    )
    assert text.startswith(SUMMARY)


def test_the_summary_ends_with_a_command_that_works_as_typed() -> None:
    more: dict[str, Any] = {"inventory_dir": "/my inventory", "ansible_inventory_sources": ["/my inventory"]}
    text = render("roles/summary/templates/summary.txt.j2", "summary", **more)
    last = text.rstrip().splitlines()[-1]
    assert last == "Next        .venv/bin/ansible-playbook playbooks/train.yml -i '/my inventory'"


def test_the_summary_names_the_users_own_influxdb() -> None:
    more: dict[str, Any] = {"inventory_dir": "/inventory", "influxdb_external_url": "http://influx.example:8086"}
    assert "InfluxDB    http://influx.example:8086  (your own)" in value("__summary_lines", "summary", **more)
    content = value("__summary_content", "summary", **more)
    assert content["influxdb"]["url"] == "http://influx.example:8086"
    assert content["kapacitor"]["urls"] == ["http://127.0.0.1:9092"]
    assert content["grafana"]["reason"] == ""


def test_the_console_is_on_each_host_of_a_kapacitor() -> None:
    more: dict[str, Any] = {"inventory_dir": "/inventory", "ansible_connection": "local"}
    content = value("__summary_content", "summary", **more)["console"]
    assert (content["urls"], content["reason"]) == (["http://127.0.0.1:3080"], "")
    assert content["operator"] == {
        "username": "operator",
        "password_file": "/inventory/secrets/anomaly/console_operator_password",
    }


def test_a_console_that_is_switched_off_is_left_out() -> None:
    more: dict[str, Any] = {"inventory_dir": "/inventory", "console_enabled": False}
    assert "Console     left out: console_enabled is false" in value("__summary_lines", "summary", **more)
    assert value("__summary_content", "summary", **more)["console"]["urls"] == []


def test_a_service_that_only_its_host_reaches_says_so() -> None:
    groups = {"influxdb": ["there"], "kapacitor": [HOST], "grafana": [], "chronograf": []}
    lines = value("__summary_lines", "summary", groups=groups, inventory_dir="/inventory")
    assert lines[0].startswith("InfluxDB    http://127.0.0.1:8086  (only on there itself; user writer writes")
    assert "Grafana     left out: no host is in the group grafana" in lines


@pytest.mark.parametrize(
    ("variables", "reach"),
    [
        ({"ansible_connection": "local"}, []),
        ({}, ["ssh", "edge"]),
        (
            {
                "ansible_host": "10.0.0.2",
                "ansible_port": 2222,
                "ansible_user": "admin",
                "ansible_ssh_private_key_file": "/keys/edge",
                "ansible_ssh_common_args": "-o ProxyJump='a b'",
            },
            ["ssh", "-p", "2222", "-i", "/keys/edge", "-l", "admin", "-o", "ProxyJump=a b", "10.0.0.2"],
        ),
        ({"ansible_connection": "community.docker.docker"}, None),
    ],
)
def test_the_summary_tells_how_a_host_is_reached(variables: dict[str, Any], reach: list[str] | None) -> None:
    hosts = summary_hosts(load_table(), {"kapacitor": ["edge"], "influxdb": []}, {"edge": variables})
    assert hosts == {"edge": {"services": ["kapacitor", "keeper", "console"], "reach": reach}}


def test_the_summary_names_the_users_own_kapacitor() -> None:
    more: dict[str, Any] = {"inventory_dir": "/inventory", "kapacitor_external_url": "http://192.0.2.7:9092"}
    assert "Kapacitor   http://192.0.2.7:9092  (your own; user admin)" in value("__summary_lines", "summary", **more)
    assert value("__summary_content", "summary", **more)["kapacitor"]["urls"] == ["http://192.0.2.7:9092"]


def test_the_summary_names_the_users_own_grafana() -> None:
    groups = {name: [HOST] for name in ("influxdb", "kapacitor", "all")}
    more: dict[str, Any] = {
        "inventory_dir": "/inventory",
        "groups": groups,
        "grafana_external_url": "https://grafana.example",
    }
    assert "Grafana     https://grafana.example  (your own)" in value("__summary_lines", "summary", **more)
    assert value("__summary_content", "summary", **more)["grafana"] == {"url": "https://grafana.example", "reason": ""}
