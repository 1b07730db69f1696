"""Action plugin: puts the secrets and certificates of a backup into the stack's folder of secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `unpacked` (the folder that `backup_check` filled), `passphrase_file`, `folder` and `given`.

    `given` is `secrets_given`, whose secrets are in no file. The folder that was there before stays beside the new one,
    with the suffix `.replaced`; returned as `replaced`.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the secrets and the certificates."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        folder = Path(given["folder"])
        try:
            if not self._task.check_mode:
                opener = backup.load_passphrase(self._loader, given["passphrase_file"])
                backup.write_secrets(folder, Path(given["unpacked"]), opener, given["given"])
        except (backup.BackupError, OSError) as error:
            raise AnsibleActionFail(f"The secrets could not be restored: {error}") from None
        return {**result, "changed": True, "replaced": str(folder.with_name(f"{folder.name}.replaced"))}
