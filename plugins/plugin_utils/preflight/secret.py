"""Checks of secrets that users set: empty, default and placeholder values are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..secret_rules import secrets_problems
from .inventory import Host
from .problem import Problem
from .variables import Options, is_secret

# Another party chose these passwords, so their length and characters are not checked.
_FOREIGN = {"image_registry_password", "grafana_external_token", "grafana_external_password"}
_NO_SECRET_AT_ALL = ("is empty", "is a default", "is a placeholder")


def fault(name: str, value: str, foreign: bool = False) -> str:
    """Return why a secret may not be used, or an empty string, by the rules of the role secrets.

    Args:
        name: name of the secret.
        value: its value.
        foreign: whether another party chose the secret.
    """
    sentences = secrets_problems({name: value}, [name], where="")
    text = sentences[0].partition(". Fix: ")[0].removeprefix(f"{name} ") if sentences else ""
    return "" if foreign and not text.startswith(_NO_SECRET_AT_ALL) else text


def weak(host: Host, options: Options) -> Iterator[Problem]:
    """Yield the unfit secrets of an inventory, also those inside lists and mappings, without their values.

    A variable whose default is empty may be empty, which means that there is no secret.
    """
    for name, option in options.items():
        if name in host.supplied:
            yield from _weak(host, name, name, option, host.supplied[name])
    given = host.supplied.get("secrets_given")
    for name, value in given.items() if isinstance(given, Mapping) else ():
        yield from _weak(host, "secrets_given", f"secrets_given.{name}", {"no_log": True}, value)


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
        reason = fault(path.rsplit(".", 1)[-1], text, foreign=variable in _FOREIGN)
        if reason:
            yield Problem(
                path,
                "(hidden)",
                reason,
                _fix(variable),
                host.where.get(variable),
                host.name,
            )


def _fix(variable: str) -> str:
    if variable in _FOREIGN:
        return "the password that the registry knows, or none and no user name to pull anonymously"
    random = "set a random one, such as `openssl rand -hex 16` makes"
    return f"remove it, and one is generated; or {random}" if variable == "secrets_given" else random
