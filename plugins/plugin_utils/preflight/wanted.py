"""Requirements of a host, derived from its variables. Wrong values are left out, as other checks report them."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible.module_utils.parsing.convert_bool import boolean

from .inventory import Host, Inventory

ENGINE_ROOT = "/var/lib/docker"
DOCKER_HUB = "registry-1.docker.io"


def wanted(inventory: Inventory, host: Host, has_images: bool = False) -> dict[str, Any]:
    """Return what the module preflight_host reads of a host, and what `preflight.host` judges the result by.

    Args:
        inventory: all hosts.
        host: the host.
        has_images: whether the host got its images before, so that it needs no registry.
    """
    services = [service for service in inventory.services(host) if _is_true(host, f"{service}_enabled")]
    ports = {
        variable: port
        for service, variable in inventory.port_variables(host).items()
        if _is_true(host, f"{service}_enabled") and (port := _number(host, variable))
    }
    directory = host.text("stack_dir")
    needed, fixes = ({}, {}) if has_images else _registries(host)
    return {
        # Messages about the only host need no name.
        "host": host.name if len(list(inventory.stack_hosts())) > 1 else "",
        "any_os": _is_true(host, "preflight_any_os"),
        "memory_mb": _number(host, "preflight_min_memory_mb"),
        "disks": {
            **({directory: _number(host, "preflight_min_disk_mb")} if directory else {}),
            ENGINE_ROOT: _number(host, "preflight_min_images_mb"),
        },
        "limits": _limits(inventory, host),
        "docker_manage": _is_true(host, "docker_manage"),
        "socket": host.text("docker_socket") or "/var/run/docker.sock",
        "ports": ports,
        "address": host.text("stack_bind_address"),
        "plain": [] if _is_true(host, "stack_tls") else _beyond_loopback(host, list(ports)),
        "stack": host.text("stack_name"),
        "stack_dir": directory,
        "titles": {service: inventory.table[service]["title"] for service in services},
        "versions": {service: host.text(f"{service}_version") for service in services},
        "data": {service: f"{directory}/data/{service}" for service in services} if directory else {},
        "containers": [f"{host.text('stack_name')}-{service}" for service in services],
        "source": host.text("image_source"),
        "needed": needed,
        "fixes": fixes,
        "timeout": _number(host, "preflight_timeout") or 10,
    }


def _is_true(host: Host, variable: str) -> bool:
    # Values of -e name=value are texts.
    return bool(boolean(host.effective.get(variable), strict=False))


def _number(host: Host, variable: str) -> int:
    try:
        return max(0, int(host.text(variable)))
    except ValueError:
        return 0


def _beyond_loopback(host: Host, ports: list[str]) -> list[dict[str, Any]]:
    """Return the addresses that other hosts may reach: `variable`, `address`, and the variables of their `ports`."""
    metrics = [variable for variable in ports if variable == "keeper_metrics_port"]
    published = {
        "stack_bind_address": [variable for variable in ports if variable not in metrics],
        "keeper_metrics_address": metrics,
    }
    return [
        {"variable": variable, "address": host.text(variable), "ports": names}
        for variable, names in published.items()
        if names and not _is_loopback(host.text(variable))
    ]


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # another check reports it
        return True


def _limits(inventory: Inventory, host: Host) -> dict[str, int]:
    """Return the memory limit in MiB of each service that runs on a host, by its variable."""
    limits = {}
    for service, variable in inventory.memory_variables(host).items():
        if not _is_true(host, f"{service}_enabled"):
            continue
        try:
            limits[variable] = human_to_bytes(host.text(variable)) // 2**20
        except ValueError:  # another check reports it
            continue
    return limits


def _registries(host: Host) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the URLs that each way to get images needs, and the variable that names another server by URL."""
    source = host.text("image_source")
    if source == "auto" and host.text("image_archive_dir"):
        return {}, {}
    registry = host.text("image_registry").split("/")[0]
    pull = f"https://{DOCKER_HUB if registry in ('docker.io', 'index.docker.io') else registry}/v2/"
    build = {url: variable for variable, url in _package_registries(host).items() if urlsplit(url).hostname}
    needed: dict[str, list[str]] = {}
    if source in ("pull", "auto"):
        needed["pull"] = [pull]
    if source in ("build", "auto"):
        needed["build"] = list(build)
    return needed, {**build, pull: "image_registry"}


def _package_registries(host: Host) -> dict[str, str]:
    """Return the URL of the package registry that builds use, by variable."""
    # GOPROXY is a list of proxies and of the words direct and off.
    proxies = [part for part in re.split(r"[,|]", host.text("images_goproxy")) if part.startswith("http")]
    return {
        "images_apt_mirror": host.text("images_apt_mirror") or "http://deb.debian.org/debian",
        "images_pip_index": host.text("images_pip_index") or "https://pypi.org/simple/",
        "images_cargo_registry": host.text("images_cargo_registry") or "https://index.crates.io/config.json",
        "images_goproxy": proxies[0] if proxies else "https://proxy.golang.org/",
        "images_npm_registry": host.text("images_npm_registry") or "https://registry.npmjs.org/",
    }
