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

import json
import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import (
    Kapacitor,
    KapacitorError,
    comparable_vars,
    script_excerpt,
    script_position,
)

POLL_SECONDS = 0.2


class TaskError(Exception):
    """The task cannot be brought into the wanted state; ``details`` are further results of the module."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


def run(kapacitor: Kapacitor, wanted: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the task into the wanted state.

    Args:
        kapacitor: client of the server.
        wanted: the module's parameters.
        check_mode: whether to change nothing.

    Returns:
        The module's result.

    Raises:
        KapacitorError: a request failed.
        TaskError: the task cannot be brought into the wanted state.
    """
    before = kapacitor.task(wanted["id"])
    _check_owner("task", wanted["id"], before, wanted)
    actions = _template_actions(kapacitor, wanted) + plan(before, wanted)
    abandoned = _abandoned_template(kapacitor, before, wanted)
    if abandoned is not None:
        actions.append("template_removed")
    result: dict[str, Any] = {
        "changed": bool(actions),
        "actions": actions,
        "diff": {
            "before_header": f"task {wanted['id']}",
            "after_header": f"task {wanted['id']}",
            "before": _as_text(before and _described(before)),
            "after": _as_text(None if wanted["state"] == "absent" else _described_wanted(wanted, before)),
        },
    }
    if actions and not check_mode:
        apply(kapacitor, wanted, actions, abandoned)
    result["task"] = _summary(kapacitor.task(wanted["id"]) if actions and not check_mode else before)
    return result


def plan(before: dict[str, Any] | None, wanted: dict[str, Any]) -> list[str]:
    """Return what has to be done with the task, in order.

    Args:
        before: the task as Kapacitor describes it; None if there is no such task.
        wanted: the module's parameters.

    Returns:
        Some of created, updated, restarted, enabled, disabled and removed.
    """
    state = wanted["state"]
    creation = ["created"] + (["enabled"] if state == "enabled" else [])
    if before is None:
        return [] if state == "absent" else creation
    if state == "absent":
        return ["removed"]
    if before.get("template-id") and not wanted.get("template"):
        return ["removed", *creation]
    actions = []
    if _differs(before, wanted):
        actions.append("updated")
    if state == "disabled":
        return actions + (["disabled"] if before["status"] == "enabled" else [])
    if before["status"] != "enabled":
        actions.append("enabled")
    elif actions or not before.get("executing") or before.get("error"):
        actions.append("restarted")
    return actions


def _template_actions(kapacitor: Kapacitor, wanted: dict[str, Any]) -> list[str]:
    """Return what has to be done with the wanted template before the task can use it."""
    template_id = wanted.get("template")
    if wanted["state"] == "absent" or not template_id:
        return []
    template = kapacitor.template(template_id)
    _check_owner("template", template_id, template, wanted)
    if template is None:
        return ["template_created"]
    return [] if template["script"] == wanted["script"] else ["template_updated"]


def _abandoned_template(kapacitor: Kapacitor, before: dict[str, Any] | None, wanted: dict[str, Any]) -> str | None:
    """Return the id of the template that loses its last task; None if there is none, or it has another owner."""
    old = (before or {}).get("template-id")
    keeps = wanted["state"] != "absent" and wanted.get("template") == old
    marker = wanted["owner_marker"]
    if before is None or not old or keeps or not marker or marker not in before["script"]:
        return None
    users = [task["id"] for task in kapacitor.tasks(fields=("template-id",)) if task.get("template-id") == old]
    return old if users == [wanted["id"]] and kapacitor.template(old) is not None else None


def apply(kapacitor: Kapacitor, wanted: dict[str, Any], actions: list[str], abandoned: str | None = None) -> None:
    """Carry the actions out.

    Args:
        kapacitor: client of the server.
        wanted: the module's parameters.
        actions: what has to be done, in order.
        abandoned: the template that V(template_removed) removes.

    Raises:
        KapacitorError: a request failed.
        TaskError: Kapacitor refuses the script, or the task does not execute.
    """
    task_id, template_id = wanted["id"], wanted.get("template")
    definition = _definition(wanted)
    for action in actions:
        if action == "removed":
            if "created" in actions:
                _try_definition(kapacitor, wanted, definition)
            kapacitor.delete_task(task_id)
        elif action == "template_created":
            _send_script(wanted, lambda: kapacitor.create_template(str(template_id), wanted["script"]))
        elif action == "template_updated":
            _send_script(wanted, lambda: kapacitor.update_template(str(template_id), wanted["script"]))
        elif action == "template_removed":
            kapacitor.delete_template(str(abandoned))
        elif action in ("created", "updated"):
            try:
                if action == "created":
                    # Disabled at first: a script that is wrong then leaves nothing behind, and the start is one code path.
                    body = {"id": task_id, "status": "disabled", **definition}
                    _send_script(wanted, lambda body=body: kapacitor.create_task(body))  # type: ignore[misc]
                else:
                    _send_script(wanted, lambda: kapacitor.update_task(task_id, definition))
            except (KapacitorError, TaskError):
                if "template_created" in actions:
                    kapacitor.delete_template(str(template_id))
                raise
        elif action == "disabled":
            kapacitor.update_task(task_id, {"status": "disabled"})
        else:
            if action == "restarted":
                kapacitor.update_task(task_id, {"status": "disabled"})
            kapacitor.update_task(task_id, {"status": "enabled"})
            _watch(kapacitor, task_id, wanted["watch"])


def _definition(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a request that defines the task."""
    template_id = wanted.get("template")
    definition: dict[str, Any] = {"template-id": template_id} if template_id else {"script": wanted["script"]}
    if wanted["dbrps"]:
        definition["dbrps"] = [{"db": entry["database"], "rp": entry["retention_policy"]} for entry in wanted["dbrps"]]
    if wanted.get("vars"):
        definition["vars"] = wanted["vars"]
    return definition


def _try_definition(kapacitor: Kapacitor, wanted: dict[str, Any], definition: dict[str, Any]) -> None:
    """Let Kapacitor read a definition before the task that it replaces is deleted: a wrong one must not cost the task."""
    trial_id = f"{wanted['id']}.trial"
    kapacitor.delete_task(trial_id)
    _send_script(wanted, lambda: kapacitor.create_task({"id": trial_id, "status": "disabled", **definition}))
    kapacitor.delete_task(trial_id)


def _send_script(wanted: dict[str, Any], send: Callable[[], Any]) -> None:
    try:
        send()
    except KapacitorError as error:
        position = script_position(str(error))
        if position is None:
            raise
        line, column = position
        raise TaskError(
            f"Kapacitor refuses the TICKscript of task {wanted['id']!r} at line {line}, column {column}: {error}\n"
            f"{script_excerpt(wanted['script'], line, column)}",
            line=line,
            column=column,
        ) from error


def _watch(kapacitor: Kapacitor, task_id: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        task = kapacitor.task(task_id)
        if task is None:
            raise TaskError(f"task {task_id!r} was removed by somebody else right after its start.")
        if task.get("error") or not task.get("executing"):
            raise TaskError(
                f"task {task_id!r} was started and does not execute: {task.get('error') or 'Kapacitor gives no reason'}."
                " What its UDF wrote is in Kapacitor's log.",
                task=_summary(task),
            )
        if time.monotonic() >= end:
            return
        time.sleep(POLL_SECONDS)


def _check_owner(kind: str, name: str, before: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
    marker = wanted["owner_marker"]
    if before is None or not marker or marker in before["script"]:
        return
    verb = "removed" if wanted["state"] == "absent" else "overwritten"
    raise TaskError(
        f"a {kind} {name!r} is there that is somebody else's (its script lacks {marker!r}); it is not {verb}."
        f" Rename one of the two, or delete that {kind} if nobody needs it."
    )


def _differs(before: dict[str, Any], wanted: dict[str, Any]) -> bool:
    here, there = _described(before), _described_wanted(wanted, before)
    return any(here[key] != there[key] for key in ("script", "dbrps", "template", "vars"))


def _described(task: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": task["status"],
        "dbrps": sorted((entry["db"], entry["rp"]) for entry in task.get("dbrps") or []),
        "script": task["script"],
        "template": task.get("template-id") or "",
        "vars": comparable_vars(task.get("vars")),
    }


def _described_wanted(wanted: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    described_before = _described(before) if before else {"dbrps": [], "vars": {}}
    if wanted["dbrps"]:
        dbrps = sorted((entry["database"], entry["retention_policy"]) for entry in wanted["dbrps"])
    else:
        # The script declares them: whatever it said before is compared with the script.
        dbrps = described_before["dbrps"]
    return {
        "status": wanted["state"],
        "dbrps": dbrps,
        "script": wanted["script"],
        "template": wanted.get("template") or "",
        "vars": comparable_vars(wanted["vars"]) if wanted.get("vars") else described_before["vars"],
    }


def _as_text(described: dict[str, Any] | None) -> str:
    if described is None:
        return ""
    lines = [f"# {described['status']}"]
    lines += [f'# from "{database}"."{policy}"' for database, policy in described["dbrps"] or []]
    lines += [f"# template {described['template']}"] if described["template"] else []
    lines += [
        f"# {name}: {var['type']} {json.dumps(var['value'], ensure_ascii=False, sort_keys=True)}"
        for name, var in sorted(described["vars"].items())
    ]
    return "\n".join([*lines, described["script"].rstrip(), ""])


def _summary(task: dict[str, Any] | None) -> dict[str, Any]:
    if task is None:
        return {}
    return {
        "id": task["id"],
        "template": task.get("template-id") or "",
        "vars": comparable_vars(task.get("vars")),
        "type": task.get("type"),
        "status": task.get("status"),
        "executing": task.get("executing"),
        "error": task.get("error", ""),
        "dbrps": task.get("dbrps"),
        "modified": task.get("modified"),
        "last_enabled": task.get("last-enabled"),
    }


def main() -> None:
    """Ansible's entry point."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "id": {"type": "str", "required": True, "aliases": ["name"]},
            "state": {"type": "str", "choices": ["enabled", "disabled", "absent"], "default": "enabled"},
            "script": {"type": "str"},
            "template": {"type": "str"},
            "vars": {"type": "dict"},
            "dbrps": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "database": {"type": "str", "required": True},
                    "retention_policy": {"type": "str", "required": True},
                },
            },
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
