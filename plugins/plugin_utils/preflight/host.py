"""Checks of a host, on the result of the module preflight_host and on Ansible's facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .engine import engine
from .problem import BEYOND_FIREWALLS, Problem
from .versions import deployed_version, downgrades
from .wanted import ENGINE_ROOT

SUPPORTED = {"Debian": ("12", "13"), "Ubuntu": ("22.04", "24.04")}
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  compared with, not listened on
# How the engine, and what builds images, get to know a proxy.
PROXY_FIX = {
    "pull": ", give the engine a proxy (HTTPS_PROXY of its service, or proxies in its daemon.json)",
    "build": ", name a proxy in /root/.docker/config.json (proxies.default)",
}


def operating_system(distribution: str, version: str, family: str, allowed: bool) -> Iterator[Problem]:
    """Check that the distribution is a supported one.

    Args:
        distribution: name of the distribution.
        version: its version.
        family: the family of distributions that it belongs to.
        allowed: whether the user takes the risk of another distribution.
    """
    if allowed:
        return
    if any(version == known or version.startswith(f"{known}.") for known in SUPPORTED.get(distribution, ())):
        return
    supported = ", ".join(f"{name} {' and '.join(versions)}" for name, versions in SUPPORTED.items())
    fix = "use one of them, or set preflight_any_os to true and see"
    if family == "RedHat":
        # The role docker installs by apt, and this family has no engine of Docker's in its own repositories.
        fix = (
            "use one of them, or install Docker Engine and Python's requests (python3-requests) yourself, and set "
            "docker_manage to false and preflight_any_os to true; nobody has tested that"
        )
    yield Problem(
        "operating system", f"{distribution} {version}", f"is none of those this is made for ({supported})", fix
    )


def memory(found_mb: int, least_mb: int) -> Iterator[Problem]:
    """Check the memory of the whole host, in MiB."""
    if found_mb < least_mb:
        yield Problem(
            "memory",
            f"{found_mb} MiB",
            f"is less than preflight_min_memory_mb ({least_mb})",
            "give the host more memory, or lower preflight_min_memory_mb and the services' own limits",
        )


def disks(volumes: Mapping[str, Mapping[str, Any]], least_mb: Mapping[str, int]) -> Iterator[Problem]:
    """Check the free space of the stack's folder and of the engine's.

    Args:
        volumes: the module's result by path.
        least_mb: required MiB by path.
    """
    for path, entry in volumes.items():
        least = least_mb.get(path, 0)
        if entry["free_mb"] < least:
            yield Problem(
                f"disk space for {path}",
                f"{entry['free_mb']} MiB",
                f"is less than the {least} MiB it needs",
                f"free some on the file system of {entry['existing']}, or move {_mover(path)} to a larger one",
            )
        if not entry["writable"]:
            yield Problem(
                f"folder {path}",
                None,
                f"{entry['existing']} cannot be written to",
                "set ansible_become to true for this host, mount it writable, or set stack_dir to another folder",
            )


def _mover(path: str) -> str:
    return "the engine's folder (data-root in its daemon.json)" if path == ENGINE_ROOT else "the stack with stack_dir"


def _overlap(address: str, listening: list[str]) -> bool:
    return address in ANY_ADDRESS or address in listening or any(one in ANY_ADDRESS for one in listening)


def bind_address(address: str, is_own: bool, known: list[str]) -> Iterator[Problem]:
    """Check that the address of published ports is one of the host's.

    Args:
        address: stack_bind_address.
        is_own: whether the host can listen on it.
        known: addresses of the host in Ansible's facts.
    """
    if not is_own:
        yield Problem(
            "stack_bind_address",
            address,
            "is not an address of this host",
            f"{', '.join([*known, '127.0.0.1'])}, or 0.0.0.0 for all of its interfaces ({BEYOND_FIREWALLS})",
        )


def _is_ours(container: Mapping[str, Any], stack: str) -> bool:
    return bool(container["labels"].get("influx-anomaly.stack") == stack)


def ports(
    wanted: Mapping[str, int],
    address: str,
    listeners: Mapping[str, Mapping[str, Any]],
    containers: list[Any],
    stack: str,
) -> Iterator[Problem]:
    """Check that no other process or container holds the stack's ports.

    Args:
        wanted: ports by variable.
        address: the address that the ports will be bound to.
        listeners: addresses and process by port, with the port as text.
        containers: the engine's containers.
        stack: name of the stack, whose own containers may hold the ports.
    """
    for variable, port in wanted.items():
        holders = [container for container in containers if port in container["ports"]]
        if any(_is_ours(container, stack) for container in holders):
            continue
        listener = listeners.get(str(port))
        if listener is None or not _overlap(address, list(listener["addresses"])):
            continue
        if holders:
            who = f"the container {holders[0]['names'][0]}"
        else:
            who = f"the process {listener['process']}" if listener["process"] else "another process"
        yield Problem(variable, str(port), f"the port is in use by {who}", f"stop it, or set {variable} to a free port")


def names(wanted: list[str], containers: list[Any], stack: str) -> Iterator[Problem]:
    """Check that no container outside of the stack has the name of one of its containers."""
    for container in containers:
        for name in container["names"]:
            if name in wanted and not _is_ours(container, stack):
                yield Problem(
                    "container",
                    name,
                    f"there is one of this name that doesn't belong to the stack {stack}",
                    "remove or rename it, or choose another stack_name",
                )


def reachable(
    source: str,
    needed: Mapping[str, list[str]],
    answers: Mapping[str, str],
    fixes: Mapping[str, str],
    proxies: Mapping[str, str],
) -> Iterator[Problem]:
    """Check that the URLs which `image_source` needs can be reached.

    Args:
        source: image_source.
        needed: required URLs by way (`pull`, `build`); with `auto` one complete way is enough.
        answers: an empty text or the reason of the failure, by URL.
        fixes: the variable that names another server, by URL.
        proxies: the engine's proxies by scheme, which it pulls by.
    """
    failed = {way: [url for url in urls if answers.get(url)] for way, urls in needed.items()}
    if not needed or (source == "auto" and any(not urls for urls in failed.values())):
        return
    for way, urls in failed.items():
        for url in urls:
            reason = answers[url] + _by_proxy(way, url, proxies)
            yield Problem(
                "image_source",
                source,
                f"to {way} images, {url} must be reachable, and is not: {reason}",
                f"open the way to it{PROXY_FIX[way]}, set {fixes[url]} to a mirror, or use archives "
                "(image_source: archive)",
            )


def _by_proxy(way: str, url: str, proxies: Mapping[str, str]) -> str:
    """Return how a URL was tried, where that is up to the engine."""
    if way != "pull":
        return ""
    proxy = proxies.get(url.partition(":")[0], "")
    return f" (by the engine's proxy {proxy})" if proxy else " (the engine has no proxy)"


def host_problems(facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return every problem of one host, one line each.

    Args:
        facts: distribution, version, family, addresses, the result of preflight_host as `host`, and whether the user
            takes the risk of older versions as `any_version`.
        wanted: the host's requirements, as `preflight.wanted` returns them.
    """
    host = facts["host"]
    stack = str(wanted["stack"])
    containers = host["engine"].get("containers", [])
    # A deployed stack needs no space to build images and no registries.
    deployed = any(_is_ours(container, stack) for container in containers)
    problems = [
        *operating_system(facts["distribution"], str(facts["version"]), str(facts["family"]), bool(wanted["any_os"])),
        *memory(int(host["memory_mb"]), int(wanted["memory_mb"])),
        *disks(_with_engine(host), {path: 0 if deployed else int(least) for path, least in wanted["disks"].items()}),
        *engine(host["engine"], bool(wanted["docker_manage"]), str(wanted["stack_dir"])),
        *bind_address(str(wanted["address"]), bool(host["address_is_own"]), list(facts["addresses"])),
        *ports(
            {variable: int(port) for variable, port in wanted["ports"].items()},
            str(wanted["address"]),
            host["listeners"],
            containers,
            stack,
        ),
        *names(list(wanted["containers"]), containers, stack),
        *reachable(
            str(wanted["source"]),
            {} if deployed else wanted["needed"],
            host["urls"],
            wanted["fixes"],
            host["engine"].get("proxies", {}),
        ),
        *_downgrades(host, wanted, stack, bool(facts["any_version"])),
    ]
    prefix = f"{wanted['host']}: " if wanted["host"] else ""
    return [prefix + problem.text() for problem in problems]


def _downgrades(host: Mapping[str, Any], wanted: Mapping[str, Any], stack: str, allowed: bool) -> Iterator[Problem]:
    if allowed:
        return
    ours = {
        str(container["labels"].get("influx-anomaly.service")): container
        for container in host["engine"].get("containers", [])
        if _is_ours(container, stack)
    }
    running = {
        service: deployed_version(service, container["image"], container["versions"])
        for service, container in ours.items()
    }
    yield from downgrades(wanted["titles"], wanted["versions"], running, host["written_by"])


def _with_engine(host: Mapping[str, Any]) -> dict[str, Any]:
    """Return the disks, with the engine's actual folder in place of the default folder."""
    volumes = dict(host["disks"])
    if host["engine"]["answers"] and ENGINE_ROOT in volumes:
        volumes[ENGINE_ROOT] = {
            "existing": host["engine"]["root"],
            "free_mb": host["engine"]["free_mb"],
            "writable": True,
        }
    return volumes
