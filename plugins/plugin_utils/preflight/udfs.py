"""Checks of custom UDFs: each entry of `kapacitor_udfs` is complete, and the files that it names exist."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..udfs.entries import folder_udf, is_folder_udf
from .inventory import Host, Inventory
from .problem import Problem, one_of, show

_VARIABLE = "kapacitor_udfs"
# A name that a TICKscript can call as @NAME().
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?")
_TASK_NAME = re.compile(r"[A-Za-z0-9._-]+")
_DURATION = re.compile(r"([0-9]+(ms|s|m|h))+")
_OURS = ("anomaly",)
_KEYS = {
    "directory": ("directory", "module", "mode", "timeout", "env", "tasks"),
    "prog": ("prog", "args", "timeout", "env"),
    "socket": ("socket", "timeout"),
}
_TASK_KEYS = ("name", "script", "database", "retention_policy", "enabled", "kapacitor")


def check(inventory: Inventory, root: Path) -> Iterator[Problem]:
    """Yield the problems of the entries.

    Args:
        inventory: all hosts.
        root: folder that relative folders start from.
    """
    for host in inventory.members("kapacitor"):
        entries = host.effective.get(_VARIABLE)
        if not isinstance(entries, Mapping):
            continue  # another check reports the wrong type
        taken = {str(pipeline["name"]) for pipeline in _pipelines(host) if "name" in pipeline}
        for name, entry in entries.items():
            yield from _entry(inventory, host, str(name), entry, root)
            for index, task in enumerate(_tasks(entry)):
                task_name = str(task.get("name", ""))
                if task_name in taken:
                    yield _problem(
                        host, f"{name}.tasks[{index}].name", task_name,
                        "another task or a pipeline has this name", "a name of its own",
                    )  # fmt: skip
                taken.add(task_name)


def _problem(host: Host, place: str, value: Any, wrong: str, fix: str) -> Problem:
    return Problem(f"{_VARIABLE}.{place}", show(value), wrong, fix, host.where.get(_VARIABLE), host.name)


def _pipelines(host: Host) -> list[Mapping[str, Any]]:
    pipelines = host.effective.get("pipelines")
    return [each for each in pipelines if isinstance(each, Mapping)] if isinstance(pipelines, list) else []


def _tasks(entry: Any) -> list[Mapping[str, Any]]:
    tasks = entry.get("tasks") if isinstance(entry, Mapping) else None
    return [each for each in tasks if isinstance(each, Mapping)] if isinstance(tasks, list) else []


def _unknown(host: Host, place: str, given: Mapping[Any, Any], known: Collection[str]) -> Iterator[Problem]:
    for key in given:
        if key not in known:
            yield _problem(host, f"{place}.{key}", given[key], "there is no such key", one_of(key, list(known)))


def _entry(inventory: Inventory, host: Host, name: str, entry: Any, root: Path) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        yield _problem(host, name, entry, "a TICKscript cannot call it", "letters, digits and underscores in its name")
    if name in _OURS:
        yield _problem(host, name, entry, "is the name of the bundle's own UDF", "another name")
    if not isinstance(entry, Mapping):
        fix = "write a mapping; {} means the folder udfs/" + name
        yield _problem(host, name, entry, "is not a mapping", fix)
        return
    kinds = [kind for kind in _KEYS if kind in entry]
    if len(kinds) > 1:
        yield _problem(host, name, entry, f"has {' and '.join(kinds)}, which exclude each other", "keep one of them")
        return
    unknown = list(_unknown(host, name, entry, _KEYS[kinds[0] if kinds else "directory"]))
    yield from unknown
    timeout = entry.get("timeout")
    if timeout is not None and not _DURATION.fullmatch(str(timeout)):
        yield _problem(host, f"{name}.timeout", timeout, "is not a duration", "a number and a unit, such as 10s")
    variables = entry.get("env")
    if variables is not None and not (
        isinstance(variables, Mapping) and all(isinstance(value, str) for value in variables.values())
    ):
        yield _problem(host, f"{name}.env", variables, "is not a mapping of names to texts", 'such as {LEVEL: "3"}')
        return
    wrong_tasks = entry.get("tasks") is not None and len(_tasks(entry)) != (
        len(entry["tasks"]) if isinstance(entry["tasks"], list) else -1
    )
    if wrong_tasks:
        yield _problem(host, f"{name}.tasks", entry["tasks"], "is not a list of mappings", "write - name: …")
    elif is_folder_udf(entry) and not unknown:
        yield from _folder(inventory, host, name, entry, root)


def _folder(inventory: Inventory, host: Host, name: str, entry: Mapping[str, Any], root: Path) -> Iterator[Problem]:
    for index, task in enumerate(_tasks(entry)):
        place = f"{name}.tasks[{index}]"
        yield from _unknown(host, place, task, _TASK_KEYS)
        missing = [key for key in ("name", "database") if not task.get(key)]
        if missing:
            yield _problem(host, place, task, f"has no {' and no '.join(missing)}", "both are needed")
            return
        if not _TASK_NAME.fullmatch(str(task["name"])):
            yield _problem(
                host, f"{place}.name", task["name"], "Kapacitor takes no such name", "letters, digits, -, . and _"
            )
        names = [member.name for member in inventory.members("kapacitor")]
        if task.get("kapacitor") is not None and task["kapacitor"] not in names:
            yield _problem(
                host, f"{place}.kapacitor", task["kapacitor"], "is not a host of the group kapacitor",
                f"one of {', '.join(names)}",
            )  # fmt: skip
    udf = folder_udf(name, entry, root, "10s")
    if udf.mode not in ("process", "socket"):
        yield _problem(host, f"{name}.mode", udf.mode, "is none of process, socket", "process, unless memory is scarce")
    if not udf.directory.is_dir():
        yield _problem(
            host, f"{name}.directory", str(udf.directory), "there is no such folder on the controller",
            "make it, or set directory to where the UDF is, relative to the repository or absolute",
        )  # fmt: skip
        return
    if not _MODULE.fullmatch(udf.module):
        yield _problem(host, f"{name}.module", udf.module, "names no module", "such as moving, or moving:udf")
    elif udf.module_file is None:
        yield _problem(
            host, f"{name}.module", udf.module, f"{udf.directory} has no such module",
            f"write {udf.module.split(':')[0]}.py with `udf = UDF(...)` in it, or set module",
        )  # fmt: skip
    for index, own_task in enumerate(udf.tasks):
        place = f"{name}.tasks[{index}].script"
        if not own_task.script.is_file():
            yield _problem(
                host, place, str(own_task.script), "there is no such file",
                "write the TICKscript there, or set script to its path in the UDF's folder",
            )  # fmt: skip
        elif not re.search(rf"@{name}\s*\(", own_task.script.read_text(encoding="utf-8", errors="replace")):
            yield _problem(
                host, place, str(own_task.script), f"does not call @{name}()", "call it, or list the task elsewhere"
            )
