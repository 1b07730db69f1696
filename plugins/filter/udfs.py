"""Filters over the inventory's `kapacitor_udfs`. plugin_utils/udfs/entries.py defines an entry's meaning."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.udfs.entries import (
    PYTHON,
    FolderUdf,
    folder_udf,
    is_folder_udf,
)

DOCUMENTATION = """
name: udfs
short_description: Filters over kapacitor_udfs
"""


def _folder_udfs(entries: Mapping[str, Any], root: str, timeout: str) -> list[FolderUdf]:
    return [folder_udf(name, entry, Path(root), timeout) for name, entry in entries.items() if is_folder_udf(entry)]


def folders(entries: Mapping[str, Any], root: str) -> list[dict[str, Any]]:
    """Return the UDFs that come from folders on the controller.

    Args:
        entries: the inventory's `kapacitor_udfs`.
        root: folder that relative folders start from.

    Returns:
        For each UDF its `name`, its `directory`, and `check`, the command that checks it in the container.
    """
    return [
        {"name": udf.name, "directory": str(udf.directory), "check": [PYTHON, *udf.arguments("check")]}
        for udf in _folder_udfs(entries, root, "")
    ]


def folder(name: str, digest: str) -> str:
    """Return the name of a UDF's packed folder with this digest."""
    return FolderUdf(name, Path(), "", "", "").folder(digest)


def used_folders(digests: Mapping[str, str]) -> list[str]:
    """Return the folders of all custom UDFs, by the digest of each name."""
    return [folder(name, digest) for name, digest in digests.items()]


def environment(name: str, digest: str) -> dict[str, str]:
    """Return the environment variables of a UDF's process for its packed folder with this digest."""
    return FolderUdf(name, Path(), "", "", "").environment(digest)


def functions(entries: Mapping[str, Any], root: str, digests: Mapping[str, str], timeout: str) -> dict[str, Any]:
    """Return the entries of kapacitor.conf for all UDFs, by their names.

    Args:
        entries: the inventory's `kapacitor_udfs`.
        root: folder that relative folders start from.
        digests: the digests of the packed folders, by UDF.
        timeout: the default timeout of a UDF.
    """
    return {
        **{name: entry for name, entry in entries.items() if not is_folder_udf(entry)},
        **{udf.name: udf.function(digests[udf.name]) for udf in _folder_udfs(entries, root, timeout)},
    }


def servers(entries: Mapping[str, Any], root: str, digests: Mapping[str, str]) -> list[str]:
    """Return the shell commands that start the servers of UDFs in socket mode.

    Args:
        entries: the inventory's `kapacitor_udfs`.
        root: folder that relative folders start from.
        digests: the digests of the packed folders, by UDF.
    """
    commands = []
    for udf in _folder_udfs(entries, root, ""):
        if udf.mode == "socket":
            variables = [f"{key}={value}" for key, value in udf.environment(digests[udf.name]).items()]
            serve = udf.arguments("serve", "--mode", "600", "--preload", udf.socket)
            commands.append(shlex.join(["env", *variables, PYTHON, *serve]))
    return commands


def tasks(entries: Mapping[str, Any], root: str) -> list[dict[str, Any]]:
    """Return the tasks of all UDFs, each with the keys of UdfTask and its script as a path.

    Args:
        entries: the inventory's `kapacitor_udfs`.
        root: folder that relative folders start from.
    """
    return [
        {**asdict(task), "script": str(task.script)} for udf in _folder_udfs(entries, root, "") for task in udf.tasks
    ]


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {
            "udf_environment": environment,
            "udf_folder": folder,
            "udf_folders": folders,
            "udf_functions": functions,
            "udf_servers": servers,
            "udf_tasks": tasks,
            "udf_used_folders": used_folders,
        }
