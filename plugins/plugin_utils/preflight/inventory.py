"""An inventory as the checks see it: plain values, templated, with the roles' defaults below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .problem import Problem, show

SERVICES = ("influxdb", "kapacitor", "grafana", "chronograf")
"""Services, which are groups too."""


@dataclass(frozen=True)
class Host:
    """One inventory host.

    Args:
        name: its inventory name.
        effective: every variable of the roles with the value that holds on this host.
        supplied: what inventory and command line set, roles' variables and others.
        where: variable -> file and line that set it.
        broken: variable -> why its value could not be templated.
    """

    name: str
    effective: Mapping[str, Any]
    supplied: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    def problem(self, variable: str, wrong: str, fix: str, *, value: str | None = None) -> Problem:
        """A problem with one of the host's variables, with its value unless another text stands for it."""
        text = show(self.effective.get(variable, self.supplied.get(variable)) if value is None else value)
        return Problem(variable, text, wrong, fix, self.where.get(variable), self.name)

    def text(self, variable: str) -> str:
        """An effective value as text; empty where it is not set or could not be templated."""
        value = self.effective.get(variable)
        return "" if value is None else str(value)


@dataclass(frozen=True)
class Inventory:
    """All hosts, and the groups with the names of their hosts."""

    hosts: Mapping[str, Host]
    groups: Mapping[str, list[str]]

    def members(self, group: str) -> list[Host]:
        """The hosts of a group, in the inventory's order; none where there is no such group."""
        return [self.hosts[name] for name in self.groups.get(group, []) if name in self.hosts]

    def services(self, host: Host) -> list[str]:
        """The services whose groups a host is in."""
        return [service for service in SERVICES if host.name in self.groups.get(service, [])]

    def stack_hosts(self) -> Iterator[Host]:
        """The hosts that run a part of the stack."""
        for host in self.hosts.values():
            if self.services(host):
                yield host
