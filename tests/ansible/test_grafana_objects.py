"""The module grafana_objects against a double of Grafana's API."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.influx_anomaly.stack.plugins.filter.dashboards import alerting, dashboards, objects
from ansible_collections.influx_anomaly.stack.plugins.modules import grafana_objects

from tests.ansible.grafana_double import ADMIN, GrafanaDouble, serving

MODULE: Any = grafana_objects
Run = Callable[..., dict[str, Any]]
SECRET = "https://hooks.example/T0KEN"
PASSWORD = "the-readers-password"
PRINTER = {"name": "printer", "database": "db", "measurement": "m", "fields": ["bed"], "window": "10s"}
PUMP = {**PRINTER, "name": "pump"}
CONTACT: dict[str, Any] = {"name": "on call", "type": "slack", "settings": {"url": SECRET, "recipient": "#alerts"}}
RULES: list[dict[str, Any]] = [{"rule": "detection", "receiver": "on call"}, {"rule": "model_age", "days": 30}]
OWN: dict[str, Any] = {"_own_mine.json": {"uid": "mine", "title": "Mine", "id": None, "panels": []}}


def contact(name: str) -> dict[str, Any]:
    """A contact point of others."""
    settings = {"url": "https://hooks.example/theirs"}
    return {"uid": "theirs", "name": name, "type": "slack", "settings": settings, "disableResolveMessage": False}


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch) -> Iterator[GrafanaDouble]:
    # Ansible reads the system's authorities for each request, which takes longer than all else.
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    double = GrafanaDouble(works=lambda _source, password: "" if password == PASSWORD else "unauthorized")
    with serving(double):
        yield double


def described(
    pipelines: list[dict[str, Any]] = [PRINTER, PUMP],  # noqa: B006 - read only
    rules: list[dict[str, Any]] = RULES,
    contacts: list[dict[str, Any]] = [CONTACT],  # noqa: B006 - read only
    own: dict[str, Any] = OWN,
    stack: str = "s",
    folder: str = "Anomalies",
) -> dict[str, Any]:
    """What the role hands to the module, without the connection."""
    made = objects(
        {**dashboards(pipelines, stack), **own}, alerting(pipelines, rules, contacts, stack, folder), stack, folder
    )
    made["datasource"] |= {"url": "http://influx.example:8086", "database": "anomaly", "user": "reader"}
    made["datasource"]["password"] = PASSWORD
    return made


@pytest.fixture
def run(grafana: GrafanaDouble, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the module, and returns what it hands to Ansible; the output has no secret."""

    def call(params: dict[str, Any] | None = None, check_mode: bool = False, **more: Any) -> dict[str, Any]:
        account = {} if "username" in more else {"token": grafana.token}
        given = {"url": grafana.url, **account, **(params or described()), **more, "_ansible_check_mode": check_mode}
        with patch_module_args(given), pytest.raises(SystemExit):
            MODULE.main()
        output = capsys.readouterr().out
        for secret in (SECRET, PASSWORD, grafana.token, grafana.password):
            assert secret not in output
        found: dict[str, Any] = json.loads(output)
        return found

    return call


class TestFirstRun:
    def test_makes_everything_in_a_folder_of_its_own(self, grafana: GrafanaDouble, run: Run) -> None:
        result = run()
        assert result["changed"] is True, result
        (folder,) = grafana.folders.values()
        assert folder["title"] == "Anomalies"
        assert {board["folder"] for board in grafana.boards.values()} == {folder["uid"]}
        titles = {board["dashboard"]["title"] for board in grafana.boards.values()}
        assert titles == {"Overview of s", "Detection health of s", "printer", "pump", "Mine"}
        assert {rule["title"] for rule in grafana.rules.values()} == {"Detection is down", "A model is old"}
        assert {rule["folderUID"] for rule in grafana.rules.values()} == {folder["uid"]}
        assert [point["settings"]["url"] for point in grafana.contacts.values()] == [SECRET]

    def test_dashboards_and_rules_ask_the_stacks_own_data_source(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        ((uid, source),) = grafana.sources.items()
        assert (source["url"], source["user"], source["isDefault"]) == ("http://influx.example:8086", "reader", False)
        assert grafana.source_secrets[uid] == {"password": PASSWORD}
        text = json.dumps([grafana.boards, grafana.rules])
        assert uid in text
        assert 'anomaly-results"' not in text

    def test_a_rule_leads_to_its_panel_and_may_be_changed_by_hand(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        rule = next(rule for rule in grafana.rules.values() if rule["title"] == "Detection is down")
        board = grafana.boards[rule["annotations"]["__dashboardUid__"]]["dashboard"]
        panel = next(panel for panel in board["panels"] if str(panel["id"]) == rule["annotations"]["__panelId__"])
        assert panel["title"] == "What the keeper finds"
        assert rule["notification_settings"] == {"receiver": "on call"}
        assert "provenance" not in rule

    def test_check_mode_names_everything_and_changes_nothing(self, grafana: GrafanaDouble, run: Run) -> None:
        planned = run(check_mode=True)
        assert grafana.requests == []
        assert planned["changed"] is True
        assert planned["actions"] == run()["actions"]
        assert planned["actions"][:2] == ["created folder Anomalies", "created data source Anomalies of s"]
        assert planned["diff"]["before"] == ""
        assert "contact point on call slack\n" in planned["diff"]["after"]

    def test_a_user_with_a_password_does_as_well(self, grafana: GrafanaDouble, run: Run) -> None:
        assert run(username="admin", password=grafana.password)["changed"] is True
        assert grafana.boards

    def test_certificates_of_influxdb_go_along(self, grafana: GrafanaDouble, run: Run, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("PEM")
        wanted = described()
        wanted["datasource"]["ca_file"] = str(tmp_path / "ca.pem")
        run(wanted)
        ((uid, source),) = grafana.sources.items()
        assert source["jsonData"]["tlsAuthWithCACert"] is True
        assert grafana.source_secrets[uid]["tlsCACert"] == "PEM"

    def test_a_data_source_that_does_not_work_is_told(self, grafana: GrafanaDouble, run: Run) -> None:
        grafana.works = lambda _source, _password: "dial tcp: connection refused"
        message = run()["msg"]
        assert "'Anomalies of s'" in message
        assert "connection refused" in message
        assert "Fix: make http://influx.example:8086 an address at which Grafana reaches InfluxDB" in message


class TestLaterRun:
    def test_a_second_run_changes_nothing(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        grafana.requests.clear()
        result = run()
        assert (result["changed"], result["actions"], grafana.requests) == (False, [], [])
        assert run(check_mode=True)["datasource_problem"] == ""

    def test_a_pipeline_that_is_gone_takes_its_dashboard_along(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        assert run(described([PRINTER]))["actions"][-1] == "removed dashboard pump"
        assert "pump" not in {board["dashboard"]["title"] for board in grafana.boards.values()}

    def test_rules_go_before_the_contact_points_that_they_use(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        actions = run(described(rules=[], contacts=[]))["actions"]
        assert actions == [
            "removed rule Detection is down",
            "removed rule A model is old",
            "removed contact point on call slack",
        ]
        assert (grafana.rules, grafana.contacts) == ({}, {})

    def test_only_what_differs_is_sent(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        assert run(described(rules=[RULES[0], {"rule": "model_age", "days": 31}]))["actions"] == [
            "updated rule A model is old (data[2].model.conditions[0].evaluator.params[0])"
        ]

    def test_a_secret_that_differs_is_sent_and_not_shown(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        other = {**CONTACT, "settings": {**CONTACT["settings"], "url": "https://hooks.example/0ther"}}
        result = run(described(contacts=[other]))
        assert result["actions"] == ["updated contact point on call slack (settings.url)"]
        assert "0ther" not in str(result)
        assert [point["settings"]["url"] for point in grafana.contacts.values()] == ["https://hooks.example/0ther"]

    def test_a_rule_that_loses_its_receiver_is_changed(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        assert run(described(rules=[{"rule": "detection"}, RULES[1]]))["actions"] == [
            "updated rule Detection is down (notification_settings)"
        ]
        assert all("notification_settings" not in rule for rule in grafana.rules.values())

    def test_a_rule_that_somebody_paused_stays_paused(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        for rule in grafana.rules.values():
            rule["isPaused"] = True
        assert run()["changed"] is False
        run(described(rules=[{"rule": "detection"}, RULES[1]]))
        assert {rule["isPaused"] for rule in grafana.rules.values()} == {True}

    def test_a_password_that_influxdb_refuses_is_replaced(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        (uid,) = grafana.sources
        grafana.source_secrets[uid]["password"] = "from before the rotation"
        planned = run(check_mode=True)
        assert planned["actions"] == ["updated data source Anomalies of s (password)"]
        assert "unauthorized" in planned["datasource_problem"]
        run()
        assert grafana.source_secrets[uid]["password"] == PASSWORD

    def test_changes_by_hand_are_put_back(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        (uid,) = grafana.sources
        grafana.sources[uid] |= {"isDefault": True, "url": "http://elsewhere.example"}
        board = next(board for board in grafana.boards.values() if board["dashboard"]["title"] == "printer")
        board["dashboard"]["panels"].pop()
        assert run()["actions"] == [
            "updated data source Anomalies of s (url)",
            "updated dashboard printer (panels)",
        ]
        assert grafana.sources[uid]["isDefault"] is True, "whether it is the default is the user's"

    def test_the_folder_may_be_renamed(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        assert run(described(folder="Odd things"))["actions"] == ["updated folder Odd things (title)"]
        assert [folder["title"] for folder in grafana.folders.values()] == ["Odd things"]


class TestOthersObjects:
    def test_stay_as_they_are(self, grafana: GrafanaDouble, run: Run) -> None:
        run(described(stack="other", pipelines=[], own={}, folder="Theirs", rules=[], contacts=[]))
        ours = run()
        assert ours["changed"] is True
        (folder,) = (folder["uid"] for folder in grafana.folders.values() if folder["title"] == "Anomalies")
        copied = next(
            board["dashboard"] for board in grafana.boards.values() if board["dashboard"]["title"] == "printer"
        )
        # A copy that somebody saved in the stack's folder has the stack's tags.
        grafana.boards["copied"] = {"dashboard": {**copied, "uid": "copied", "title": "A copy"}, "folder": folder}
        grafana.contacts["theirs"] = contact("theirs")
        before = json.dumps([grafana.boards["copied"], grafana.contacts["theirs"]])
        assert run(described([PRINTER]))["kept"] == ["dashboard A copy"]
        result = run(state="absent")
        assert result["kept"] == ["dashboard A copy"]
        assert json.dumps([grafana.boards["copied"], grafana.contacts["theirs"]]) == before
        assert {folder["title"] for folder in grafana.folders.values()} == {"Anomalies", "Theirs"}
        assert len(grafana.sources) == 1
        assert {board["folder"] for uid, board in grafana.boards.items() if uid != "copied"} != {folder}

    def test_in_the_way_are_all_named_before_anything_changes(self, grafana: GrafanaDouble, run: Run) -> None:
        uid = next(board["uid"] for board in described()["dashboards"] if board["title"] == "printer")
        grafana.boards[uid] = {"dashboard": {"id": 1, "uid": uid, "title": "Theirs", "version": 1}, "folder": ""}
        grafana.sources["x"] = {"uid": "x", "name": "Anomalies of s", "readOnly": False}
        grafana.contacts["y"] = contact("on call")
        message = run()["msg"]
        assert grafana.requests == []
        lines = message.splitlines()
        assert len(lines) == 3
        assert all("that the stack did not make" in line and "Fix: " in line for line in lines)
        assert "'Anomalies of s'" in lines[0]
        assert f"the uid '{uid}'" in lines[1] and "'Theirs' in the folder 'Dashboards'" in lines[1]
        assert "contact point 'on call'" in lines[2]

    def test_a_folder_of_the_same_title_is_told(self, grafana: GrafanaDouble, run: Run) -> None:
        grafana.folders["x"] = {"uid": "x", "title": "Anomalies", "version": 1}
        message = run()["msg"]
        assert "The folder Anomalies could not be created." in message
        assert "Fix: another title (grafana_folder)" in message
        assert list(grafana.folders) == ["x"]

    def test_a_data_source_from_a_file_is_told(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        for source in grafana.sources.values():
            source["readOnly"] = True
        assert "is provisioned by a file there. Fix: " in run()["msg"]

    def test_a_rule_may_tell_a_receiver_of_theirs(self, grafana: GrafanaDouble, run: Run) -> None:
        rules = [{"rule": "shed", "receiver": "theirs"}]
        message = run(described(rules=rules))["msg"]
        assert "'A UDF sheds points' has the receiver 'theirs'" in message
        assert grafana.requests == []
        grafana.contacts["y"] = contact("theirs")
        assert run(described(rules=rules))["changed"] is True

    def test_a_contact_point_that_they_use_is_told(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        grafana.used.add("on call")
        message = run(state="absent")["msg"]
        assert "The contact point on call slack could not be removed." in message
        assert "Fix: take the contact point out of the notification policies" in message


class TestRemoval:
    def test_takes_everything_of_the_stack(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        planned = run(check_mode=True, state="absent")
        assert grafana.boards
        assert run(state="absent")["actions"] == planned["actions"]
        left = (grafana.folders, grafana.sources, grafana.boards, grafana.rules, grafana.contacts)
        assert left == ({}, {}, {}, {}, {})

    def test_of_what_is_gone_changes_nothing(self, grafana: GrafanaDouble, run: Run) -> None:
        assert run(state="absent")["changed"] is False
        assert grafana.requests == []

    def test_a_rule_of_others_keeps_the_folder(self, grafana: GrafanaDouble, run: Run) -> None:
        run()
        (folder,) = grafana.folders
        grafana.rules["theirs"] = {"uid": "theirs", "title": "Theirs", "folderUID": folder}
        assert run(state="absent")["kept"] == ["rule Theirs"]
        assert (list(grafana.folders), list(grafana.rules)) == ([folder], ["theirs"])


class TestConnection:
    @pytest.mark.parametrize(
        ("state", "message"),
        [
            ({"version": "10.4.1"}, "is Grafana 10.4.1, and alert rules that name their receivers need 11. Fix: "),
            ({"actions": [action for action in ADMIN if action != "datasources:create"]},
             "the account lacks the rights datasources:create. Fix: give it the role Admin"),
            ({"has_alerting": False}, "has no alerting. Fix: enable it there"),
            ({"page": (200, {"name": "Prometheus"})}, "/api/health: the answer is not Grafana's"),
            ({"page": (200, "<html>")}, "the answer is not JSON"),
            ({"page": (200, [])}, "the answer is not Grafana's"),
            ({"page": (302, "")}, "answers with a redirect to another address"),
            ({"page": (502, "<html>no")}, "/api/health: <html>no"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told_before_anything_changes(
        self, grafana: GrafanaDouble, run: Run, state: dict[str, Any], message: str
    ) -> None:
        for name, value in state.items():
            setattr(grafana, name, value)
        result = run()
        assert result["failed"] is True
        assert message in result["msg"]
        assert grafana.requests == []

    def test_a_grafana_that_hides_its_version_is_taken(self, grafana: GrafanaDouble, run: Run) -> None:
        grafana.version = ""
        assert run()["version"] == ""

    def test_a_wrong_token_is_told(self, grafana: GrafanaDouble, run: Run) -> None:
        result = run(token="wrong")
        assert "Grafana refuses the token (Invalid API key)" in result["msg"]
        assert result["status"] == 401

    def test_a_wrong_password_is_told(self, run: Run) -> None:
        assert "Grafana refuses user 'admin' (Invalid username" in run(username="admin", password="wrong-one")["msg"]

    def test_nobody_at_the_address_is_told(self, run: Run) -> None:
        assert "no connection to Grafana" in run(url="http://127.0.0.1:9")["msg"]

    def test_without_alerts_alerting_may_be_off(self, grafana: GrafanaDouble, run: Run) -> None:
        grafana.has_alerting = False
        wanted = described(rules=[], contacts=[])
        assert run(wanted)["changed"] is True
        assert run(wanted, state="absent")["changed"] is True


@pytest.mark.parametrize(
    ("wanted", "found", "place"),
    [
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3}, ""),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "a[0].b"),
        ({"a": [1]}, {"a": [1, 2]}, "a"),
        ({"a": None}, {}, ""),
        ({"a": 1}, {}, "a"),
        ({"a": 1}, {"a": 1.0}, ""),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": 1}, [], "all of it"),
    ],
)
def test_the_first_difference_is_named(wanted: Any, found: Any, place: str) -> None:
    assert MODULE.difference(wanted, found) == place
