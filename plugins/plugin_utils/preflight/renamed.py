"""Variables that had another name: an inventory that still sets the old one is told the new one."""

from __future__ import annotations

from collections.abc import Iterator

from .inventory import Host
from .problem import Problem

RENAMED = {
    "stack_secrets_file": "secrets_dir",
    "trainer_cpus": "keeper_cpus",
    "trainer_enabled": "keeper_enabled",
    "trainer_keep": "keeper_keep",
    "trainer_memory": "keeper_memory",
    "trainer_poll_seconds": "keeper_training_poll_seconds",
}
"""Old name to new name. Remove nothing from it: inventories live longer than names."""


def check(host: Host) -> Iterator[Problem]:
    """Return a problem for each old name that a host's inventory sets."""
    for old, new in RENAMED.items():
        if old in host.supplied:
            yield host.problem(old, "has another name now", f"rename it: {old} -> {new}")
