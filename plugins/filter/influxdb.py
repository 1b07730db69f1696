"""Filters of the role influxdb: the databases that a stack needs, and what its users lack.

A database is a dictionary with `name` and `retention_policies`, a list of dictionaries with at least a `name`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

DOCUMENTATION = """
name: influxdb
short_description: The databases that a stack needs, and the problems of its users' logins
"""


def needed_databases(
    readers: Iterable[Mapping[str, Any]], results_database: str, listed: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the databases that a stack needs, with their retention policies.

    Args:
        readers: what reads a database: pipelines and tasks of custom UDFs, with `database` and `retention_policy`.
        results_database: the database that results go to.
        listed: the inventory's `influxdb_databases`; its policies win over a reader's policy of an equal name.
    """
    databases: dict[str, dict[str, Mapping[str, Any]]] = {}
    for reader in readers:
        policy = reader["retention_policy"]
        databases.setdefault(reader["database"], {})[policy] = {"name": policy}
    databases.setdefault(results_database, {})
    for database in listed:
        policies = databases.setdefault(database["name"], {})
        policies.update({policy["name"]: policy for policy in database.get("retention_policies") or ()})
    return [{"name": name, "retention_policies": list(policies.values())} for name, policies in databases.items()]


def login_problems(logins: Iterable[Mapping[str, Any]], databases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each user that cannot log in, and for each database that a user should see and does not.

    Args:
        logins: results of a loop of `uri` with SHOW DATABASES over the stack's users.
        databases: the databases that the stack needs; a user without `grants` has to see all of them.
    """
    problems = []
    for login in logins:
        user = login["item"]
        if login.get("status") != 200:
            problems.append(f"User {user['name']} cannot log in. Fix: create it, or correct its password.")
            continue
        series = login["json"]["results"][0].get("series") or [{}]
        seen = {name for row in series[0].get("values") or () for name in row}
        grants = user.get("grants", {database["name"]: "ALL" for database in databases})
        problems += [
            f"User {user['name']} sees no database {name}. Fix: create it, and grant {right} on it."
            for name, right in grants.items()
            if name not in seen
        ]
    return problems


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {"influxdb_needed_databases": needed_databases, "influxdb_login_problems": login_problems}
