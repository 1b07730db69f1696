"""What verify finds is shown line by line, and judged for all hosts at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.filter.verify import (
    verify_checked,
    verify_containers,
    verify_lines,
    verify_problems,
)

SERVICES: dict[str, Any] = {"influxdb": {}, "grafana": {"optional": True}}
HEALTHY = {"Status": "running", "Health": {"Status": "healthy"}}


def container(service: str, **more: Any) -> dict[str, Any]:
    return {"item": service, **more}


@pytest.mark.parametrize(
    ("state", "ok", "problem"),
    [
        (HEALTHY, True, ""),
        (
            {"Status": "running", "Health": {"Status": "unhealthy"}},
            False,
            "it is running, its health: unhealthy. Fix: ",
        ),
        ({"Status": "running", "Health": None}, False, "it is running, its health: none. Fix: "),
        ({"Status": "exited"}, False, "it is exited, its health: none. Fix: see its log, `docker logs s-influxdb`"),
    ],
)
def test_a_container_is_healthy_or_not(state: dict[str, Any], ok: bool, problem: str) -> None:
    result = container("influxdb", exists=True, container={"State": state})
    (finding,) = verify_containers([result], SERVICES, "s")
    assert finding["what"] == "Container s-influxdb is healthy"
    assert finding["ok"] is ok
    assert str(finding["problem"]).startswith(problem)


def test_a_container_that_is_missing_is_a_problem_unless_it_is_optional() -> None:
    results = [container(name, exists=False, container=None) for name in SERVICES]
    findings = verify_containers(results, SERVICES, "s")
    assert [finding["ok"] for finding in findings] == [False, False]
    assert [finding["note"] for finding in findings] == [False, True]
    assert findings[0]["problem"] == "it is not there. Fix: run site.yml, or see there why"


def test_an_engine_that_does_not_answer_is_a_problem_of_every_service() -> None:
    (finding,) = verify_containers([container("grafana", msg="no engine")], SERVICES, "s")
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
