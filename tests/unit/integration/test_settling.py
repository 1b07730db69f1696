"""When a stack counts as being at rest, and which of its tasks were touched."""

import json
import re
from typing import Any

import pytest

from tests.integration import settling
from tests.integration.settling import idle, starts, time_ns, troubled, unhealthy, wait_until_settled
from tests.integration.stack import touched

SECOND_NS = 10**9
STARTED = "2024-01-01T00:00:00.5Z"
STARTED_NS = 1_704_067_200 * SECOND_NS + SECOND_NS // 2
TASK: dict[str, Any] = {
    "status": "enabled",
    "executing": True,
    "error": "",
    "last-enabled": STARTED,
    "script": "stream|from()@anomaly()",
}


def test_a_time_is_read_to_the_nanosecond() -> None:
    assert time_ns("2024-01-01T00:00:00.123456789Z") == 1_704_067_200 * SECOND_NS + 123_456_789
    assert time_ns("2024-01-01T00:00:00Z") == 1_704_067_200 * SECOND_NS


def test_a_container_that_is_ill_is_named() -> None:
    assert not unhealthy({"influxdb": "healthy", "kapacitor": "starting", "job": ""})
    assert unhealthy({"influxdb": "healthy", "keeper": "unhealthy"}) == "keeper is unhealthy"


def test_what_a_stack_waited_for_is_noted_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[str] = []
    monkeypatch.setattr(settling, "RUN_TIMES", noted)
    found = iter(["keeper is unhealthy", "", ""])

    wait_until_settled(lambda: next(found), "it-1", lambda: "")
    wait_until_settled(lambda: next(found), "it-1", lambda: "")

    (line,) = noted
    assert re.fullmatch(r" +0\.\d s  it-1  until at rest, lastly: keeper is unhealthy", line)


@pytest.mark.parametrize(
    ("changes", "beat_ns", "since_ns", "said"),
    [
        ({}, STARTED_NS + 1, 0, ""),
        ({}, STARTED_NS, 0, "has written no metrics"),
        ({}, STARTED_NS + 1, STARTED_NS + 2, "has written no metrics"),
        ({"executing": False, "error": "gone"}, STARTED_NS + 1, 0, "does not execute: gone"),
        ({"executing": False, "status": "disabled"}, 0, 0, ""),
        ({"script": "stream|log()"}, 0, 0, ""),
    ],
    ids=["beats", "beat-before-its-start", "beat-before-kapacitor", "ended", "disabled", "no-pipeline"],
)
def test_a_task_that_does_not_work_yet_is_named(
    changes: dict[str, Any], beat_ns: int, since_ns: int, said: str
) -> None:
    found = idle({"printer": TASK | changes}, {"printer": beat_ns}, since_ns)
    assert said in found
    assert bool(said) is bool(found)


def finding(check: str, ok: bool | None) -> dict[str, Any]:
    return {"check": check, "ok": ok, "text": f"{check} fails"}


@pytest.mark.parametrize(
    ("down", "found", "age_s", "said"),
    [
        ([], [finding("udf", True), finding("scores", None)], 5, ""),
        ([], [finding("udf", False)], 5, "udf fails"),
        ([], [finding("disk", False)], 5, ""),
        (["detection is down"], [], 5, "detection is down"),
        ([], [], 90, "looked 90 s ago"),
    ],
    ids=["well", "failing", "not-urgent", "told", "old"],
)
def test_what_the_keeper_repairs_is_named(down: list[str], found: list[Any], age_s: int, said: str) -> None:
    look = json.dumps({"time_ns": STARTED_NS, "down": down, "findings": found})
    answer = troubled(look, STARTED_NS + age_s * SECOND_NS)
    assert said in answer
    assert bool(said) is bool(answer)


def test_a_keeper_that_has_not_looked_is_in_trouble() -> None:
    assert "has not looked yet" in troubled("cat: can't open '/tmp/heartbeat'")


def test_starts_by_the_keeper_are_counted_by_task() -> None:
    said = "printer: the UDF is silent; its task is started again\nmy-printer: gone; its task is started again\n"
    assert starts(said, "printer") == 1
    assert starts(said, "rooms") == 0


def test_a_task_is_touched_unless_the_keeper_started_it() -> None:
    task = {**dict.fromkeys(("vars", "template-id", "dbrps", "created", "modified")), **TASK, "starts by the keeper": 0}
    restarted = task | {"last-enabled": "2024-01-01T00:01:00Z"}
    before = {"a": task, "b": task}
    assert not touched(before, before)
    assert touched(before, {"a": restarted, "b": task}) == {"a"}
    assert not touched(before, {"a": restarted | {"starts by the keeper": 1}, "b": task})
    assert touched(before, {"a": task | {"script": "", "starts by the keeper": 1}, "b": task}) == {"a"}
    assert touched(before, {"b": task, "c": task}) == {"a", "c"}
