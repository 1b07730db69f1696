"""Action plugin that checks the whole inventory on the controller, and returns every problem.

It is an action because it reads each host's variables apart from the roles' defaults, untemplated, and with the file
and line that set them. It connects to no host. The checks are in plugin_utils/preflight.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.pipelines import pipeline_problems
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.checks import inventory_problems
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.inventory import Host, Inventory
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.variables import load_options, load_table
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.wanted import wanted

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:  # not a public interface; without it messages lack the line
    Origin = None

# Ansible's own variables. The check of names leaves out those that begin with ansible_.
_MAGIC = frozenset(
    """
    environment gather_subset group_names groups hostvars inventory_dir inventory_file inventory_hostname
    inventory_hostname_short module_setup omit play_hosts playbook_dir role_names role_name role_path role_uuid vars
    """.split()
)


def _origin(value: Any) -> str | None:
    """Return file and line of a value, relative to the current directory if the file lies below it."""
    tag = Origin.get_tag(value) if Origin is not None else None
    if tag is None or not tag.path:
        return None
    path = Path(tag.path)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{tag.line_num}" if tag.line_num else str(path)


def _has_images(host: Host) -> bool:
    """Return whether the role images has recorded the source of a host's images."""
    record = host.text("stack_record_dir")
    try:
        return host.name in json.loads((Path(record) / "images.lock.json").read_text(encoding="utf-8"))["hosts"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `roles`, the folder of all roles.

    Returns `problems`, a list of lines, and `wanted`, the requirements by host. It never fails because of problems.
    """

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check every host of the inventory, including those that --limit leaves out: an inventory is one whole."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        roles = Path(self._task.args["roles"])
        options = load_options(roles)
        defaults = self._defaults(roles)
        groups = {name: list(members) for name, members in task_vars["groups"].items()}
        names = [name for name in groups["all"] if not name.startswith("_")]
        raw = {name: task_vars["hostvars"].raw_get(name) for name in names}
        hosts = {name: self._host(name, raw[name], defaults, options, roles, task_vars) for name in names}
        inventory = Inventory(hosts, groups, load_table(defaults))
        names_of_roles = [path.name for path in roles.iterdir() if path.is_dir()]
        result["problems"] = inventory_problems(
            inventory, options, names_of_roles, pipeline_problems, Path(task_vars["playbook_dir"]), roles.parent
        )
        result["wanted"] = {
            host.name: wanted(inventory, host, has_images=_has_images(host)) for host in inventory.stack_hosts()
        }
        result["changed"] = False
        return result

    def _defaults(self, roles: Path) -> dict[str, Any]:
        """Return untemplated defaults and internal variables of all roles, as Ansible would load them."""
        values: dict[str, Any] = {}
        for kind in ("defaults", "vars"):
            for path in sorted([*roles.glob(f"*/{kind}/main.yml"), *roles.glob(f"*/{kind}/main/*.yml")]):
                # `unsafe` spares a copy of what nobody changes here.
                values.update(
                    self._loader.load_from_file(str(path), cache="all", unsafe=True, trusted_as_template=True) or {}
                )
        return values

    def _host(
        self,
        name: str,
        raw: Mapping[str, Any],
        defaults: dict[str, Any],
        options: Mapping[str, Any],
        roles: Path,
        task_vars: dict[str, Any],
    ) -> Host:
        own = {key: value for key, value in raw.items() if key not in _MAGIC and not self._is_result(name, key)}
        variables = {
            **defaults,
            **raw,
            "hostvars": task_vars["hostvars"],
            "groups": task_vars["groups"],
            # Defaults that name a folder of the repository start from a role's folder.
            "role_path": str(roles / "stack"),
        }
        templar = self._templar.copy_with_new_env(available_variables=variables)
        effective: dict[str, Any] = {}
        broken: dict[str, str] = {}
        for key in options:
            if key not in variables:
                continue
            try:
                effective[key] = templar.template(variables[key])
            except Exception as error:  # any exception of a template is a problem to report
                if key in own:
                    broken[key] = " ".join(str(error).split())
        supplied = {key: effective.get(key, value) for key, value in own.items()}
        places = dict(self._places(own))
        return Host(name, effective, supplied, places, broken)

    def _is_result(self, host: str, name: str) -> bool:
        """Return whether a play has registered or set a variable, so that it is not the inventory's."""
        cache = getattr(self._task._variable_manager, "_nonpersistent_fact_cache", {})
        return name in cache.get(host, {})

    @staticmethod
    def _places(own: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for key, value in own.items():
            place = _origin(value)
            if place is not None:
                yield key, place
