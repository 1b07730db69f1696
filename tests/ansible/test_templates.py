"""Templates of services, with names that would break careless quoting."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.influx_anomaly.stack.plugins.filter.htpasswd import htpasswd_sha

from anomaly.console.settings import ASSETS, parse_settings
from anomaly.kapacitor.tickscript import find_script
from anomaly.pipeline import normalize
from tests.ansible.rendering import HOST, ROOT, SECRETS, render, value

PLAIN: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": ["hotend", "bed", "air"],
    "group_by": ["printer"],
    "window": "10s",
    "aggregate": ["mean", "stddev"],
}
# Every name has what ends a string, an identifier, a template or a regular expression somewhere.
AWKWARD: dict[str, Any] = {
    "name": "Odd.pipe-line_2",
    "database": 'it\'s a "db" {{ 7 * 7 }}',
    "retention_policy": "p'o\"l {% raw %}",
    "measurement": "m'''e\"a\\'s $tag1 /x/ Ünïcödé 数",
    "fields": ["load 1", 'q"uote', "a'po", "back\\slash", "$__interval", "{{ field }}"],
    "group_by": ["host name", "r\"a'ck", "zone/1"],
    "window": "1m",
}
LONELY: dict[str, Any] = {**PLAIN, "name": "lonely", "group_by": [], "fields": ["only"], "retention_policy": "month"}
ALL = [PLAIN, AWKWARD, LONELY]
each = pytest.mark.parametrize("pipeline", ALL, ids=[pipeline["name"] for pipeline in ALL])


def normalized(pipeline: dict[str, Any]) -> dict[str, Any]:
    (found,) = value("__pipelines_all", "pipelines", pipelines=[pipeline])
    assert isinstance(found, dict)
    return found


def task(pipeline: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Template, script and vars of a pipeline's task."""
    (found,) = value("__pipelines_tasks", "pipelines", pipelines=[pipeline], **more)
    assert isinstance(found, dict)
    return {key: found[key] for key in ("template", "script", "vars")}


class TestTask:
    @each
    def test_the_script_is_the_repositorys_and_names_arrive_whole(self, pipeline: dict[str, Any]) -> None:
        comment, _, rest = task(pipeline)["script"].partition("\n\n")
        assert comment.startswith("// ")
        assert rest == find_script(normalize([pipeline])[0], Path())
        named = {"type": "string", "value": pipeline["measurement"]}
        assert task(pipeline)["vars"]["measurement"] == named
        assert task(pipeline)["vars"]["results_database"]["value"] == "anomaly"
        assert task(pipeline)["vars"]["topic"]["value"] == "anomaly"

    def test_pipelines_share_a_template_and_a_changed_script_is_another(self, tmp_path: Path) -> None:
        assert task(PLAIN)["template"] == task(AWKWARD)["template"]
        templates = []
        for text in ("// one", "// two"):
            (tmp_path / "mine.tick").write_text(text)
            custom = {**PLAIN, "tickscript": "mine.tick"}
            templates.append(task(custom, pipelines_tickscripts_dir=str(tmp_path))["template"])
        assert all(re.fullmatch(r"mine-[0-9a-f]{8}", template) for template in templates)
        assert templates[0] != templates[1]

    def test_is_marked_as_ours_and_as_no_other_stack_s(self) -> None:
        marker = value("__pipelines_marker", "pipelines", stack_name="one")
        for stack, ours in (("one", True), ("one2", False)):
            assert (marker in task(PLAIN, stack_name=stack)["script"]) is ours


class TestKapacitorConf:
    def conf(self, **more: Any) -> dict[str, Any]:
        return tomllib.loads(render("roles/kapacitor/templates/kapacitor.conf.j2", "kapacitor", **more))

    def test_lets_nobody_in_without_a_name(self) -> None:
        conf = self.conf()
        assert conf["http"]["auth-enabled"] is True
        assert conf["auth"]["enabled"] is True
        assert conf["auth"]["bcrypt-cost"] >= 4
        assert conf["http"]["shared-secret"] == SECRETS["kapacitor_http_shared_secret"]
        assert conf["reporting"]["enabled"] is False

    def test_only_chronografs_alert_rules_need_settings_that_override_the_inventory(self) -> None:
        assert self.conf()["config-override"]["enabled"] is False
        assert self.conf(chronograf_alert_rules=True)["config-override"]["enabled"] is True

    def test_a_password_may_hold_anything(self) -> None:
        password = "quote \" back \\ slash 'x' ${HOME} {{ 1 + 1 }} é"
        conf = self.conf(stack_secrets={**SECRETS, "influxdb_kapacitor_password": password})
        assert conf["influxdb"][0]["password"] == password

    def test_on_one_host_influxdb_reaches_it_by_name(self) -> None:
        conf = self.conf(stack_name="s", kapacitor_port=19092)
        assert conf["hostname"] == "s-kapacitor"
        assert conf["influxdb"][0]["http-port"] == 9092
        assert conf["influxdb"][0]["urls"] == ["http://s-influxdb:8086"]

    def test_across_hosts_influxdb_reaches_it_by_address(self) -> None:
        groups = {"influxdb": ["there"], "kapacitor": ["here"]}
        conf = self.conf(groups=groups, group_names=["kapacitor"], kapacitor_port=19092)
        assert conf["hostname"] == "192.0.2.1"
        assert conf["influxdb"][0]["urls"] == ["http://there:8086"]
        assert conf["influxdb"][0]["http-port"] == 19092

    def test_results_do_not_come_back_in(self) -> None:
        conf = self.conf(
            results_database="found",
            influxdb_databases=[{"name": "found", "retention_policies": [{"name": "short"}]}, {"name": "other"}],
        )
        assert conf["influxdb"][0]["subscriptions"] == {}
        assert conf["influxdb"][0]["excluded-subscriptions"] == {
            "_internal": ["monitor"],
            "found": ["autogen", "short"],
        }

    def test_of_somebody_elses_influxdb_only_what_pipelines_read(self) -> None:
        conf = self.conf(pipelines=ALL, influxdb_external_url="http://influx.example:8086")
        assert conf["influxdb"][0]["subscriptions"] == {
            "printer": ["autogen", "month"],
            AWKWARD["database"]: [AWKWARD["retention_policy"]],
        }

    def test_udfs_of_ones_own_stand_beside_ours(self) -> None:
        own = {"other": {"socket": "/run/other.sock", "timeout": "5s"}}
        functions = self.conf(kapacitor_udfs=own)["udf"]["functions"]
        assert functions["other"] == own["other"]
        assert functions["anomaly"]["args"] == ["udf"]
        assert not [key for key in functions["anomaly"]["env"] if "PASSWORD" in key or "SECRET" in key]


def test_kapacitor_records_its_version_beside_its_data(tmp_path: Path) -> None:
    said = "Kapacitor OSS version 1.8.6 (git: unknown unknown)"
    script = render("roles/kapacitor/templates/run.sh.j2", "kapacitor").replace("/var/lib/kapacitor", str(tmp_path))
    recording = script[script.index("kapacitord version") : script.index("# The keeper asks")]

    subprocess.run(["sh", "-euc", f"kapacitord() {{ echo '{said}'; }}\n{recording}"], check=True)

    assert (tmp_path / "written-by").read_text() == f"{said}\n"


class TestKapacitorsLog:
    """The start script's rotation, run by a shell on a log of its own."""

    def rotate(self, directory: Path, **more: Any) -> None:
        script = render("roles/kapacitor/templates/run.sh.j2", "kapacitor", **more)
        script = script.replace("/var/log/kapacitor/", f"{directory}/")
        functions, rotation = script.split("(while")
        assert rotation.startswith(" :; do rotate;")
        subprocess.run(["sh", "-euc", f"{functions}\nrotate"], check=True)

    def test_a_small_log_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "kapacitor.log").write_text("short")
        self.rotate(tmp_path, kapacitor_log_max_bytes=6)
        assert [path.name for path in tmp_path.iterdir()] == ["kapacitor.log"]

    def test_a_large_one_is_emptied_in_place_and_the_oldest_goes(self, tmp_path: Path) -> None:
        log = tmp_path / "kapacitor.log"
        log.touch()
        inode = log.stat().st_ino
        for text in ("first!", "second", "third!"):
            log.write_text(text)
            self.rotate(tmp_path, kapacitor_log_max_bytes=6, kapacitor_log_max_files=2)
        assert log.stat().st_ino == inode, "Kapacitor would go on writing into the old file"
        found = {path.name: path.read_text() for path in tmp_path.iterdir()}
        assert found == {"kapacitor.log": "", "kapacitor.log.1": "third!", "kapacitor.log.2": "second"}

    def test_none_may_be_kept(self, tmp_path: Path) -> None:
        (tmp_path / "kapacitor.log").write_text("long enough")
        self.rotate(tmp_path, kapacitor_log_max_bytes=6, kapacitor_log_max_files=0)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"kapacitor.log": ""}

    def test_no_log_is_no_error(self, tmp_path: Path) -> None:
        self.rotate(tmp_path)
        assert list(tmp_path.iterdir()) == []


class TestInfluxdbConf:
    def conf(self, **more: Any) -> dict[str, Any]:
        return tomllib.loads(render("roles/influxdb/templates/influxdb.conf.j2", "influxdb", **more))

    def test_what_others_rely_on(self) -> None:
        conf = self.conf()
        assert conf["http"]["auth-enabled"] is True
        assert conf["reporting-disabled"] is True
        assert conf["subscriber"]["write-concurrency"] == 1
        assert conf["http"]["flux-enabled"] is False
        assert conf["data"]["wal-dir"].startswith("/var/lib/influxdb/")

    def test_a_change_leaves_the_rest(self) -> None:
        conf = self.conf(influxdb_config={"http": {"max-body-size": 1}, "monitor": {"store-enabled": False}})
        assert conf["http"]["max-body-size"] == 1
        assert conf["http"]["auth-enabled"] is True
        assert conf["monitor"] == {"store-enabled": False}


class TestInfluxdbSchema:
    def test_databases_follow_from_the_pipelines(self) -> None:
        own = [{"name": "printer", "retention_policies": [{"name": "month", "duration": "30d"}]}]
        databases = value("__influxdb_all_databases", "influxdb", pipelines=ALL, influxdb_databases=own)
        assert {database["name"]: database["retention_policies"] for database in databases} == {
            "printer": [{"name": "autogen"}, {"name": "month", "duration": "30d"}],
            AWKWARD["database"]: [{"name": AWKWARD["retention_policy"]}],
            "anomaly": [],
        }

    def test_nobody_but_kapacitor_is_an_admin(self) -> None:
        users = value("__influxdb_stack_users", "influxdb", pipelines=[PLAIN])
        assert {user["name"]: user.get("admin", False) for user in users} == {
            "kapacitor": True,
            "trainer": False,
            "writer": False,
            "reader": False,
            "console": False,
        }

    def test_rights_are_the_least(self) -> None:
        users = value("__influxdb_stack_users", "influxdb", pipelines=[PLAIN])
        grants = {user["name"]: user.get("grants") for user in users}
        assert grants["writer"] == {"printer": "WRITE"}
        assert grants["reader"] == {"printer": "READ", "anomaly": "READ"}
        assert grants["trainer"] == {"printer": "READ", "anomaly": "ALL"}
        assert grants["console"] == {"printer": "READ", "anomaly": "ALL"}

    def test_the_reader_reads_the_history_of_chronografs_alert_rules(self) -> None:
        rules = {"pipelines": [PLAIN], "chronograf_alert_rules": True}
        databases = value("__influxdb_all_databases", "influxdb", **rules)
        assert [database["name"] for database in databases] == ["printer", "anomaly", "chronograf"]
        users = value("__influxdb_stack_users", "influxdb", **rules)
        assert {
            user["name"]: user["grants"]["chronograf"] for user in users if "chronograf" in user.get("grants", {})
        } == {"reader": "READ"}


class TestKeeper:
    def test_runs_beside_each_kapacitor(self) -> None:
        for pipelines in ([], [PLAIN], [{**PLAIN, "training": {"every": "7d"}}]):
            assert value("__keeper_enabled", "keeper", pipelines=pipelines) is True
        for off in ("keeper_enabled", "kapacitor_enabled"):
            assert value("__keeper_enabled", "keeper", pipelines=[PLAIN], **{off: False}) is False

    def test_gets_the_pipelines_of_its_host(self) -> None:
        groups = {name: [HOST, "there"] for name in ("influxdb", "kapacitor", "grafana", "chronograf", "all")}
        here, there = {**PLAIN, "kapacitor": HOST}, {**PLAIN, "name": "other", "kapacitor": "there"}
        found = value("__pipelines_here", "pipelines", pipelines=[here, there], groups=groups)
        assert [pipeline["name"] for pipeline in found] == [PLAIN["name"]]

    def test_no_secret_is_in_its_command(self) -> None:
        command = value("__keeper_command", "keeper", pipelines=[PLAIN])
        assert command[0] == "keeper"
        assert not set(" ".join(command).split()) & set(SECRETS.values())

    def test_its_metrics_are_published_on_request_and_on_loopback(self) -> None:
        assert value("__keeper_ports", "keeper") == []
        assert "--metrics-port" not in value("__keeper_command", "keeper")
        assert value("__keeper_ports", "keeper", keeper_metrics_port=9100) == ["127.0.0.1:9100:9095"]
        assert "--metrics-port" in value("__keeper_command", "keeper", keeper_metrics_port=9100)

    def test_tells_incidents_where_a_handler_chooses_them(self) -> None:
        handler = {"id": "oncall", "kind": "post", "options": {"url": "http://x"}}
        assert "--incident-topic" not in value("__keeper_command", "keeper", kapacitor_alert_handlers=[handler])
        chosen = [{**handler, "notify": "incidents"}]
        command = value("__keeper_command", "keeper", kapacitor_alert_handlers=chosen, stack_name="shop")
        assert command[command.index("--incident-topic") + 1] == "shop-incidents"
        assert command[command.index("--stack-name") + 1] == "shop"

    def test_can_write_models_and_what_it_keeps(self) -> None:
        writable = [volume for volume in value("__keeper_volumes", "keeper") if volume.endswith(":rw")]
        assert [volume.split(":")[1] for volume in writable] == ["/var/lib/keeper", "/var/lib/anomaly/models"]

    def test_sees_of_servers_on_its_host_how_full_their_volumes_are(self) -> None:
        for far, names in (
            ({}, ["models", "state", "kapacitor", "influxdb"]),
            ({"influxdb_external_url": "http://192.0.2.7:8086"}, ["models", "state", "kapacitor"]),
            ({"kapacitor_external_url": "http://192.0.2.7:9092"}, ["models", "state", "influxdb"]),
        ):
            command = value("__keeper_command", "keeper", **far)
            disks = dict(command[at + 1].split("=") for at, word in enumerate(command) if word == "--disk")
            volumes = [volume.split(":") for volume in value("__keeper_volumes", "keeper", stack_dir="/s", **far)]

            mounted = {inside: (outside, mode) for outside, inside, mode in volumes if inside in disks.values()}

            assert list(disks) == names
            assert mounted.keys() == set(disks.values())
            for name in set(names) & {"kapacitor", "influxdb"}:
                assert mounted[disks[name]] == (f"/s/data/{name}/volume", "ro")

    def test_verify_looks_for_it_where_it_runs(self) -> None:
        assert "keeper" in value("__verify_wanted", "verify", pipelines=[PLAIN])
        assert "keeper" not in value("__verify_wanted", "verify", pipelines=[PLAIN], keeper_enabled=False)


class TestConsole:
    def test_runs_beside_each_kapacitor(self) -> None:
        assert value("__console_enabled", "console") is True
        assert "console" in value("__verify_wanted", "verify")
        for off in ("console_enabled", "kapacitor_enabled"):
            assert value("__console_enabled", "console", **{off: False}) is False

    def test_gets_the_pipelines_of_its_host_as_the_keeper_does(self) -> None:
        assert value("__pipelines_readers", "pipelines") == ["keeper", "console"]
        assert value("__pipelines_readers", "pipelines", keeper_enabled=False) == ["console"]

    def test_a_viewer_and_an_operator_log_in(self) -> None:
        names = {"console_viewer_username": "eva", "console_operator_username": "otto"}
        users = value("__console_settings", "console", **names)["users"]
        assert {name: user["role"] for name, user in users.items()} == {"eva": "viewer", "otto": "operator"}

    @pytest.mark.parametrize("tls", [False, True])
    def test_the_program_takes_its_settings(self, tmp_path: Path, tls: bool) -> None:
        settings = value("__console_settings", "console", stack_tls=tls, stack_name="s")
        inside = settings["assets"], "/run/console"
        for name in (*ASSETS, "viewer_password", "operator_password", "session_secret", "certificate.pem", "key.pem"):
            (tmp_path / name).write_text("x" * 40)
        text = json.dumps(settings)
        for folder in inside:
            text = text.replace(folder, str(tmp_path))

        read = parse_settings(json.loads(text), "settings.json")

        assert (read.stack_name, read.port, read.is_secure) == ("s", 3080, tls)
        assert {name: account.role for name, account in read.accounts.items()} == {
            "viewer": "viewer",
            "operator": "operator",
        }

    def test_secrets_are_in_files_only(self) -> None:
        told = json.dumps([value(name, "console") for name in ("__console_settings", "__console_env")])
        assert not [name for name, secret in SECRETS.items() if secret in told]

    def test_answers_to_the_names_of_its_host_and_to_given_ones(self) -> None:
        more = {
            "console_names": ["console.example"],
            "stack_tls_names": ["tls.example"],
            "stack_bind_address": "0.0.0.0",
        }
        hosts = value("__console_settings", "console", **more)["allowed_hosts"]
        assert hosts == ["127.0.0.1", "localhost", "192.0.2.1", HOST, "tls.example", "console.example"]

    def test_answers_to_the_name_that_links_lead_to(self) -> None:
        for url, name in (
            ("https://Console.example:8443/", "console.example"),
            ("http://[2001:db8::1]", "2001:db8::1"),
        ):
            assert value("__console_settings", "console", console_root_url=url)["allowed_hosts"][-1] == name
        assert "" not in value("__console_settings", "console")["allowed_hosts"]

    def test_messages_lead_to_it_where_it_runs(self) -> None:
        given = {"console_root_url": "https://console.example/", "pipelines": [PLAIN]}
        for enabled, shown in ((True, True), (False, False)):
            command = value("__keeper_command", "keeper", **given, console_enabled=enabled)
            assert ("https://console.example/" in command) is shown
            (task,) = value("__pipelines_tasks", "pipelines", **given, console_enabled=enabled)
            assert (" https://console.example/" in task["vars"]["link"]["value"]) is shown

    def test_can_write_models_and_nothing_else(self) -> None:
        volumes = value("__console_volumes", "console")
        assert [volume.split(":")[1] for volume in volumes if volume.endswith(":rw")] == ["/var/lib/anomaly/models"]

    def test_reads_influxdb_as_a_user_of_its_own(self) -> None:
        assert value("__console_env", "console")["ANOMALY_INFLUXDB_USERNAME"] == "console"
        guest = {"influxdb_external_url": "http://influx.example:8086", "stack_name": "s"}
        assert value("__console_env", "console", **guest)["ANOMALY_INFLUXDB_USERNAME"] == "s_console"


class TestMessengers:
    """Whom the keeper tells follows from the handlers of alerts."""

    def messengers(self, *handlers: Any, **services: Any) -> dict[str, Any]:
        found: dict[str, Any] = value(
            "keeper_messengers", "keeper", kapacitor_alert_handlers=list(handlers), kapacitor_alert_services=services
        )
        return found

    def test_nobody_is_told_without_handlers(self) -> None:
        assert self.messengers() == {}
        assert (
            self.messengers({"id": "file", "kind": "log", "options": {"path": "/x"}}, {"id": "c", "kind": "slack"})
            == {}
        )

    def test_a_post_goes_to_the_handlers_address(self) -> None:
        options = {"url": "http://h/a", "headers": {"A": "b"}, "timeout": 10, "skip-ssl-verification": True}
        assert self.messengers({"id": "web", "kind": "post", "options": options}) == {
            "web": {"kind": "post", "url": "http://h/a", "headers": {"A": "b"}, "verify": False}
        }

    def test_a_post_goes_to_the_address_of_its_endpoint_and_logs_in_there(self) -> None:
        endpoint = {
            "endpoint": "e",
            "url": "http://h/e",
            "headers": {"A": "b"},
            "basic-auth": {"username": "u", "password": "p"},
        }
        handler = {"id": "web", "kind": "post", "options": {"endpoint": "e"}}
        expected = {"kind": "post", "url": "http://h/e", "headers": {"A": "b"}, "username": "u", "password": "p"}
        assert self.messengers(handler, httppost=endpoint) == {"web": expected}
        assert self.messengers(handler, httppost=[{"endpoint": "d", "url": "http://h/d"}, endpoint]) == {
            "web": expected
        }

    def test_a_receiver_that_expects_a_template_is_left_out(self) -> None:
        endpoint = {"endpoint": "e", "url": "http://h/e", "alert-template": "{{ '{{' }}.Message}}"}
        assert self.messengers({"id": "web", "kind": "post", "options": {"endpoint": "e"}}, httppost=endpoint) == {}

    def test_mail_goes_by_the_sections_server_to_the_handlers_receivers(self) -> None:
        smtp = {
            "host": "m",
            "port": 587,
            "username": "u",
            "password": "p",
            "from": "k@x",
            "to": ["a@x"],
            "no-verify": True,
        }
        server = {
            "kind": "smtp",
            "host": "m",
            "from": "k@x",
            "port": 587,
            "username": "u",
            "password": "p",
            "verify": False,
        }
        assert self.messengers(
            {"id": "own", "kind": "smtp", "options": {"to": ["b@x"]}}, {"id": "section", "kind": "smtp"}, smtp=smtp
        ) == {"own": {**server, "to": ["b@x"]}, "section": {**server, "to": ["a@x"]}}

    def test_handlers_of_two_topics_may_share_an_id_and_one_receiver_is_told_once(self) -> None:
        one, two = ({"id": "web", "kind": "post", "options": {"url": f"http://h/{path}"}} for path in "ab")
        found = self.messengers(one, {**two, "topic": "t"}, {**one, "id": "again"})
        assert {name: entry["url"] for name, entry in found.items()} == {"web": "http://h/a", "web of t": "http://h/b"}

    def test_wrong_handlers_are_left_to_the_preflight(self) -> None:
        listed: list[Any] = [
            "x",
            [],
            {"kind": "post"},
            {"id": "a", "kind": "post"},
            {"id": "a", "kind": "post", "options": "x"},
        ]
        for wrong in listed:
            assert self.messengers(wrong) == {}
        assert self.messengers({"id": "mail", "kind": "smtp"}, smtp={"enabled": False, "from": "a", "to": ["b"]}) == {}
        assert value("keeper_messengers", "keeper", kapacitor_alert_handlers="x", kapacitor_alert_services=["y"]) == {}


class TestBacktest:
    def test_feedback_is_no_file(self) -> None:
        assert value("__backtest_arguments", "backtest", backtest_labels="feedback", results_database="db") == [
            *("--labels", "feedback", "--results-database", "db")
        ]
        assert value("__backtest_arguments", "backtest", backtest_labels="/l.json") == [
            "--labels",
            "/run/job/labels.json",
        ]

    def test_labels_are_looked_for_as_a_command_line_means_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PWD", "/work")
        monkeypatch.setenv("HOME", "/home/me")
        for given, meant in (
            ("labels.csv", "/work/labels.csv"),
            ("../my labels.json", "/work/../my labels.json"),
            ("/data/labels.csv", "/data/labels.csv"),
            ("~/labels.csv", "/home/me/labels.csv"),
        ):
            assert value("__backtest_labels_file", "backtest", backtest_labels=given) == meant


class TestDashboards:
    def test_there_are_those_of_the_stack_one_for_each_pipeline_and_the_users_own(self) -> None:
        found = value("__grafana_dashboards_wanted", "grafana", pipelines=ALL)
        pipelines = [f"{pipeline['name']}.json" for pipeline in ALL]
        assert list(found) == ["_overview.json", "_health.json", *pipelines, "_own_weekly_review.json"]
        assert len({each["uid"] for each in found.values()}) == len(found)

    def test_every_source_is_the_one_that_is_provisioned(self) -> None:
        source = yaml.safe_load(render("roles/grafana/templates/datasource.yml.j2", "grafana"))["datasources"][0]
        for found in value("__grafana_dashboards_wanted", "grafana", pipelines=ALL).values():
            used = {panel["datasource"]["uid"] for panel in found["panels"]}
            used |= {target["datasource"]["uid"] for panel in found["panels"] for target in panel["targets"]}
            assert used == {source["uid"]}


class TestGrafanaProvisioning:
    def source(self, **more: Any) -> dict[str, Any]:
        text = render("roles/grafana/templates/datasource.yml.j2", "grafana", **more)
        (found,) = yaml.safe_load(text)["datasources"]
        assert isinstance(found, dict)
        return found

    def test_reads_as_the_reader_only(self) -> None:
        source = self.source(stack_name="s")
        assert source["user"] == "reader"
        assert source["secureJsonData"]["password"] == SECRETS["influxdb_reader_password"]
        assert source["jsonData"]["dbName"] == "anomaly"
        assert source["url"] == "http://s-influxdb:8086"
        assert source["editable"] is False

    def test_a_password_is_not_expanded(self) -> None:
        password = "a$HOME ${PATH} $__file{/etc/passwd} \"'\\"
        source = self.source(stack_secrets={**SECRETS, "influxdb_reader_password": password})
        # Grafana's rule: between two dollar signs nothing is expanded, and two of them are one.
        assert source["secureJsonData"]["password"].replace("$$", "$") == password
        assert "$" not in source["secureJsonData"]["password"].replace("$$", "")

    def test_dashboards_come_from_files_only(self) -> None:
        text = render("roles/grafana/templates/dashboards.yml.j2", "grafana")
        (provider,) = yaml.safe_load(text)["providers"]
        assert provider["allowUiUpdates"] is False
        assert provider["options"]["path"] == "/etc/grafana/dashboards"

    def test_alert_rules_are_those_of_the_inventory(self) -> None:
        chosen = value(
            "__grafana_alerting",
            "grafana",
            stack_name="s",
            stack_pipelines=[],
            grafana_folder="Cost in $",
            grafana_alert_rules=[{"rule": "shed"}],
        )
        (group,) = chosen["groups"]
        assert (group["folder"], [rule["title"] for rule in group["rules"]]) == ("Cost in $$", ["A UDF sheds points"])
        assert value("__grafana_alerting", "grafana", stack_name="s", stack_pipelines=[])["groups"] == []

    def test_no_secret_is_in_the_environment(self) -> None:
        environment = value("__grafana_env", "grafana")
        assert not set(environment.values()) & set(SECRETS.values())
        assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
        assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith("/")


class TestTls:
    """With `stack_tls`; tests/conformance/test_tls.py runs the two daemons with what the templates make of it."""

    def test_is_off_unless_asked_for(self) -> None:
        influxdb = tomllib.loads(render("roles/influxdb/templates/influxdb.conf.j2", "influxdb"))
        kapacitor = tomllib.loads(render("roles/kapacitor/templates/kapacitor.conf.j2", "kapacitor"))
        assert "https-enabled" not in {**influxdb["http"], **kapacitor["http"]}
        assert "ca-certs" not in influxdb["subscriber"]
        assert kapacitor["influxdb"][0]["subscription-protocol"] == "http"
        assert "ca" not in " ".join(value("__keeper_command", "keeper")).split("-")
        assert value("__influxdb_env", "influxdb") == value("__kapacitor_env", "kapacitor") == {}
        assert value("__grafana_tls_env", "grafana") == value("__chronograf_tls_env", "chronograf") == {}

    def test_addresses_are_https_on_one_host_and_on_several(self) -> None:
        here = {"stack_tls": True, "stack_name": "s"}
        assert value("stack_influxdb_url", "keeper", **here) == "https://s-influxdb:8086"
        assert value("stack_influxdb_url_from_host", "keeper", **here) == "https://127.0.0.1:8086"
        assert value("stack_kapacitor_urls", "keeper", **here) == {HOST: "https://s-kapacitor:9092"}
        assert value("__grafana_url", "grafana", **here) == "https://127.0.0.1:3000"
        groups = {"influxdb": ["there"], "kapacitor": [HOST]}
        apart = {**here, "groups": groups, "group_names": ["kapacitor"]}
        assert value("stack_influxdb_url", "keeper", **apart) == "https://there:8086"

    def test_an_external_grafana_reaches_influxdb_where_others_do(self) -> None:
        def url(**more: Any) -> Any:
            return value("stack_influxdb_url_from_grafana", "grafana", **more)

        far = {"grafana_external_url": "https://grafana.example"}
        assert url(**far) == "http://192.0.2.1:8086"
        assert url(grafana_external_url="http://localhost:3000") == "http://127.0.0.1:8086"
        assert url(**far, influxdb_external_url="http://influx.example:8086") == "http://influx.example:8086"
        assert url(**far, grafana_external_influxdb_url="http://influx:8086") == "http://influx:8086"

    def test_alerts_lead_to_an_external_grafana(self) -> None:
        far = {"grafana_external_url": "https://grafana.example"}
        assert value("grafana_root_url", "pipelines", **far) == "https://grafana.example"
        assert value("grafana_root_url", "pipelines") == ""

    def test_an_external_kapacitor_is_asked_by_everybody_and_restarted_by_nobody(self) -> None:
        far = {"kapacitor_external_url": "http://192.0.2.7:9092"}
        assert value("stack_kapacitor_urls", "keeper", **far) == {HOST: "http://192.0.2.7:9092"}
        assert value("stack_kapacitor_url_from_host", "keeper", **far) == "http://192.0.2.7:9092"
        command = value("__keeper_command", "keeper", **far)
        assert "http://192.0.2.7:9092" in command
        assert "--restart-file" not in command
        assert "--restart-file" in value("__keeper_command", "keeper")

    def test_stacks_share_an_external_kapacitor(self) -> None:
        far = {"kapacitor_external_url": "http://192.0.2.7:9092", "stack_name": "s"}
        assert value("__kapacitor_handlers_prefix", "kapacitor", **far) == "influx-anomaly.s."
        assert value("__kapacitor_handlers_prefix", "kapacitor", stack_name="s") == "influx-anomaly."

    def test_the_snippet_is_what_kapacitors_configuration_needs(self) -> None:
        snippet = tomllib.loads(value("__kapacitor_snippet", "kapacitor", stack_dir="/srv/s"))
        assert snippet == {"udf": {"functions": {"anomaly": {"socket": "/srv/s/run/anomaly.sock", "timeout": "5m"}}}}

    @pytest.mark.parametrize(
        ("group", "there", "number"), [("kapacitor", {"kapacitor": ["x", "997", ""]}, "997"), ("0", {}, "0"),
                                       ("kapacitor", {"kapacitor": None}, ""), ("kapacitor", {}, "")],
    )  # fmt: skip
    def test_the_group_of_an_external_kapacitor_is_a_number(
        self, group: str, there: dict[str, Any], number: str
    ) -> None:
        facts = {"getent_group": there}
        found = value("__kapacitor_external_gid", "kapacitor", kapacitor_external_group=group, ansible_facts=facts)
        assert str(found) == number

    def test_an_external_grafana_is_looked_after_by_one_host_and_runs_on_none(self) -> None:
        groups = {"influxdb": [HOST], "kapacitor": [HOST, "there"]}
        far = {"grafana_external_url": "https://grafana.example", "groups": groups, "group_names": list(groups)}
        assert value("__grafana_preparing_host", "grafana", **far) == HOST
        assert value("__grafana_is_here", "grafana", **far) is False
        assert value("__grafana_is_here", "grafana") is True
        assert value("__verify_external", "verify", **far) == ["grafana"]
        assert value("__verify_external", "verify", **far, grafana_enabled=False) == []
        assert value("__verify_external", "verify", **{**far, "inventory_hostname": "there"}) == []

    def test_an_own_change_of_influxdbs_configuration_outranks_it(self) -> None:
        own = {"subscriber": {"ca-certs": "/mine.pem"}}
        text = render("roles/influxdb/templates/influxdb.conf.j2", "influxdb", stack_tls=True, influxdb_config=own)
        conf = tomllib.loads(text)
        assert conf["subscriber"]["ca-certs"] == "/mine.pem"
        assert conf["http"]["https-certificate"] == "/etc/influxdb/certificate.pem"

    def test_every_client_is_given_the_authority(self) -> None:
        file = "/srv/influx-anomaly/anomaly/config/tls/ca.pem"
        assert f"{file}:/etc/ssl/influxdb-ca.pem:ro" in value("__kapacitor_volumes", "kapacitor", stack_tls=True)
        assert f"{file}:/etc/ssl/influxdb-ca.pem:ro" in value("__keeper_volumes", "keeper", stack_tls=True)
        assert value("__keeper_env", "keeper", stack_tls=True)["ANOMALY_INFLUXDB_CA_FILE"] == "/etc/ssl/influxdb-ca.pem"
        command = value("__keeper_command", "keeper", stack_tls=True)
        assert command[command.index("--kapacitor-ca-file") + 1] == "/run/keeper/ca.pem"
        assert command[command.index("--certificate-days") + 1] == "15"
        source = yaml.safe_load(render("roles/grafana/templates/datasource.yml.j2", "grafana", stack_tls=True))
        assert source["datasources"][0]["jsonData"]["tlsAuthWithCACert"] is True
        assert f"{file}:/etc/ssl/stack/stack.pem:ro" in value("__chronograf_volumes", "chronograf", stack_tls=True)
        assert value("__chronograf_tls_env", "chronograf", stack_tls=True)["SSL_CERT_DIR"] == "/etc/ssl/stack"
        job = {"job_name": "train", "__job_names": ["printer"], "stack_tls": True}
        command = value("__job_command", "job", **job)
        assert command[command.index("--ca-file") + 1] == "/etc/ssl/influxdb-ca.pem"
        assert f"{file}:/etc/ssl/influxdb-ca.pem:ro" in value("__job_volumes", "job", **job)

    def test_an_external_influxdb_has_an_authority_of_its_own(self) -> None:
        external = {"stack_tls": True, "influxdb_external_url": "https://influx.example:8086"}
        assert value("stack_influxdb_ca_file", "keeper", **external) == ""
        external["influxdb_ca_file"] = "/etc/company.pem"
        assert value("stack_influxdb_ca_file", "keeper", **external) == "/etc/company.pem"
        mounted = value("__chronograf_volumes", "chronograf", **external, stack_dir="/s")
        assert mounted[2:] == [
            "/s/config/tls/ca.pem:/etc/ssl/stack/stack.pem:ro", "/etc/company.pem:/etc/ssl/stack/influxdb.pem:ro"
        ]  # fmt: skip

    def test_the_keepers_metrics_have_the_certificate(self) -> None:
        assert "--metrics-certificate" not in value("__keeper_command", "keeper", stack_tls=True)
        command = value("__keeper_command", "keeper", stack_tls=True, keeper_metrics_port=9100)
        assert command[command.index("--metrics-certificate") + 1] == "/run/keeper/certificate.pem"

    def test_the_console_has_the_certificate_and_its_health_check_verifies_it(self) -> None:
        assert "certificate" not in value("__console_settings", "console")
        assert value("__console_settings", "console", stack_tls=True)["key"] == "/run/console/key.pem"
        check = value("__console_health", "console", stack_tls=True)
        assert check[check.index("--cacert") + 1] == "/run/console/ca.pem"
        assert check[-1] == "https://127.0.0.1:3080/health"
        assert value("__console_env", "console", stack_tls=True)["ANOMALY_INFLUXDB_CA_FILE"]

    def test_alerts_and_mail_trust_a_private_authority(self) -> None:
        private = {"kapacitor_alert_ca_file": "/etc/company.pem"}
        for role, name in (("kapacitor", "__kapacitor_volumes"), ("keeper", "__keeper_volumes")):
            assert "/etc/company.pem:/etc/ssl/alerts/ca.pem:ro" in value(name, role, **private)
        assert value("__kapacitor_env", "kapacitor", **private) == {"SSL_CERT_DIR": "/etc/ssl/alerts"}
        command = value("__keeper_command", "keeper", **private)
        assert command[command.index("--messengers-ca-file") + 1] == "/etc/ssl/alerts/ca.pem"

    def test_a_certificate_has_the_names_that_clients_use(self) -> None:
        names = value("__certificates_names", "certificates", stack_name="s", stack_bind_address="192.0.2.9")
        assert names[:4] == ["192.0.2.1", "192.0.2.9", "127.0.0.1", "localhost"]
        assert set(names[4:]) == {"s-influxdb", "s-kapacitor", "s-console", "s-grafana", "s-chronograf"}

    def test_a_certificate_has_the_address_of_the_keepers_metrics(self) -> None:
        metrics = {"keeper_metrics_address": "192.0.2.10"}
        assert "192.0.2.10" not in value("__certificates_names", "certificates", **metrics)
        assert "192.0.2.10" in value("__certificates_names", "certificates", **metrics, keeper_metrics_port=9095)
        # Whoever asks on the host itself uses an address that is in the certificate.
        metrics = {"keeper_metrics_address": "0.0.0.0"}
        assert value("stack_metrics_loopback_address", "certificates", **metrics) == "127.0.0.1"

    def test_authorities_that_are_files_are_read_where_containers_mount_them(self) -> None:
        files = {"influxdb_ca_file": "/etc/influx.pem", "kapacitor_alert_ca_file": "/etc/company.pem"}
        external = {"influxdb_external_url": "https://influx.example:8086", **files}
        assert value("__certificates_files", "certificates") == {}
        assert value("__certificates_files", "certificates", **external) == files
        # An InfluxDB of the stack's own has the stack's authority, and Grafana sends no alerts of ours.
        assert list(value("__certificates_files", "certificates", **files)) == ["kapacitor_alert_ca_file"]
        assert value("__certificates_files", "certificates", **files, group_names=["grafana"]) == {}


class TestChronograf:
    def resources(self, **more: Any) -> dict[str, Any]:
        files = value("__chronograf_files", "chronograf", **more)
        return {path.removeprefix("resources/"): json.loads(text) for path, text in files.items() if path != "htpasswd"}

    def test_it_reads_as_the_reader_and_changes_kapacitor_as_its_admin(self) -> None:
        resources = self.resources(stack_name="s")
        assert list(resources) == ["influxdb-1.src", "kapacitor-1.kap"]
        source, kapacitor = resources.values()
        assert (source["username"], source["password"]) == ("reader", SECRETS["influxdb_reader_password"])
        assert (source["name"], source["url"], source["default"]) == ("s", "http://s-influxdb:8086", True)
        assert (kapacitor["username"], kapacitor["password"]) == ("admin", SECRETS["kapacitor_admin_password"])
        assert (kapacitor["url"], kapacitor["active"]) == ("http://s-kapacitor:9092", True)
        assert kapacitor["srcId"] == source["id"]

    def test_each_kapacitor_has_a_source_as_nobody_can_make_another_one_active(self) -> None:
        resources = self.resources(
            stack_name="s", stack_kapacitor_urls={"a": "http://a:9092", "b": "http://b:9092"}
        ).values()
        sources = {each["id"]: each for each in resources if "srcId" not in each}
        kapacitors = [each for each in resources if "srcId" in each]
        assert [(each["name"], each["default"]) for each in sources.values()] == [("s (a)", True), ("s (b)", False)]
        assert len({each["url"] for each in sources.values()}) == 1
        assert [(sources[each["srcId"]]["name"], each["url"], each["active"]) for each in kapacitors] == [
            ("s (a)", "http://a:9092", True),
            ("s (b)", "http://b:9092", True),
        ]
        assert len({each["id"] for each in kapacitors}) == 2

    def test_without_a_kapacitor_it_reads_influxdb(self) -> None:
        assert list(self.resources(stack_kapacitor_urls={})) == ["influxdb-1.src"]

    def test_it_takes_no_password_for_a_part_of_a_template(self) -> None:
        # Chronograf reads these files as templates of HTML.
        odd = {name: name + r"""{{{x}}<b a="$&%'\é<!--c-->""" for name in SECRETS}
        files = value(
            "__chronograf_files", "chronograf", stack_secrets=odd, stack_kapacitor_urls={"a": "http://a:9092"}
        )
        for name, secret in (
            ("influxdb-1.src", "influxdb_reader_password"),
            ("kapacitor-1.kap", "kapacitor_admin_password"),
        ):
            text = files[f"resources/{name}"]
            assert not [part for part in ("{{", "<") if part in text]
            assert json.loads(text)["password"] == odd[secret]

    def test_it_lets_in_one_user_of_its_own(self) -> None:
        line = value("__chronograf_files", "chronograf")["htpasswd"].strip()
        assert line == f"admin:{htpasswd_sha(SECRETS['chronograf_admin_password'])}"

    # Where there is IPv6, one of its sockets listens for both.
    @pytest.mark.parametrize("family", [socket.AF_INET, *[socket.AF_INET6] * socket.has_dualstack_ipv6()])
    def test_its_health_check_sees_whether_it_listens(self, family: socket.AddressFamily) -> None:
        (task,) = yaml.safe_load((ROOT / "roles/chronograf/tasks/container.yml").read_text())
        kind, *check = task["vars"]["container_healthcheck"]["test"]
        assert kind == "CMD"
        assert [word for word in check if f":{8888:04X} " in word]
        with socket.socket(family) as server:
            server.bind(("", 0))
            command = [word.replace(f"{8888:04X}", f"{server.getsockname()[1]:04X}") for word in check]
            assert subprocess.run(command, check=False).returncode != 0
            server.listen()
            assert subprocess.run(command, check=False).returncode == 0

    def finding(self, about: str, **registered: Any) -> dict[str, Any]:
        """Return what the role's check records about something, after these answers."""
        tasks = DataLoader().load_from_file(str(ROOT / "roles/chronograf/tasks/verify.yml"), trusted_as_template=True)
        recorded = tasks[-1]["ansible.builtin.set_fact"]["__chronograf_findings"]
        (finding,) = (each for each in recorded if about in each["what"])
        found: dict[str, Any] = value("finding", "chronograf", **tasks[-1]["vars"], **registered, finding=finding)
        return found

    @pytest.mark.parametrize(
        ("answer", "read"),
        [
            ({"status": 200, "json": {"results": [{"series": [{"values": [["anomaly"], ["printer"]]}]}]}}, True),
            ({"status": 200, "json": {"results": [{"series": [{"values": [["printer"]]}]}]}}, False),
            ({"status": 200, "json": {"results": [{"statement_id": 0}]}}, False),
            ({"status": 404, "json": {"code": 404, "message": "ID 10000 not found"}}, False),
            ({"status": -1}, False),
        ],
    )
    def test_its_check_finds_out_whether_it_reads_the_results(self, answer: dict[str, Any], read: bool) -> None:
        assert self.finding("results", __chronograf_verify_databases=answer)["ok"] is read

    def test_its_check_names_a_kapacitor_that_it_does_not_reach(self) -> None:
        answers = [{"item": "http://a:9092", "status": 204}, {"item": "http://b:9092", "status": 401}]
        finding = self.finding("Kapacitor", __chronograf_verify_kapacitors={"results": answers})
        assert finding["ok"] is False
        assert finding["problem"] == 'it answered {"http://a:9092": 204, "http://b:9092": 401}'
        assert self.finding("Kapacitor", __chronograf_verify_kapacitors={"results": answers[:1]})["ok"] is True
