"""What verify finds is shown line by line, and judged for all hosts at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.filter.console import console_findings, console_token
from ansible_collections.influx_anomaly.stack.plugins.filter.verify import (
    verify_checked,
    verify_containers,
    verify_lines,
    verify_problems,
)

SERVICES: dict[str, Any] = {"influxdb": {}, "grafana": {"optional": True}}
LEFT_OUT = {"grafana": "docker.io cannot be reached"}


def container(service: str, **more: Any) -> dict[str, Any]:
    return {"item": service, **more}


def running(health: str | None) -> dict[str, Any]:
    return {"Status": "running", "Health": health and {"Status": health}}


@pytest.mark.parametrize(
    ("state", "verdict", "ok", "problem"),
    [
        (running("healthy"), "ready", True, ""),
        # Its check passes, and the engine has not run it yet.
        (running("starting"), "ready", True, ""),
        (running("starting"), "waiting", False, "it is running, its health: starting. Fix: "),
        (running("unhealthy"), "unhealthy", False, "it is running, its health: unhealthy. Fix: "),
        (running(None), "ready", False, "it is running, its health: none. Fix: "),
        (
            {"Status": "exited"}, "exited", False,
            "it is exited, its health: none. Fix: see its log, `docker logs s-influxdb`",
        ),
    ],
)  # fmt: skip
def test_a_container_is_healthy_or_not(state: dict[str, Any], verdict: str, ok: bool, problem: str) -> None:
    result = container("influxdb", exists=True, container={"State": state}, verdict=verdict)
    (finding,) = verify_containers([result], SERVICES, "s", {})
    assert finding["what"] == "Container s-influxdb is healthy"
    assert finding["ok"] is ok
    assert str(finding["problem"]).startswith(problem)


def test_a_container_that_is_missing_is_a_problem_unless_it_is_optional() -> None:
    results = [container(name, exists=False, container=None) for name in SERVICES]
    findings = verify_containers(results, SERVICES, "s", {})
    assert [finding["ok"] for finding in findings] == [False, False]
    assert [finding["note"] for finding in findings] == [False, True]
    assert findings[0]["problem"] == "it is not there. Fix: run site.yml, or see there why"


def test_a_service_without_an_image_is_a_note_that_says_why_and_what_to_do() -> None:
    (finding,) = verify_containers([container("grafana", exists=False, container=None)], SERVICES, "s", LEFT_OUT)
    assert (finding["ok"], finding["note"]) == (False, True)
    assert finding["problem"] == (
        "it is left out, as there is no image of it: docker.io cannot be reached. Fix: make it available "
        "(image_registry or image_archive_dir) and run site.yml, or set grafana_enabled: false"
    )


def test_a_container_that_a_former_image_left_is_judged_by_its_health() -> None:
    state = container("grafana", exists=True, container={"State": running("unhealthy")}, verdict="unhealthy")
    (finding,) = verify_containers([state], SERVICES, "s", LEFT_OUT)
    assert (finding["note"], "health: unhealthy" in finding["problem"]) == (False, True)


def test_an_engine_that_does_not_answer_is_a_problem_of_every_service() -> None:
    (finding,) = verify_containers([container("grafana", msg="no engine")], SERVICES, "s", LEFT_OUT)
    assert (finding["ok"], finding["note"], finding["problem"]) == (False, False, "no engine")


def test_an_optional_service_is_looked_at_where_it_is() -> None:
    there = [container("influxdb", exists=False), container("grafana", exists=True)]
    gone = [container("influxdb", msg="no engine"), container("grafana", exists=False)]
    assert verify_checked(there, SERVICES) == ["influxdb", "grafana"]
    assert verify_checked(gone, SERVICES) == ["influxdb"]


FINDINGS = [
    {"what": "One holds", "ok": True, "problem": "nothing"},
    {"what": "Two holds", "ok": False, "problem": " it does not. "},
    {"what": "Three holds", "ok": False, "note": True, "problem": "not yet"},
]


def test_each_finding_has_a_line() -> None:
    assert verify_lines(FINDINGS) == [
        "ok    One holds",
        "FAIL  Two holds: it does not.",
        "note  Three holds: not yet",
    ]


def test_problems_of_all_hosts_are_told_and_notes_are_not() -> None:
    assert verify_problems(["a", "b"], {"a": {"here": FINDINGS}, "b": {}}, "here") == [
        "a: Two holds: it does not.",
        "b: could not be looked at",
    ]


NOBODY, VIEWER = {"who": "nobody"}, {"who": "viewer", "username": "eva", "password": "hidden-value"}


@pytest.mark.parametrize(
    ("nobody", "viewer", "problem"),
    [
        ({"status": 401}, {"status": 200}, ""),
        ({"status": 200}, {"status": 200}, "nobody: HTTP 200. Fix: "),
        ({"status": 401}, {"status": 401}, "viewer: HTTP 401. Fix: "),
        (
            {"msg": "Connection refused"},
            {"status": -1, "msg": "timed out"},
            "nobody: Connection refused; viewer: timed ",
        ),
    ],
)
def test_a_console_lets_in_its_users_only(nobody: dict[str, Any], viewer: dict[str, Any], problem: str) -> None:
    access, _ = console_findings([{"item": NOBODY, **nobody}, {"item": VIEWER, **viewer}], {"status": 200})
    assert access["ok"] is not bool(problem)
    assert problem in access["problem"]
    assert "hidden-value" not in str(access)


def test_a_console_without_a_first_page_is_a_problem() -> None:
    (_, pages) = console_findings([], {"status": 303})
    assert (pages["ok"], "HTTP 303" in pages["problem"]) == (False, True)
    (_, pages) = console_findings([], {"status": 200})
    assert pages["ok"]


def test_the_token_of_a_form_is_found() -> None:
    assert console_token('<form><input type="hidden" name="csrf" value="a-B_1"></form>') == "a-B_1"
    assert console_token("<p>The console does not answer.</p>") == ""
