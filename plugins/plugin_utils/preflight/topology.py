"""Checks of groups: required groups exist once, and the parts of a stack can reach each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from urllib.parse import urlsplit

from .inventory import PARENT, Host, Inventory
from .problem import BEYOND_FIREWALLS, Problem, one_of, show
from .values import is_ipv6, is_loopback


def check(inventory: Inventory) -> Iterator[Problem]:
    """Yield the problems of groups and of addresses between hosts."""
    yield from _misspelt(inventory)
    yield from _parent(inventory)
    yield from _influxdb(inventory)
    yield from _grafana(inventory)
    yield from _kapacitor(inventory)
    yield from _reachable(inventory)
    yield from _same_address(inventory)


def _names(hosts: list[Host]) -> str:
    return show([host.name for host in hosts])


def _external_url(inventory: Inventory, service: str = "influxdb") -> str:
    for host in inventory.stack_hosts():
        if host.text(f"{service}_external_url"):
            return host.text(f"{service}_external_url")
    return ""


def _misspelt(inventory: Inventory) -> Iterator[Problem]:
    known = inventory.service_groups()
    for group in inventory.groups:
        near = difflib.get_close_matches(group.casefold(), known, n=1, cutoff=0.8)
        if near and group not in known and not inventory.groups.get(near[0]):
            yield Problem(
                f"group {group}",
                show(inventory.groups[group]),
                "no playbook uses this group",
                f"did you mean {near[0]}? Rename the group",
            )


def _parent(inventory: Inventory) -> Iterator[Problem]:
    """Check that the group of all hosts, on which plays run, has exactly the hosts of the services."""
    parent = inventory.members(PARENT)
    if not parent:
        return
    hosts = [host for host in inventory.hosts.values() if inventory.services(host)]
    idle = [host for host in parent if host not in hosts]
    if idle:
        yield Problem(
            f"group {PARENT}",
            _names(idle),
            "runs no service of the stack",
            f"put it into one of the groups {', '.join(inventory.service_groups())}, or take it out of {PARENT}",
        )
    outside = [host for host in hosts if host not in parent]
    if outside:
        yield Problem(
            f"group {PARENT}",
            _names(parent),
            f"lacks {_names(outside)}, which has a service of the stack",
            f"make the groups {', '.join(inventory.service_groups())} its children, or remove the group {PARENT}",
        )


def _influxdb(inventory: Inventory) -> Iterator[Problem]:
    hosts = inventory.members("influxdb")
    external = _external_url(inventory)
    if len(hosts) > 1:
        yield Problem(
            "group influxdb",
            _names(hosts),
            "has more than one host, and a stack has one InfluxDB",
            "leave one host in it; a second InfluxDB is a second stack with an inventory of its own",
        )
    if hosts and external:
        yield Problem(
            "influxdb_external_url",
            show(external),
            f"is set, and the group influxdb has {_names(hosts)} too",
            "empty the group to use the external InfluxDB, or remove the variable to use a container of the stack's",
        )
    if not hosts and not external:
        yield Problem(
            "group influxdb",
            "[]",
            "has no host, and influxdb_external_url is not set",
            "put one host into the group, or set influxdb_external_url to the URL of your own InfluxDB 1.x",
        )


def _grafana(inventory: Inventory) -> Iterator[Problem]:
    hosts = inventory.members("grafana")
    external = _external_url(inventory, "grafana")
    if not external:
        return
    if hosts:
        yield Problem(
            "grafana_external_url",
            show(external),
            f"is set, and the group grafana has {_names(hosts)} too",
            "empty the group to use the external Grafana, or remove the variable to use a container of the stack's",
        )
    # What is not a URL is the matter of the check of values.
    hostname = urlsplit(external).hostname
    if hostname is None or is_loopback(hostname):
        return
    for database in inventory.members("influxdb"):
        if not database.text("grafana_external_influxdb_url") and is_loopback(database.text("stack_bind_address")):
            yield database.problem(
                "stack_bind_address",
                f"InfluxDB listens on {database.name} alone, but the Grafana at {external} reads it",
                f"the address of {database.name} on the network between the two, or 0.0.0.0 for all "
                f"({BEYOND_FIREWALLS}); or set grafana_external_influxdb_url to where that Grafana reaches InfluxDB",
            )


def _kapacitor(inventory: Inventory) -> Iterator[Problem]:
    hosts = inventory.members("kapacitor")
    if not hosts:
        yield Problem(
            "group kapacitor", "[]", "has no host: nothing would look at the data", "put a host into the group"
        )
    names = [host.name for host in hosts]
    reported = set()
    for host in inventory.stack_hosts():
        pipelines = host.effective.get("pipelines")
        for index, pipeline in enumerate(pipelines if isinstance(pipelines, list) else []):
            chosen = pipeline.get("kapacitor") if isinstance(pipeline, dict) else None
            if chosen is None or chosen in names or (index, chosen) in reported:
                continue
            reported.add((index, chosen))
            yield Problem(
                f"pipelines[{index}].kapacitor",
                show(chosen),
                "is not a host of the group kapacitor",
                one_of(chosen, names, "(the group is empty)"),
                host.where.get("pipelines"),
            )


def _listens(host: Host, service: str, others: list[Host], why: str) -> Iterator[Problem]:
    """Check that a service for other hosts neither listens on the loopback interface nor has such an address."""
    if not others:
        return
    names = ", ".join(other.name for other in others)
    if is_loopback(host.text("stack_bind_address")):
        yield host.problem(
            "stack_bind_address",
            f"{service} listens on {host.name} alone, but {names} {why}",
            f"the address of {host.name} on the network between the hosts, or 0.0.0.0 for all ({BEYOND_FIREWALLS})",
        )
    if is_ipv6(host.text("stack_address")):
        yield host.problem(
            "stack_address",
            f"is an IPv6 address, and {names} {why} from a network of containers that has IPv4 only",
            f"set stack_address of {host.name} to a name or an IPv4 address that the others can reach",
        )
    elif is_loopback(host.text("stack_address")):
        yield host.problem(
            "stack_address",
            f"leads every other host back to itself, but {names} {why}",
            f"set stack_address (or ansible_host) of {host.name} to a name or address that the others can reach",
        )


def _reachable(inventory: Inventory) -> Iterator[Problem]:
    reported: set[Problem] = set()
    for problem in _all_reachable(inventory):
        if problem not in reported:
            reported.add(problem)
            yield problem


def _all_reachable(inventory: Inventory) -> Iterator[Problem]:
    # An external Kapacitor listens where its own configuration says.
    kapacitors = [host for host in inventory.members("kapacitor") if not host.text("kapacitor_external_url")]
    for database in inventory.members("influxdb"):
        users = [
            host
            for host in inventory.stack_hosts()
            if host.name != database.name
            and any("influxdb" in inventory.table[service].get("needs", []) for service in inventory.services(host))
        ]
        yield from _listens(database, "InfluxDB", users, "must reach it")
        for kapacitor in kapacitors:
            if kapacitor.name != database.name:
                yield from _listens(kapacitor, "Kapacitor", [database], "sends it the points to watch")
    external = urlsplit(_external_url(inventory)).hostname or ""
    for kapacitor in kapacitors:
        if external and not is_loopback(external) and is_loopback(kapacitor.text("stack_bind_address")):
            yield kapacitor.problem(
                "stack_bind_address",
                f"Kapacitor listens on {kapacitor.name} alone, but the InfluxDB at {external} sends it points",
                f"the address of {kapacitor.name} on the network between the two, or 0.0.0.0 for all "
                f"({BEYOND_FIREWALLS})",
            )
        watchers = [
            host
            for service, row in inventory.table.items()
            if "kapacitor" in row.get("needs", [])
            for host in inventory.runs_on(service)
            if host.name != kapacitor.name
        ]
        yield from _listens(kapacitor, "Kapacitor", watchers, "must reach it")


def _same_address(inventory: Inventory) -> Iterator[Problem]:
    seen: dict[tuple[str, str], Host] = {}
    for host in inventory.members("kapacitor"):
        if host.text("kapacitor_external_url"):
            continue
        place = (host.text("stack_address"), host.text("kapacitor_port"))
        other = seen.setdefault(place, host)
        if other is not host:
            yield host.problem(
                "stack_address",
                f"{other.name} has the same address and kapacitor_port ({place[1]})",
                "give each Kapacitor its own host, or list a machine only once",
            )
