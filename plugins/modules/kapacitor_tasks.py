#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module that keeps several tasks of Kapacitor 1.x, over its HTTP API."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kapacitor_tasks
short_description: Define, enable, disable, update and remove several tasks of Kapacitor 1.x at once
description:
  - Keeps tasks as described, each as M(influx_anomaly.stack.kapacitor_task) does, in one call. A task takes a second less
    than in a loop over that module, and the tasks that were started are watched together.
  - Tasks that are not listed in O(kept) are removed first, so that what is to be started finds their memory free.
  - A task that fails keeps no other from its state. The module then fails with the messages of all of them.
extends_documentation_fragment: [influx_anomaly.stack.connection, influx_anomaly.stack.connection.state]
options:
  tasks:
    description: The tasks.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The task's id. Kapacitor allows letters, digits, V(-), V(.) and V(_).
        type: str
        required: true
      state:
        description: Whether the task executes.
        type: str
        choices: [enabled, disabled]
        default: enabled
      script:
        description: The TICKscript; with C(template), the script of the template.
        type: str
        required: true
      template:
        description: Id of the template that the task is made from.
        type: str
      vars:
        description: Values of the script's vars, as O(influx_anomaly.stack.kapacitor_task#module:vars) has them.
        type: dict
      dbrps:
        description: Databases and retention policies whose points the task may see.
        type: list
        elements: dict
        suboptions:
          database:
            description: Name of the database.
            type: str
            required: true
          retention_policy:
            description: Name of the retention policy.
            type: str
            required: true
  kept:
    description:
      - Ids of tasks that stay beside O(tasks). Every other task whose script has the O(owner_marker) is removed.
      - The module removes no task if the option is omitted.
    type: list
    elements: str
  owner_marker:
    description:
      - Text that marks the scripts of this owner's tasks. The module neither overwrites nor removes a task without it.
    type: str
    required: true
  watch:
    description: How many seconds the module watches the tasks that were started.
    type: float
    default: 2
author:
  - influx-anomaly
attributes:
  diff_mode:
    support: full
    description: Shows the script, databases and status of each task that changes, before and after.
"""

EXAMPLES = r"""
- name: Ensure that these tasks run, and no others of this playbook
  influx_anomaly.stack.kapacitor_tasks:
    url: http://127.0.0.1:9092
    username: admin
    password: "{{ kapacitor_password }}"
    owner_marker: "Managed by Ansible"
    tasks:
      - id: cpu_alert
        script: "{{ lookup('ansible.builtin.file', 'cpu_alert.tick') }}"
        dbrps:
          - database: telegraf
            retention_policy: autogen
    kept: []
"""

RETURN = r"""
tasks:
  description: What was done with each task, the removed ones first.
  type: list
  elements: dict
  returned: always, unless the tasks cannot be listed
  contains:
    id:
      description: The task's id.
      type: str
    state:
      description: The wanted state; V(absent) for a task that is not listed.
      type: str
    actions:
      description: The changes, as M(influx_anomaly.stack.kapacitor_task) returns them.
      type: list
      elements: str
    task:
      description: The task as M(influx_anomaly.stack.kapacitor_task) returns it. It is left out if the module fails.
      type: dict
    failed:
      description: Whether the task failed.
      type: bool
    msg:
      description: Why it failed.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import Kapacitor, KapacitorError
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_tasks import (
    DEFINITION_ARGUMENTS,
    run_all,
)

TASK = {
    "id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["enabled", "disabled"], "default": "enabled"},
    **DEFINITION_ARGUMENTS,
    "script": {"type": "str", "required": True},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "tasks": {"type": "list", "elements": "dict", "options": TASK, "default": []},
            "kept": {"type": "list", "elements": "str"},
            "owner_marker": {"type": "str", "required": True},
            "watch": {"type": "float", "default": 2},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        result = run_all(
            Kapacitor.from_params(given), given["tasks"], given["kept"], given["owner_marker"], given["watch"],
            module.check_mode,
        )  # fmt: skip
    except KapacitorError as error:
        module.fail_json(msg=str(error), status=error.status)
    changes = [(task.pop("diff", None), task["changed"]) for task in result["tasks"]]
    messages = [task["msg"] for task in result["tasks"] if task.get("failed")]
    if messages:
        # A message is not read in front of pages of scripts and variables.
        for task in result["tasks"]:
            task.pop("task", None)
        module.fail_json(msg="\n".join(messages), **result)
    module.exit_json(diff=[diff for diff, changed in changes if changed and diff], **result)


if __name__ == "__main__":
    main()
