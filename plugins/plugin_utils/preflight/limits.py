"""What a host should be warned of although a deployment can go on.

Memory limits that do not fit, machines on which nobody has tested the project, and ports without encryption.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .problem import Problem

# The architectures on which the project is tested, as the engine names them.
TESTED = ("x86_64", "amd64")


def memory_limits(limits: Mapping[str, int], memory_mb: int) -> Iterator[Problem]:
    """Warn of limits that the host's memory cannot hold, singly or together.

    Args:
        limits: the limit of each service's container in MiB, by variable.
        memory_mb: the host's memory in MiB.
    """
    for variable, limit in limits.items():
        if limit > memory_mb:
            yield Problem(
                variable,
                f"{limit} MiB",
                f"is more than the host's memory ({memory_mb} MiB), so it limits nothing",
                "a limit below the host's memory" + _fewer(variable),
            )
    together = sum(limits.values())
    if together > memory_mb and all(limit <= memory_mb for limit in limits.values()):
        listed = ", ".join(f"{variable} {limit}" for variable, limit in limits.items())
        yield Problem(
            "memory limits",
            f"{together} MiB",
            f"are together more than the host's memory ({memory_mb} MiB): {listed}. The kernel ends a process where "
            "all of them need what they may take",
            "lower the largest, watch fewer series on this host, or give it more memory"
            + (_fewer("kapacitor_memory") if "kapacitor_memory" in limits else ""),
        )


def _fewer(variable: str) -> str:
    """Return what Kapacitor's limit follows from."""
    if variable != "kapacitor_memory":
        return ""
    return "; kapacitor_memory follows from the number of pipelines and from their key memory"


def engine_limits(engine: Mapping[str, Any]) -> Iterator[Problem]:
    """Warn of an engine whose kernel cannot limit memory, and of an architecture without tests."""
    if not engine["answers"]:
        return
    if not engine.get("limits_memory", True):
        yield Problem(
            "memory limits",
            None,
            "do not hold, because the kernel has no memory cgroup",
            "cgroup_enable=memory cgroup_memory=1 in the kernel's command line (Raspberry Pi OS: "
            "/boot/firmware/cmdline.txt), and a restart of the host",
        )
    architecture = engine.get("architecture", "")
    if architecture and architecture not in TESTED:
        yield Problem(
            "architecture",
            architecture,
            "is not tested: images are built for it, or pulled where the registry has them for it",
            "x86_64, or image_source: build and see",
        )


def plain_ports(published: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """Warn of ports that other hosts may reach, and that speak http.

    Args:
        published: `variable` and `address` of each address, and the variables of its `ports`.
    """
    for one in published:
        yield Problem(
            one["variable"],
            one["address"],
            f"is not loopback, and what passes by {', '.join(one['ports'])} is not encrypted, as stack_tls is false",
            "stack_tls: true (docs/operations.md#certificates), or 127.0.0.1, where a proxy of yours may speak TLS",
        )


def host_warnings(facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return what one host should be warned of, one line each.

    Args:
        facts: the result of preflight_host as `host`.
        wanted: the host's requirements, as `preflight.wanted` returns them.
    """
    host = facts["host"]
    limits = {variable: int(limit) for variable, limit in wanted["limits"].items()}
    warnings = [
        *memory_limits(limits, int(host["memory_mb"])),
        *engine_limits(host["engine"]),
        *plain_ports(wanted["plain"]),
    ]
    prefix = f"{wanted['host']}: " if wanted["host"] else ""
    return [f"Warning: {prefix}{problem.text()}" for problem in warnings]
