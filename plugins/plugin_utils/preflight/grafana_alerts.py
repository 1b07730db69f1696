"""Check of Grafana's alert rules and contact points: a wrong one would keep Grafana from starting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from anomaly.grafana.alert_rules import MOST_CONTACT_POINTS, RULES

from .inventory import Host, Inventory
from .problem import Problem, one_of, show

_RULES, _CONTACTS = "grafana_alert_rules", "grafana_contact_points"


def check(inventory: Inventory) -> Iterator[Problem]:
    """Yield the problems of rules and contact points.

    Args:
        inventory: all hosts.
    """
    for host in inventory.of_grafana():
        contacts = _entries(host, _CONTACTS, {"name", "type", "settings"})
        yield from _contact_points(host, contacts)
        yield from _rules(host, [str(entry["name"]) for entry in contacts])


def _entries(host: Host, variable: str, needed: set[str]) -> list[Mapping[str, Any]]:
    """Return the whole entries of a list; another check reports the others."""
    entries = host.effective.get(variable)
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping) and needed <= entry.keys()]


def _contact_points(host: Host, contacts: list[Mapping[str, Any]]) -> Iterator[Problem]:
    if len(contacts) > MOST_CONTACT_POINTS:
        yield _problem(
            host, _CONTACTS, str(len(contacts)), f"there are more than {MOST_CONTACT_POINTS} entries", "remove some"
        )
    for number, entry in enumerate(contacts):
        place = f"{_CONTACTS}[{number}]"
        # The value may be a secret.
        if not entry["settings"]:
            yield _problem(
                host, f"{place}.settings", "", "Grafana takes no contact point without settings",
                "add what the integration needs, e.g. url for a webhook",
            )  # fmt: skip
        for key in ("name", "type", "settings"):
            if "$" in str(entry[key]):
                yield _problem(
                    host, f"{place}.{key}", "", "it has a dollar sign, of which versions of Grafana make different "
                    "things", "a value without one",
                )  # fmt: skip


def _rules(host: Host, contacts: list[str]) -> Iterator[Problem]:
    seen = set()
    for number, entry in enumerate(_entries(host, _RULES, {"rule"})):
        place, rule = f"{_RULES}[{number}]", str(entry["rule"])
        if rule in seen:
            yield _problem(host, place, rule, "the rule is there twice", "leave one of the two")
        seen.add(rule)
        for other, known in RULES.items():
            option, (least, most) = known.option, known.bounds
            value = entry.get(option)
            if value is None:
                continue
            if rule != other:
                yield _problem(
                    host, f"{place}.{option}", show(value), f"the rule {rule} has no such option",
                    f"remove it, or choose the rule {other}",
                )  # fmt: skip
            elif isinstance(value, int | float) and not least <= value <= most:
                yield _problem(
                    host, f"{place}.{option}", show(value), f"it is not from {least} to {most}",
                    f"a number from {least} to {most}",
                )  # fmt: skip
        receiver = entry.get("receiver")
        # An external Grafana may have receivers that only it knows; the module grafana_objects asks it.
        if receiver is not None and receiver not in contacts and not host.text("grafana_external_url"):
            yield _problem(
                host, f"{place}.receiver", show(receiver), f"{_CONTACTS} has no such name",
                one_of(receiver, contacts, "an entry that you add there"),
            )  # fmt: skip


def _problem(host: Host, thing: str, value: str, wrong: str, fix: str) -> Problem:
    variable = thing.split("[", 1)[0]
    return Problem(thing, value or None, wrong, fix, host.where.get(variable), host.name)
