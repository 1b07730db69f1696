"""Variables of roles: internal ones stay in their role, and no role guesses the value of another's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.ansible.rendering import ROOT

ROLES = sorted((path.name for path in (ROOT / "roles").iterdir()), key=len, reverse=True)
INTERNAL = re.compile(r"\b__(\w+)")
# A variable with a default, but neither a key of one (a.b) nor what a filter before made of it.
DEFAULTED = re.compile(r"(?<![\w.|\]])([a-z_]\w*) *\| *default\(")


def texts() -> Iterator[tuple[str, Path, str]]:
    """Yield the files of roles that Ansible templates, with their role, and those of playbooks as the role ''."""
    for path in sorted([*ROOT.glob("roles/**/*"), *ROOT.glob("playbooks/*.yml")]):
        if path.suffix in (".yml", ".j2") and path.name != "argument_specs.yml":
            role = path.relative_to(ROOT / "roles").parts[0] if "roles" in path.parts else ""
            yield role, path.relative_to(ROOT), path.read_text(encoding="utf-8")


def owner(name: str) -> str:
    """Return the role whose internal variable has a name, or an empty string for one of no role."""
    return next((role for role in ROLES if name.startswith(f"__{role}_")), "")


def declared() -> dict[str, set[str]]:
    """Return each public variable of a role's defaults and vars to the roles that declare it."""
    found: dict[str, set[str]] = {}
    for role, path, text in texts():
        if role and path.parts[2] in ("defaults", "vars"):
            for name in yaml.safe_load(text) or {}:
                found.setdefault(name, set()).add(role)
    return found


def test_an_internal_variable_stays_in_its_role() -> None:
    used = [
        f"{path}: {match[0]}"
        for role, path, text in texts()
        for match in INTERNAL.finditer(text)
        if owner(match[0]) not in ("", role)
    ]
    assert used == []


def test_no_role_has_a_default_of_its_own_for_a_variable_of_another() -> None:
    owners = declared()
    defaulted = [
        f"{path}: {match[0]}"
        for role, path, text in texts()
        for match in DEFAULTED.finditer(text)
        if match[1] in owners and role not in owners[match[1]]
    ]
    assert defaulted == []


def test_what_is_looked_for_is_found() -> None:
    assert owner("__verify_checked") == "verify"
    assert owner("__catch_up_start") == "catch_up"
    assert {"docker_available", "stack_secrets"} <= declared().keys()
    assert [
        match[1] for match in DEFAULTED.finditer("{{ docker_available | default(true) }} {{ a.b | default('') }}")
    ] == ["docker_available"]
