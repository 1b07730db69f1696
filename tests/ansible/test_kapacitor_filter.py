"""What verify.yml says of tasks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from tests.ansible.rendering import value

TASK = {"name": "load", "enabled": True}


@pytest.mark.parametrize(
    ("result", "ok", "problem"),
    [
        ({"item": TASK, "actions": [], "task": {"error": ""}}, True, ""),
        ({"item": TASK, "actions": ["start"], "task": {"error": "no model"}}, False, "no model site.yml would do: ["),
        ({"item": TASK, "actions": ["define"], "task": None}, False, "site.yml would do: ['define']"),
        ({"item": TASK, "msg": "Kapacitor does not answer"}, False, "Kapacitor does not answer"),
    ],
)
def test_a_task_that_would_change_is_a_problem(result: dict[str, Any], ok: bool, problem: str) -> None:
    (finding,) = value("results | kapacitor_task_findings", "kapacitor", results=[result])
    assert (finding["what"], finding["ok"]) == ("Task load executes without an error", ok)
    assert problem in finding["problem"]


def test_findings_follow_from_several_tasks_at_once_too() -> None:
    results = [
        {"id": "load", "state": "enabled", "actions": [], "task": {"error": ""}},
        {"id": "idle", "state": "disabled", "msg": "Kapacitor does not answer", "failed": True},
    ]

    running, stopped = value("results | kapacitor_task_findings", "kapacitor", results=results)

    assert (running["what"], running["ok"]) == ("Task load executes without an error", True)
    assert (stopped["what"], stopped["problem"]) == ("Task idle is there and stopped", "Kapacitor does not answer")


def test_changes_name_the_tasks_that_changed() -> None:
    tasks = [{"id": "a", "actions": ["updated", "restarted"]}, {"id": "b", "actions": []}, {"id": "c", "msg": "x"}]

    assert value("tasks | kapacitor_task_changes", "kapacitor", tasks=tasks) == ["a: updated, restarted"]


def test_a_stopped_task_is_meant_to_be_stopped() -> None:
    result = {"item": {**TASK, "enabled": False}, "actions": [], "task": {}}
    (finding,) = value("results | kapacitor_task_findings", "kapacitor", results=[result])
    assert finding["what"] == "Task load is there and stopped"


def test_a_token_is_signed_and_holds_for_minutes() -> None:
    def decoded(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    token = value("'admin' | kapacitor_token('secret')", "kapacitor")

    header, claims, signature = token.split(".")
    assert json.loads(decoded(header)) == {"alg": "HS256", "typ": "JWT"}
    said = json.loads(decoded(claims))
    assert said["username"] == "admin"
    assert 0 < said["exp"] - time.time() <= 600
    assert decoded(signature) == hmac.digest(b"secret", f"{header}.{claims}".encode(), hashlib.sha256)


def test_each_retention_policy_of_a_source_is_named_once() -> None:
    readers = [
        {"database": "a", "retention_policy": "x"},
        {"database": "b", "retention_policy": "x"},
        {"database": "a", "retention_policy": "y"},
        {"database": "a", "retention_policy": "x"},
    ]

    assert value("readers | kapacitor_sources", "kapacitor", readers=readers) == {"a": ["x", "y"], "b": ["x"]}


LOOK: list[dict[str, Any]] = [
    {"check": "influxdb", "pipeline": "", "ok": True, "text": ""},
    {"check": "task", "pipeline": "load", "ok": True, "text": ""},
    {"check": "scores", "pipeline": "load", "ok": None, "text": ""},
]


def keeper_findings(
    findings: list[dict[str, Any]] | None, messengers: dict[str, Any], age_s: int = 3
) -> list[dict[str, Any]]:
    """What verify.yml says of a look of this age."""
    heartbeat = json.dumps({"findings": findings, "time_ns": (1_000 - age_s) * 1_000_000_000})
    look = {"stdout": "" if findings is None else f"1000\n{heartbeat}", "stderr": "No such container"}
    found: list[dict[str, Any]] = value(
        "look | keeper_findings(names, __keeper_patience)", "keeper", look=look, names=messengers
    )
    return found


def test_a_keeper_that_finds_nothing_says_what_it_looked_at() -> None:
    told, found = keeper_findings(LOOK, {"web": {}, "mail": {}})

    assert (told["what"], told["ok"]) == ("The keeper tells when detection is down (mail, web)", True)
    assert (found["what"], found["ok"]) == ("The keeper finds all well (3 checks, pipelines: 1)", True)


def test_what_the_keeper_finds_is_a_problem() -> None:
    failed: list[dict[str, Any]] = [
        {"check": "udf", "pipeline": "load", "ok": False, "text": "the UDF of load is silent"}
    ]

    found = keeper_findings([*LOOK, *failed], {"web": {}})[1]

    assert (found["ok"], found["problem"]) == (False, "the UDF of load is silent")


def test_a_keeper_that_tells_nobody_is_noted() -> None:
    told = keeper_findings(LOOK, {})[0]

    assert (told["ok"], told["note"]) == (False, True)
    assert "set keeper_messengers" in told["problem"]


def test_a_keeper_that_has_not_looked_is_a_problem() -> None:
    found = keeper_findings(None, {"web": {}})[1]

    assert (found["ok"], found["problem"]) == (False, "it has not looked yet. No such container")


def test_a_keeper_that_looks_no_more_is_a_problem() -> None:
    assert keeper_findings(LOOK, {"web": {}}, age_s=180)[1]["ok"]

    found = keeper_findings(LOOK, {"web": {}}, age_s=181)[1]

    assert found["ok"] is False
    assert found["problem"].startswith("it looked 181 s ago, which is more than 180 s. Fix: ")


def test_a_clock_that_was_set_back_makes_no_look_old() -> None:
    assert keeper_findings(LOOK, {"web": {}}, age_s=-5_000)[1]["ok"]


def listening(*handlers: dict[str, Any]) -> dict[str, list[str]]:
    """Return the topics that each handler listens to."""
    found: dict[str, list[str]] = {}
    for each in value("listed | kapacitor_handlers('stack')", "kapacitor", listed=list(handlers)):
        assert set(each) == {"id", "kind", "topic", "options"}
        found.setdefault(each["id"], []).append(each["topic"])
    return found


def test_handlers_that_choose_no_incidents_listen_to_one_topic() -> None:
    oncall = {"id": "oncall", "kind": "post", "options": {"url": "http://x"}}
    assert listening(oncall, {**oncall, "id": "chat", "notify": "periods"}) == {"oncall": ["stack"], "chat": ["stack"]}
    for name in ("kapacitor_incident_topic", "kapacitor_period_topic"):
        expected = "" if name == "kapacitor_incident_topic" else "stack"
        assert value(f"listed | {name}('stack')", "kapacitor", listed=[oncall]) == expected


def test_a_handler_chooses_periods_incidents_or_both() -> None:
    chosen = [
        {"id": notify, "kind": "post", "options": {"url": "http://x"}, "notify": notify}
        for notify in ("periods", "incidents", "both")
    ]
    own = {"id": "own", "kind": "post", "options": {"url": "http://x"}, "topic": "workshop"}
    assert listening(*chosen, own) == {
        "periods": ["stack", "stack-periods"],
        "incidents": ["stack", "stack-incidents"],
        "both": ["stack", "stack-periods", "stack-incidents"],
        "own": ["workshop"],
    }
    assert value("listed | kapacitor_incident_topic('stack')", "kapacitor", listed=chosen) == "stack-incidents"
    assert value("listed | kapacitor_period_topic('stack')", "kapacitor", listed=chosen) == "stack-periods"
