#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module that keeps one task of Kapacitor 1.x, over its HTTP API."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kapacitor_task
short_description: Define, enable, disable, update and remove tasks of Kapacitor 1.x, with their templates
description:
  - Keeps one task as described, over Kapacitor's HTTP API; with O(template) also the template that the task is made from.
  - The module sends a changed TICKscript while the old one still runs. Kapacitor validates it, so a script that does not
    parse leaves the running task untouched. Then the module stops and starts the task, because Kapacitor uses a new script
    only from the next start on.
  - After a start the module watches for O(watch) seconds whether the task executes without an error.
  - The module restarts an enabled task that does not execute. Kapacitor never restarts a UDF that died.
extends_documentation_fragment: [influx_anomaly.stack.connection, influx_anomaly.stack.connection.state]
options:
  id:
    description: The task's id. Kapacitor allows letters, digits, V(-), V(.) and V(_).
    type: str
    required: true
    aliases: [name]
  state:
    description:
      - With V(enabled) the task exists as described and executes.
      - With V(disabled) the task exists as described and is stopped.
      - With V(absent) the task does not exist.
    type: str
    choices: [enabled, disabled, absent]
    default: enabled
  script:
    description:
      - The TICKscript. Required unless O(state=absent).
      - With O(template), the script of the template.
    type: str
  template:
    description:
      - Id of the template that the task is made from. The module creates a template that does not exist.
      - Kapacitor restarts all tasks of a template whose script changes, with the values of vars that they have. Give a
        changed script another id, such as one with a hash in it; the module then moves this task to the new template and
        restarts no other.
      - A template with the O(owner_marker) is removed with its last task, when the module moves or removes that task.
      - Kapacitor cannot take a task away from its templates. If the option is omitted for such a task, the module removes
        the task and creates it again, and the task loses its snapshot.
    type: str
  vars:
    description:
      - Values of the script's vars. Each is a dictionary with C(type) (V(bool), V(int), V(float), V(string), V(regex),
        V(duration), V(lambda), V(list) or V(star)) and C(value); a list's value is a list of such dictionaries.
      - A duration is text, such as V(10s), or an integer in nanoseconds. No value needs to be quoted or escaped.
      - If the option is omitted or empty, the vars stay as they are.
    type: dict
  dbrps:
    description:
      - Databases and retention policies whose points the task may see.
      - Omit this option if the script declares them itself (C(dbrp "db"."rp")).
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
  owner_marker:
    description:
      - Text that marks the scripts of this owner's tasks. If a task with this O(id) exists and its script lacks the text,
        the task has another owner, and the module fails instead of overwriting or removing it.
    type: str
  watch:
    description:
      - How many seconds the module watches a task after its start. A UDF fails only after its process is up, when Kapacitor
        has already reported success.
    type: float
    default: 2
notes:
  - In check mode the module only reads. Kapacitor cannot validate a script without storing it, so only a real run finds a
    script that does not parse.
author:
  - influx-anomaly
attributes:
  diff_mode:
    support: full
    description: Shows the script, databases and status before and after.
"""

EXAMPLES = r"""
- name: Ensure the task runs
  influx_anomaly.stack.kapacitor_task:
    url: http://127.0.0.1:9092
    username: admin
    password: "{{ kapacitor_password }}"
    id: cpu_alert
    dbrps:
      - database: telegraf
        retention_policy: autogen
    script: "{{ lookup('ansible.builtin.file', 'cpu_alert.tick') }}"

- name: Ensure a task of a template runs
  influx_anomaly.stack.kapacitor_task:
    url: http://127.0.0.1:9092
    id: cpu_alert
    template: "alert-{{ lookup('ansible.builtin.file', 'alert.tick') | hash('sha256') | truncate(8, true, '') }}"
    script: "{{ lookup('ansible.builtin.file', 'alert.tick') }}"
    vars:
      measurement: {type: string, value: cpu}
      every: {type: duration, value: 10s}
      groups: {type: list, value: [{type: string, value: host}]}
      is_high: {type: lambda, value: '"usage_idle" < 10'}
    dbrps:
      - database: telegraf
        retention_policy: autogen

- name: Ensure the task is stopped and kept
  influx_anomaly.stack.kapacitor_task:
    url: http://127.0.0.1:9092
    id: cpu_alert
    state: disabled
    dbrps:
      - database: telegraf
        retention_policy: autogen
    script: "{{ lookup('ansible.builtin.file', 'cpu_alert.tick') }}"

- name: Ensure the task is absent
  influx_anomaly.stack.kapacitor_task:
    url: http://127.0.0.1:9092
    id: cpu_alert
    state: absent
"""

RETURN = r"""
actions:
  description:
    - The changes that were made, or would be made in check mode, in order.
    - An action is V(created), V(updated), V(restarted), V(enabled), V(disabled), V(removed), V(template_created),
      V(template_updated) or V(template_removed).
  type: list
  elements: str
  returned: success
  sample: [updated, restarted]
task:
  description: The task as Kapacitor now describes it; empty if it does not exist, which includes a task that check mode would create.
  type: dict
  returned: success, and when the task was started and does not execute
  contains:
    id:
      description: The task's id.
      type: str
    template:
      description: Id of the template that the task is made from; empty if it has a script of its own.
      type: str
    vars:
      description: Type and value of each var by its name; a duration's value is in nanoseconds.
      type: dict
    type:
      description: V(stream) or V(batch), which follows from the script.
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
    modified:
      description: Time of the last change.
      type: str
    last_enabled:
      description: Time of the last start.
      type: str
line:
  description: Line of the script that Kapacitor's error names, counted from 1.
  type: int
  returned: when a script was refused and Kapacitor said where
column:
  description: Column of the script that Kapacitor's error names, counted from 1.
  type: int
  returned: when a script was refused and Kapacitor said where
status:
  description: HTTP status of the answer that the module failed on; null if no answer came.
  type: int
  returned: when a request failed
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import Kapacitor, KapacitorError
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_tasks import (
    DEFINITION_ARGUMENTS,
    TaskError,
    run,
)


def main() -> None:
    """Ansible's entry point."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "id": {"type": "str", "required": True, "aliases": ["name"]},
            "state": {"type": "str", "choices": ["enabled", "disabled", "absent"], "default": "enabled"},
            **DEFINITION_ARGUMENTS,
            "owner_marker": {"type": "str"},
            "watch": {"type": "float", "default": 2},
        },
        required_if=[("state", "enabled", ["script"]), ("state", "disabled", ["script"])],
        supports_check_mode=True,
    )
    try:
        result = run(Kapacitor.from_params(module.params), module.params, module.check_mode)
    except TaskError as error:
        module.fail_json(msg=str(error), **error.details)
    except KapacitorError as error:
        module.fail_json(msg=str(error), status=error.status)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
