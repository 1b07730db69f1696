"""Variables that had another name: an inventory that still sets the old one is told the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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

# Old name to new name of what is in `secrets_given`.
_SECRETS = {"chronograf_token_secret": "chronograf_admin_password"}


def check(host: Host) -> Iterator[Problem]:
    """Return a problem for each old name that a host's inventory sets."""
    for old, new in RENAMED.items():
        if old in host.supplied:
            yield host.problem(old, "has another name now", f"rename it: {old} -> {new}")
    given = host.supplied.get("secrets_given")
    names = set(given) if isinstance(given, Mapping) else set()
    for old, new in _SECRETS.items():
        if old in names:
            thing = f"secrets_given.{old}"
            where = host.where.get("secrets_given")
            yield Problem(thing, None, "has another name now", f"rename it: {old} -> {new}", where, host.name)
