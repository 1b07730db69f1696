"""Filters over the table of services, `stack_services` of the role stack: what follows from a row, for every role.

A role hands over the table and what it knows of its host, and gets what it has to do. None of the filters names a
service, so that a new row is all that a new service needs here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

Row = Mapping[str, Any]
Table = Mapping[str, Row]
Groups = Mapping[str, Sequence[str]]

PARENT = "influx_anomaly"
"""The group of all hosts of a stack. Inventories need not have it."""

_TABLE = Path(__file__).resolve().parents[2] / "roles" / "stack" / "vars" / "main" / "services.yml"
_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104  compared with, not listened on


def load_table(path: Path = _TABLE) -> dict[str, dict[str, Any]]:
    """Return the table as it is written, with its templates, for playbooks and checks that come before any role."""
    table = yaml_load(path.read_text(encoding="utf-8"))["stack_services"]
    return {str(name): dict(row) for name, row in table.items()}


def stack_hosts(groups: Groups, services: Table | None = None) -> list[str]:
    """Return all hosts of a stack: those of the group `influx_anomaly`, else those of the services' groups.

    Args:
        groups: group name to its hosts.
        services: the table; by default the one that the role stack has.

    Returns:
        The hosts in the order of the rows, or the groups' names where no host is in any, as a play needs a pattern.
    """
    names = list(dict.fromkeys(row["group"] for row in (services or load_table()).values()))
    chosen = [PARENT] if groups.get(PARENT) else names
    hosts = list(dict.fromkeys(host for name in chosen for host in groups.get(name, [])))
    return hosts or names


def services_of(services: Table, group_names: Iterable[str]) -> dict[str, Row]:
    """Return the rows whose groups a host is in, switched on or not.

    Args:
        services: the table.
        group_names: the host's groups.
    """
    here = set(group_names)
    return {name: row for name, row in services.items() if row["group"] in here}


def services_running(services: Table, group_names: Iterable[str]) -> dict[str, Row]:
    """Return the rows that a host runs: it is in their groups, and they are switched on.

    Args:
        services: the table.
        group_names: the host's groups.
    """
    return {name: row for name, row in services_of(services, group_names).items() if row.get("enabled", True)}


def services_secrets(services: Table) -> list[str]:
    """Return the names of all secrets of a stack, in the order of the rows."""
    return [secret for row in services.values() for secret in row.get("secrets", [])]


def services_images(services: Table) -> dict[str, dict[str, Any]]:
    """Return what services run from: our name of each image to what the rows say of it.

    Args:
        services: the rows that are meant.

    Returns:
        Name to `version`, and `built`, `ours` and `optional` where they hold.
    """
    images: dict[str, dict[str, Any]] = {}
    for row in services.values():
        image = row.get("image")
        if image:
            known = {key: image[key] for key in ("built", "ours") if image.get(key)}
            images[image["name"]] = known | {"version": str(row["version"])}
            if row.get("optional"):
                images[image["name"]]["optional"] = True
    return images


def services_repositories(services: Table) -> dict[str, str]:
    """Return our name of each image to its path in a registry."""
    rows = (row["image"] for row in services.values() if "image" in row)
    return {image["name"]: image["repository"] for image in rows}


def services_versions(services: Table) -> dict[str, str]:
    """Return service to the version that the inventory deploys, of those that have an image of their own."""
    return {name: str(row["version"]) for name, row in services.items() if "version" in row}


def services_folders(services: Table) -> list[dict[str, Any]]:
    """Return the folders of services below `stack_dir`, parents first, with their owners and modes.

    Owners are users of the containers, not of the host. Configuration belongs to root and is readable by the
    service's group, as a service must not be able to change its own.

    Args:
        services: the rows of one host.

    Returns:
        For each folder `path`, `uid`, `gid` and `mode`.
    """
    described = [(path, mode, row) for row in services.values() for path, mode in row.get("folders", {}).items()]
    parents = dict.fromkeys(["", "config", "data", *(path.partition("/")[0] for path, _, _ in described)])
    folders: list[dict[str, Any]] = [{"path": path, "uid": 0, "gid": 0, "mode": "0755"} for path in parents]
    for path, mode, row in described:
        uid = 0 if path.startswith("config/") else row["uid"]
        folders.append({"path": path, "uid": uid, "gid": row["gid"], "mode": mode})
    return folders


def services_files(services: Table) -> list[dict[str, Any]]:
    """Return the files below `stack_dir` that must be there before the containers, as `services_folders` does.

    Args:
        services: the rows of one host.
    """
    return [
        {"path": path, "uid": row["uid"], "gid": row["gid"], "mode": mode}
        for row in services.values()
        for path, mode in row.get("files", {}).items()
    ]


def services_data(services: Table) -> list[str]:
    """Return the folders below `stack_dir` that hold data, which a teardown keeps unless it is told otherwise."""
    folders = (path for row in services.values() for path in row.get("folders", {}))
    return [path for path in folders if path.startswith("data/")]


def services_checks(services: Table, names: Iterable[str]) -> list[str]:
    """Return the roles whose entry point `verify` looks at the named services.

    Args:
        services: the table.
        names: services.
    """
    return [role for name in names for role in services[name].get("checks", [])]


def service_urls(
    hosts: Iterable[str],
    variables: Mapping[str, Mapping[str, Any]],
    service: str,
    port: int,
    here: Mapping[str, str],
    scheme: str = "http",
) -> dict[str, str]:
    """Return inventory host to URL of a service that runs on several hosts.

    Args:
        hosts: the hosts that run it.
        variables: what the inventory says of each host.
        service: its name.
        port: its port where a host has none of its own.
        here: URLs that differ because they lead to this host. An external service's own URL outranks them.
        scheme: http or https.
    """
    return {
        host: _get(variables[host], f"{service}_external_url", "")
        or here.get(host)
        or f"{scheme}://{_address(host, variables[host])}:{_get(variables[host], f'{service}_port', port)}"
        for host in hosts
    }


def _get(variables: Mapping[str, Any], name: str, default: Any) -> Any:
    """Return a host's own value, which another host's variables show only where its inventory sets it."""
    return variables.get(name, default)


def _address(host: str, variables: Mapping[str, Any]) -> str:
    """Return the address by which other hosts reach a host."""
    return str(_get(variables, "stack_address", "") or _get(variables, "ansible_host", "") or host)


def summary_places(
    services: Table,
    groups: Groups,
    variables: Mapping[str, Mapping[str, Any]],
    bind_address: str,
    scheme: str = "http",
) -> dict[str, list[dict[str, str]]]:
    """Return where each published service is, as seen from the controller where that reaches it.

    A service is reached by loopback if its host is the controller, else by address, unless the host publishes the port
    for itself alone, which the note says.

    Args:
        services: the table.
        groups: group name to its hosts.
        variables: what the inventory says of each host.
        bind_address: `stack_bind_address` where a host has none of its own.
        scheme: http or https.

    Returns:
        Service to `url` and `note` for each of its hosts.
    """
    return {
        name: [_place(name, row, host, variables[host], bind_address, scheme) for host in groups.get(row["group"], [])]
        for name, row in services.items()
        if "port" in row
    }


def _place(
    service: str, row: Row, host: str, variables: Mapping[str, Any], bind_address: str, scheme: str
) -> dict[str, str]:
    external = str(_get(variables, f"{service}_external_url", ""))
    if external:
        return {"url": external, "note": "your own"}
    bind = str(_get(variables, "stack_bind_address", bind_address))
    is_local = _get(variables, "ansible_connection", "") == "local"
    is_loopback = bind.startswith("127.")
    address = _address(host, variables)
    if is_local or is_loopback:
        address = "127.0.0.1" if bind in _ANY_ADDRESS else bind
    port = _get(variables, f"{service}_port", row["port"])
    return {
        "url": f"{scheme}://{address}:{port}",
        "note": f"only on {host} itself" if is_loopback and not is_local else "",
    }


def summary_hosts(
    services: Table, groups: Groups, variables: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return how a person at the controller reaches each host of the stack, for scripts/stack.

    Args:
        services: the table.
        groups: group name to its hosts.
        variables: what the inventory says of each host.

    Returns:
        Host to `services` (those of its groups) and `reach` (the words that begin a command there: none on the
        controller, those of ssh on other hosts; None where Ansible connects in another way).
    """
    return {
        host: {
            "services": [name for name, row in services.items() if host in groups.get(row["group"], [])],
            "reach": _reach(host, variables[host]),
        }
        for host in stack_hosts(groups, services)
    }


def _reach(host: str, variables: Mapping[str, Any]) -> list[str] | None:
    connection = str(_get(variables, "ansible_connection", "ssh")).rpartition(".")[2]
    if connection == "local":
        return []
    if connection not in ("ssh", "smart", "paramiko"):
        return None
    words = ["ssh"]
    for option, names in (
        ("-p", ("ansible_port", "ansible_ssh_port")),
        ("-i", ("ansible_private_key_file", "ansible_ssh_private_key_file")),
        ("-l", ("ansible_user", "ansible_ssh_user")),
    ):
        value = next((str(variables[name]) for name in names if variables.get(name)), "")
        words += [option, value] if value else []
    for name in ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"):
        words += shlex.split(str(_get(variables, name, "") or ""))
    return [*words, str(_get(variables, "ansible_host", "") or host)]


def services_left_out(services: Table, images: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return why services are left out for want of an image, by their names.

    Args:
        services: the rows that a host runs.
        images: what the record of images says of the host.
    """
    return {
        name: str(image["reason"])
        for name, row in services.items()
        if row.get("optional") and (image := images.get(row["image"]["name"], {})).get("reason")
    }


def summary_reasons(services: Table, groups: Groups, variables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return why each service that may be left out is not there; empty for one that is.

    Those are optional ones, and those that run from another service's image.

    Args:
        services: the table.
        groups: group name to its hosts.
        variables: what the inventory and the role images say of each host.
    """
    return {
        name: _reason(name, row, groups.get(row["group"], []), variables)
        for name, row in services.items()
        if row.get("optional") or "image" not in row
    }


def _reason(service: str, row: Row, hosts: Sequence[str], variables: Mapping[str, Mapping[str, Any]]) -> str:
    if not hosts:
        return f"no host is in the group {row['group']}"
    host = variables[hosts[0]]
    if not _is_true(_get(host, f"{service}_enabled", row.get("enabled", True))):
        return f"{service}_enabled is false"
    if "image" not in row:
        return ""
    image = row["image"]["name"]
    if _get(host, "images_resolved", {}).get(image, "not resolved in this run"):
        return ""
    return str(_get(host, "images_reasons", {}).get(image, "no image"))


def _is_true(value: Any) -> bool:
    """Tell the truth of a value that may be given as text, as `-e name=value` gives it."""
    return str(value).strip().lower() in ("true", "yes", "on", "1", "y", "t", "1.0")


def summary_images(hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return our name of each image that a host has to its reference.

    Args:
        hosts: the stack's hosts.
        variables: what the role images says of each host.
    """
    return {
        name: reference
        for host in hosts
        for name, reference in _get(variables[host], "images_resolved", {}).items()
        if reference
    }


def summary_files(secrets: Iterable[str], folder: str, given: Iterable[str]) -> dict[str, str | None]:
    """Return secret to the file that holds it; None for one that was given and is in no file.

    Args:
        secrets: names of the stack's secrets.
        folder: where generated secrets lie.
        given: names of the secrets that the inventory gives.
    """
    known = set(given)
    return {name: None if name in known else f"{folder}/{name}" for name in secrets}


def summary_pipelines(pipelines: Iterable[Row], hosts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the pipelines, each with the host that runs it as `kapacitor`.

    Args:
        pipelines: as normalized.
        hosts: pipeline to host.
    """
    return [{**pipeline, "kapacitor": hosts[pipeline["name"]]} for pipeline in pipelines]


def summary_services(
    services: Table,
    places: Mapping[str, Sequence[Mapping[str, str]]],
    reasons: Mapping[str, str],
    files: Mapping[str, str | None],
    urls: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Return what the summary says of each published service.

    Args:
        services: the table.
        places: what `summary_places` returns.
        reasons: what `summary_reasons` returns.
        files: secret to the file that holds it; None for one that is in no file.
        urls: services that the stack uses and does not run, and their URLs.

    Returns:
        Service to `url` (`urls` of one that several hosts may run), the accounts with `username` and `password_file`
        (without their purpose where there is one account), and the `reason` of one that may be left out.
    """
    summary: dict[str, dict[str, Any]] = {}
    for name, row in services.items():
        if "port" not in row:
            continue
        urls_of_service = [place["url"] for place in places[name]]
        entry: dict[str, Any] = {}
        if row.get("several"):
            entry["urls"] = [] if reasons.get(name) else urls_of_service
        else:
            entry["url"] = urls.get(name) or (urls_of_service[0] if urls_of_service and not reasons.get(name) else None)
        accounts = {
            purpose: {"username": account["username"], "password_file": files[account["secret"]]}
            for purpose, account in row.get("accounts", {}).items()
        }
        entry |= next(iter(accounts.values())) if len(accounts) == 1 else accounts
        if name in reasons:
            entry["reason"] = "" if urls.get(name) else reasons[name]
        summary[name] = entry
    return summary


def summary_lines(
    services: Table,
    places: Mapping[str, Sequence[Mapping[str, str]]],
    reasons: Mapping[str, str],
    urls: Mapping[str, str],
) -> list[str]:
    """Return a line for people about each place of each published service.

    Args:
        services: the table.
        places: what `summary_places` returns.
        reasons: what `summary_reasons` returns.
        urls: services that the stack uses and does not run, and their URLs.
    """
    lines = []
    for name, row in services.items():
        if "port" not in row:
            continue
        title = f"{row['title']:<11}"
        if urls.get(name):
            lines.append(f"{title} {urls[name]}  (your own)")
        elif reasons.get(name):
            lines.append(f"{title} left out: {reasons[name]}")
        else:
            for place in places[name]:
                notes = "; ".join(note for note in (place["note"], str(row.get("note", "")).strip()) if note)
                lines.append(f"{title} {place['url']}" + (f"  ({notes})" if notes else ""))
    return lines


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return each filter's function by its name."""
        return {
            "service_urls": service_urls,
            "services_checks": services_checks,
            "services_data": services_data,
            "services_files": services_files,
            "services_folders": services_folders,
            "services_images": services_images,
            "services_left_out": services_left_out,
            "services_of": services_of,
            "services_repositories": services_repositories,
            "services_running": services_running,
            "services_secrets": services_secrets,
            "services_versions": services_versions,
            "stack_hosts": stack_hosts,
            "summary_files": summary_files,
            "summary_hosts": summary_hosts,
            "summary_images": summary_images,
            "summary_lines": summary_lines,
            "summary_pipelines": summary_pipelines,
            "summary_places": summary_places,
            "summary_reasons": summary_reasons,
            "summary_services": summary_services,
        }
