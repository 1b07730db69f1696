"""Alert rules: what keeps Grafana from starting, and what would make a rule silent."""

import json
import re
from typing import Any

import pytest

from anomaly.grafana.alert_rules import MOST_CONTACT_POINTS, RULES, STOPPING_CHECKS, alerting
from anomaly.grafana.panels import DATASOURCE_UID, Json
from anomaly.keeper import checks
from tests.unit.anomaly.grafana.dashboards import PIPELINES, dashboards

HOOK: dict[str, Any] = {"name": "oncall", "type": "webhook", "settings": {"url": "https://hook.example/T0KEN"}}


def made(rules: list[dict[str, Any]], contact_points: list[dict[str, Any]] | None = None) -> Json:
    return alerting(rules, contact_points or [], PIPELINES, "stack", "Anomalies")


def rule(name: str, **options: Any) -> Json:
    found: Json
    (found,) = made([{"rule": name, **options}])["groups"][0]["rules"]
    return found


@pytest.mark.parametrize("name", RULES)
def test_a_rule_reduces_its_query_and_compares_the_result(name: str) -> None:
    asked, reduced, compared = rule(name)["data"]

    assert asked["datasourceUid"] == DATASOURCE_UID
    assert asked["relativeTimeRange"]["to"] == 0
    assert asked["model"]["query"] == RULES[name].query.text
    assert asked["model"]["resultFormat"] == "time_series"
    assert (reduced["model"]["expression"], compared["model"]["expression"]) == ("A", "B")
    assert rule(name)["condition"] == compared["refId"] == "C"
    assert compared["model"]["conditions"] == [
        {"evaluator": {"type": RULES[name].evaluator, "params": [RULES[name].limit]}}
    ]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_links_to_a_panel_that_there_is(name: str) -> None:
    annotations = rule(name)["annotations"]

    (shown,) = (each for each in dashboards().values() if each["uid"] == annotations["__dashboardUid__"])
    (title,) = (panel["title"] for panel in shown["panels"] if str(panel["id"]) == annotations["__panelId__"])
    assert title == RULES[name].panel


@pytest.mark.parametrize("name", RULES)
def test_a_query_is_bounded_and_keeps_to_the_time_of_its_rule(name: str) -> None:
    query = RULES[name].query.text
    assert query.count("$timeFilter") == 1
    assert query.endswith(" SLIMIT 200")


def test_the_rules_of_detection_are_the_checks_that_stop_it() -> None:
    stopping = {getattr(checks, name) for name in ("INFLUXDB", "KAPACITOR", "TASK", "UDF", "MODEL", "FED", "SCORES")}
    assert set(STOPPING_CHECKS) == stopping
    assert not {checks.STATE, checks.DISK, checks.CLOCK} & set(STOPPING_CHECKS)


def test_an_option_sets_the_limit() -> None:
    def limit(found: Json) -> float:
        params: list[float] = found["data"][2]["model"]["conditions"][0]["evaluator"]["params"]
        return params[0]

    assert limit(rule("model_age", days=7)) == 7 * 86_400
    assert limit(rule("severity", severity=75)) == 75


def test_a_rule_tells_its_receiver_or_leaves_that_to_the_policies() -> None:
    assert rule("shed", receiver="oncall")["notification_settings"] == {"receiver": "oncall"}
    assert "notification_settings" not in rule("shed")


def test_what_the_inventory_no_longer_names_is_removed() -> None:
    everything = made([{"rule": name} for name in RULES], [HOOK])
    nothing = made([])
    uids = [each["uid"] for each in everything["groups"][0]["rules"]]
    (contact,) = everything["contactPoints"]

    assert everything["deleteRules"] == nothing["groups"] == nothing["contactPoints"] == []
    assert [each["uid"] for each in nothing["deleteRules"]] == uids
    removed = [each["uid"] for each in nothing["deleteContactPoints"]]
    assert contact["receivers"][0]["uid"] == removed[0]
    assert removed[1:] == [each["uid"] for each in everything["deleteContactPoints"]]
    assert len(removed) == MOST_CONTACT_POINTS
    assert len({*uids, *removed}) == len(uids) + len(removed)
    assert all(re.fullmatch(r"[a-z0-9-]{1,40}", uid) for uid in (*uids, *removed))


def test_two_stacks_on_one_grafana_have_rules_of_their_own() -> None:
    other = alerting([{"rule": "shed"}], [], PIPELINES, "other", "Anomalies")
    assert other["groups"][0]["rules"][0]["uid"] != rule("shed")["uid"]
    assert other["groups"][0]["name"] != made([{"rule": "shed"}])["groups"][0]["name"]


def test_entries_of_one_name_are_one_contact_point() -> None:
    mail = {"name": "oncall", "type": "email", "settings": {"addresses": "oncall@example.org"}}
    chat = {**HOOK, "name": "chat"}

    found = made([], [HOOK, chat, mail])["contactPoints"]

    assert [(each["name"], [one["type"] for one in each["receivers"]]) for each in found] == [
        ("oncall", ["webhook", "email"]),
        ("chat", ["webhook"]),
    ]


def test_nothing_that_grafana_expands_has_a_dollar_sign() -> None:
    found = made([{"rule": name, "receiver": "oncall"} for name in RULES], [HOOK])
    for each in found["groups"][0]["rules"]:
        each["data"] = []  # Grafana takes queries as they are
    assert "$" not in json.dumps(found)
