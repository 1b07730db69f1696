#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: what tasks a Kapacitor 1.x has, over its HTTP API."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kapacitor_task_info
short_description: List the tasks of Kapacitor 1.x
description:
  - Lists tasks with their status and error, over Kapacitor's HTTP API. Changes nothing.
extends_documentation_fragment: [influx_anomaly.stack.connection]
options:
  pattern:
    description: Shell-like pattern that the tasks' ids match; empty means every task.
    type: str
    default: ""
  owner_marker:
    description: Only tasks whose script contains this text.
    type: str
author:
  - influx-anomaly
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
"""

EXAMPLES = r"""
- name: Which of our tasks are there
  kapacitor_task_info:
    url: http://127.0.0.1:9092
    username: admin
    password: "{{ kapacitor_password }}"
    owner_marker: managed by influx-anomaly
  register: mine
"""

RETURN = r"""
tasks:
  description: The tasks, sorted by id.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The task's id.
      type: str
    status:
      description: V(enabled) or V(disabled).
      type: str
    executing:
      description: Whether the task runs.
      type: bool
    error:
      description: Why it does not; empty if there is no error.
      type: str
    dbrps:
      description: Databases and retention policies, as a list of C(db) and C(rp).
      type: list
    script:
      description: The TICKscript as it was sent.
      type: str
    stats:
      description: Statistics of the task (C(task-stats)) and of each of its nodes (C(node-stats)); empty if it does not run.
      type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import Kapacitor, KapacitorError

FIELDS = ("status", "executing", "error", "dbrps", "script", "stats")


def tasks(kapacitor: Kapacitor, pattern: str, owner_marker: str | None) -> list[dict[str, Any]]:
    """Return the tasks that match, sorted by id."""
    found = [
        {"id": task["id"], **{field: task.get(field) for field in FIELDS}}
        for task in kapacitor.tasks(pattern, FIELDS)
        if not owner_marker or owner_marker in (task.get("script") or "")
    ]
    for task in found:
        task["stats"] = task["stats"] or {}
    return sorted(found, key=lambda task: str(task["id"]))


def main() -> None:
    """Ansible's entry point."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "pattern": {"type": "str", "default": ""},
            "owner_marker": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        found = tasks(Kapacitor.from_params(module.params), module.params["pattern"], module.params["owner_marker"])
    except KapacitorError as error:
        module.fail_json(msg=str(error), status=error.status)
    module.exit_json(changed=False, tasks=found)


if __name__ == "__main__":
    main()
