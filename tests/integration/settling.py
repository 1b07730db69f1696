"""Whether a stack is at rest, so that nothing but the test changes it: what tests wait for before they compare.

A keeper repairs by itself, and `site.yml` restarts a container that is unhealthy. Both are right, and neither is what a
test is about that compares a stack before and after something. So such a test begins when there is nothing to repair.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.integration.playbook import RUN_TIMES
from tests.integration.waiting import wait_for

# The checks of the keeper whose failure makes it act, or makes it unhealthy.
URGENT = ("influxdb", "kapacitor", "task", "udf", "fed")
# An outage that the keeper has told is over some time after it has ended, and its health follows later.
_SETTLING_S = 900.0
# A keeper looks every five seconds, and takes longer on a busy host; what it found longer ago says nothing of now.
_FRESH_S = 60.0
# How a script calls the UDF of pipelines, which writes metrics.
_CALL = "@anomaly("

Tasks = Mapping[str, Mapping[str, Any]]


def wait_until_settled(unsettled: Callable[[], str], what: str, logs: Callable[[], str]) -> None:
    """Wait until nothing is on its way.

    Args:
        unsettled: says what is on its way; empty if nothing is.
        what: the name of the stack.
        logs: what else to say when it never is at rest.
    """
    begin, seen = time.monotonic(), [""]

    def is_settled() -> bool:
        found = unsettled()
        if found:
            seen[:] = [found]
        return not found

    wait_for(is_settled, f"{what} to be at rest", _SETTLING_S, lambda: f"{seen[0]}\n{logs()}")
    if seen[0]:
        RUN_TIMES.append(f"{time.monotonic() - begin:6.1f} s  {what}  until at rest, lastly: {seen[0]}"[:120])


def time_ns(text: str) -> int:
    """The time that Kapacitor or the engine writes, such as `2024-01-01T00:00:00.123456789Z`, in nanoseconds."""
    seconds, _, rest = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * 10**9 + int(rest.ljust(9, "0")[:9] or "0")


def unhealthy(health: Mapping[str, str]) -> str:
    """Which of the containers that run is unhealthy; empty if none is.

    One that the engine has not checked yet is no reason to wait: what runs in it is asked itself.

    Args:
        health: what the engine says of each container that runs; empty for one without a health check.
    """
    return ", ".join(f"{name} is {said}" for name, said in health.items() if said not in ("", "starting", "healthy"))


def idle(tasks: Tasks, beats_ns: Mapping[str, int], since_ns: int) -> str:
    """Which enabled task does not execute, or has a UDF that has written no metrics yet; empty if all work.

    Args:
        tasks: what Kapacitor says of its tasks.
        beats_ns: when the UDF of a task last wrote its metrics.
        since_ns: when Kapacitor was started.
    """
    for name, task in tasks.items():
        if task["status"] != "enabled":
            continue
        if not task["executing"]:
            return f"the task {name} does not execute: {task['error']}"
        started_ns = max(since_ns, time_ns(task["last-enabled"]))
        if _CALL in task["script"] and beats_ns.get(name, 0) <= started_ns:
            return f"the UDF of {name} has written no metrics since its start"
    return ""


def troubled(heartbeat: str, now_ns: int | None = None) -> str:
    """What the keeper finds wrong, or that it has not looked lately; empty if all is well.

    Args:
        heartbeat: the content of the file that it writes at each look.
        now_ns: when; None: now.
    """
    try:
        look = json.loads(heartbeat)
    except ValueError:
        return f"the keeper has not looked yet: {heartbeat.strip()}"
    age_s = ((time.time_ns() if now_ns is None else now_ns) - look["time_ns"]) / 1e9
    if age_s > _FRESH_S:
        return f"the keeper looked {age_s:.0f} s ago"
    failed = [found["text"] for found in look["findings"] if found["check"] in URGENT and found["ok"] is False]
    return "; ".join([*look["down"], *failed])


def starts(said: str, task: str) -> int:
    """How often the keeper has started a task again, by its log."""
    return len(re.findall(rf"^{re.escape(task)}: .*; its task is started again$", said, re.MULTILINE))
