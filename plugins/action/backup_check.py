"""Action plugin: checks the archive of a backup on the controller, and unpacks it for the hosts.

It is the controller's part of playbooks/restore.yml before anything of a stack is touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes an archive and what it must fit.

    The arguments are `path`, `passphrase_file`, `stack`, `versions` (service to the version that is deployed), `given`
    (`secrets_given`), `wanted` (host to the names of the parts that it can take) and `unpack` (a folder for
    the parts; without it nothing is unpacked). Returns `about` and `parts` (host to part to the host that wrote it).
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the archive, and unpack it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        try:
            if not given["path"]:
                raise backup.BackupError(
                    "restore_archive is empty. Fix: -e restore_archive=FILE, an archive that playbooks/backup.yml wrote"
                )
            path = Path(given["path"]).expanduser().absolute()
            opener = backup.load_passphrase(self._loader, given["passphrase_file"])
            checked = backup.read(path, opener)
            problems = backup.problems(checked, given["stack"], given["versions"], given["given"])
            if problems:
                raise backup.BackupError(f"{path} does not fit: {'; '.join(problems)}")
            parts = backup.match_hosts(checked.parts, given["wanted"])
            if given.get("unpack") and not self._task.check_mode:
                backup.unpack_parts(path, Path(given["unpack"]), opener, parts)
        except (backup.BackupError, OSError) as error:
            raise AnsibleActionFail(f"Nothing was touched. {error}") from None
        return {**result, "changed": False, "about": dict(checked.about), "parts": parts}
