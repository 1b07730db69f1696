"""Secrets that people set themselves: empty, default and placeholder ones are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from preflight.inventory import Host
from preflight.problem import Problem
from preflight.variables import Options, is_secret

SHORTEST = 8

# Whole values, compared without case, digits at the end and what is no letter.
_PLACEHOLDERS = frozenset(
    """
    admin administrator anomaly changeit changeme chronograf default dummy empty example fixme foobar grafana guest
    hunter influx influxdb insertpasswordhere kapacitor letmein mypassword mysecret none null nopassword pass passw
    passwd password placeholder qwerty replace replaceme root secret secretkey somepassword string supersecret temp
    test testing todo token topsecret undefined user username xxx xxxx xxxxxxxx yourpassword yoursecret yourtoken
    """.split()
)
_BRACKETED = re.compile(r"^\s*(<.*>|\[.*\]|\{.*\}|\$\{?\w+\}?|%\w+%)\s*$")


def placeholder(value: str, name: str) -> str | None:
    """Why a secret is none, or None for one that may be used.

    Args:
        value: the secret.
        name: its variable, whose words are no secret either.
    """
    letters = re.sub(r"[^a-z]", "", value.casefold())
    if not value.strip():
        return "is empty"
    if _BRACKETED.match(value):
        return "is a placeholder"
    if letters in _PLACEHOLDERS or letters == re.sub(r"[^a-z]", "", name.casefold()):
        return "is a default or a placeholder"
    if len(set(value)) <= 2 or value in "01234567890123456789":  # aaaaaaaa, 12345678
        return "is a placeholder"
    if len(value) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    return None


def weak(host: Host, options: Options) -> Iterator[Problem]:
    """Secrets in the inventory that must not be used. Their values are not shown.

    A variable whose default is empty may be left empty: that is how it says "none".
    """
    for name, value in _given(host, options):
        option = options[name]
        text = "" if value is None else str(value)
        if not text and option.get("default", None) == "":
            continue
        # Credentials that somebody else has given, such as a registry's, are as long as they are.
        reason = placeholder(text, name)
        if reason is not None:
            yield host.problem(
                name,
                reason,
                "remove it, and one is generated; or set a random one, such as `openssl rand -hex 16` makes",
                value="(hidden)",
            )


def _given(host: Host, options: Options) -> Iterator[tuple[str, Any]]:
    for name, option in options.items():
        if name in host.supplied and is_secret(name, option) and not isinstance(host.supplied[name], Mapping | list):
            yield name, host.supplied[name]
