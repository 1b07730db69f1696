"""Filters of the roles container and network: checks, mounts for the engine, and the explanation of a failure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.module_utils.container_state import container_verdict

USER = re.compile(r"[0-9]+(:[0-9]+)?")
VOLUME = re.compile(r"/[^:]*:/[^:]+:(ro|rw)")
PORT = re.compile(r"(\[[0-9a-fA-F:]+\]|[0-9.]+):[0-9]+:[0-9]+(/(tcp|udp))?")

BLANK = "********"


def container_problems(request: Mapping[str, Any], secrets: Mapping[str, str]) -> list[str]:
    """Return what is wrong or unsafe about a container before its start.

    Args:
        request: the role's variables without their prefix: ``image``, ``user``, ``allow_root``, ``volumes``, ``ports``,
            ``tmpfs``, and ``env``, ``command``, ``entrypoint``, ``labels``, ``healthcheck``, which ``docker inspect``
            shows to every user of the engine.
        secrets: the stack's secrets, by name.
    """
    problems = []
    user = str(request["user"])
    if not request["image"]:
        problems.append("container_image is empty. Fix: set it to the reference that the role images resolved")
    if not USER.fullmatch(user):
        problems.append(f"container_user is '{user}'. Fix: set a numeric user such as 1500:1500")
    elif int(user.partition(":")[0]) == 0 and not request["allow_root"]:
        problems.append(f"container_user is '{user}', which is root. Fix: another user, or container_allow_root: true")
    problems += [
        f"container_volumes has '{volume}'. Fix: write /host/path:/container/path:ro, or :rw"
        for volume in request["volumes"]
        if not VOLUME.fullmatch(volume)
    ]
    problems += [
        f"container_ports has '{port}'. Fix: write address:host port:container port, such as 127.0.0.1:8086:8086"
        for port in request["ports"]
        if not PORT.fullmatch(port)
    ]
    problems += [
        f"container_tmpfs has '{path}'. Fix: write an absolute path" for path in request["tmpfs"] if path[:1] != "/"
    ]
    if request["healthcheck"] and not request["healthcheck"].get("test"):
        problems.append("container_healthcheck has no test. Fix: add one, such as [CMD, curl, -fsS, URL]")
    public = json.dumps([request[key] for key in ("env", "command", "entrypoint", "labels", "healthcheck")])
    problems += [
        f"the secret {name} is in the container's environment, command, labels or health check, where docker inspect "
        "shows it. Fix: hand it over in a file that container_volumes mounts"
        for name, value in secrets.items()
        if value and json.dumps(value)[1:-1] in public
    ]
    return problems


def container_mounts(volumes: Iterable[str]) -> list[dict[str, Any]]:
    """Return ``/host:/container:ro`` entries as the module's mounts.

    The engine's short form creates a directory for a missing host path. A mount refuses it, so a wrong path does not
    look like an empty directory.
    """
    mounts = []
    for volume in volumes:
        source, target, mode = volume.split(":")
        mounts.append({"type": "bind", "source": source, "target": target, "read_only": mode == "ro"})
    return mounts


def network_cause(cause: str) -> str:
    """Return the fix of a failure whose cause is the host's packet filter; empty for other causes."""
    if "No chain/target/match by that name" in cause or "Unable to enable DNAT rule" in cause:
        return (
            "restart the engine (systemctl restart docker): a reload of nftables, iptables or firewalld has taken its "
            "chains away, which it makes at its start; docs/operations.md#firewalls keeps a reload from doing so"
        )
    return ""


def network_explanation(cause: str, network: str, subnet: str) -> str:
    """Return an error's text for a network that the engine refuses to make.

    Args:
        cause: the engine's message.
        network: name of the network.
        subnet: stack_network_subnet; empty for the engine's choice.
    """
    fix = network_cause(cause) or "mend the cause, and run the playbook again"
    if "non-overlapping" in cause or "all predefined address pools" in cause:
        fix = (
            "remove networks that nobody uses (docker network prune), set stack_network_subnet to a free subnet, "
            "such as 10.213.7.0/24, or give the engine more pools (default-address-pools in its daemon.json)"
        )
    elif "overlaps" in cause:
        fix = "set stack_network_subnet to a subnet that no other network has (docker network inspect, ip route)"
    asked = f" with the subnet {subnet}" if subnet else ""
    return f"The engine does not make the network {network}{asked}: {cause.strip().rstrip('.')}. Fix: {fix}"


def _fix(cause: str, state: Mapping[str, Any], memory: str, whole_log: str) -> str:
    if "port is already allocated" in cause or "address already in use" in cause:
        return "stop what listens on the port (ss -ltnp), or choose another with the service's port variable"
    if "bind source path does not exist" in cause:
        return "make the host path first; the role directories makes those of the stack"
    if "No such image" in cause or "Cannot find image" in cause:
        return "run playbooks/images.yml, which builds, pulls or loads the image"
    if reason := network_cause(cause):
        return reason
    if state.get("OOMKilled"):
        return f"raise the service's memory limit (container_memory is {memory})"
    if state.get("ExitCode") in (126, 127):
        return "the command or entry point is not in the image or not executable: check container_command and the image"
    if "container_run_timeout" in cause:
        return "give the job more time with container_run_timeout, or less work"
    whole = f" ({whole_log} has all of it)" if whole_log else ""
    return f"read the log below{whole}, mend the cause, and run the playbook again"


def container_explanation(report: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    """Return an error's text: the action, the cause, the state, the fix, and the last log lines.

    Args:
        report: ``name``, ``image``, ``memory``, ``doing``, ``cause``, ``inspected`` (``docker inspect``'s answer or
            null), ``logs`` (title to text), ``whole_log`` (where to read all of it, or empty).
        secrets: the stack's secrets, which the text hides, since a program may log them.
    """
    inspected = report["inspected"] or {}
    state = inspected.get("State") or {}
    cause = str(report["cause"]).strip()
    lines = [f"Container {report['name']} (image {report['image'] or 'none'}) did not {report['doing']}."]
    if cause:
        lines.append(f"Cause: {cause}")
    if state:
        notes = [state["Status"], f"exit code {state['ExitCode']}", f"{inspected.get('RestartCount', 0)} restarts"]
        if state.get("OOMKilled"):
            notes.append("out of memory")
        if state.get("Error"):
            notes.append(f"engine: {state['Error']}")
        lines.append(f"State: {', '.join(notes)}")
        if health := state.get("Health"):
            checks = health.get("Log") or []
            last = f"last check exited with {checks[-1]['ExitCode']}: {checks[-1]['Output'].strip()}" if checks else ""
            lines.append(f"Health: {health['Status']}, {last or 'not checked yet'}")
    lines.append(f"Fix: {_fix(cause, state, report['memory'], report['whole_log'])}")
    lines += [f"{title}:\n{text.rstrip()}" for title, text in report["logs"].items() if text.strip()]
    text = "\n".join(lines)
    for value in secrets.values():
        if value:
            text = text.replace(value, BLANK)
    return text


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return each filter's function by its name."""
        return {
            "container_explanation": container_explanation,
            "container_mounts": container_mounts,
            "container_problems": container_problems,
            "container_verdict": container_verdict,
            "network_explanation": network_explanation,
        }
