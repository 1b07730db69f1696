# SPDX-License-Identifier: MIT
"""What the engine's answer about a container means for whoever waits for the container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READY, WAITING = "ready", "waiting"
# A container with this many restarts that is not running does not get ready by waiting.
CRASHES = 3


def container_verdict(inspected: Mapping[str, Any] | None) -> str:
    """Return a container's state: ``ready``, ``waiting``, or a state that waiting does not change.

    Those states are ``missing``, ``unhealthy``, ``crashing`` and the engine's names of end states. A container without
    a health check is ready when it runs.

    Args:
        inspected: what ``docker inspect`` says of it; None if there is no such container.
    """
    state = (inspected or {}).get("State")
    if inspected is None or not state:
        return "missing"
    if state["Status"] in ("exited", "dead", "removing", "paused"):
        return str(state["Status"])
    # This comes first, because a container between two starts keeps the health of its last run.
    if state["Restarting"]:
        return "crashing" if inspected.get("RestartCount", 0) >= CRASHES else WAITING
    health = (state.get("Health") or {}).get("Status", "none")
    if health == "unhealthy":
        return "unhealthy"
    return READY if state["Running"] and health in ("healthy", "none") else WAITING


def health_check(inspected: Mapping[str, Any]) -> list[str]:
    """Return the words of the container's own health check; empty where it cannot be run, or has nothing to say.

    Args:
        inspected: what ``docker inspect`` says of it.
    """
    state = inspected["State"]
    if not state["Running"] or state["Restarting"]:
        return []
    kind, *words = ((inspected.get("Config") or {}).get("Healthcheck") or {}).get("Test") or ["NONE"]
    if kind == "CMD-SHELL":
        return ["/bin/sh", "-c", *words]
    return [str(word) for word in words] if kind == "CMD" else []
