"""Every role's argument specification says what its defaults are: the same variables, values and types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROLES = Path(__file__).resolve().parents[2] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def defaults(role: str) -> dict[str, Any]:
    """The role's defaults but the internal ones, as they are written."""
    folder = ROLES / role / "defaults"
    values: dict[str, Any] = {}
    for path in [folder / "main.yml", *sorted((folder / "main").glob("*.yml"))]:
        values |= read(path) or {}
    return {name: value for name, value in values.items() if not name.startswith("__")}


def options(role: str) -> dict[str, Any]:
    """The options of all of the role's entry points."""
    found: dict[str, Any] = {}
    for entry in read(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"].values():
        found |= entry.get("options") or {}
    return found


def written(value: Any) -> Any:
    """A value without what differs only in how a template is broken into lines."""
    return " ".join(value.split()) if isinstance(value, str) else value


def is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


@pytest.mark.parametrize("role", NAMES)
def test_every_role_has_a_specification(role: str) -> None:
    specification = read(ROLES / role / "meta" / "argument_specs.yml")
    assert specification is not None, f"roles/{role}/meta/argument_specs.yml is missing"
    for entry in specification["argument_specs"].values():
        assert entry["short_description"]


@pytest.mark.parametrize("role", NAMES)
def test_specification_and_defaults_name_the_same_variables(role: str) -> None:
    specified = {name for name, option in options(role).items() if not option.get("required") and "default" in option}
    assert specified == set(defaults(role))


@pytest.mark.parametrize("role", NAMES)
def test_optional_variables_have_a_default(role: str) -> None:
    without = [
        name for name, option in options(role).items() if not option.get("required") and name not in defaults(role)
    ]
    assert not without, "give these a default, or make them required"


@pytest.mark.parametrize("role", NAMES)
def test_specification_and_defaults_have_the_same_values(role: str) -> None:
    values = defaults(role)
    specified = options(role)
    different = {
        name: (option["default"], values[name])
        for name, option in specified.items()
        if "default" in option and name in values and written(option["default"]) != written(values[name])
    }
    assert not different, "default in the specification, in defaults/main"
    # 1 == True and 1 == 1.0 in Python.
    kinds = {
        name: (type(option["default"]), type(values[name]))
        for name, option in specified.items()
        if "default" in option and name in values and type(option["default"]) is not type(values[name])
    }
    assert not kinds


@pytest.mark.parametrize("role", NAMES)
def test_defaults_have_the_specified_types(role: str) -> None:
    specified = options(role)
    values = {name: value for name, value in defaults(role).items() if not is_template(value) and name in specified}
    specification = {name: {**specified[name], "required": False} for name in values}
    result = ArgumentSpecValidator(specification).validate(values, validate_role_argument_spec=True)
    assert not result.error_messages
    converted = {
        name: (value, result.validated_parameters[name])
        for name, value in values.items()
        # "no" is a bool to Ansible, but whoever reads the defaults should see one. Paths are expanded.
        if specified[name].get("type", "str") in ("bool", "int", "str", "list", "dict")
        and type(result.validated_parameters[name]) is not type(value)
    }
    assert not converted, "value as written, value as Ansible understands it"


@pytest.mark.parametrize("role", NAMES)
def test_every_option_has_a_type_and_a_description(role: str) -> None:
    def check(name: str, option: dict[str, Any]) -> None:
        assert "type" in option, f"{name} has no type"
        assert option.get("description"), f"{name} has no description"
        assert option["type"] != "list" or "elements" in option, f"{name} doesn't say what it is a list of"
        for inner, entry in (option.get("options") or {}).items():
            check(f"{name}.{inner}", entry)

    for name, option in options(role).items():
        check(name, option)


def test_no_variable_belongs_to_two_roles() -> None:
    owners: dict[str, list[str]] = {}
    for role in NAMES:
        for name in defaults(role):
            owners.setdefault(name, []).append(role)
    assert {name: roles for name, roles in owners.items() if len(roles) > 1} == {}
