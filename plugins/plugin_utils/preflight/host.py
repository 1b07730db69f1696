"""Checks of a host, on the result of the module preflight_host and on Ansible's facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .problem import Problem
from .wanted import ENGINE_ROOT

SUPPORTED = {"Debian": ("12", "13"), "Ubuntu": ("22.04", "24.04")}
OLDEST_ENGINE = (20, 10)
OLDEST_API = (1, 41)
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  compared with, not listened on


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (20, 10, 24) for `20.10.24+dfsg1`."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def operating_system(distribution: str, version: str, allowed: bool) -> Iterator[Problem]:
    """Check that the distribution is a supported one.

    Args:
        distribution: name of the distribution.
        version: its version.
        allowed: whether the user takes the risk of another distribution.
    """
    if allowed or any(version == known or version.startswith(f"{known}.") for known in SUPPORTED.get(distribution, ())):
        return
    supported = ", ".join(f"{name} {' and '.join(versions)}" for name, versions in SUPPORTED.items())
    yield Problem(
        "operating system",
        f"{distribution} {version}",
        f"is none of those this is made for ({supported})",
        "use one of them, or set preflight_any_os to true and see",
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


def disks(found: Mapping[str, Mapping[str, Any]], least_mb: Mapping[str, int]) -> Iterator[Problem]:
    """Check the free space of the stack's folder and of the engine's.

    Args:
        found: the module's result by path.
        least_mb: required MiB by path.
    """
    for path, entry in found.items():
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


def engine(found: Mapping[str, Any], managed: bool) -> Iterator[Problem]:
    """Check the engine.

    Args:
        found: the module's result.
        managed: whether the role docker may install or start an engine.
    """
    if not found["answers"]:
        if not managed:
            yield Problem(
                "container engine",
                None,
                f"doesn't answer ({found['reason']}), and docker_manage is false",
                "start it, or set docker_manage to true",
            )
        return
    if "podman" in found["name"].casefold():
        yield Problem(
            "container engine",
            f"{found['name']} {found['version']}",
            "is not Docker",
            "install Docker Engine beside it",
        )
    elif numbers(found["version"]) < OLDEST_ENGINE:
        oldest = ".".join(map(str, OLDEST_ENGINE))
        yield Problem("Docker Engine", found["version"], f"is older than {oldest}", f"upgrade it to {oldest} or newer")
    elif numbers(found["api"]) < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        yield Problem("Docker Engine API", found["api"], f"is older than {oldest}", "upgrade the engine")


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
            "is no address of this host",
            f"{', '.join([*known, '127.0.0.1'])}, or 0.0.0.0 for all of its interfaces",
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
    source: str, needed: Mapping[str, list[str]], answers: Mapping[str, str], fixes: Mapping[str, str]
) -> Iterator[Problem]:
    """Check that the URLs which `image_source` needs can be reached.

    Args:
        source: image_source.
        needed: required URLs by way (`pull`, `build`); with `auto` one complete way is enough.
        answers: an empty text or the reason of the failure, by URL.
        fixes: the variable that names another server, by URL.
    """
    failed = {way: [url for url in urls if answers.get(url)] for way, urls in needed.items()}
    if not needed or (source == "auto" and any(not urls for urls in failed.values())):
        return
    for way, urls in failed.items():
        for url in urls:
            yield Problem(
                "image_source",
                source,
                f"to {way} images, {url} must be reachable, and is not: {answers[url]}",
                f"open the way to it, set {fixes[url]} to a mirror, or use archives (image_source: archive)",
            )


def host_problems(facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return every problem of one host, one line each.

    Args:
        facts: distribution, version, addresses, and the result of preflight_host as `host`.
        wanted: the host's requirements, as `preflight.wanted` returns them.
    """
    host = facts["host"]
    stack = str(wanted["stack"])
    containers = host["engine"].get("containers", [])
    # A deployed stack needs no space to build images and no registries.
    deployed = any(_is_ours(container, stack) for container in containers)
    found = [
        *operating_system(facts["distribution"], str(facts["version"]), bool(wanted["any_os"])),
        *memory(int(host["memory_mb"]), int(wanted["memory_mb"])),
        *disks(_with_engine(host), {path: 0 if deployed else int(least) for path, least in wanted["disks"].items()}),
        *engine(host["engine"], bool(wanted["docker_manage"])),
        *bind_address(str(wanted["address"]), bool(host["address_is_own"]), list(facts["addresses"])),
        *ports(
            {variable: int(port) for variable, port in wanted["ports"].items()},
            str(wanted["address"]),
            host["listeners"],
            containers,
            stack,
        ),
        *names(list(wanted["containers"]), containers, stack),
        *reachable(str(wanted["source"]), {} if deployed else wanted["needed"], host["urls"], wanted["fixes"]),
    ]
    prefix = f"{wanted['host']}: " if wanted["host"] else ""
    return [prefix + problem.text() for problem in found]


def _with_engine(host: Mapping[str, Any]) -> dict[str, Any]:
    """Return the disks, with the engine's actual folder in place of the default folder."""
    found = dict(host["disks"])
    if host["engine"]["answers"] and ENGINE_ROOT in found:
        found[ENGINE_ROOT] = {
            "existing": host["engine"]["root"],
            "free_mb": host["engine"]["free_mb"],
            "writable": True,
        }
    return found
