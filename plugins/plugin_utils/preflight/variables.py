"""Checks of the inventory's names and types, against the argument specifications of the roles."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load

from .inventory import Host
from .problem import Problem, one_of, show
from .renamed import RENAMED

Options = Mapping[str, Mapping[str, Any]]

# The similarity from which a name outside of our prefixes counts as a misspelling of one of ours.
TYPO = 0.85

_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping (key: value)",
    "str": "text",
    "path": "a path",
}


def load_options(roles: Path) -> dict[str, dict[str, Any]]:
    """Return the argument specification of each variable, over all roles and entry points of a folder."""
    options: dict[str, dict[str, Any]] = {}
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        # Ansible's own loader, which is libyaml's where that is installed.
        for entry in yaml_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            options.update(entry.get("options") or {})
    return options


def load_table(variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the table of services out of untemplated variables, without what needs templating.

    Values that users set are read one by one, as each of them may be wrong.
    """
    return {str(name): dict(row) for name, row in variables["stack_services"].items()}


def prefixes(options: Options, roles: list[str]) -> tuple[str, ...]:
    """Return the prefixes of our variables: each role's name, and the first word of each variable."""
    words = {name.split("_", 1)[0] for name in options if "_" in name} | set(roles)
    return tuple(f"{word}_" for word in sorted(words))


def unknown(host: Host, options: Options, ours: tuple[str, ...]) -> Iterator[Problem]:
    """Yield variables that no role knows and that have one of our prefixes, or nearly one of our names."""
    ignored = host.effective.get("preflight_ignored_variables") or []
    for name in host.supplied:
        if name in options or name in ignored or name in RENAMED or name.startswith(("_", "ansible_")):
            continue
        near = difflib.get_close_matches(name, options, n=1, cutoff=TYPO)
        if not near and not name.startswith(ours):
            continue
        near = near or difflib.get_close_matches(name, options, n=1)
        first = f"did you mean {near[0]}? If not" if near else "remove it, or if another playbook needs it"
        yield host.problem(name, "no role knows this variable", f"{first}, list it in preflight_ignored_variables")


def wrong_types(host: Host, options: Options) -> Iterator[Problem]:
    """Yield values that do not match their specification, including choices and inner keys."""
    for name, option in options.items():
        if name in host.broken:
            yield host.problem(
                name,
                f"its template fails: {host.broken[name]}",
                "correct the template",
                value=show(host.supplied.get(name)),
            )
        elif name in host.supplied:
            yield from _wrong_type(host, name, option, host.supplied[name])


def _wrong_type(host: Host, name: str, option: Mapping[str, Any], value: Any) -> Iterator[Problem]:
    if value is None:
        yield host.problem(
            name, "is empty", f"give it a value, or remove it for the default{_default(option)}", value=""
        )
        return
    result = ArgumentSpecValidator({name: dict(option)}).validate({name: value}, validate_role_argument_spec=True)
    messages = list(result.error_messages)
    if not messages:
        return
    kind = str(option.get("type", "str"))
    hidden = "(hidden)" if is_secret(name, option) else None
    if "choices" in option and kind in ("str", "int"):
        choices = [str(choice) for choice in option["choices"]]
        yield host.problem(name, f"is none of {', '.join(choices)}", one_of(value, choices), value=hidden)
    elif _is_outer(value, kind):
        for message in messages:
            yield host.problem(name, message.rstrip("."), "correct that part of it", value=hidden)
    else:
        type_name = _WANTED.get(kind, kind)
        yield host.problem(name, f"is not {type_name}", f"write {type_name}{_default(option)}", value=hidden)


def _is_outer(value: Any, kind: str) -> bool:
    """Return whether the value as a whole has the right type, so that the error is inside of it."""
    return (kind == "list" and isinstance(value, list)) or (kind == "dict" and isinstance(value, dict))


def _default(option: Mapping[str, Any]) -> str:
    default = option.get("default")
    return "" if default in (None, "", [], {}) or "{{" in str(default) else f", such as the default {show(default)}"


def is_secret(name: str, option: Mapping[str, Any]) -> bool:
    """Return whether a variable's value must not be shown."""
    return bool(option.get("no_log")) or name.endswith(("password", "secret", "token", "secret_key", "secrets_given"))
