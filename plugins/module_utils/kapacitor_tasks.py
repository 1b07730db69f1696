# SPDX-License-Identifier: MIT
"""Brings tasks of Kapacitor 1.x into a wanted state; the modules kapacitor_task and kapacitor_tasks share it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .kapacitor_api import Kapacitor, KapacitorError, comparable_vars, script_excerpt, script_position

DEFINITION_ARGUMENTS: dict[str, dict[str, Any]] = {
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
}
"""The parameters that define a task."""

POLL_SECONDS = 0.2
STARTS = {"enabled", "restarted"}
"""The actions that start a task."""

_FIELDS = ("status", "executing", "error", "dbrps", "script", "template-id", "vars", "modified", "last-enabled")


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
        if STARTS & set(actions):
            watch(kapacitor, wanted["id"], wanted["watch"])
    result["task"] = _summary(kapacitor.task(wanted["id"]) if actions and not check_mode else before)
    return result


def run_all(
    kapacitor: Kapacitor,
    tasks: Sequence[dict[str, Any]],
    kept: Iterable[str] | None,
    owner_marker: str,
    seconds: float,
    check_mode: bool,
) -> dict[str, Any]:
    """Remove the owner's tasks that are not to stay, then bring the others into their wanted states.

    A task that fails keeps no other from its state. The tasks that were started are watched together.

    Args:
        kapacitor: client of the server.
        tasks: the parameters of each task, as `run` takes them.
        kept: ids of the owner's tasks that stay; None removes none.
        owner_marker: text that marks the scripts of the owner's tasks.
        seconds: how long the tasks that were started are watched.
        check_mode: whether to change nothing.

    Returns:
        The result of each task under `tasks`, with `id` and `state`, and `failed` and `msg` for those that failed.

    Raises:
        KapacitorError: the tasks cannot be listed.
    """
    given = {**dict.fromkeys(DEFINITION_ARGUMENTS), "owner_marker": owner_marker, "watch": 0.0}
    surplus: list[dict[str, Any]] = []
    if kept is not None:
        stays = {*kept, *(task["id"] for task in tasks)}
        surplus = [
            {"id": task["id"], "state": "absent"}
            for task in kapacitor.tasks(fields=("script",))
            if task["id"] not in stays and owner_marker in (task.get("script") or "")
        ]
    results = [_run_one(kapacitor, {**given, **task}, check_mode) for task in [*surplus, *tasks]]
    started = {str(result["id"]): result for result in results if STARTS & set(result.get("actions", ()))}
    if not check_mode:
        _watch_all(kapacitor, started, seconds)
    return {"changed": any(result["changed"] for result in results), "tasks": results}


def _run_one(kapacitor: Kapacitor, wanted: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return the result of one of several tasks, its failure included."""
    named = {"id": wanted["id"], "state": wanted["state"], "changed": False}
    try:
        return {**named, **run(kapacitor, wanted, check_mode)}
    except TaskError as error:
        return {**named, "failed": True, "msg": str(error), **error.details}
    except KapacitorError as error:
        return {**named, "failed": True, "msg": str(error), "status": error.status}


def _watch_all(kapacitor: Kapacitor, started: Mapping[str, dict[str, Any]], seconds: float) -> None:
    """Look for some seconds whether tasks execute after their start, and record those that do not as failed."""
    end = time.monotonic() + seconds
    waiting = {name: result for name, result in started.items() if not result.get("failed")}
    while waiting:
        there = {task["id"]: task for task in kapacitor.tasks(fields=_FIELDS)}
        for name in list(waiting):
            try:
                _check_running(name, there.get(name))
            except TaskError as error:
                waiting.pop(name).update(failed=True, msg=str(error), **error.details)
        if time.monotonic() >= end:
            return
        time.sleep(POLL_SECONDS)


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
                    # Disabled at first: a wrong script then leaves nothing behind, and the start is one code path.
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
    """Let Kapacitor read a definition before it replaces a task, as a wrong one must not cost the task."""
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


def watch(kapacitor: Kapacitor, task_id: str, seconds: float) -> None:
    """Look for some seconds whether a task executes after its start.

    Args:
        kapacitor: client of the server.
        task_id: the task.
        seconds: how long.

    Raises:
        KapacitorError: a request failed.
        TaskError: the task does not execute.
    """
    end = time.monotonic() + seconds
    while True:
        _check_running(task_id, kapacitor.task(task_id))
        if time.monotonic() >= end:
            return
        time.sleep(POLL_SECONDS)


def _check_running(task_id: str, task: dict[str, Any] | None) -> None:
    if task is None:
        raise TaskError(f"task {task_id!r} was removed by somebody else right after its start.")
    if task.get("error") or not task.get("executing"):
        raise TaskError(
            f"task {task_id!r} was started and does not execute: {task.get('error') or 'Kapacitor gives no reason'}."
            " What its UDF wrote is in Kapacitor's log.",
            task=_summary(task),
        )


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
