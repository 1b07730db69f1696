"""Filters of the roles kapacitor and pipelines: findings for verify.yml, handlers, sources, and kapacitor.conf.

A finding has `what` was checked, `ok`, and the `problem` if it is not. It comes from what a module would change in
check mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.plugins.filter.core import to_json
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.kapacitor_conf import sections

DOCUMENTATION = """
name: kapacitor
short_description: Findings about Kapacitor's tasks and handlers, and sections of its configuration
"""


def task_findings(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a finding for each task.

    Args:
        results: results of a loop of kapacitor_task in check mode, whose items have `name` and `enabled`.
    """
    findings = []
    for result in results:
        item, actions = result["item"], result.get("actions")
        task = result.get("task") or {}
        state = "executes without an error" if item["enabled"] else "is there and stopped"
        problem = result.get("msg") or f"{task.get('error') or ''} site.yml would do: {actions or []}"
        findings.append({"what": f"Task {item['name']} {state}", "ok": actions == [], "problem": problem})
    return findings


def handler_findings(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one finding about the handlers of alerts, which names the topics and who listens to them.

    Args:
        result: result of kapacitor_handlers in check mode.
    """
    actions = result.get("actions")
    topics = [f"{topic['id']}: {', '.join(topic['handlers']) or 'nobody'}" for topic in result.get("topics", [])]
    return [
        {
            "what": f"Alerts are handed to kapacitor_alert_handlers (topics: {'; '.join(topics) or 'none yet'})",
            "ok": actions == [],
            "problem": result.get("msg") or f"site.yml would do: {', '.join(actions or [])}",
        }
    ]


def handlers(listed: Iterable[Mapping[str, Any]], topic: str) -> list[dict[str, Any]]:
    """Return the alert handlers as the module kapacitor_handlers takes them.

    Ansible's own `to_json` writes the options, because it knows values out of a vault.

    Args:
        listed: the inventory's `kapacitor_alert_handlers`.
        topic: the topic of handlers that name none.
    """
    return [{"topic": topic, **handler, "options": to_json(handler.get("options") or {})} for handler in listed]


def sources(readers: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the retention policies that are read of each database.

    Args:
        readers: pipelines and tasks of custom UDFs, with `database` and `retention_policy`.
    """
    found: dict[str, list[str]] = {}
    for reader in readers:
        policies = found.setdefault(reader["database"], [])
        if reader["retention_policy"] not in policies:
            policies.append(reader["retention_policy"])
    return found


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {
            "kapacitor_task_findings": task_findings,
            "kapacitor_handler_findings": handler_findings,
            "kapacitor_handlers": handlers,
            "kapacitor_sections": sections,
            "kapacitor_sources": sources,
        }
