"""Alert rules and contact points of Grafana: what would keep it from starting is told before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ansible.inventories import inventory
from tests.ansible.test_preflight_inventory import problems, the_problem

HOOK: dict[str, Any] = {"name": "oncall", "type": "webhook", "settings": {"url": "https://hook.example/T0KEN"}}


def variables(rules: list[Any], contacts: list[Any] | None = None) -> dict[str, Any]:
    return {"grafana_alert_rules": rules, "grafana_contact_points": [HOOK] if contacts is None else contacts}


def test_in_order() -> None:
    rules = [
        {"rule": "detection", "receiver": "oncall"},
        {"rule": "model_age", "days": 30},
        {"rule": "shed"},
        {"rule": "severity", "severity": 87.5, "receiver": "oncall"},
    ]
    assert problems(inventory(each=variables(rules))) == []


@pytest.mark.parametrize(
    ("rules", "contacts", "wrong", "fix"),
    [
        ([{"rule": "detecton"}], None, "value of rule must be one of: detection, model_age, shed, severity", "correct"),
        ([{"rule": "shed"}, {"rule": "shed"}], None, "the rule is there twice", "leave one of the two"),
        ([{"rule": "shed", "days": 3}], None, "the rule shed has no such option", "choose the rule model_age"),
        ([{"rule": "model_age", "days": 0}], None, "it is not from 1 to 3650", "a number from 1 to 3650"),
        ([{"rule": "severity", "severity": 101}], None, "it is not from 0 to 100", "a number from 0 to 100"),
        ([{"rule": "shed", "receiver": "oncal"}], None, "_points has no such name", "did you mean oncall"),
        ([{"rule": "shed", "receiver": "oncall"}], [], "_points has no such name", "that you add there"),
        ([], [{**HOOK, "settings": {}}], "takes no contact point without settings", "url for a webhook"),
        ([], [{**HOOK, "settings": {"url": "https://x/$A"}}], "it has a dollar sign", "a value without one"),
        ([], [HOOK] * 21, "there are more than 20 entries", "remove some"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_the_fix(rules: list[Any], contacts: Any, wrong: str, fix: str) -> None:
    problem = the_problem(inventory(each=variables(rules, contacts)))
    assert problem.startswith("grafana_")
    assert wrong in problem.split(". Fix: ")[0]
    assert fix in problem.split(". Fix: ")[1]
    assert "T0KEN" not in problem
