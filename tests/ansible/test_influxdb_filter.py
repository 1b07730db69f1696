"""What users of an InfluxDB lack that the stack must not change. `test_templates` holds which databases it needs."""

from __future__ import annotations

from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.filter.influxdb import login_problems, needed_databases

DATABASES = [{"name": "printer", "retention_policies": []}, {"name": "anomaly", "retention_policies": []}]


def login(user: dict[str, Any], status: int = 200, seen: list[str] | None = None) -> dict[str, Any]:
    series = {} if seen is None else {"values": [[name] for name in seen]}
    return {"item": {"name": "reader", **user}, "status": status, "json": {"results": [{"series": [series]}]}}


def test_a_user_that_cannot_log_in_is_a_problem() -> None:
    assert login_problems([{"item": {"name": "writer"}, "status": 401}], DATABASES) == [
        "User writer cannot log in. Fix: create it, or correct its password."
    ]


def test_a_login_without_an_answer_is_a_problem() -> None:
    assert len(login_problems([{"item": {"name": "writer"}, "failed": True}], DATABASES)) == 1


def test_a_database_that_a_user_does_not_see_is_a_problem() -> None:
    logins = [login({"grants": {"printer": "READ", "anomaly": "READ"}}, seen=["anomaly"])]

    assert login_problems(logins, DATABASES) == [
        "User reader sees no database printer. Fix: create it, and grant READ on it."
    ]


def test_a_user_without_grants_has_to_see_every_database() -> None:
    assert login_problems([login({}, seen=["printer", "anomaly"])], DATABASES) == []
    assert [problem.split(".")[0] for problem in login_problems([login({}, seen=None)], DATABASES)] == [
        "User reader sees no database printer",
        "User reader sees no database anomaly",
    ]


def test_an_answer_without_series_shows_no_database() -> None:
    answer = {"item": {"name": "reader", "grants": {"printer": "READ"}}, "status": 200, "json": {"results": [{}]}}

    assert len(login_problems([answer], DATABASES)) == 1


def test_the_inventorys_policy_wins_over_a_readers() -> None:
    readers = [{"database": "printer", "retention_policy": "month"}]
    listed: list[dict[str, Any]] = [
        {"name": "printer", "retention_policies": [{"name": "month", "duration": "30d"}]},
        {"name": "empty"},
    ]

    assert needed_databases(readers, "anomaly", listed) == [
        {"name": "printer", "retention_policies": [{"name": "month", "duration": "30d"}]},
        {"name": "anomaly", "retention_policies": []},
        {"name": "empty", "retention_policies": []},
    ]
