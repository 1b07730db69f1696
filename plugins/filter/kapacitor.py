"""Filter over what the module kapacitor_task says of tasks in check mode: what verify.yml tells of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

DOCUMENTATION = """
name: kapacitor
short_description: What is to be said of Kapacitor's tasks
"""


def task_findings(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each result of a loop over tasks (items have `name` and `enabled`): what was looked at, whether it is so, and
    what is wrong if not."""
    findings = []
    for result in results:
        item, actions = result["item"], result.get("actions")
        task = result.get("task") or {}
        state = "executes without an error" if item["enabled"] else "is there and stopped"
        problem = result.get("msg") or f"{task.get('error') or ''} site.yml would do: {actions or []}"
        findings.append({"what": f"Task {item['name']} {state}", "ok": actions == [], "problem": problem})
    return findings


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filter name -> function."""
        return {"kapacitor_task_findings": task_findings}
