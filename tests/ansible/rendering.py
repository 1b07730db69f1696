"""Renders a role's templates as Ansible would, without a run of a playbook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[2]

SECRETS = {
    name: f"secret-of-{name}"
    for name in (
        "influxdb_admin_password",
        "influxdb_kapacitor_password",
        "influxdb_trainer_password",
        "influxdb_writer_password",
        "influxdb_reader_password",
        "influxdb_console_password",
        "kapacitor_admin_password",
        "kapacitor_http_shared_secret",
        "console_viewer_password",
        "console_operator_password",
        "console_session_secret",
        "grafana_admin_password",
        "chronograf_admin_password",
    )
}
HOST = "here"


def variables(role: str, **more: Any) -> dict[str, Any]:
    """Return a role's variables on a host in every group: its defaults and vars, those of role stack, and `more`."""
    loader = DataLoader()
    found: dict[str, Any] = {}
    files = [
        *sorted((ROOT / "roles/stack").glob("*/main/*.yml")),
        ROOT / "roles" / role / "defaults/main.yml",
        ROOT / "roles" / role / "vars/main.yml",
    ]
    for path in filter(Path.is_file, files):
        found |= loader.load_from_file(str(path), trusted_as_template=True) or {}
    groups = {name: [HOST] for name in ("influxdb", "kapacitor", "grafana", "chronograf", "all")}
    found |= {
        "inventory_hostname": HOST,
        "ansible_facts": {},
        "groups": groups,
        "group_names": [name for name in groups if name != "all"],
        "role_path": str(ROOT / "roles" / role),
        "stack_secrets": SECRETS,
        "stack_address": "192.0.2.1",
    }
    found |= more
    hosts = {host for members in found["groups"].values() for host in members}
    found["hostvars"] = {host: dict(found) if host == HOST else {"inventory_hostname": host} for host in hosts}
    return found


def render(path: str, role: str, extra: Mapping[str, Any] | None = None, **more: Any) -> str:
    """Render the template (a path below the repository's root) with the role's variables.

    `extra` are variables of the template alone, such as a loop's.
    """
    file = ROOT / path
    templar = Templar(DataLoader(), variables(role, **more) | dict(extra or {}))
    # As the template module and lookup do it: in files, unlike in YAML, backslashes mean what they mean in Jinja.
    return str(templar.template(trust_as_template(file.read_text(encoding="utf-8")), escape_backslashes=False))


def value(name: str, role: str, **more: Any) -> Any:
    """Return the value of one of the role's variables."""
    return Templar(DataLoader(), variables(role, **more)).template(trust_as_template("{{ " + name + " }}"))
