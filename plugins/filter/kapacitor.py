"""Filters over what the modules kapacitor_task and kapacitor_handlers say in check mode, for verify.yml; and sections
of kapacitor.conf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.kapacitor_conf import sections

DOCUMENTATION = """
name: kapacitor
short_description: What is to be said of Kapacitor's tasks and handlers, and sections of its configuration
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


def handler_findings(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Whether the handlers of alerts are as the inventory has them, and who listens to which topic."""
    actions = result.get("actions")
    topics = [f"{topic['id']}: {', '.join(topic['handlers']) or 'nobody'}" for topic in result.get("topics", [])]
    return [
        {
            "what": f"Alerts are handed to kapacitor_alert_handlers (topics: {'; '.join(topics) or 'none yet'})",
            "ok": actions == [],
            "problem": result.get("msg") or f"site.yml would do: {', '.join(actions or [])}",
        }
    ]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filter name -> function."""
        return {
            "kapacitor_task_findings": task_findings,
            "kapacitor_handler_findings": handler_findings,
            "kapacitor_sections": sections,
        }
