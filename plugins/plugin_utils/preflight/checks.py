"""All checks of an inventory, in the order a reader wants them: names, types, values, groups, pipelines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import (
    alerts,
    archive,
    backups,
    dashboards,
    grafana_alerts,
    renamed,
    secret,
    tickscripts,
    topology,
    udfs,
    values,
    variables,
)
from .inventory import Inventory
from .problem import Problem, report
from .variables import Options


def inventory_problems(
    inventory: Inventory,
    options: Options,
    roles: list[str],
    pipeline_problems: Callable[[object], list[str]],
    base: Path,
    root: Path,
) -> list[str]:
    """Return every problem, one line each.

    Args:
        inventory: all hosts and groups.
        options: argument specification by variable, of all roles.
        roles: the roles' names, whose variables begin with them.
        pipeline_problems: returns the problems of a list of pipelines, one sentence each.
        base: folder on the controller that relative paths start from.
        root: the repository, which the folders of UDFs start from.
    """
    problems: list[Problem] = []
    ours = variables.prefixes(options, roles)
    for host in inventory.hosts.values():
        problems += renamed.check(host)
        problems += variables.unknown(host, options, ours)
        problems += variables.wrong_types(host, options)
        problems += secret.weak(host, options)
    # A value of a wrong type is reported once, without the problems that follow from it.
    reported = {(problem.host, problem.thing) for problem in problems}
    problems += [
        problem
        for problem in (
            *values.check(inventory),
            *topology.check(inventory),
            *archive.check(inventory, base),
            *backups.check(inventory),
            *udfs.check(inventory, root),
            *alerts.check(inventory, root),
            *tickscripts.check(inventory, root),
            *dashboards.check(inventory, root),
            *grafana_alerts.check(inventory),
        )
        if (problem.host, problem.thing) not in reported
    ]
    lines = report(problems, [host.name for host in inventory.hosts.values()])
    for host in inventory.stack_hosts():
        sentences = pipeline_problems(host.effective.get("pipelines"))
        place = host.where.get("pipelines")
        lines += [f"{problem} ({place})" if place else problem for problem in sentences]
    return list(dict.fromkeys(lines))
