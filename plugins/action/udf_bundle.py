"""Action plugin that packs the folder of one entry of `kapacitor_udfs` on the controller.

An action, since the folder is on the controller and packing takes its Python. plugin_utils/udfs says what it packs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.udfs.bundle import BundleError, digest, pack


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `name`, `directory`, `archives` (folder of the archives), `python`, `architecture` and `index`.

    Returns `digest` and `archive`, a path that exists unless in check mode. It changes only the controller's archives.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("name", "directory", "archives", "python", "architecture", "index"))

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Pack the folder unless its archive exists."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        directory = Path(given["directory"])
        content = digest(directory, given["python"], given["architecture"])
        archive = Path(given["archives"]) / f"{given['name']}-{content[:12]}.tar.gz"
        if not archive.is_file() and not self._task.check_mode:
            try:
                pack(directory, archive, given["python"], given["architecture"], given.get("index") or "")
            except (BundleError, OSError) as error:
                raise AnsibleActionFail(f"kapacitor_udfs.{given['name']}: {error}") from None
        return {**result, "changed": False, "digest": content, "archive": str(archive)}
