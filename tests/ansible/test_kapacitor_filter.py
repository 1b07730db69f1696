"""What verify.yml says of tasks."""

from __future__ import annotations

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


def test_a_stopped_task_is_meant_to_be_stopped() -> None:
    result = {"item": {**TASK, "enabled": False}, "actions": [], "task": {}}
    (finding,) = value("results | kapacitor_task_findings", "kapacitor", results=[result])
    assert finding["what"] == "Task load is there and stopped"


def test_each_retention_policy_of_a_source_is_named_once() -> None:
    readers = [
        {"database": "a", "retention_policy": "x"},
        {"database": "b", "retention_policy": "x"},
        {"database": "a", "retention_policy": "y"},
        {"database": "a", "retention_policy": "x"},
    ]

    assert value("readers | kapacitor_sources", "kapacitor", readers=readers) == {"a": ["x", "y"], "b": ["x"]}
