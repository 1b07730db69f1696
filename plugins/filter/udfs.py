"""Filters over the inventory's `kapacitor_udfs`. What an entry means is in plugin_utils/udfs/entries.py."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.udfs.entries import PYTHON, Own, is_own, own

DOCUMENTATION = """
name: udfs
short_description: Filters over kapacitor_udfs
"""


def _owned(entries: Mapping[str, Any], root: str, timeout: str) -> list[Own]:
    return [own(name, entry, Path(root), timeout) for name, entry in entries.items() if is_own(entry)]


def folders(entries: Mapping[str, Any], root: str) -> list[dict[str, Any]]:
    """The UDFs that come from folders on the controller: name, directory, and the command that checks one."""
    return [
        {"name": each.name, "directory": str(each.directory), "check": [PYTHON, *each.arguments("check")]}
        for each in _owned(entries, root, "")
    ]


def folder(name: str, digest: str) -> str:
    """The name of a packed folder."""
    return Own(name, Path(), "", "", "").folder(digest)


def environment(name: str, digest: str) -> dict[str, str]:
    """The variables that a UDF's process has for its packed folder."""
    return Own(name, Path(), "", "", "").environment(digest)


def functions(entries: Mapping[str, Any], root: str, digests: Mapping[str, str], timeout: str) -> dict[str, Any]:
    """Name -> what kapacitor.conf says of it, for all entries. `digests`: of the packed folders, by name."""
    return {
        **{name: entry for name, entry in entries.items() if not is_own(entry)},
        **{each.name: each.function(digests[each.name]) for each in _owned(entries, root, timeout)},
    }


def servers(entries: Mapping[str, Any], root: str, digests: Mapping[str, str]) -> list[str]:
    """The shell commands of the servers that socket mode needs."""
    commands = []
    for each in _owned(entries, root, ""):
        if each.mode == "socket":
            variables = [f"{key}={value}" for key, value in each.environment(digests[each.name]).items()]
            serve = each.arguments("serve", "--mode", "600", "--preload", each.socket)
            commands.append(shlex.join(["env", *variables, PYTHON, *serve]))
    return commands


def tasks(entries: Mapping[str, Any], root: str) -> list[dict[str, Any]]:
    """The tasks of all UDFs: name, script (a path), database, retention_policy, enabled, kapacitor."""
    return [{**asdict(task), "script": str(task.script)} for each in _owned(entries, root, "") for task in each.tasks]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filter name -> function."""
        return {
            "udf_environment": environment,
            "udf_folder": folder,
            "udf_folders": folders,
            "udf_functions": functions,
            "udf_servers": servers,
            "udf_tasks": tasks,
        }
