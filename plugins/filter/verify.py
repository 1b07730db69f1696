"""Filters of the role verify: what the containers look like, and how findings are shown and judged.

A finding is a dictionary with `what` (a statement), `ok` (whether it holds), `problem` (what is the case instead), and
optionally `note` (a problem that does not fail the check).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.module_utils.container_state import READY

Finding = Mapping[str, Any]


def verify_containers(
    results: Iterable[Mapping[str, Any]], services: Mapping[str, Any], stack: str, left_out: Mapping[str, str]
) -> list[Finding]:
    """Return a finding for each service's container.

    Args:
        results: what the module `container_ready` said, with the service as `item`.
        services: the table of services.
        stack: the stack's name.
        left_out: services without an image, and why there is none, as `services_left_out` returns them.
    """
    return [
        _container(result, bool(services[result["item"]].get("optional")), stack, left_out.get(result["item"], ""))
        for result in results
    ]


def _container(result: Mapping[str, Any], is_optional: bool, stack: str, no_image: str) -> Finding:
    service = result["item"]
    name = f"{stack}-{service}"
    state = (result.get("container") or {}).get("State") or {}
    health = (state.get("Health") or {}).get("Status", "none")
    if state:
        problem = f"it is {state.get('Status')}, its health: {health}. Fix: see its log, `docker logs {name}`"
    elif no_image and "exists" in result:
        problem = (
            f"it is left out, as there is no image of it: {no_image}. Fix: make it available (image_registry or "
            f"image_archive_dir) and run site.yml, or set {service}_enabled: false"
        )
    else:
        problem = str(result.get("msg") or "it is not there. Fix: run site.yml, or see there why")
    return {
        "what": f"Container {name} is healthy",
        # Without an image of it the stack goes on; an engine that does not answer is a problem all the same.
        "note": not state and is_optional and "exists" in result,
        "ok": result.get("verdict") == READY and health != "none",
        "problem": problem,
    }


def verify_checked(results: Iterable[Mapping[str, Any]], services: Mapping[str, Any]) -> list[str]:
    """Return the services to look at: all that run here, but optional ones only where their containers are there.

    Args:
        results: what the module `container_ready` said, with the service as `item`.
        services: the table of services.
    """
    return [
        str(result["item"])
        for result in results
        if result.get("exists") or not services[result["item"]].get("optional")
    ]


def verify_lines(findings: Iterable[Finding]) -> list[str]:
    """Return a line for each finding, with what is the case instead where it does not hold."""
    lines = []
    for finding in findings:
        mark = "ok  " if finding["ok"] else "note" if finding.get("note") else "FAIL"
        lines.append(f"{mark}  {finding['what']}" + ("" if finding["ok"] else f": {str(finding['problem']).strip()}"))
    return lines


def verify_problems(hosts: Sequence[str], variables: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """Return the problems of all hosts, one line each.

    Args:
        hosts: the hosts that were to be looked at.
        variables: what is known of each host.
        name: the variable that holds a host's findings.
    """
    problems = []
    for host in hosts:
        if name not in variables[host]:
            problems.append(f"{host}: could not be looked at")
            continue
        problems += [
            f"{host}: {finding['what']}: {str(finding['problem']).strip()}"
            for finding in variables[host][name]
            if not finding["ok"] and not finding.get("note")
        ]
    return problems


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return each filter's function by its name."""
        return {
            "verify_checked": verify_checked,
            "verify_containers": verify_containers,
            "verify_lines": verify_lines,
            "verify_problems": verify_problems,
        }
