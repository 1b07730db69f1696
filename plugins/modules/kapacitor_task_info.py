#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module that lists the tasks of Kapacitor 1.x, over its HTTP API."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kapacitor_task_info
short_description: List the tasks of Kapacitor 1.x
description:
  - Lists tasks with their status and error, over Kapacitor's HTTP API. The module changes nothing.
extends_documentation_fragment: [influx_anomaly.stack.connection]
options:
  pattern:
    description: Shell-like pattern for the tasks' ids; an empty pattern lists every task.
    type: str
    default: ""
  owner_marker:
    description: Text that a task's script must contain for the task to be listed.
    type: str
author:
  - influx-anomaly
attributes:
  check_mode:
    support: full
    description: The module changes nothing in either mode.
"""

EXAMPLES = r"""
- name: List the tasks with our marker
  influx_anomaly.stack.kapacitor_task_info:
    url: http://127.0.0.1:9092
    username: admin
    password: "{{ kapacitor_password }}"
    owner_marker: managed by influx-anomaly
  register: marked_tasks
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
      description: Why the task does not run; empty if there is no error.
      type: str
    dbrps:
      description: Databases and retention policies whose points the task sees.
      type: list
      elements: dict
      contains:
        db:
          description: Name of the database.
          type: str
        rp:
          description: Name of the retention policy.
          type: str
    script:
      description: The TICKscript as it was sent.
      type: str
    template:
      description: Id of the template that the task is made from; empty if it has a script of its own.
      type: str
    vars:
      description: Type and value of each var by its name; a duration's value is in nanoseconds.
      type: dict
    stats:
      description: Statistics of the task (C(task-stats)) and of each of its nodes (C(node-stats)); empty if the task does not run.
      type: dict
status:
  description: HTTP status of the answer that the module failed on; null if no answer came.
  type: int
  returned: when a request failed
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import (
    Kapacitor,
    KapacitorError,
    comparable_vars,
)

FIELDS = ("status", "executing", "error", "dbrps", "script", "template-id", "vars", "stats")


def tasks(kapacitor: Kapacitor, pattern: str, owner_marker: str | None) -> list[dict[str, Any]]:
    """Return the matching tasks, sorted by id.

    Args:
        kapacitor: client of the server.
        pattern: shell-like pattern for the tasks' ids; empty for every task.
        owner_marker: text that a task's script must contain; None for every task.

    Returns:
        One dictionary for each task, as RETURN describes it.

    Raises:
        KapacitorError: a request failed.
    """
    matching = [
        {"id": task["id"], **{field: task.get(field) for field in FIELDS}}
        for task in kapacitor.tasks(pattern, FIELDS)
        if not owner_marker or owner_marker in (task.get("script") or "")
    ]
    for task in matching:
        task["stats"] = task["stats"] or {}
        task["template"] = task.pop("template-id") or ""
        task["vars"] = comparable_vars(task["vars"])
    return sorted(matching, key=lambda task: str(task["id"]))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "pattern": {"type": "str", "default": ""},
            "owner_marker": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        listed = tasks(Kapacitor.from_params(module.params), module.params["pattern"], module.params["owner_marker"])
    except KapacitorError as error:
        module.fail_json(msg=str(error), status=error.status)
    module.exit_json(changed=False, tasks=listed)


if __name__ == "__main__":
    main()
