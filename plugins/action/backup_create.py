"""Action plugin: assembles the archive of a backup on the controller, and removes archives that are too old.

It is the controller's part of playbooks/backup.yml: the hosts' parts are on the controller already. What it writes
belongs to the user who runs Ansible, and nobody else may read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes what one backup consists of; without `path` it only checks the passphrase, the folder and `keep`.

    The arguments are `path` of the archive (or `folder`, in which it is to lie), `passphrase_file`, `parts` (list of
    `host`, `name` and `path`), `certificates` (the folder of the stack's own authority), `left_out` (folders that the
    inventory does not include), `about`, and `keep`, the number of archives of the stack that stay. The secrets are
    the host's `stack_secrets`, so that no argument has them. Returns `bytes` and `removed`.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the archive, and then remove old ones."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        try:
            opener = backup.load_passphrase(self._loader, given["passphrase_file"])
            if given.get("folder"):
                backup.check_keep("backup_keep", int(given["keep"]))
                backup.check_folder(Path(given["folder"]))
            if not given.get("path") or self._task.check_mode:
                return {**result, "changed": bool(given.get("path"))}
            path = Path(given["path"]).expanduser().absolute()
            known = task_vars or {}
            size = backup.assemble(
                path,
                [backup.Part(part["host"], part["name"], Path(part["path"])) for part in given["parts"]],
                {name: str(value) for name, value in known["stack_secrets"].items()},
                backup.certificate_files(self._loader, Path(given["certificates"]).expanduser()),
                backup.inventory_sources([str(source) for source in known.get("ansible_inventory_sources") or []]),
                [Path(folder).expanduser() for folder in given["left_out"]],
                given["about"],
                opener,
            )
            removed = backup.expired(path.parent, given["about"]["stack"], int(given["keep"]))
            for old in removed:
                old.unlink()
        except (backup.BackupError, OSError) as error:
            raise AnsibleActionFail(str(error)) from None
        return {**result, "changed": True, "bytes": size, "removed": [str(old) for old in removed]}
