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
    """Secrets in the inventory that must not be used, in lists and mappings too. Their values are not shown.

    A variable whose default is empty may be left empty: that is how it says "none".
    """
    for name, option in options.items():
        if name in host.supplied:
            yield from _weak(host, name, name, option, host.supplied[name])


def _weak(host: Host, variable: str, path: str, option: Mapping[str, Any], value: Any) -> Iterator[Problem]:
    inner = option.get("options") or {}
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _weak(host, variable, f"{path}[{index}]", {**option, "type": "dict"}, item)
    elif isinstance(value, Mapping):
        for key, entry in inner.items():
            if key in value:
                yield from _weak(host, variable, f"{path}.{key}", entry, value[key])
    elif is_secret(path.rsplit(".", 1)[-1], option) and not inner:
        text = "" if value is None else str(value)
        if not text and option.get("default") == "":
            return
        reason = placeholder(text, path.rsplit(".", 1)[-1])
        if reason is not None:
            yield Problem(
                path,
                "(hidden)",
                reason,
                "remove it, and one is generated; or set a random one, such as `openssl rand -hex 16` makes",
                host.where.get(variable),
                host.name,
            )
