"""Inventories as the checks see them, with the real roles' defaults below what a test changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.inventory import Host, Inventory
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.variables import load_options, load_table

ROLES = Path(__file__).resolve().parents[2] / "roles"
OPTIONS = load_options(ROLES)
TABLE = load_table(yaml.safe_load((ROLES / "stack" / "vars" / "main" / "services.yml").read_text(encoding="utf-8")))

PIPELINE: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": ["hotend"],
    "window": "10s",
}

ONE = {"influxdb": ["one"], "kapacitor": ["one"], "grafana": ["one"], "chronograf": ["one"]}
FOUR = {"influxdb": ["influx1"], "kapacitor": ["kap1", "kap2"], "grafana": ["graf1"], "chronograf": ["graf1"]}


def defaults() -> dict[str, Any]:
    """Return the defaults of all roles that need no templating."""
    values: dict[str, Any] = {}
    for path in [*ROLES.glob("*/defaults/main.yml"), *ROLES.glob("*/defaults/main/*.yml")]:
        values.update(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    return {name: value for name, value in values.items() if "{{" not in str(value)}


def host(name: str, **supplied: Any) -> Host:
    """Return a host with the defaults and the variables that an inventory supplies."""
    effective = {
        **defaults(),
        "stack_dir": "/srv/influx-anomaly/anomaly",
        "stack_address": name,
        "pipelines": [PIPELINE],
        **{key: value for key, value in supplied.items() if key in OPTIONS},
    }
    return Host(name, effective, supplied)


def inventory(
    groups: dict[str, list[str]] | None = None, *, each: dict[str, Any] | None = None, **own: Any
) -> Inventory:
    """Return an inventory with variables of all hosts (`each`) and of single hosts, by their names as keywords."""
    groups = ONE if groups is None else groups
    names = list(dict.fromkeys(name for members in groups.values() for name in members))
    hosts = {name: host(name, **{**(each or {}), **own.get(name, {})}) for name in names}
    return Inventory(hosts, {"all": names, **groups}, TABLE)
