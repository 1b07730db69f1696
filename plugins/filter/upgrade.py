"""Filters of the role upgrade: what an upgrade would change, what it refuses, and how it goes back.

What is deployed is read from containers and from data; what is wanted is what the inventory and this release say. The
numbers of our own formats are those of the code: the schema of models, and the layout of what pipelines remember.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.versions import (
    RESTORE,
    deployed_version,
    version_key,
)

from anomaly.models.manifest import SCHEMA
from anomaly.scoring.layout import LAYOUT

DOCUMENTATION = """
name: upgrade
short_description: Plan of an upgrade, and of the way back
"""

Told = Mapping[str, Mapping[str, Any]]
Table = Mapping[str, Mapping[str, Any]]
Inspected = Mapping[str, Any]

# The first InfluxDB 1.x after 1.8 that anybody may deploy. It and its successors keep new fields in a log beside
# `fields.idx` while they run; InfluxDB 1.8 knows no such log. All other formats are the same from 1.8 to 1.12.
_FIELDS_LOG_SINCE = "1.11"
_KNOWN_FORMAT = 1
# From nanoseconds, in which the engine tells times, to milliseconds, which are short enough for all of them.
_NS_PER_MS = 1_000_000


def upgrade_containers(results: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what containers run: service to `image`, `version` (empty if the image does not tell), `id`, `running`.

    Args:
        results: of a loop of `docker_container_info` over services. Those without a container are left out.
    """
    return {
        str(result["item"]): {
            "image": result["container"]["Config"]["Image"],
            "version": deployed_version(
                str(result["item"]), str(result["container"]["Config"]["Image"]), _environment(result["container"])
            ),
            "id": result["container"]["Id"],
            "running": bool(result["container"]["State"]["Running"]),
        }
        for result in results
        if result.get("container")
    }


def upgrade_plan(told: Told, services: Table) -> dict[str, Any]:
    """Return what an upgrade would do, and what keeps it from being done.

    Args:
        told: host to what it tells: `services` (those that run there), `containers` (as `upgrade_containers`), `data`
            (as the module stack_data_info), `images` (our name of an image to the reference that is wanted) and
            `pipelines` (the names of those that run there).
        services: the table of services.

    Returns:
        `problems`, one sentence each, with which nothing may be begun; `changes`, a line each; `notes`, what is worth
        knowing; `train`, host to the pipelines whose models are of an earlier schema; `needed`, whether there is
        anything to do.
    """
    if not any(host["containers"] for host in told.values()):
        problem = "The stack has no container here, so there is nothing to upgrade. Fix: run playbooks/site.yml"
        return {"problems": [problem], "changes": [], "notes": [], "train": {}, "needed": False}
    problems, changes, notes = [], [], []
    train: dict[str, list[str]] = {}
    for name, host in told.items():
        problems += [f"{name}: {problem}" for problem in (*_unreadable(host, services), *_newer_than_this(host))]
        changes += [f"{name}: {change}" for change in _changes(host, services)]
        notes += [f"{name}: {note}" for note in _notes(host)]
        outdated = [
            pipeline for pipeline in host["pipelines"] if (host["data"]["models"].get(pipeline) or SCHEMA) < SCHEMA
        ]
        if outdated:
            train[name] = outdated
            changes.append(
                f"{name}: models of an earlier schema than {SCHEMA} are trained again: {', '.join(outdated)}"
            )
    return {"problems": problems, "changes": changes, "notes": notes, "train": train, "needed": bool(changes)}


def _unreadable(host: Mapping[str, Any], services: Table) -> Iterator[str]:
    """Yield a sentence for what the wanted InfluxDB would not read. The preflight has compared the versions."""
    if "influxdb" in host["services"]:
        version = str(services["influxdb"]["version"])
        problem = upgrade_data_problem(host["data"]["influxdb"], version)
        # While a newer one runs, the log is there and will be merged; the versions say all.
        if problem and not host["containers"].get("influxdb", {}).get("running"):
            fix = f"influxdb_version: {_FIELDS_LOG_SINCE}.8, or later"
            yield f"influxdb_version is {version}, and {problem}. Fix: {fix}"


def _newer_than_this(host: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each of our own files that a later release wrote."""
    models = {name: schema for name, schema in host["data"]["models"].items() if (schema or 0) > SCHEMA}
    states = {name: layout for name, layout in host["data"]["states"].items() if (layout or 0) > LAYOUT}
    for what, known, numbers in (("the schema of models", SCHEMA, models), ("the layout of states", LAYOUT, states)):
        for name, number in numbers.items():
            yield (
                f"{what} is {known} in this release, and that of pipeline {name} is {number}, so a later release wrote "
                f"it. Fix: check out that release or a later one. To go back to this one, {RESTORE}"
            )


def _changes(host: Mapping[str, Any], services: Table) -> Iterator[str]:
    for name in host["services"]:
        row = services[name]
        reference = host["images"].get((row.get("image") or {}).get("name", ""), "")
        container = host["containers"].get(name)
        if not reference or (container and container["image"] == reference):
            continue
        version = str(row["version"])
        if not container:
            yield f"{row['title']} {version} is new here"
        elif container["version"] == version:
            yield f"{row['title']} {version} gets another image: {container['image']} -> {reference}"
        else:
            yield f"{row['title']} {container['version'] or container['image']} -> {version}"


def _notes(host: Mapping[str, Any]) -> Iterator[str]:
    data = host["data"]["influxdb"]
    if data["owners"]:
        yield f"files of InfluxDB's data belong to {', '.join(data['owners'])}; they get the owner of its container"
    if data["in_memory"]:
        yield (
            f"{data['in_memory']} of {data['shards']} shards have no index on the disk, and keep it in memory, as "
            "before; `influx_inspect buildtsi` makes one"
        )
    for name, layout in host["data"]["states"].items():
        if (layout or LAYOUT) < LAYOUT:
            yield (
                f"what pipeline {name} remembers has layout {layout}, and this release reads {LAYOUT}: it begins "
                "without a memory, and the catch-up scores what it misses"
            )


def upgrade_versions(hosts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return service to the version that runs, the newest of all hosts; without those that nobody knows.

    Args:
        hosts: what hosts tell, as `upgrade_plan` takes it.
    """
    versions: dict[str, str] = {}
    for host in hosts:
        for name, container in host["containers"].items():
            if container["version"]:
                versions[name] = max(versions.get(name, ""), container["version"], key=version_key)
    return versions


def upgrade_trained(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return pipeline to the version that a training made, without pipelines for which it made none.

    Args:
        outputs: pipeline to what the command printed, whose last line is its result.
    """
    results = {name: json.loads(output.splitlines()[-1]) for name, output in outputs.items()}
    return {name: result["version"] for name, result in results.items() if result["status"] == "trained"}


def upgrade_data_problem(data: Mapping[str, Any], version: str) -> str:
    """Return what in InfluxDB's data a version of InfluxDB would not read; empty if it reads all.

    Args:
        data: what the module stack_data_info says of them.
        version: the version; empty if nobody knows it.
    """
    newer = [
        f"{kind} files of format {number}"
        for kind, numbers in data["formats"].items()
        for number in numbers
        if number > _KNOWN_FORMAT
    ]
    if newer:
        return f"its data have {', '.join(newer)}, which only a newer InfluxDB reads"
    if data["unmerged"] and version_key(version) < version_key(_FIELDS_LOG_SINCE):
        return (
            f"{len(data['unmerged'])} shard(s) of its data, such as {data['unmerged'][0]}, have fields in a log that "
            f"InfluxDB {_FIELDS_LOG_SINCE} and later write and {version or 'an older one'} does not read"
        )
    return ""


def upgrade_container(inspected: Inspected) -> dict[str, Any]:
    """Return a container as the role container describes one, to make it again from the same image.

    Args:
        inspected: what the engine says of the container.

    Returns:
        The role's variables without their prefix.
    """
    config, host = inspected["Config"], inspected["HostConfig"]
    logging = (host.get("LogConfig") or {}).get("Config") or {}
    return {
        "image": config["Image"],
        "entrypoint": list(config.get("Entrypoint") or []),
        "command": list(config.get("Cmd") or []),
        "user": config.get("User") or "0",
        "groups": list(host.get("GroupAdd") or []),
        "working_dir": config.get("WorkingDir") or "",
        "env": _environment(inspected),
        "volumes": [
            f"{mount['Source']}:{mount['Target']}:{'ro' if mount.get('ReadOnly') else 'rw'}"
            for mount in host.get("Mounts") or []
            if mount["Type"] == "bind"
        ],
        "tmpfs": [f"{path}:{options}" for path, options in (host.get("Tmpfs") or {}).items()],
        "ports": list(_ports(host.get("PortBindings") or {})),
        "networks": list(_networks(inspected)),
        "hostname": config.get("Hostname") or "",
        "etc_hosts": dict(line.split(":", 1) for line in host.get("ExtraHosts") or []),
        "healthcheck": _healthcheck(config.get("Healthcheck") or {}),
        "config_hash": (config.get("Labels") or {}).get("influx-anomaly.config-hash", ""),
        "memory": str(host.get("Memory") or 0),
        "cpus": (host.get("NanoCpus") or 0) / 1_000_000_000,
        "pids_limit": host.get("PidsLimit") or 0,
        "read_only": bool(host.get("ReadonlyRootfs")),
        "capabilities": [name.removeprefix("CAP_") for name in host.get("CapAdd") or []],
        "init": bool(host.get("Init")),
        "stop_timeout": config.get("StopTimeout") or 30,
        "restart_policy": (host.get("RestartPolicy") or {}).get("Name") or "no",
        "log_max_size": logging.get("max-size", "10m"),
        "log_max_file": int(logging.get("max-file", "3")),
    }


def _environment(inspected: Inspected) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in inspected["Config"].get("Env") or [] if "=" in entry)


def _ports(bindings: Mapping[str, Sequence[Mapping[str, str]] | None]) -> Iterator[str]:
    for inside, outside in bindings.items():
        port, _, protocol = inside.partition("/")
        for place in outside or []:
            address = place.get("HostIp") or "0.0.0.0"  # noqa: S104  how the engine tells any address
            address = f"[{address}]" if ":" in address else address
            yield f"{address}:{place['HostPort']}:{port}" + ("/udp" if protocol == "udp" else "")


def _networks(inspected: Inspected) -> Iterator[dict[str, Any]]:
    """Yield the container's networks with the names that it was given there, without those that the engine adds."""
    own = {inspected["Id"][:12], str(inspected.get("Name", "")).removeprefix("/")}
    for name, network in inspected["NetworkSettings"]["Networks"].items():
        yield {"name": name, "aliases": [alias for alias in network.get("Aliases") or [] if alias not in own]}


def _healthcheck(check: Mapping[str, Any]) -> dict[str, Any]:
    test = list(check.get("Test") or [])
    if not test or test == ["NONE"]:
        return {}
    times = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod"}
    return {
        "test": test,
        "retries": check.get("Retries") or 3,
        **{name: f"{check[key] // _NS_PER_MS}ms" for name, key in times.items() if check.get(key)},
    }


def upgrade_former(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the services of a host as they were: `service`, `state` (started, stopped or absent) and `container`.

    Args:
        results: of a loop of `docker_container_info` over services, in the order in which they are started.
    """
    former = []
    for result in results:
        inspected = result.get("container")
        state = "absent" if not inspected else "started" if inspected["State"]["Running"] else "stopped"
        container = upgrade_container(inspected) if inspected and state == "started" else {}
        former.append({"service": str(result["item"]), "state": state, "container": container})
    return former


def upgrade_new_problems(problems: Iterable[str], before: Iterable[str]) -> list[str]:
    """Return the problems that were not there before. Numbers in them, such as counts and ages, do not matter.

    Args:
        problems: problems of all hosts, as `HOST: WHAT: PROBLEM`.
        before: those of an earlier look.
    """
    known = {_statement(problem) for problem in before}
    return [problem for problem in problems if _statement(problem) not in known]


def _statement(problem: str) -> str:
    return re.sub(r"\d+", "#", ": ".join(problem.split(": ")[:2]))


def upgrade_end(failure: str, hosts: Mapping[str, Mapping[str, str]], left: Sequence[str], created: str) -> list[str]:
    """Return what a rollback did and what was lost, a line each.

    Args:
        failure: why there was one.
        hosts: host to `data_problem` of its InfluxDB's data, if it has any, and `since`, when the switch began.
        left: problems that the stack has now and had not before the upgrade.
        created: when the backup was made, which data came from where they could not stay.
    """
    lines = [f"The upgrade failed, and the stack was rolled back. {failure.strip()}"]
    since = min((host["since"] for host in hosts.values()), default="")
    lines.append(
        f"As they were when the switch began ({since}): images, configuration, Kapacitor's tasks, handlers and the "
        "state of alerts, models, what pipelines remember, Grafana's database. What they took up since then is lost"
    )
    lost = {name: host["data_problem"] for name, host in hosts.items() if host["data_problem"]}
    for name, problem in lost.items():
        lines.append(
            f"{name}: InfluxDB's data are those of the backup of {created}, since {problem}. Points and scores that "
            "were written later are not there; data/influxdb.after-upgrade has them until you remove it"
        )
    if not lost:
        lines.append(
            "InfluxDB's data stay as they are, with all points and scores that were written until now. Points that "
            "came while InfluxDB was down are there if their writers repeated them"
        )
    if left:
        lines += [f"After the rollback {len(left)} problem(s) are new:", *left]
    else:
        lines.append("The stack was verified after the rollback: it has no problem that it did not have before")
    return lines


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {
            "upgrade_container": upgrade_container,
            "upgrade_containers": upgrade_containers,
            "upgrade_data_problem": upgrade_data_problem,
            "upgrade_end": upgrade_end,
            "upgrade_former": upgrade_former,
            "upgrade_new_problems": upgrade_new_problems,
            "upgrade_plan": upgrade_plan,
            "upgrade_trained": upgrade_trained,
            "upgrade_versions": upgrade_versions,
        }
