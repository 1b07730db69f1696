"""An inventory as the checks see it: templated values, with the roles' defaults below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .problem import Problem, show

PARENT = "influx_anomaly"
"""The group of all hosts of a stack. Inventories need not have it."""


@dataclass(frozen=True)
class Host:
    """One inventory host.

    Attributes:
        name: its inventory name.
        effective: value of every variable of the roles on this host.
        supplied: variables that the inventory and the command line set, including others than the roles'.
        where: file and line that set a variable, by variable.
        broken: reason why a value's template fails, by variable.
    """

    name: str
    effective: Mapping[str, Any]
    supplied: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    def problem(self, variable: str, wrong: str, fix: str, *, value: str | None = None) -> Problem:
        """Return a problem with one of the host's variables.

        Args:
            variable: name of the variable.
            wrong: what is wrong with it.
            fix: what the user should do.
            value: text that stands for the value; None for the value itself.
        """
        text = show(self.effective.get(variable, self.supplied.get(variable)) if value is None else value)
        return Problem(variable, text, wrong, fix, self.where.get(variable), self.name)

    def text(self, variable: str) -> str:
        """Return an effective value as text; empty if it is not set or its template fails."""
        value = self.effective.get(variable)
        return "" if value is None else str(value)


@dataclass(frozen=True)
class Inventory:
    """All hosts, the groups with the names of their hosts, and the table of services.

    Attributes:
        hosts: name to host.
        groups: group name to names of its hosts.
        table: service to its row, as role stack has it, without what needs templating.
    """

    hosts: Mapping[str, Host]
    groups: Mapping[str, list[str]]
    table: Mapping[str, Mapping[str, Any]]

    def members(self, group: str) -> list[Host]:
        """Return the hosts of a group in the inventory's order; none if the group does not exist."""
        return [self.hosts[name] for name in self.groups.get(group, []) if name in self.hosts]

    def runs_on(self, service: str) -> list[Host]:
        """Return the hosts whose group says that they run a service."""
        return self.members(self.table[service]["group"])

    def of_grafana(self) -> list[Host]:
        """Return the hosts whose dashboards and alerts are made: those of Grafana, else the one for an external one."""
        first = self.members("kapacitor")[:1]
        return self.members("grafana") or [host for host in first if host.text("grafana_external_url")]

    def services(self, host: Host) -> list[str]:
        """The services whose groups a host is in, except those that run from another's image."""
        return [
            service
            for service, row in self.table.items()
            if "image" in row and host.name in self.groups.get(row["group"], [])
        ]

    def port_variables(self, host: Host) -> dict[str, str]:
        """Return service to the variable of the port that it publishes on a host.

        A service has one published port: its own, or one for metrics, which is left out where it is 0. What an external
        server does in its place publishes none.
        """
        variables = {}
        for service, row in self.table.items():
            metrics = f"{service}_metrics_port"
            if host.name not in self.groups.get(row["group"], []) or host.text(f"{service}_external_url"):
                continue
            if "port" in row:
                variables[service] = f"{service}_port"
            elif "metrics" in row and host.text(metrics) not in ("", "0"):
                variables[service] = metrics
        return variables

    def memory_variables(self, host: Host) -> dict[str, str]:
        """Return service to the variable of its memory limit, for the services that run on a host and have one."""
        variables = {
            service: f"{service}_memory"
            for service, row in self.table.items()
            if host.name in self.groups.get(row["group"], [])
        }
        return {service: variable for service, variable in variables.items() if host.text(variable)}

    def service_groups(self) -> list[str]:
        """Return the groups of services, each once."""
        return list(dict.fromkeys(row["group"] for row in self.table.values()))

    def stack_hosts(self) -> Iterator[Host]:
        """Return the hosts that run a part of the stack, and those that the group of all its hosts has."""
        for host in self.hosts.values():
            if self.services(host) or host.name in self.groups.get(PARENT, []):
                yield host
