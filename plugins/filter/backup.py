"""Filters of the roles backup and restore: which versions wrote a backup, and which host takes which part of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

DOCUMENTATION = """
name: backup
short_description: Versions and parts of backups
"""


def backup_parts(
    hosts: Sequence[str], groups: Mapping[str, Sequence[str]], services: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the parts of a backup that each host has.

    Args:
        hosts: hosts of the stack.
        groups: group name to its hosts.
        services: the table of services; the key `backup` of a row names the parts.
    """
    return {
        host: [
            part for row in services.values() if host in groups.get(row["group"], ()) for part in row.get("backup", ())
        ]
        for host in hosts
    }


def backup_files(told: Mapping[str, Mapping[str, Any]], folder: str) -> list[dict[str, str]]:
    """Return the parts of all hosts, each with its file on the controller.

    Args:
        told: host to what it tells of itself, such as its `parts`.
        folder: where the parts were collected.
    """
    return [
        {"host": host, "name": part, "path": f"{folder}/{host}/{part}.part"}
        for host, about in told.items()
        for part in about["parts"]
    ]


def backup_versions(told: Mapping[str, Mapping[str, Any]], services: Mapping[str, Any]) -> dict[str, str]:
    """Return the version of each service that wrote a part of a backup.

    Args:
        told: host to what it tells of itself: its `parts`, and `versions`, service to the version that its server
            names, which is empty where there is none.
        services: the table of services, whose version counts where a server does not name a usable one.
    """
    here = {part for about in told.values() for part in about["parts"]}
    versions = {}
    for name, row in services.items():
        if here.isdisjoint(row.get("backup", ())):
            continue
        texts = [str(about["versions"].get(name, "")) for about in told.values()]
        named = [match[0] for text in texts if (match := re.search(r"\d+\.\d+\.\d+", text))]
        versions[name] = max(named, key=_numbers) if named else str(row["version"])
    return versions


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {"backup_files": backup_files, "backup_parts": backup_parts, "backup_versions": backup_versions}
