"""Filters over what the modules kapacitor_task and kapacitor_handlers say in check mode, for verify.yml; and sections
of kapacitor.conf."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

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


# Sections of kapacitor.conf that there may be several of.
SEVERAL = ("discord", "httppost", "kafka", "mqtt", "slack")
# Those of them of which one is used by handlers that name none.
_WITH_DEFAULT = ("discord", "mqtt", "slack")


def sections(services: Mapping[str, Any]) -> str:
    """Sections of kapacitor.conf as TOML, from a mapping of each to its options, or to a list of them. Each is enabled,
    and where there is but one it is the default, unless its options say otherwise."""
    text = ""
    for name, given in sorted(services.items()):
        entries = [given] if isinstance(given, Mapping) else given
        implied: dict[str, Any] = {} if name == "httppost" else {"enabled": True}
        if name in _WITH_DEFAULT and len(entries) == 1:
            implied["default"] = True
        header = f"[[{name}]]" if name in SEVERAL else f"[{name}]"
        for entry in entries:
            lines = [f"{json.dumps(str(key))} = {_toml(value)}\n" for key, value in {**implied, **entry}.items()]
            text += f"\n{header}\n{''.join(lines)}"
    return text


def _toml(value: Any) -> str:
    """A value in TOML, which writes texts, numbers, booleans and lists as JSON does."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filter name -> function."""
        return {
            "kapacitor_task_findings": task_findings,
            "kapacitor_handler_findings": handler_findings,
            "kapacitor_sections": sections,
        }
