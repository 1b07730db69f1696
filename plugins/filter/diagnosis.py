"""Filters of the role diagnose: what is asked of containers and services, and what the hosts told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.filter.services import services_left_out
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_record import read_record

DOCUMENTATION = """
name: diagnosis
short_description: What a diagnosis of a stack asks and collects
"""

LOG_LINES = 5000


def diagnose_containers(services: Iterable[str], stack: str) -> dict[str, list[str]]:
    """Return the commands that tell of containers, by the names of their outputs in the archive.

    Args:
        services: the services that a host runs.
        stack: the stack's name.
    """
    commands = {}
    for service in services:
        container = f"{stack}-{service}"
        commands[f"{service}/container.json"] = ["docker", "inspect", container]
        commands[f"{service}/container.log"] = ["docker", "logs", "--tail", str(LOG_LINES), "--timestamps", container]
    return commands


def diagnose_requests(asked: Mapping[str, Mapping[str, Any]], services: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the requests to services, by the names of the answers in the archive.

    Args:
        asked: service to how it is asked: `url`, `paths` (name of the answer to the path), and what else a request has,
            such as the user.
        services: the services that are asked.
    """
    requests = {}
    for service in services:
        about = asked.get(service, {"paths": {}})
        request = {key: value for key, value in about.items() if key != "paths"}
        for name, path in about["paths"].items():
            requests[f"{service}/{name}"] = {**request, "url": f"{about['url']}{path}"}
    return requests


def diagnose_told(
    hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]], name: str
) -> dict[str, dict[str, Any] | None]:
    """Return host to the `texts` and the `missing` that it told; None for a host that was not reached.

    Args:
        hosts: the stack's hosts.
        variables: the hosts' variables.
        name: of the variable with the result of `diagnose_host`.
    """
    told: dict[str, dict[str, Any] | None] = {}
    for host in hosts:
        result = variables[host].get(name) or {}
        if "texts" in result:
            told[host] = {"texts": result["texts"], "missing": result["missing"]}
        elif result.get("failed"):
            told[host] = {"texts": {}, "missing": {"everything": str(result.get("msg", "no reason given"))}}
        else:
            told[host] = None
    return told


def diagnose_left_out(path: str, services: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> str:
    """Return which services hosts go without for want of an image, with the reasons.

    Args:
        path: the record of images on the controller.
        services: the table of services.
        hosts: the stack's hosts.
    """
    reasons = [
        f"{service} on {host} ({reason})"
        for host in hosts
        for service, reason in services_left_out(services, read_record(Path(path), host)[1]).items()
    ]
    return "; ".join(reasons) or "nothing"


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {
            "diagnose_containers": diagnose_containers,
            "diagnose_left_out": diagnose_left_out,
            "diagnose_requests": diagnose_requests,
            "diagnose_told": diagnose_told,
        }
